"""What a self-check finds of a model, its examples and its baseline, beside whether contributions add up."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tfxai.errors import TfxaiError
from tfxai.graph.capture import needed
from tfxai.metrics.agreement import rank_agreement
from tfxai.metrics.attributors import Attributor, Random, attributor
from tfxai.metrics.case import Case
from tfxai.metrics.faithfulness import correlation
from tfxai.metrics.probe import Probe
from tfxai.metrics.weights import Weights
from tfxai.support.ranks import correlation as correlated
from tfxai.support.ranks import ranks

METHODS = ("deeplift", "integrated_gradients", "input_x_gradient")
RECTIFIERS = ("Relu", "Relu6")
SAMPLES, FEW = 50, 16  # subsets; features below which a rank correlation says nothing
PASS = 8  # examples
SAME = 1e-4  # of the score: no change
CANCELLED, HOPELESS = 100.0, 1000.0  # times the change
SATURATED = 0.05  # of the change
ALIKE, AGREED, STABLE = 0.9, 0.5, 0.2  # rank correlations
NEAR = 0.02  # of the best: as good


class NotMeasured(Exception):
    """There is too little to measure, and the message says what."""


class Finding(NamedTuple):
    """One measurement.

    Attributes:
        name: What is measured.
        level: "ok", "note" for what one should know, "fail" for what makes explanations worthless; "skipped".
        text: The measurement in words, and what to do.
        number: It.
    """

    name: str
    level: str
    text: str
    number: float = float("nan")


class Subject:
    """What findings are of: a probe, and the cases of three methods and of no knowledge."""

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        made: list[Attributor] = [*(attributor(name, probe) for name in METHODS), Random()]
        self.cases = {by.name: Case.made(probe, by) for by in made}
        self.change = probe.ends[:, 0] - probe.ends[:, 1]
        self.first = self.cases[METHODS[0]]


def findings(
    model: Any, x: Any, target: Any = None, baseline: Any = None, allow_nan: bool = False
) -> tuple[list[Finding], str]:
    """All of them, and which method to take; arguments as in `tfxai.check`.

    What cannot be measured (too few features, no gradient, an op without rule) is skipped, and says why.
    """
    with warnings.catch_warnings():  # the check itself says what adds up
        warnings.simplefilter("ignore")
        try:
            subject = Subject(Probe.of(model, x, target, baseline, allow_nan=allow_nan))
        except TfxaiError as error:
            return [Finding("methods", "skipped", _short(error))], ""
        found = []
        for name, measure in MEASURES.items():
            try:
                found.append(Finding(name, *measure(subject)))
            except (TfxaiError, NotMeasured) as error:
                found.append(Finding(name, "skipped", _short(error)))
        return found, advised(subject)


def advised(subject: Subject) -> str:
    """The method whose sums are most like what the score loses, where it is better than chance."""
    found = {name: float(correlation(case, SAMPLES).mean()) for name, case in subject.cases.items()}
    most = max(found[name] for name in METHODS)
    best = next(name for name in METHODS if found[name] >= most - NEAR)
    numbers = ", ".join(f"{name} {number:.2f}" for name, number in found.items())
    said = f"correlation with what the score loses without features: {numbers}"
    if found[best] <= max(0.2, 2 * abs(found["random"])):
        return f"none of these is faithful here ({said}): try occlusion, another baseline=, or on='probability'"
    return f"{best} ({said})"


def _baseline(s: Subject) -> tuple[str, str, float]:
    size = np.maximum(np.abs(s.probe.ends).max(axis=1), 1e-30)
    same = float((np.abs(s.change) <= SAME * size).mean())
    if same > 0:
        level = "fail" if same >= 0.5 else "note"
        return level, f"scores as x does in {same:.0%} of the examples: choose another baseline=", same
    return "ok", f"changes the score by {_median(np.abs(s.change)):.3g}, typically", same


def _choice(s: Subject) -> tuple[str, str, float]:
    """Rank correlation of the values with those against the mean of the examples."""
    arrays = s.probe.run.inputs.arrays
    if s.first.features < FEW or len(s.probe) < 2 or any(a.dtype.kind != "f" for a in arrays):
        raise NotMeasured("needs two examples of numbers, and more features")
    mean = s.probe.run.inputs.pack([a.mean(axis=0, keepdims=True) for a in arrays])
    other = Probe(s.probe.explainer, s.probe.x, s.probe.target, mean, seed=s.probe.seed)
    again = Case.made(other, attributor(METHODS[0], other)).relevance
    alike = float(correlated(ranks(s.first.relevance), ranks(again)).mean())
    text = f"against the mean of the examples the ranks correlate by {alike:.2f}"
    return ("ok", text, alike) if alike > STABLE else ("note", f"{text}: say what x is compared with, baseline=", alike)


def _cancelled(s: Subject) -> tuple[str, str, float]:
    share = _median(np.abs(s.first.relevance).sum(axis=1) / np.maximum(np.abs(s.change), 1e-30))
    text = f"contributions are {share:.3g} times the change that they add up to"
    if share <= CANCELLED:
        return "ok", text, share
    level = "fail" if share > HOPELESS else "note"
    return level, f"{text}: they cancel. Choose a baseline= nearer to the data", share


def _saturated(s: Subject) -> tuple[str, str, float]:
    slopes = np.abs(s.cases["input_x_gradient"].relevance.sum(axis=1))
    share = _median(slopes / np.maximum(np.abs(s.change), 1e-30))
    text = f"slopes at x account for {share:.2g} of the change"
    if share >= SATURATED:
        return "ok", text, share
    return "note", f"{text}: the score is flat at x. Leave gradient, SmoothGrad and class activation maps", share


def _dead(s: Subject) -> tuple[str, str, float]:
    """Rectifiers that are 0 for every example."""
    model, outputs = s.probe.run.model, s.probe.run.model.outputs
    ops = [op for op in needed(model.graph, outputs) if op.type in RECTIFIERS]
    if not ops:
        raise NotMeasured("the model has no ReLU")
    used: list[np.ndarray] = []
    for start in range(0, len(s.probe), PASS):  # all that is inside of a network is large
        scorer, _ = s.probe.run.scorer(slice(start, min(start + PASS, len(s.probe))))
        values = model.values_at([op.outputs[0] for op in ops], scorer.inputs)
        some = [np.any(np.asarray(v) != 0, axis=0) for v in values]
        used = [a | b for a, b in zip(used, some, strict=True)] if used else some
    dead = [op.name for op, any_used in zip(ops, used, strict=True) if not any_used.any()]
    unused = float(np.mean([1 - any_used.mean() for any_used in used]))
    if dead:
        return "fail", f"{', '.join(dead[:3])}: 0 for every example, nothing passes", unused
    return "ok", f"{unused:.0%} of the numbers after ReLUs are 0 for every example", unused


def _randomised(s: Subject) -> tuple[str, str, float]:
    """Correlation of contributions, with their signs, before and after all weights are drawn again."""
    model = s.probe.explainer.model
    counts = s.first.relevance != 0
    if counts.sum(axis=1).min() < FEW:
        raise NotMeasured("needs more features that contribute")
    with Weights(model, s.probe.run.model, s.probe.seed) as weights:
        for k in range(len(weights)):
            weights.initialise(k)
        again = s.first.again()
    pairs = zip(s.first.relevance, again, counts, strict=True)
    alike = float(np.mean([correlated(ranks(a[None, c]), ranks(b[None, c]))[0] for a, b, c in pairs]))
    text = f"with all weights drawn again the ranks correlate by {alike:.2f}"
    if abs(alike) <= ALIKE:
        return "ok", text, alike
    return "fail", f"{text}: what was learnt does not matter for them", alike


def _agreed(s: Subject) -> tuple[str, str, float]:
    if s.first.features < FEW:
        raise NotMeasured("needs more features")
    cases = [s.cases[name] for name in METHODS]
    found = []
    for case in cases:
        others = [other.relevance for other in cases if other is not case]
        found.append(rank_agreement(Case(case.probe, case.attributor, case.relevance, others=others)).mean())
    alike = float(np.mean(found))
    text = f"the ranks of {', '.join(METHODS)} correlate by {alike:.2f}"
    return ("ok", text, alike) if alike > AGREED else ("note", f"{text}: do not trust one alone", alike)


def _draws(s: Subject) -> tuple[str, str, float]:
    once, anew = s.probe.run.model.draws
    if anew:
        return "fail", f"{len(anew)} ops draw anew in every pass: differences of scores are noise", len(anew)
    if once:
        return "note", f"{len(once)} ops draw at inference, once for all passes: pass seed=", len(once)
    return "ok", "none at inference", 0.0


MEASURES: dict[str, Callable[[Subject], tuple[str, str, float]]] = {
    "random draws": _draws,
    "baseline": _baseline,
    "choice of baseline": _choice,
    "size": _cancelled,
    "saturation": _saturated,
    "dead units": _dead,
    "randomisation": _randomised,
    "agreement": _agreed,
}


def _median(numbers: np.ndarray) -> float:
    return float(np.median(numbers))


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:100]
