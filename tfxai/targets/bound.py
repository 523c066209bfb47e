"""A target made to fit a model and its examples: what the compiled backward pass starts from."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfxai.errors import TargetError, received, suggest
from tfxai.targets.factories import Adjusted, Output, Target, class_index


@dataclasses.dataclass(frozen=True, eq=False)
class Goal:
    """A target that fits the model and n examples.

    Attributes:
        head: Position of the flat output.
        form: What the compiled backward pass depends on.
        arrays: What it is fed; first axis n where it differs by example.
        function: The user's function of the outputs, or None.
        label: For people.
    """

    head: int
    form: tuple
    arrays: tuple[np.ndarray, ...]
    function: Callable | None = None
    label: str = ""

    def chunk(self, rows: Any) -> list[tf.Tensor]:
        whole = self.form[0] == "place"
        return [tf.constant(a if whole or a.ndim == 0 or len(a) == 1 else a[rows]) for a in self.arrays]

    def rows(self, feed: Sequence[tf.Tensor], rows: Any) -> list[tf.Tensor]:
        """The feed of some of a chunk's examples, which may repeat."""
        whole = self.form[0] == "place"
        return [t if whole or t.shape.rank == 0 or len(t) == 1 else tf.gather(t, rows) for t in feed]

    def weights(self, y: tf.Tensor, feed: Sequence[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor | None]:
        """The weights (n or 1, *shape) of output y at x, and the index per example if there is one."""
        if self.form[0] == "weights":
            return tf.cast(feed[0], y.dtype), None
        if self.form[0] == "place":
            return _spike(y, feed[0]), None
        index, centre = feed
        classes = tf.shape(y)[-1]
        index = tf.where(index < 0, tf.argmax(y, axis=-1, output_type=tf.int32), index)
        shift = tf.cast(centre, y.dtype) / tf.cast(classes, y.dtype)
        return tf.one_hot(index, classes, dtype=y.dtype) - shift, index

    def specs(self) -> list[tf.TensorSpec]:
        return [tf.TensorSpec([None, *a.shape[1:]] if a.ndim else [], tf.as_dtype(a.dtype)) for a in self.arrays]


OUT_OF_RANGE = "the target index is outside the output"


def _spike(y: tf.Tensor, place: tf.Tensor) -> tf.Tensor:
    """Weights (1, *shape) that are 1 at one place; the length of an axis may be known only now (time steps)."""
    lengths = tf.shape(y)[1:]
    with tf.control_dependencies([tf.debugging.assert_less(place, lengths, message=OUT_OF_RANGE)]):
        weights = tf.ones([1] * y.shape.rank, y.dtype)
    for axis in range(1, y.shape.rank):
        hot = tf.one_hot(place[axis - 1], lengths[axis - 1], dtype=y.dtype)
        weights = weights * tf.reshape(hot, [-1 if k == axis else 1 for k in range(y.shape.rank)])
    return weights


def resolve(target: Any, shapes: Sequence[tuple], names: Sequence[Sequence[str]], n: int) -> Goal:
    """Checks a target against the model's outputs.

    Args:
        target: What the user gave.
        shapes: Shape of each flat output without the batch axis.
        names: The names each flat output answers to.
        n: Number of examples.
    """
    head = 0
    if isinstance(target, Output):
        head, target = _head(target.name, names), target.inner
    elif len(shapes) > 1 and not callable(target):
        listed = [n[0] if n else str(i) for i, n in enumerate(names)]
        raise TargetError(
            f"The model has {len(shapes)} outputs ({', '.join(map(str, listed))}): say which with "
            f"target=tfxai.targets.output({listed[0]!r}, i). " + received(target)
        )
    shape = tuple(shapes[head])
    if callable(target) and not isinstance(target, Target):
        return Goal(head, ("function", target), (), target, getattr(target, "__name__", "function"))
    if isinstance(target, Target):
        weights = _weights(target, shape, n)
        return Goal(head, ("weights", head, weights.ndim), (weights,), None, target.label)
    if isinstance(target, tuple):
        place = np.array(_place(target, shape), np.int32)
        return Goal(head, ("place", head), (place,), None, str(target))
    centre = isinstance(target, Adjusted)
    index = class_index(target.index if centre else target, shape, n)
    label = "adjusted" if centre else ""
    return Goal(head, ("index", head), (index, np.array(float(centre), np.float32)), None, label)


def _weights(target: Target, shape: tuple, n: int) -> np.ndarray:
    weights = target.weights(shape or (1,), n).astype(np.float32)
    return weights if shape else weights.reshape(-1)


def _head(name: str | int, names: Sequence[Sequence[str]]) -> int:
    for position, known in enumerate(names):
        if name in known or (isinstance(name, (int, np.integer)) and name == position):
            return position
    raise TargetError(f"No output is called {name!r}. {suggest(name, [k for ks in names for k in ks])}")


def _place(target: tuple, shape: tuple) -> tuple[int, ...]:
    if len(target) != len(shape) or not all(isinstance(i, (int, np.integer)) for i in target):
        raise TargetError(
            f"A tuple target indexes one number of an output of shape {shape}: {len(shape)} integers. "
            f"{received(target)} (For one class per example pass a list or an array.)"
        )
    for axis, (i, size) in enumerate(zip(target, shape, strict=True)):
        if i < 0 or (size is not None and i >= size):
            raise TargetError(f"Index {i} on axis {axis} is outside 0 to {'its end' if size is None else size - 1}.")
    return tuple(int(i) for i in target)
