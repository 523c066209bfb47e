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

from tfxai.errors import TargetError, received, suggest
from tfxai.targets.factories import Adjusted, Output, Target, class_index

OUT_OF_RANGE = "the target index is outside the output"


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

        def largest() -> tf.Tensor:
            return tf.where(index < 0, tf.argmax(flat, axis=-1, output_type=tf.int32), index)

        def known() -> tf.Tensor:  # of one example, or of one output for many classes
            return tf.broadcast_to(index, tf.broadcast_dynamic_shape(tf.shape(index), tf.shape(flat)[:1]))

        # Looked for only where it is asked for: in a small network it takes as long as a layer.
        index = tf.cond(tf.reduce_any(index < 0), largest, known)
        shift = tf.cast(centre, y.dtype) / tf.cast(classes, y.dtype)
        weights = tf.one_hot(index, classes, dtype=y.dtype) - shift
        return tf.reshape(weights, tf.concat([tf.shape(weights)[:1], tf.shape(y)[1:]], 0)), index


@dataclasses.dataclass(frozen=True, eq=False)
class SideTarget(BoundTarget):
    """One of two classes, of which the output, one number, is the score of the second; the first has what it lacks.

    Data: 0 or 1 for each example (n,); what the scores of both add up to: 1 for probabilities, 0 for logits.
    """

    def weights(self, y: tf.Tensor, feed: Sequence[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor | None]:
        side = feed[0]
        return tf.reshape(tf.cast(2 * side - 1, y.dtype), [-1] + [1] * (y.shape.rank - 1)), side

    def added(self, feed: Sequence[tf.Tensor]) -> tf.Tensor:
        return tf.cast(1 - feed[0], tf.float32) * feed[1]


@dataclasses.dataclass(frozen=True, eq=False)
class PlaceTarget(BoundTarget):
    """One number of an output of higher rank, the same for all examples. Data: its place, one index per axis."""

    by_example: ClassVar[bool] = False

    def weights(self, y: tf.Tensor, feed: Sequence[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor | None]:
        """1 at the place; the length of an axis may be known only now (time steps)."""
        (place,), lengths = feed, tf.shape(y)[1:]
        with tf.control_dependencies([tf.debugging.assert_less(place, lengths, message=OUT_OF_RANGE)]):
            weights = tf.ones([1] * y.shape.rank, y.dtype)
        for axis in range(1, y.shape.rank):
            hot = tf.one_hot(place[axis - 1], lengths[axis - 1], dtype=y.dtype)
            weights = weights * tf.reshape(hot, [-1 if k == axis else 1 for k in range(y.shape.rank)])
        return weights, None


@dataclasses.dataclass(frozen=True, eq=False)
class WeightsTarget(BoundTarget):
    """A weighted sum. Data: the weights (n or 1, *shape)."""

    def weights(self, y: tf.Tensor, feed: Sequence[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor | None]:
        return tf.cast(feed[0], y.dtype), None


@dataclasses.dataclass(frozen=True, eq=False)
class FunctionTarget(BoundTarget):
    """A function of the outputs, whose ops follow the rules of the method too: it has no weights.

    Attributes:
        function: Takes all outputs, in the structure in which the model returns them.
        alone: Whether it takes the one output instead.
    """

    function: Callable = dataclasses.field(kw_only=True)
    alone: bool = dataclasses.field(default=False, kw_only=True)

    @functools.cached_property
    def cache_key(self) -> tuple:
        return "FunctionTarget", _weakly(self.function), self.output if self.alone else None

    def of(self, outputs: Any) -> Any:
        """What the function returns for all outputs, in their structure."""
        flat = [o for o in tf.nest.flatten(outputs) if o is not None] if self.alone else []
        return self.function(flat[self.output] if self.alone else outputs)

    def weights(self, y: tf.Tensor, feed: Sequence[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor | None]:
        raise TypeError("a target that is a function is replayed, not weighed")


def _weakly(function: Callable) -> Any:
    """What tells a function from others and does not keep it alive: it may hold the model that it belongs to."""
    kind: Any = weakref.WeakMethod if isinstance(function, types.MethodType) else weakref.ref
    try:
        known = kind(function)
        hash(known)
    except TypeError:  # nothing can tell whether it comes again
        return object()
    return known


def resolve(
    target: Any, shapes: Sequence[tuple | str], names: Sequence[Sequence[str]], n: int, both: float | None = None
) -> BoundTarget:
    """Checks a target against the model's outputs.

    Args:
        target: What the user gave.
        shapes: Shape of each flat output without the batch axis, or in words why it cannot be explained.
        names: The names each flat output answers to.
        n: Number of examples.
        both: Where the one output is the score of the second of two classes that have names: what the scores of both
            add up to.

    Raises:
        TargetError: It does not fit, or does not say which output is meant.
    """
    output, alone = 0, isinstance(target, Output)
    if isinstance(target, Output):
        output, target = _position(target.name, names), target.inner
    elif len(shapes) > 1 and not callable(target):
        listed = [n[0] if n else str(i) for i, n in enumerate(names)]
        one = next((name for name, shape in zip(listed, shapes, strict=True) if isinstance(shape, tuple)), listed[0])
        raise TargetError(
            f"The model has {len(shapes)} outputs ({', '.join(map(str, listed))}): say which with "
            f"target=tfxai.targets.output({one!r}, i). " + received(target)
        )
    if callable(target) and not isinstance(target, Target):
        return FunctionTarget(output, label=getattr(target, "__name__", "function"), function=target, alone=alone)
    shape = shapes[output]
    if isinstance(shape, str):
        raise TargetError(shape)
    if isinstance(target, Target):
        return WeightsTarget(output, (_weights(target, shape, n),), target.label)
    if isinstance(target, tuple):
        return PlaceTarget(output, (np.array(_place(target, shape), np.int32),), str(target))
    centred = isinstance(target, Adjusted)
    if both is not None and not centred and not alone:
        index = class_index(1 if target is None else target, (*shape[:-1], 2), n)
        return SideTarget(output, (index, np.array(both, np.float32)))
    index = class_index(target.index if centred else target, shape, n)
    return IndexTarget(output, (index, np.array(float(centred), np.float32)), "adjusted" if centred else "")


def _weights(target: Target, shape: tuple, n: int) -> np.ndarray:
    weights = target.weights(shape or (1,), n).astype(np.float32)
    return weights if shape else weights.reshape(-1)


def _position(name: str | int, names: Sequence[Sequence[str]]) -> int:
    """The position of the output of this name; a number is its place in a tuple or list, or else counts all outputs."""
    whole = isinstance(name, (int, np.integer))
    for position, known in enumerate(names):
        if name in known or whole and str(name) in known:
            return position
    if whole and 0 <= int(name) < len(names):
        return int(name)
    raise TargetError(f"No output is called {name!r}. {suggest(name, [k for ks in names for k in ks])}")


def _place(target: tuple, shape: tuple) -> tuple[int, ...]:
    """A tuple target as indices that are in range, as far as the sizes are known."""
    if len(target) != len(shape) or not all(isinstance(i, (int, np.integer)) for i in target):
        raise TargetError(
            f"A tuple target indexes one number of an output of shape {shape}: {len(shape)} integers. "
            f"{received(target)} (For one class per example pass a list or an array.)"
        )
    for axis, (i, size) in enumerate(zip(target, shape, strict=True)):
        if i < 0 or (size is not None and i >= size):
            raise TargetError(f"Index {i} on axis {axis} is outside 0 to {'its end' if size is None else size - 1}.")
    return tuple(int(i) for i in target)
