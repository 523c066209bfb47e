"""A target made to fit a model and its examples: what the compiled backward pass starts from."""

from __future__ import annotations

import abc
import dataclasses
import functools
import types
import weakref
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from tfxai.support.structure import map_structure

OUT_OF_RANGE = "the target index is outside the output"
OTHER_SIZE = "the mask of the region has another size than the output"


@dataclasses.dataclass(frozen=True, eq=False)
class BoundTarget(abc.ABC):
    """One number per example, as a weighted sum of one output of the model.

    Attributes:
        output: Position of the flat output.
        data: What the compiled pass is fed; the first axis n where it differs by example, else 1.
        label: What an explanation says was explained, where that is not a class index.
    """

    output: int
    data: tuple[np.ndarray, ...] = ()
    label: str = ""

    by_example: ClassVar[bool] = True  # whether the first axis of data is that of the examples
    as_returned: ClassVar[bool] = False  # whether the outputs are read as the model returns them, whatever `on=`

    @abc.abstractmethod
    def weights(self, y: tf.Tensor, feed: Sequence[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Of output y (n, *shape) at x the weights (n or 1, *shape), and the class of each example if there is one."""

    def added(self, feed: Sequence[tf.Tensor]) -> tf.Tensor | None:
        """A number (n,) that is added to the weighted sum, the same at x and at the reference; None: nothing."""
        return None

    @property
    def cache_key(self) -> tuple:
        """What the compiled pass depends on."""
        return type(self).__name__, self.output, *(a.ndim for a in self.data)

    def feed(self, rows: slice) -> list[tf.Tensor]:
        """The data of some examples."""
        return [tf.constant(a[rows] if self.by_example and len(a.shape) and len(a) > 1 else a) for a in self.data]

    def taken(self, feed: Sequence[tf.Tensor], rows: Any) -> list[tf.Tensor]:
        """The feed of some of a chunk's examples, which may repeat."""
        return [tf.gather(t, rows) if self.by_example and t.shape.rank and len(t) > 1 else t for t in feed]

    def repeated(self, feed: Sequence[tf.Tensor], count: tf.Tensor) -> list[tf.Tensor]:
        """The feed of so many copies of each example; also while a pass is traced."""
        own = [tf.where(tf.shape(t)[0] > 1, count, 1) if self.by_example and t.shape.rank else None for t in feed]
        return [t if c is None else tf.repeat(t, c, axis=0) for t, c in zip(feed, own, strict=True)]

    def specs(self) -> list[tf.TensorSpec]:
        """Of the feed, for tracing."""
        return [tf.TensorSpec([None, *a.shape[1:]] if a.ndim else [], tf.as_dtype(a.dtype)) for a in self.data]


@dataclasses.dataclass(frozen=True, eq=False)
class IndexTarget(BoundTarget):
    """One class of each example. Data: indices (n,), -1 for the arg max; 1.0 to subtract the mean of all, else 0."""

    def weights(self, y: tf.Tensor, feed: Sequence[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor | None]:
        index, centre = feed
        classes = tf.shape(y)[-1]
        flat = tf.reshape(tf.stop_gradient(y), [-1, classes])  # convolutional classifiers have axes of one before it

        with tf.control_dependencies([flat]):  # not before it is seen that y has a row for each example
            rows = tf.shape(flat)[:1]

        def own() -> tf.Tensor:
            return tf.where(index < 0, self.own(flat, index), index)

        def known() -> tf.Tensor:  # of one example, or of one output for many classes
            return tf.broadcast_to(index, tf.broadcast_dynamic_shape(tf.shape(index), rows))

        # Looked for only where it is asked for: in a small network it takes as long as a layer.
        index = tf.cond(tf.reduce_any(index < 0), own, known)
        shift = tf.cast(centre, y.dtype) / tf.cast(classes, y.dtype)
        weights = tf.one_hot(index, classes, dtype=y.dtype) - shift
        return tf.reshape(weights, tf.concat([tf.shape(weights)[:1], tf.shape(y)[1:]], 0)), index

    def own(self, flat: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
        """(n,) the class that a negative index stands for, where the scores are these (n, classes)."""
        return tf.argmax(flat, axis=-1, output_type=tf.int32)


@dataclasses.dataclass(frozen=True, eq=False)
class RankedTarget(IndexTarget):
    """The same, where index -1 - r is the class of rank r; equal scores are in the order of their classes."""

    def own(self, flat: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
        order, rank = tf.math.top_k(flat, tf.shape(flat)[-1]).indices, tf.maximum(-1 - index, 0)
        rows = tf.maximum(tf.size(rank), tf.shape(order)[0])  # one of them may be there once, for all
        order = tf.broadcast_to(order, [rows, tf.shape(order)[1]])
        return tf.gather(order, tf.broadcast_to(rank, [rows]), batch_dims=1)


@dataclasses.dataclass(frozen=True, eq=False)
class SideTarget(BoundTarget):
    """One of two classes, of which the output, one number, is the score of the second; the first has what it lacks.

    Data: 0 or 1 for each example (n,), -1 for that with the higher score and -2 for the other; what the scores of both
    add up to: 1 for probabilities, 0 for logits.
    """

    def weights(self, y: tf.Tensor, feed: Sequence[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor | None]:
        side, both = feed
        second = tf.cast(tf.reshape(y, [-1]) >= tf.cast(both, y.dtype) / 2, side.dtype)
        side = tf.where(side < 0, tf.where(side == -1, second, 1 - second), side)
        return tf.reshape(tf.cast(2 * side - 1, y.dtype), [-1] + [1] * (y.shape.rank - 1)), side

    def added(self, feed: Sequence[tf.Tensor]) -> tf.Tensor:
        return tf.cast(1 - feed[0], tf.float32) * feed[1]


@dataclasses.dataclass(frozen=True, eq=False)
class PlaceTarget(BoundTarget):
    """One number of an output of higher rank, or the sum along some of its axes.

    Data: its place (n or 1, axes), one index per axis, -1 for all of an axis.
    """

    def weights(self, y: tf.Tensor, feed: Sequence[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor | None]:
        """1 at the place; the length of an axis may be known only now (time steps)."""
        (place,), lengths = feed, tf.shape(y)[1:]
        with tf.control_dependencies([tf.debugging.assert_less(place, lengths, message=OUT_OF_RANGE)]):
            weights = tf.ones([1] * y.shape.rank, y.dtype)
        for axis in range(1, y.shape.rank):
            own = place[:, axis - 1]
            hot = tf.where(own[:, None] < 0, tf.cast(1, y.dtype), tf.one_hot(own, lengths[axis - 1], dtype=y.dtype))
            weights = weights * tf.reshape(
                hot, [-1, *(lengths[axis - 1] if k == axis else 1 for k in range(1, y.shape.rank))]
            )
        return weights, None


@dataclasses.dataclass(frozen=True, eq=False)
class WeightsTarget(BoundTarget):
    """A weighted sum. Data: the weights (n or 1, *shape)."""

    def weights(self, y: tf.Tensor, feed: Sequence[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor | None]:
        return tf.cast(feed[0], y.dtype), None


@dataclasses.dataclass(frozen=True, eq=False)
class RegionTarget(BoundTarget):
    """One class of each example, summed over places. Data: their weights (n or 1, places...); classes (n,).

    Attributes:
        axis: Of the output, that holds the classes.
    """

    axis: int = dataclasses.field(kw_only=True)

    @property
    def cache_key(self) -> tuple:
        return *super().cache_key, self.axis

    def weights(self, y: tf.Tensor, feed: Sequence[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor | None]:
        """The size of the places may be known only now."""
        mask, index = tf.expand_dims(tf.cast(feed[0], y.dtype), self.axis), feed[1]
        alike = [a for a in range(1, y.shape.rank) if a != self.axis]
        sizes = [tf.gather(tf.shape(t), alike) for t in (mask, y)]
        with tf.control_dependencies([tf.debugging.assert_equal(*sizes, message=OTHER_SIZE)]):
            hot = tf.one_hot(index, tf.shape(y)[self.axis], dtype=y.dtype)
        for a in alike:
            hot = tf.expand_dims(hot, a)
        return mask * hot, None


@dataclasses.dataclass(frozen=True, eq=False)
class FunctionTarget(BoundTarget):
    """A function of the outputs, whose ops follow the rules of the method too: it has no weights.

    Data: arrays (n, ...), of which the function is handed the rows that belong to those of the outputs.

    Attributes:
        function: Takes all outputs, in the structure in which the model returns them, and the rows of the data.
        alone: Whether it takes the one output instead.
        structure: That of the data, with the position of each array in its place; None: it takes no data.
    """

    casts: ClassVar[bool] = True  # whether floats of the data come in the dtype of the outputs

    function: Callable = dataclasses.field(kw_only=True)
    alone: bool = dataclasses.field(default=False, kw_only=True)
    structure: Any = dataclasses.field(default=None, kw_only=True)

    @functools.cached_property
    def cache_key(self) -> tuple:
        known = getattr(self.function, "cache_key", None) or weakly(self.function)
        rows = tuple((a.dtype.str, a.shape[1:]) for a in self.data)
        return type(self).__name__, known, self.output if self.alone else None, str(self.structure), rows

    def of(self, outputs: Any, feed: Sequence[tf.Tensor]) -> Any:
        """What the function returns for all outputs, in their structure."""
        flat = [o for o in tf.nest.flatten(outputs) if o is not None]
        given = flat[self.output] if self.alone else outputs
        if self.structure is None:
            return self.function(given)
        dtypes = [tf.as_dtype(o.dtype) for o in flat]
        dtype = next((d for d in dtypes if d.is_floating), tf.float32)
        rows = [_of_dtype(t, dtype) if self.casts and tf.as_dtype(t.dtype).is_floating else t for t in feed]
        return self.function(given, map_structure(lambda k: rows[k], self.structure))

    def feed(self, rows: slice) -> list[tf.Tensor]:
        return [tf.constant(a[rows]) for a in self.data]

    def taken(self, feed: Sequence[tf.Tensor], rows: Any) -> list[tf.Tensor]:
        return [tf.gather(t, rows) for t in feed]  # also of one example alone: the function expects a row for each

    def repeated(self, feed: Sequence[tf.Tensor], count: tf.Tensor) -> list[tf.Tensor]:
        return [tf.repeat(t, count, axis=0) for t in feed]

    def weights(self, y: tf.Tensor, feed: Sequence[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor | None]:
        raise TypeError("a target that is a function is replayed, not weighed")


def _of_dtype(rows: Any, dtype: tf.DType) -> Any:
    """Arrays stay arrays, as the functions of black boxes are handed them."""
    return rows.astype(dtype.as_numpy_dtype) if isinstance(rows, np.ndarray) else tf.cast(rows, dtype)


def weakly(function: Callable) -> Any:
    """What tells a function from others and does not keep it alive: it may hold the model that it belongs to."""
    kind: Any = weakref.WeakMethod if isinstance(function, types.MethodType) else weakref.ref
    try:
        known = kind(function)
        hash(known)
    except TypeError:  # nothing can tell whether it comes again
        return object()
    return known


def interleaved(targets: Sequence[BoundTarget], rows: slice) -> list[tf.Tensor]:
    """The data of some examples for several targets that are `alike`, all targets of an example after each other."""
    if len(targets) == 1:
        return targets[0].feed(rows)
    columns = zip(*[target.feed(rows) for target in targets], strict=True)
    return [_interleaved(list(column), rows.stop - rows.start) for column in columns]


def _interleaved(column: list[tf.Tensor], n: int) -> tf.Tensor:
    if not column[0].shape.rank:
        return column[0]
    full = [tf.broadcast_to(t, [n, *t.shape[1:]]) for t in column]
    return tf.reshape(tf.stack(full, axis=1), [-1, *full[0].shape[1:]])


def alike(target: BoundTarget) -> tuple:
    """What is equal of targets that share their passes: they differ by the data of each example alone."""
    if isinstance(target, FunctionTarget):  # it has no weights by which what is sent back could differ
        return target.cache_key, id(target)
    return target.cache_key, *(a.tobytes() for a in target.data if not a.ndim)
