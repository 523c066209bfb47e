"""Rows of a pass that differ by their target alone: the pass goes forward once for all of them, back once for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf


class Points(NamedTuple):
    """Which rows of a pass are the same point, each with another target; every point has as many.

    Attributes:
        first: (points,) a row of each.
        of: (rows,) the point of each row.
        order: (targets, points) the rows of the first, second, ... target of every point.
    """

    first: np.ndarray
    of: np.ndarray
    order: np.ndarray

    @property
    def back(self) -> np.ndarray:
        """(rows,) where in `order`, as one row after the other, each row is."""
        return np.argsort(self.order.reshape(-1))

    def vectors(self) -> list[tf.Tensor]:
        """The point of each row, the order, and the way back, for a compiled pass."""
        return [tf.constant(a, tf.int32) for a in (self.of, self.order, self.back)]

    def same(self, tensors: Sequence[tf.Tensor]) -> bool:
        """Whether the rows of each point are indeed equal."""
        return all(bool(_equal(t, tf.gather(t, self.first[self.of]))) for t in tensors)


def points(numbers: np.ndarray) -> Points | None:
    """From the number of the point of each row; None where some point has more targets than others, or each has one."""
    _, first, of, count = np.unique(numbers, return_index=True, return_inverse=True, return_counts=True)
    if count[0] == 1 or (count != count[0]).any():
        return None
    return Points(first, of, np.argsort(of, kind="stable").reshape(len(first), -1).T)


def again(numbers: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The numbers of the points of rows that may repeat: each copy of a row will be changed, to be a point of its own.

    The first copies of the rows of a point are taken to be changed alike, the second copies, and so on.
    """
    rows = np.asarray(rows)
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    starts = np.searchsorted(ordered, ordered)  # where the copies of each row begin
    copy = np.empty(len(rows), np.int64)
    copy[order] = np.arange(len(rows)) - starts
    return numbers[rows] * (copy.max(initial=0) + 1) + copy


def one_by_one(order: Sequence[np.ndarray], run: Callable[[np.ndarray], Any]) -> Any:
    """What `run` returns for some rows, a structure with a row for each, put together for all of them."""
    back = np.argsort(np.concatenate(order))

    def whole(*parts: Any) -> Any:
        if parts[0] is None:
            return None
        full = [tf.repeat(p, len(rows), axis=0) if len(p) == 1 else p for p, rows in zip(parts, order, strict=True)]
        return tf.gather(tf.concat(full, axis=0), back)

    return keras.tree.map_structure(whole, *[run(rows) for rows in order])


def for_each(order: tf.Tensor, run: Callable[[tf.Tensor], Any]) -> Any:
    """Inside of a compiled pass: what `run` returns for the rows of each target, (targets, points, ...).

    One loop, so that neither the graph nor the memory grows with the number of targets.
    """
    made = tf.function(run, autograph=False).get_concrete_function(tf.TensorSpec([None], tf.int32))
    specs = tf.nest.map_structure(lambda t: tf.TensorSpec(t.shape, t.dtype), made.structured_outputs)
    return tf.map_fn(made, order, fn_output_signature=specs, parallel_iterations=1)


def to_rows(tensor: tf.Tensor, back: tf.Tensor) -> tf.Tensor:
    """(targets, points, ...) -> (rows, ...)."""
    return tf.gather(tf.reshape(tensor, tf.concat([[-1], tf.shape(tensor)[2:]], 0)), back)


def _equal(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    same = tf.equal(a, b)
    return tf.reduce_all(same | ((a != a) & (b != b)) if a.dtype.is_floating else same)
