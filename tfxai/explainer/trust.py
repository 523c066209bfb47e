"""Whether an explanation can be trusted: what to warn of when values are not numbers, or do not add up."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from tfxai.errors import CompletenessWarning, EmptyMapWarning
from tfxai.explainer.chunks import Run
from tfxai.explanation import Explanation
from tfxai.graph.capture import Op
from tfxai.model.opaque import Opaque
from tfxai.support.arrays import all_finite
from tfxai.support.checks import is_number
from tfxai.support.structure import named
from tfxai.targets.bound import FunctionTarget

Found = list[tuple[str, type[Warning]]]
# The residual that rounding alone may leave in ordinary networks, by precision. README and the contract promise 1e-4;
# a user is warned at twenty times that, where it can no longer be the depth of the network or a score near zero. Half
# precision keeps three digits less.
TOLERATED, TOLERATED_IN_HALF = 2e-3, 5e-2
POOR = 0.5  # R^2 of a surrogate
GROWN = 1e3  # times the score: relevance that is only divided does not grow
SUMMED = 1.02  # an accuracy that is met on the way may be missed by so much when the values are added up again


def doubts(run: Run, e: Explanation) -> Found:
    """What a user should know about an explanation: (message, category) of every warning."""
    found = _of_black_box(run, e) + _random(run, e) + _reversed(run, e) + _without_noise(run, e)
    return found + _doubts(run, e) + _not_linear(e)


def _of_black_box(run: Run, e: Explanation) -> Found:
    """That a function gave the same rows other scores when it was tried."""
    if not isinstance(run.model, Opaque):
        return []
    found: Found = []
    if by := run.model.draws_at_random:
        found.append((
            f"{e.method}: the black box {run.model.name!r} draws at random: two calls with the same rows differ by "
            f"{by:.2g} of the largest score, so differences of scores are partly noise. Fix its draws.",
            UserWarning,
        ))  # fmt: skip
    if (by := run.model.mixes_rows) and run.size > 1:
        found.append((
            f"{e.method}: the black box {run.model.name!r} gives a row another score when other rows are beside it (by "
            f"{by:.2g} of the largest), so values depend on what shares a call. Pass batch_size=1.",
            UserWarning,
        ))  # fmt: skip
    return found


def _random(run: Run, e: Explanation) -> Found:
    """That a model draws anew in every pass, so that passes cannot be compared; that x is in what it draws from."""
    found: Found = []
    if anew := run.model.draws[1]:
        found.append((
            f"{e.method}: the model is random at inference ({_named(anew)}), and draws anew in every pass: differences "
            "of scores are partly noise. Make its draws fixed, or of a known shape with or without the examples on the "
            "first axis, outside of loops.",
            CompletenessWarning,
        ))  # fmt: skip
    if at_x := run.model.drawn_at_x:
        found.append((
            f"{e.method}: the model draws from a distribution that depends on what is explained ({_named(at_x)}). The "
            "numbers drawn at x stay in all passes, also at the baseline, so what the input does to that distribution "
            "is not in the values. Explain its parameters, as an output of their own.",
            UserWarning,
        ))  # fmt: skip
    return found


def _named(ops: Sequence[Op]) -> str:
    return ", ".join(list(dict.fromkeys(f"{op.type} at {op.name!r}" for op in ops))[:3])


def _reversed(run: Run, e: Explanation) -> Found:
    """That gradients do not follow the function, where the author of a layer says so."""
    ops = run.own_gradients()
    if not ops:
        return []
    return [(
        f"{e.method}: the values follow a custom gradient, which is not that of its function (reversed, scaled, "
        f"clipped, or passed straight through): {ops}. Use method='deeplift' or 'occlusion', which look at the "
        "function.",
        UserWarning,
    )]  # fmt: skip


def _without_noise(run: Run, e: Explanation) -> Found:
    """That noise was asked for, and some examples have none."""
    if not run.unvaried:
        return []
    noise = e.options["noise"]  # of all inputs, or by input
    noise = f"{noise:g}" if is_number(noise) else str(noise)
    owners = [run.inputs.names[run.model.input_of[k]] for k in sorted(run.unvaried) if run.model.layer is None]
    where = f"input {', '.join(map(repr, dict.fromkeys(owners)))}" if owners else f"layer {run.model.layer!r}"
    return [(
        f"{e.method}: noise={noise} is a share of each example's largest minus smallest number, which "
        f"is 0 in some examples of the {where}: no noise is added there. Pass noise_std=, in the input's own units.",
        UserWarning,
    )]  # fmt: skip


def _not_linear(e: Explanation) -> Found:
    """That a linear function of what is shown does not describe the score."""
    r2 = np.array(e.meta.get("r2", []))
    low = np.flatnonzero(r2 < POOR)
    if not len(low):
        return []
    worst = int(np.nanargmin(r2))
    return [(
        f"{e.method}: near example {worst} the score is no linear function of the groups, R^2 = {r2[worst]:.2g} (below "
        f"{POOR:g} in {len(low)} of {len(r2)} examples): the values should not be believed. Take other groups=, or "
        "method='kernel_shap', whose values add up.",
        UserWarning,
    )]  # fmt: skip


def _doubts(run: Run, e: Explanation) -> Found:
    """Of values and scores."""
    found = _no_numbers(run, e) or (_empty_maps(e) if run.method.one_map_per_layer else [])
    return found + _incomplete(run, e) + _grown(e)


def _grown(e: Explanation) -> Found:
    """That relevance has grown far beyond the score on its way, and where it was largest."""
    if e.layer_sums is None:
        return []
    sums = {name: np.maximum(*(np.abs(parts[k]) for k in ("arrived", "left"))) for name, parts in e.layer_sums.items()}
    ratios = np.stack(list(sums.values())) / np.maximum(np.abs(e.score), 1e-6 + np.abs(e.score).mean())
    ratios = np.where(np.isfinite(ratios), ratios, 0)  # of those another warning speaks
    layer, example = np.unravel_index(int(np.argmax(ratios)), ratios.shape)
    if ratios[layer, example] <= GROWN:
        return []
    return [(
        f"{e.method}: the relevance of example {example} grows to {ratios[layer, example]:.2g} times the score at "
        f"{list(sums)[layer]!r}: its rule divides by sums near 0. Use rule='epsilon_plus' or 'gamma_general', or a "
        "larger epsilon=.",
        CompletenessWarning,
    )]  # fmt: skip


def _no_numbers(run: Run, e: Explanation) -> Found:
    """That a score is no number, or else the baseline's, or else some values are none."""
    for scores, words, remedy in (
        (e.score, "the score", "which nothing can explain."),
        (e.baseline_score, "the baseline's score", "to which nothing can be compared: choose another baseline=."),
    ):
        bad = _not_finite(scores)
        if scores is not None and len(bad):
            message = f"{words} of {len(bad)} examples is {scores[bad[0]]} (first: example {bad[0]}), {remedy}"
            return [(f"{e.method}: {message}{_handed(run)}", CompletenessWarning)]
    for values in keras.tree.flatten(e.values):
        bad = _not_finite(values)
        if len(bad):
            message = f"NaN or Inf in the values of {len(bad)} examples (first: example {bad[0]})."
            message += _beginning(run, int(bad[0])) + _handed(run)
            return [(f"{e.method}: {message}", CompletenessWarning)]
    return []


