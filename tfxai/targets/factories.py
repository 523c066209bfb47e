"""The targets that `tfxai.targets` offers, and the check of class indices."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tfxai.errors import TargetError, received


@dataclasses.dataclass(frozen=True, eq=False)
class Target:
    """A weighted sum of one output. `weights(shape, n)` gives (n or 1, *shape); `label` describes it."""

    label: str
    weights: Callable[[tuple, int], np.ndarray]


@dataclasses.dataclass(frozen=True, eq=False)
class Adjusted:
    """Class `index` (None: the arg max) minus the mean of all."""

    index: Any


@dataclasses.dataclass(frozen=True, eq=False)
class Sides:
    """One of two classes of each example, of which an output of one number is the score of the second.

    Attributes:
        index: (n,) 0 or 1.
        both: What the scores of both add up to: 1 for probabilities, 0 for logits.
    """

    index: np.ndarray
    both: float


@dataclasses.dataclass(frozen=True, eq=False)
class Output:
    """The target `inner` of the output `name`."""

    name: str | int
    inner: Any


def difference(a: int | Sequence[int], b: int | Sequence[int]) -> Target:
    """Output a minus output b: what speaks for a rather than b.

    Args:
        a: Class index, or one per example.
        b: The same.

    Raises:
        TargetError: When used: a class that is not there, or an output of more than one axis.

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

    Raises:
        TargetError: As in `difference`.

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

    return Target(f"{i} - mean({'others' if others is None else ', '.join(map(str, others))})", weights)


def adjusted(i: int | Sequence[int] | None = None) -> Any:
    """The softmax adjustment: output i minus the mean of all n outputs.

    C'_i = C_i - (1/n) sum_j C_j is linear in the output, so it is one backward pass from e_i - 1/n. Adding a
    constant to all logits changes no softmax probability; this makes the explanation blind to it too
    (Shrikumar et al. 2017, section 3.6).

    Args:
        i: Class index, or one per example; None: each example's own arg max.

    Raises:
        TargetError: As in `difference`.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, kernel_initializer="identity")])
        >>> x = np.array([[1.0, 2.0]])
        >>> tfxai.explain(model, x, target=tfxai.targets.adjusted(0)).values.round(3).tolist()
        [[0.5, -1.0]]
    """
    return Adjusted(i)


def mask(w: Any) -> Target:
    """Weighted sum of the output with weights w (segmentation: a mask of the region).

    Args:
        w: Array of the output's shape without the batch axis, or with a batch axis of 1 or n.

    Raises:
        TargetError: When used: another shape than the output's, NaN or Inf.

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

    Raises:
        TargetError: When used: no output of this name, or what `target` raises.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> i = keras.Input((2,))
        >>> model = keras.Model(i, {"a": keras.layers.Dense(3)(i), "b": i})
        >>> tfxai.explain(model, np.array([[1.0, 2.0]]), target=tfxai.targets.output("b", 1)).values.round(3).tolist()
        [[0.0, 2.0]]
    """
    return Output(name, target)


def class_index(target: Any, shape: tuple, n: int) -> np.ndarray:
    """One class index per example; -1 stands for the example's own arg max."""
    if any(size != 1 for size in shape[:-1]):
        raise TargetError(
            f"The output has shape {shape} per example, so one class index does not name one number. Pass a tuple "
            f"index of length {len(shape)}, tfxai.targets.mask(w), or a function of the outputs. {received(target)}"
        )
    if target is None:
        return np.full(n, -1, np.int32)
    array = np.asarray(target)
    if array.dtype.kind in "US":
        raise TargetError(
            "A class is a number, its position in the model's output; or a name: with labels=, the names of all "
            f"classes in that order, beside target=. Without them pass target=labels.index(name). {received(target)}"
        )
    if array.dtype.kind not in "iu" or array.ndim > 1:
        raise TargetError(
            "A target is None, a class index, one index per example, a tuple index, a function of the outputs, or "
            f"an object of tfxai.targets. {received(target)}"
            + (" One-hot labels become indices by labels.argmax(-1)." if array.ndim == 2 else "")
        )
    if array.ndim == 1 and len(array) != n:
        raise TargetError(f"Expected one class index per example, {n} in all. Received: {len(array)} indices.")
    classes = shape[-1] if shape else 1
    if classes is not None and array.size and (array.min() < 0 or array.max() >= classes):
        worst = array.min() if array.min() < 0 else array.max()
        if classes == 1:
            raise TargetError(
                "The output is one number, target 0; of two classes it is the score of the second. Name both, "
                "labels=[first, second], for target=0 and 1 of them, or pass a function: target=lambda y: -y[:, 0]. "
                f"Received: target {worst}."
            )
        raise TargetError(f"The output has classes 0 to {classes - 1}. Received: target {worst}.")
    return np.broadcast_to(array, (n,)).astype(np.int32)


def _one_hot(i: Any, shape: tuple, n: int) -> np.ndarray:
    """(n or 1, classes) weights that are 1 at class i."""
    if len(shape) != 1:
        raise TargetError(f"This target needs an output of one class axis. Received: shape {shape} per example.")
    if shape[0] is None:
        raise TargetError("This target needs to know the number of classes. Use a function of the outputs.")
    if isinstance(i, (int, np.integer)):
        return np.eye(shape[0])[class_index(i, shape, 1)]
    return np.eye(shape[0])[class_index(i, shape, n)]
