"""Whether an explanation can be trusted: what to warn of when values are not numbers, or do not add up."""

from __future__ import annotations

import keras
import numpy as np

from tfxai.errors import CompletenessWarning, EmptyMapWarning
from tfxai.explainer.chunks import Run
from tfxai.explanation import Explanation
from tfxai.targets.bound import FunctionTarget

Found = list[tuple[str, type[Warning]]]
# The residual that rounding alone may leave in ordinary networks, by precision. README and the contract promise 1e-4;
# a user is warned at twenty times that, where it can no longer be the depth of the network or a score near zero. Half
# precision keeps three digits less.
TOLERATED, TOLERATED_IN_HALF = 2e-3, 5e-2


def doubts(run: Run, e: Explanation) -> Found:
    """What a user should know about an explanation: (message, category) of every warning."""
    return _random(run, e) + _doubts(run, e)


def _random(run: Run, e: Explanation) -> Found:
    """That a model draws anew in every pass, so that passes cannot be compared."""
    _, anew = run.model.draws
    if not anew:
        return []
    names = ", ".join(list(dict.fromkeys(f"{op.type} at {op.name!r}" for op in anew))[:3])
    return [(
        f"{e.method}: the model is random at inference ({names}), and draws anew in every pass: differences of scores "
        "are partly noise. Make its draws fixed, or one for each example on the first axis.",
        CompletenessWarning,
    )]  # fmt: skip


def _doubts(run: Run, e: Explanation) -> Found:
    """Of values and scores."""
    bad = np.flatnonzero(~np.isfinite(e.score))
    if len(bad):
        return [(_no_score(run, e, bad), CompletenessWarning)]
    for values in keras.tree.flatten(e.values):
        bad = np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))
        if len(bad):
            message = f"{e.method}: NaN or Inf in the values of {len(bad)} examples (first: example {bad[0]})."
            return [(message + _beginning(run, int(bad[0])), CompletenessWarning)]
    found = _empty_maps(e) if run.method.one_map_per_layer else []
    return found + _incomplete(run, e)


def _no_score(run: Run, e: Explanation, bad: np.ndarray) -> str:
    """That there is no number to explain; and that a target function may have expected probabilities."""
    message = (
        f"{e.method}: the score of {len(bad)} examples is {e.score[bad[0]]} (first: example {bad[0]}), which "
        "nothing can explain."
    )
    if isinstance(run.target, FunctionTarget) and run.model.outputs != tuple(run.model.graph.outputs):
        message += (
            " The target function is handed logits, the numbers before the last softmax or sigmoid; if it is written "
            "for a probability, pass on='probability'."
        )
    return message


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
    residual = e.residual
    if residual is None or e.delta is None or e.baseline_score is None:
        return []
    rounding = TOLERATED_IN_HALF if run.model.in_half_precision else TOLERATED
    limit = max(rounding, run.method.accuracy())
    worst = int(np.argmax(residual))
    if residual[worst] <= limit:
        return []
    delta, change = e.delta[worst], e.score[worst] - e.baseline_score[worst]
    reason = _reason(run, len(e), worst, limit * float(abs(delta) / residual[worst]))
    message = (
        f"{e.method}: the values of example {worst} sum to {delta:.3g} less than score - baseline_score = "
        f"{change:.6g}. {reason}"
    )
    return [(message, CompletenessWarning)]


def _reason(run: Run, examples: int, worst: int, allowed: float) -> str:
    """What to do about it: explain alone (where delta is `allowed`), mend the op that leaks, or the method's remedy."""
    if examples > 1 and np.abs(run.delta_alone(worst)) <= allowed:
        return "Alone it adds up: the examples of a batch change each other in this model. Pass batch_size=1."
    if run.method.rules() is not None:
        name, amount = max(run.leaks(worst).items(), key=lambda kv: abs(kv[1]), default=("", 0.0))
        return f"The op that leaks most is {name}: {amount:.3g}."
    jumps = list(dict.fromkeys(f"{op.type} at {op.name!r}" for op in run.model.jumps()))
    if jumps:
        return (
            f"The score jumps where a decision changes ({', '.join(jumps[:3])}), which gradients do not see, however "
            "many points they are taken at. Use method='deeplift', which gives decisions their credit."
        )
    return run.method.remedy


def _empty_maps(e: Explanation) -> Found:
    """Maps that are zero everywhere, by layer."""
    maps = e.values if isinstance(e.values, dict) else {e.layer: e.values}
    found: Found = []
    for layer, values in maps.items():
        empty = np.flatnonzero(~values.reshape(len(values), -1).any(axis=1))
        if len(empty):
            found.append((
                f"{e.method}: the map of {len(empty)} examples (first: example {empty[0]}) at {layer!r} is zero: after "
                "its ReLU nothing in this layer speaks for the target. Choose another layer= or target=.",
                EmptyMapWarning,
            ))  # fmt: skip
    return found