def _not_finite(numbers: np.ndarray | None) -> np.ndarray:
    """The examples of which some number is none."""
    if numbers is None or all_finite(numbers):
        return np.arange(0)
    return np.flatnonzero(~np.isfinite(numbers.reshape(len(numbers), -1)).all(axis=1))


def _handed(run: Run) -> str:
    """What a target function is handed, where it may have expected something else."""
    if not isinstance(run.target, FunctionTarget) or run.model.outputs == tuple(run.model.graph.outputs):
        return ""
    return (
        " The target function is handed logits, the numbers before the last softmax or sigmoid; if it is written "
        "for a probability, pass on='probability'."
    )


def _beginning(run: Run, example: int) -> str:
    """Where values that are no numbers begin, if it is known, and what to do about it."""
    op = run.breaks(example)
    if op is None:
        return ""
    message = f" They begin at the op {op}, whose slope is not finite there, as that of a root at 0: add a small number"
    if run.method.rules() is not None:
        return f"{message} to its input in the model."
    return f"{message} to its input in the model, or use method='deeplift', which needs no slope where nothing changed."


def _incomplete(run: Run, e: Explanation) -> Found:
    """Of the example that is farthest from adding up, and why."""
    if e.delta is None or e.baseline_score is None:
        return []
    excess = _excess(run, e)
    worst = int(np.argmax(excess))
    if excess[worst] <= 1:
        return []
    delta, change = e.delta[worst], e.score[worst] - e.baseline_score[worst]
    reason = _reason(run, len(e), worst, float(abs(delta) / excess[worst]))
    message = (
        f"{e.method}: the values of example {worst} sum to {change - delta:.6g}, but score - baseline_score is "
        f"{change:.6g} (delta {delta:.3g}). {reason}"
    )
    return [(message, CompletenessWarning)]


