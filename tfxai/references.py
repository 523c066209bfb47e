"""Baselines of all inputs -> the explained tensors at each reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfxai.baselines import numbers
from tfxai.engine import Engine
from tfxai.errors import BaselineError, received
from tfxai.inputs import Inputs
from tfxai.scorer import Scorer


def resolve(baseline: Any, inputs: Inputs, engine: Engine) -> list[np.ndarray | None]:
    """One array (1 or n, R, ...) per input; None where a token input starts from the zero embedding."""
    parts = _parts(baseline, inputs)
    found: list[np.ndarray | None] = []
    for part, array, number in zip(parts, inputs.arrays, engine.graph.inputs, strict=True):
        lookup = number not in engine.entries
        found.append(None if part is None and lookup else fitted(part, array))
    counts = {r.shape[1] for r in found if r is not None} - {1}
    if len(counts) > 1:
        raise BaselineError(
            f"All inputs have the same number of references, or one. Received: {sorted(counts)} references."
        )
    return found


def fitted(baseline: Any, x: np.ndarray) -> np.ndarray:
    """Any baseline for one input as an array of shape (1 or n, R, *x.shape[1:]): R references for all, or each.

    The rank decides: that of x with a leading 1 or n; one less: one reference for all; one more: (1 or n, R, ...).

    Args:
        baseline: None (zeros), a scalar, an array, or a function of x to one of these, called once.
        x: (n, ...), floats or integers. The result has its dtype.

    Raises:
        BaselineError: Wrong shape or dtype, NaN or Inf, no reference; for integer x, fractions or out of its range.

    Example:
        >>> x = np.zeros((3, 2), "float32")
        >>> [fitted(b, x).shape for b in (None, x[0], x, x[:1], np.zeros((1, 5, 2)), lambda x: x / 2)]
        [(1, 1, 2), (1, 1, 2), (3, 1, 2), (1, 1, 2), (1, 5, 2), (3, 1, 2)]
    """
    if callable(baseline):
        baseline = baseline(x)
    given = array = numbers(0 if baseline is None else baseline)
    shape, n = x.shape[1:], len(x)
    if array.ndim == 0:
        array = np.full((1, 1, *shape), array)
    elif array.ndim == x.ndim - 1:
        array = array[None, None]
    elif array.ndim == x.ndim:
        array = array[:, None]
    if array.ndim != x.ndim + 1 or array.shape[2:] != shape or array.shape[0] not in (1, n) or not array.shape[1]:
        rest = "".join(f", {size}" for size in shape)
        raise BaselineError(
            f"For {n} examples of shape {shape} a baseline is a scalar, or an array of shape {shape}, "
            f"(1 or {n}{rest}), or (1 or {n}, references{rest}). Received: shape {given.shape}. Reshape it, or use "
            "tfxai.baselines."
        )
    return np.ascontiguousarray(_cast(array, x.dtype))


def _cast(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The array in the dtype of x, if that can hold its values."""
    if dtype.kind in "OSU":
        raise BaselineError("The input holds text, which starts from None (the zero embedding). Received: numbers.")
    if not np.isfinite(array).all():
        raise BaselineError("A baseline is finite. Received: NaN or Inf. Impute them, for example by the mean.")
    with np.errstate(invalid="ignore", over="ignore"):  # looked at below
        result = array.astype(dtype)
    if dtype.kind not in "biu":
        if not np.isfinite(result).all():
            raise BaselineError(f"A baseline fits the input's {dtype}. Received: {np.abs(array).max():.3g}. Scale it.")
    elif not np.array_equal(array, np.round(array)):
        raise BaselineError(
            f"The input holds integers ({dtype}: token ids, bytes), so the baseline does too. Received: fractions. "
            "Round it, or explain the input as floats."
        )
    elif not np.array_equal(array, result):
        raise BaselineError(
            f"The input holds {dtype}, so the baseline stays in its range. Received: {array.min():g} to "
            f"{array.max():g}. Clip it."
        )
    return result


def _parts(baseline: Any, inputs: Inputs) -> list[Any]:
    count = len(inputs.arrays)
    if callable(baseline) and count > 1:
        baseline = baseline(inputs.pack(inputs.arrays))
    if isinstance(baseline, dict):
        unknown = set(map(str, baseline)) - set(inputs.names)
        if unknown:
            raise BaselineError(
                f"A dict baseline has one entry per input ({', '.join(inputs.names)}). Received: {', '.join(unknown)}."
            )
        return [baseline.get(name) for name in inputs.names]
    if count > 1 and isinstance(baseline, (list, tuple)):
        if len(baseline) != count:
            raise BaselineError(f"Expected one baseline per input, {count}. Received: {len(baseline)}.")
        return list(baseline)
    if count > 1 and baseline is not None and np.ndim(baseline) > 0:
        raise BaselineError(
            f"The model has {count} inputs: pass a list or dict of baselines, or a scalar for all. {received(baseline)}"
        )
    return [baseline] * count


def at(scorer: Scorer, references: Sequence, rows: slice, k: int) -> list[tf.Tensor]:
    """The explained tensors at reference number k, of batch 1 (for all) or of the chunk's."""
    raw, own = [], []
    engine, n = scorer.engine, len(scorer)
    for x, r in zip(scorer.inputs, references, strict=True):
        part = None if r is None else r[rows if len(r) > 1 else slice(None)][:, min(k, r.shape[1] - 1)]
        raw.append(x if part is None else tf.constant(part))
        own.append(part is not None)
    direct = engine.entries == tuple(engine.graph.inputs)
    if not direct:
        raw = [tf.repeat(t, n, axis=0) if len(t) == 1 and n > 1 else t for t in raw]
    entries = engine.enter(raw)
    entries = [e if own[o] else tf.zeros_like(e[:1]) for e, o in zip(entries, engine.owners, strict=True)]
    if not direct and all(len(r) == 1 for r in references if r is not None):
        entries = [e[:1] for e in entries]
    if len({len(e) for e in entries}) > 1:
        entries = [tf.repeat(e, n, axis=0) if len(e) == 1 else e for e in entries]
    return engine.deepen(scorer.inputs, entries)
