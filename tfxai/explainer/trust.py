"""Whether an explanation can be trusted: a warning when values are not numbers, or do not add up."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from tfxai.errors import CompletenessWarning, EmptyMapWarning, warn
from tfxai.explanation import Explanation
from tfxai.method.base import Method
from tfxai.model.traced import Engine


def judge(
    e: Explanation,
    method: Method,
    engine: Engine,
    leaks: Callable[[int], dict[str, tf.Tensor]],
    alone: Callable[[int], float],
) -> None:
    """Warns of what a user should know.

    Args:
        e: The explanation.
        method: The method that made it.
        engine: The prepared model.
        leaks: How much each op leaked for one example, for methods that have a rule table.
        alone: The delta of one example that is explained without the others.
    """
    for values in keras.tree.flatten(e.values):
        bad = np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))
        if len(bad):
            message = f"{e.method}: NaN or Inf in the values of {len(bad)} examples (first: example {bad[0]})."
            warn(message, CompletenessWarning)
            return
    if method.per_map:
        _empty_maps(e)
    if e.delta is None or e.baseline_score is None:
        return
    change = np.abs(e.score - e.baseline_score)
    limit = max(_rounding(engine), method.accuracy()) * np.maximum(change, max(np.abs(e.score).mean(), 1e-6))
    worst = int(np.argmax(np.abs(e.delta) - limit))
    if np.abs(e.delta[worst]) <= limit[worst]:
        return
    reason = f" {method.remedy}"
    if len(e) > 1 and np.abs(alone(worst)) <= limit[worst]:
        reason = " Alone it adds up: the examples of a batch change each other in this model. Pass batch_size=1."
    elif method.table() is not None:
        name, amount = max(leaks(worst).items(), key=lambda kv: abs(float(kv[1])), default=("", 0.0))
        reason = f" The op that leaks most is {name}: {float(amount):.3g}."
    warn(
        f"{e.method}: the values of example {worst} sum to {e.delta[worst]:.3g} less than score - baseline_score "
        f"= {e.score[worst] - e.baseline_score[worst]:.6g}.{reason}",
        CompletenessWarning,
    )


def _empty_maps(e: Explanation) -> None:
    found = e.values if isinstance(e.values, dict) else {e.layer: e.values}
    for layer, values in found.items():
        empty = np.flatnonzero(~values.reshape(len(values), -1).any(axis=1))
        if len(empty):
            warn(
                f"{e.method}: the map of {len(empty)} examples (first: example {empty[0]}) at {layer!r} is zero: after "
                "its ReLU nothing in this layer speaks for the target. Choose another layer= or target=.",
                EmptyMapWarning,
            )


def _rounding(engine: Engine) -> float:
    """What rounding explains, in units of the change of the score."""
    dtypes = {engine.graph.values[h].dtype for h in (*engine.heads, *engine.sources)}
    dtypes |= {engine.graph.values[o].dtype for op in engine.graph.ops for o in op.outputs}
    return 5e-2 if dtypes & {tf.float16, tf.bfloat16} else 2e-3
