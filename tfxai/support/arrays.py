"""Anything that people hand over, as a numpy array of numbers or texts."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

MISSING = ("NAType", "NaTType", "NoneType")


class Unreadable(TypeError):
    """It is no array, and the message says what to do."""


def as_array(value: Any) -> np.ndarray:
    """Arrays, tensors of any library, (sparse) matrices, data frames and nested lists.

    Raises:
        Unreadable: None of these, rows of different length, or missing values.
    """
    if isinstance(value, tf.RaggedTensor):
        raise Unreadable("Rows of different length: pad them with x.to_tensor(), or explain them one by one.")
    array = _read(_dense(value))
    if array.dtype != object:
        return array
    each = array.reshape(-1)
    if all(isinstance(v, (str, bytes)) for v in each):
        return array
    if all(isinstance(v, (bool, int, float, np.number, np.bool_)) for v in each):
        return np.array(array.tolist())  # a data frame with columns of several kinds
    if missing := sum(type(v).__name__ in MISSING for v in each):
        raise Unreadable(f"{missing} of {each.size} values are missing. Remove or impute them.")
    shapes = sorted({np.shape(v) for v in each if hasattr(v, "shape")})
    if len(shapes) > 1:
        raise Unreadable(_of_sizes(shapes))
    raise Unreadable("Python objects, where numbers or strings are expected. Are the rows of the same length?")


def all_finite(numbers: np.ndarray) -> bool:
    """Whether no number is infinite or missing."""
    return bool(np.isfinite(numbers).all())


def as_tensor(array: np.ndarray) -> tf.Tensor:
    """The array as a tensor, copied once at most: `tf.constant` would copy it twice. Nobody may change it meanwhile."""
    return tf.raw_ops.Identity(input=array)


def _dense(value: Any) -> Any:
    """Without zeros left out, without a graph, where the library offers it."""
    if isinstance(value, tf.SparseTensor):
        return tf.sparse.to_dense(tf.sparse.reorder(value))
    for convert in ("toarray", "detach"):  # of SciPy; of PyTorch
        if hasattr(value, convert):
            value = getattr(value, convert)()
    return value


def _read(value: Any) -> np.ndarray:
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        if isinstance(value, (list, tuple)):
            shapes = sorted({np.shape(v) for v in value if hasattr(v, "shape")})
            if len(shapes) > 1:
                raise Unreadable(_of_sizes(shapes)) from error
        reason = " ".join(str(error).split())[:160]
        advice = "Pass a numpy array: of a tensor of another library x.detach().cpu().numpy()."
        raise Unreadable(f"It cannot be read as an array: {reason} {advice}") from error


def _of_sizes(shapes: list[tuple]) -> str:
    found = ", ".join(map(str, shapes[:3])) + (", ..." if len(shapes) > 3 else "")
    return f"Examples of different shapes ({found}): explain them one by one (x[None]), or resize or pad them."
