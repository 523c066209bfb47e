"""Attributions of chunks -> `Explanation`: joined, in the structure of the input, with their provenance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfxai.errors import InputError
from tfxai.explainer.fingerprint import fingerprint
from tfxai.explainer.inputs import Inputs
from tfxai.explanation import Explanation
from tfxai.method.base import Attribution, Method
from tfxai.model import attribution as arithmetic
from tfxai.model.traced import Engine
from tfxai.targets.bound import Goal


def assembled(
    method: Method, on: str, engine: Engine, inputs: Inputs, results: Sequence[Attribution], goal: Goal,
    seed: int | None, baseline: Any, references: Sequence[np.ndarray | None],
) -> Explanation:  # fmt: skip
    """The explanation of all examples, from what the method gave for each chunk."""
    joined = Attribution(*[arithmetic.joined([r[i] for r in results]) for i in range(len(Attribution._fields))])
    values = _present(method, engine, inputs, joined.values)
    multipliers = joined.multipliers if getattr(method, "multipliers", False) else None
    known: dict[str, Any] = {} if joined.steps is None else {"steps": joined.steps.tolist()}
    words = _described(baseline)
    if engine.layer is None and inputs.features:
        known["features"] = inputs.features
    versions = {"tensorflow": tf.__version__, "keras": keras.__version__}
    return Explanation(
        values=values,
        inputs=inputs.pack(inputs.arrays),
        target=joined.chosen if joined.chosen is not None else goal.label,
        score=joined.score,
        baseline_score=joined.baseline_score,
        delta=residual(joined) if method.complete else None,
        method=method.name,
        options={**method.options(), "on": on},
        layer=engine.layer,
        multipliers=None if multipliers is None else _present(method, engine, inputs, multipliers),
        standard_error=None if joined.error is None else _present(method, engine, inputs, joined.error),
        fingerprint=fingerprint(engine, method),
        meta={**versions, "seed": seed, "baseline": words, **known},
        baseline=_kept(references, inputs, words) if method.uses_baseline else None,
    )


def residual(a: Attribution) -> np.ndarray:
    """What the values of a complete method lack of the change of the score, (n,)."""
    total = sum(t.reshape(len(t), -1).sum(1, dtype=np.float64) for t in a.total or a.values)
    return (a.score - a.baseline_score - total).astype(a.score.dtype)


def _present(method: Method, engine: Engine, inputs: Inputs, flat: Sequence[np.ndarray]) -> Any:
    """One array per input, of its shape: embeddings are summed over their channels."""
    if method.per_map:
        return flat[0] if len(flat) == 1 else dict(zip(engine.paths, flat, strict=True))
    if engine.layer is not None and not engine.taps:
        return flat[0] if len(flat) == 1 else list(flat)
    parts: list[np.ndarray | None] = [None] * len(inputs.arrays)
    for owner, values in zip(engine.owners, flat, strict=True):
        values = _per_feature(values, inputs.arrays[owner].shape, inputs.names[owner])
        parts[owner] = values if parts[owner] is None else parts[owner] + values
    zeros = [np.zeros(a.shape, np.float32) if p is None else p for a, p in zip(inputs.arrays, parts, strict=True)]
    return inputs.pack(zeros)


def _per_feature(values: np.ndarray, shape: tuple, name: str) -> np.ndarray:
    """Values in the input's shape: an embedding's channels are summed."""
    if values.shape[: len(shape)] == shape:
        return values.sum(axis=tuple(range(len(shape), values.ndim)))
    if np.prod(shape[1:]) == 1:  # one category per example, encoded
        return values.reshape(len(values), -1).sum(axis=1).reshape(shape)
    raise InputError(
        f"Input {name!r} of shape {shape} enters the model as numbers of shape {values.shape}, so they have no one "
        "place in it. Explain the output of the encoding layer with layer=."
    )


def _kept(references: Sequence[np.ndarray | None], inputs: Inputs, words: str) -> Any:
    """The references, or words for them where they would make the result larger than what it explains does."""
    arrays = [r for r in references if r is not None]
    if not arrays:
        return "the zero embedding"
    small = sum(r.nbytes for r in arrays) <= sum(a.nbytes for a in inputs.arrays)
    return inputs.pack(list(references)) if small else words


def _described(baseline: Any) -> str:
    if baseline is None:
        return "zeros"
    if callable(baseline):
        return getattr(baseline, "__qualname__", type(baseline).__name__)
    if isinstance(baseline, (list, tuple, dict)):
        return f"one per input ({len(baseline)})"
    return repr(baseline) if np.ndim(baseline) == 0 else f"array of shape {np.shape(baseline)}"
