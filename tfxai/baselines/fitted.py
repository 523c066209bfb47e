"""Any baseline for one input as references in the shape of its examples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tfxai.errors import BaselineError, received
from tfxai.support.arrays import Unreadable, as_array

Baseline = Callable[[np.ndarray], np.ndarray]  # x (n, ...) -> (1 or n, ...), or (1 or n, references, ...)


def called(words: str, baseline: Baseline) -> Baseline:
    """The baseline under the words that results say of it: `e.meta["baseline"]`, the line below a table."""
    baseline.__qualname__ = words  # what `described` reads of every function
    return baseline


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
    if baseline is None and x.dtype.kind not in "OSU":
        return np.zeros((1, 1, *x.shape[1:]), x.dtype)
    given = array = numbers(baseline) if x.dtype.kind not in "OSU" else _texts(baseline)
    shape, n = x.shape[1:], len(x)
    if array.ndim == 0:
        array = np.full((1, 1, *shape), array)
    elif array.ndim == x.ndim - 1:
        array = array[None, None]
    elif array.ndim == x.ndim:
        array = array[:, None]
    if array.ndim != x.ndim + 1 or array.shape[2:] != shape or array.shape[0] not in (1, n) or not array.shape[1]:
        rest, some = "".join(f", {size}" for size in shape), "1" if n == 1 else f"1 or {n}"
        raise BaselineError(
            f"For {n} example{'s' * (n > 1)} of shape {shape} a baseline is a scalar, or an array of shape {shape}, "
            f"({some}{rest}), or ({some}, references{rest}). Received: shape {given.shape}. Reshape it; rows of a data "
            "set to average over are tfxai.baselines.sample_of(data)."
        )
    return np.ascontiguousarray(_cast(array, x.dtype))


def _cast(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The array in the dtype of x, if that can hold its values."""
    if dtype.kind in "OSU":
        return array
    if not np.isfinite(array).all():
        raise BaselineError("A baseline is finite. Received: NaN or Inf. Impute them, for example by the mean.")
    with np.errstate(invalid="ignore", over="ignore"):  # looked at below
        result = array.astype(dtype)
    if dtype.kind not in "biu":
        if not np.isfinite(result).all():
            raise BaselineError(
                f"A baseline fits the input's {dtype}. Received: {np.abs(array).max():.3g}, too large. Scale it."
            )
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


def _texts(value: Any) -> np.ndarray:
    """A baseline of an input that holds text."""
    array = np.asarray(value, object)
    if not all(isinstance(text, (str, bytes)) for text in array.reshape(-1)):
        raise BaselineError(
            "The input holds text, which starts from None (the zero embedding) in a model that embeds it, and from "
            f"text in a black box: what stands for nothing, such as baseline='' or '[MASK]'. {received(value)}"
        )
    return array


def numbers(value: Any) -> np.ndarray:
    """Anything that numpy reads, as an array of numbers."""
    try:
        array = as_array(value)
    except Unreadable as error:
        raise BaselineError(f"A baseline is one rectangular array of numbers. {error} {received(value)}") from error
    if array.dtype.name == "bfloat16":
        return array.astype(np.float32)
    if isinstance(value, str):
        raise BaselineError(
            f"A baseline is an array, or made by tfxai.baselines (zeros(), blur(), mean_of(data)...). {received(value)}"
        )
    if array.dtype.kind not in "biuf":
        raise BaselineError(f"A baseline holds numbers. Received: dtype {array.dtype}. Pass real ones, or None.")
    return array


def is_count(n: Any) -> bool:
    return isinstance(n, (int, np.integer)) and not isinstance(n, bool) and bool(n >= 1)


def generator(seed: Any, *more: int) -> np.random.Generator:
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise BaselineError(f"seed is a whole number from 0. {received(seed)}")
    return np.random.default_rng([int(seed), *more] if more else int(seed))