def _excess(run: Run, e: Explanation) -> np.ndarray:
    """(n,) |delta| as a multiple of what is tolerated, or of what was asked for and is promised; 0 without a delta."""
    residual = e.residual
    if residual is None or e.delta is None or e.baseline_score is None:
        return np.zeros(len(e))
    half = run.model.in_half_precision
    promised = run.method.promised(e.score, e.baseline_score) if run.references.count == 1 and not half else None
    if promised is not None:
        found = np.abs(e.delta) / (SUMMED * promised)
    else:
        found = residual / max(TOLERATED_IN_HALF if half else TOLERATED, run.method.accuracy())
    return np.where(np.isfinite(found), found, 0)


def _reason(run: Run, examples: int, worst: int, allowed: float) -> str:
    """What to do about it: explain alone (where delta is `allowed`), mend the op that leaks, or the method's remedy."""
    if examples > 1 and np.abs(run.delta_alone(worst)) <= allowed:
        return "Alone it adds up: the examples of a batch change each other in this model. Pass batch_size=1."
    if run.method.rules() is not None:
        name, amount = max(run.leaks(worst).items(), key=lambda kv: abs(kv[1]), default=("", 0.0))
        return f"The op that leaks most is {name}: {amount:.3g}."
    if own := run.own_gradients():
        return f"The gradient of {own} is not that of its function, so no number of points adds up."
    jumps = list(dict.fromkeys(f"{op.type} at {op.name!r}" for op in run.model.jumps()))
    if jumps:
        return (
            f"The score jumps where a decision changes ({', '.join(jumps[:3])}), which gradients do not see, however "
            "many points they are taken at. Use method='deeplift', which gives decisions their credit."
        )
    return run.method.advice()


def _empty_maps(e: Explanation) -> Found:
    """Maps that are zero everywhere, by layer or picture."""
    rectified = e.options.get("relu", True)
    why = (
        "after its ReLU nothing in this layer speaks for"
        if rectified
        else "nothing in this layer speaks for or against"
    )
    found: Found = []
    for name, values in named(e.values):
        layer = name or e.layer
        empty = np.flatnonzero(~values.reshape(len(values), -1).any(axis=1))
        if len(empty):
            found.append((
                f"{e.method}: the map of {len(empty)} examples (first: example {empty[0]}) at {layer!r} is zero: "
                f"{why} the target. Choose another layer= or target=.",
                EmptyMapWarning,
            ))  # fmt: skip
    return found
