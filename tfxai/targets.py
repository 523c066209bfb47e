"""What is explained: one number per example, made from the model's output.

A target is None (each example's own arg max), a class index, one index per example, a tuple index into an
output of higher rank, a function `outputs -> (batch,)`, or one of the objects made here. All but functions are
weighted sums of the output, so they share one compiled backward pass.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfxai.errors import TargetError, received, suggest


@dataclasses.dataclass(frozen=True, eq=False)
class Target:
    """A weighted sum of one output. `weights(shape, n)` gives (n or 1, *shape); `label` describes it."""

    label: str
    weights: Callable[[tuple, int], np.ndarray]


@dataclasses.dataclass(frozen=True, eq=False)
class _Adjusted:
    index: Any


@dataclasses.dataclass(frozen=True, eq=False)
class _Output:
    name: str | int
    inner: Any


def difference(a: int | Sequence[int], b: int | Sequence[int]) -> Target:
    """Output a minus output b: what speaks for a rather than b.

    Args:
        a: Class index, or one per example.
        b: The same.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, kernel_initializer="identity")])
        >>> x = np.array([[1.0, 2.0]])
        >>> tfxai.explain(model, x, target=tfxai.targets.difference(0, 1)).values.round(3).tolist()
        [[1.0, -2.0]]
    """
    return Target(f"{a} - {b}", lambda shape, n: _one_hot(a, shape, n) - _one_hot(b, shape, n))


def contrast(i: int | Sequence[int], others: Sequence[int] | None = None) -> Target:
    """Output i minus the mean of the others.

    Args:
        i: Class index, or one per example.
        others: The classes to compare with; None: all other classes.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, kernel_initializer="identity")])
        >>> x = np.array([[1.0, 2.0]])
        >>> tfxai.explain(model, x, target=tfxai.targets.contrast(0)).values.round(3).tolist()
        [[1.0, -2.0]]
    """

    def weights(shape: tuple, n: int) -> np.ndarray:
        own = _one_hot(i, shape, n)
        if others is None:
            return own - (1 - own) / max(shape[-1] - 1, 1)
        return own - np.mean([_one_hot(o, shape, 1) for o in others], axis=0)

    return Target(f"{i} - mean({'others' if others is None else list(others)})", weights)


def adjusted(i: int | Sequence[int] | None = None) -> Any:
    """The softmax adjustment: output i minus the mean of all n outputs.

    C'_i = C_i - (1/n) sum_j C_j is linear in the output, so it is one backward pass from e_i - 1/n. Adding a
    constant to all logits changes no softmax probability; this makes the explanation blind to it too
    (Shrikumar et al. 2017, section 3.6).

    Args:
        i: Class index, or one per example; None: each example's own arg max.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, kernel_initializer="identity")])
        >>> x = np.array([[1.0, 2.0]])
        >>> tfxai.explain(model, x, target=tfxai.targets.adjusted(0)).values.round(3).tolist()
        [[0.5, -1.0]]
    """
    return _Adjusted(i)


def mask(w: Any) -> Target:
    """Weighted sum of the output with weights w (segmentation: a mask of the region).

    Args:
        w: Array of the output's shape without the batch axis, or with a batch axis of 1 or n.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, kernel_initializer="ones")])
        >>> x = np.array([[1.0, 2.0]])
        >>> tfxai.explain(model, x, target=tfxai.targets.mask([1.0, 0.0, 2.0])).values.round(3).tolist()
        [[3.0, 6.0]]
    """
    array = np.asarray(w, dtype=np.float64)

    def weights(shape: tuple, n: int) -> np.ndarray:
        full = array[None] if array.ndim == len(shape) else array
        fits = full.ndim == len(shape) + 1 and full.shape[0] in (1, n)
        if not fits or any(s is not None and s != t for s, t in zip(shape, full.shape[1:], strict=True)):
            raise TargetError(
                f"A mask has the output's shape {shape}, or a batch axis of 1 or {n} before it. "
                f"Received: an array of shape {array.shape}. Reshape it, or choose another output with "
                "tfxai.targets.output(name, mask(w))."
            )
        if not np.all(np.isfinite(full)):
            raise TargetError("A mask has finite weights. Received: NaN or Inf. Replace them, for example by 0.")
        return full

    return Target(f"mask of shape {array.shape}", weights)


def output(name: str | int, target: Any = None) -> Any:
    """A target on one of several outputs.

    Args:
        name: Key of a dict output, name of the output layer, or position.
        target: What to explain in that output; any target.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> i = keras.Input((2,))
        >>> model = keras.Model(i, {"a": keras.layers.Dense(3)(i), "b": i})
        >>> tfxai.explain(model, np.array([[1.0, 2.0]]), target=tfxai.targets.output("b", 1)).values.round(3).tolist()
        [[0.0, 2.0]]
    """
    return _Output(name, target)


@dataclasses.dataclass(frozen=True, eq=False)
class Resolved:
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


def resolve(target: Any, shapes: Sequence[tuple], names: Sequence[Sequence[str]], n: int) -> Resolved:
    """Checks a target against the model's outputs.

    Args:
        target: What the user gave.
        shapes: Shape of each flat output without the batch axis.
        names: The names each flat output answers to.
        n: Number of examples.
    """
    head = 0
    if isinstance(target, _Output):
        head, target = _head(target.name, names), target.inner
    elif len(shapes) > 1 and not callable(target):
        listed = [n[0] if n else str(i) for i, n in enumerate(names)]
        raise TargetError(
            f"The model has {len(shapes)} outputs ({', '.join(map(str, listed))}): say which with "
            f"target=tfxai.targets.output({listed[0]!r}, i). " + received(target)
        )
    shape = tuple(shapes[head])
    if callable(target) and not isinstance(target, Target):
        return Resolved(head, ("function", target), (), target, getattr(target, "__name__", "function"))
    if isinstance(target, Target):
        weights = _weights(target, shape, n)
        return Resolved(head, ("weights", head, weights.ndim), (weights,), None, target.label)
    if isinstance(target, tuple):
        place = np.array(_place(target, shape), np.int32)
        return Resolved(head, ("place", head), (place,), None, str(target))
    centre = isinstance(target, _Adjusted)
    index = _index(target.index if centre else target, shape, n)
    label = "adjusted" if centre else ""
    return Resolved(head, ("index", head), (index, np.array(float(centre), np.float32)), None, label)


def _weights(target: Target, shape: tuple, n: int) -> np.ndarray:
    weights = target.weights(shape or (1,), n).astype(np.float32)
    return weights if shape else weights.reshape(-1)


def _head(name: str | int, names: Sequence[Sequence[str]]) -> int:
    for position, known in enumerate(names):
        if name in known or (isinstance(name, (int, np.integer)) and name == position):
            return position
    raise TargetError(f"No output is called {name!r}. {suggest(name, [k for ks in names for k in ks])}")


def _index(target: Any, shape: tuple, n: int) -> np.ndarray:
    """One class index per example; -1 stands for the example's own arg max."""
    if len(shape) > 1:
        raise TargetError(
            f"The output has shape {shape} per example, so one class index does not name one number. Pass a tuple "
            f"index of length {len(shape)}, tfxai.targets.mask(w), or a function of the outputs. {received(target)}"
        )
    if target is None:
        return np.full(n, -1, np.int32)
    array = np.asarray(target)
    if array.dtype.kind not in "iu" or array.ndim > 1:
        raise TargetError(
            "A target is None, a class index, one index per example, a tuple index, a function of the outputs, or "
            f"an object of tfxai.targets. {received(target)}"
        )
    if array.ndim == 1 and len(array) != n:
        raise TargetError(f"Expected one class index per example, {n} in all. Received: {len(array)} indices.")
    classes = shape[0] if shape else 1
    if classes is not None and array.size and (array.min() < 0 or array.max() >= classes):
        worst = array.min() if array.min() < 0 else array.max()
        raise TargetError(f"The output has classes 0 to {classes - 1}. Received: target {worst}.")
    return np.broadcast_to(array, (n,)).astype(np.int32)


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


def _one_hot(i: Any, shape: tuple, n: int) -> np.ndarray:
    if len(shape) != 1:
        raise TargetError(f"This target needs an output of one class axis. Received: shape {shape} per example.")
    if shape[0] is None:
        raise TargetError("This target needs to know the number of classes. Use a function of the outputs.")
    if isinstance(i, (int, np.integer)):
        return np.eye(shape[0])[_index(i, shape, 1)]
    return np.eye(shape[0])[_index(i, shape, n)]
