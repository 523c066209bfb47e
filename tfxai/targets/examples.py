"""Targets that depend on data of each example: a function with its rows, a region of the picture."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from tfxai.errors import TargetError, received
from tfxai.support.arrays import Unreadable, as_array
from tfxai.support.structure import map_structure, named


@dataclasses.dataclass(frozen=True, eq=False)
class PerExample:
    """A function of the outputs, and of the data of each example."""

    function: Callable
    data: Any


@dataclasses.dataclass(frozen=True, eq=False)
class Region:
    """A class over a region of the output's places."""

    mask: np.ndarray
    classes: Any


def per_example(function: Callable, data: Any) -> PerExample:
    """A function of the outputs that is handed data of each example beside them: its label, box, mask, weight.

    A plain function `outputs -> (n,)` cannot hold such data: it sees some rows at a time, in an order that it does not
    know (chunks, changed copies, pairs with references). This one gets those of its rows, with every method, in every
    batch. Its ops follow the rules of the method, as those of a plain function do; it is handed the same outputs, the
    logits unless `on="probability"`.

    Args:
        function: `function(outputs, rows) -> (n,)`, of TensorFlow or keras.ops: the outputs in the structure in which
            the model returns them, the rows in that of the data.
        data: An array whose first axis is that of the n examples, or a dict, list or tuple of such arrays. Floats are
            handed on in the dtype of the outputs, whole numbers and flags as they are; tuples become lists.

    Raises:
        TargetError: No function; when used: data of another number of examples or that are no numbers, or what the
            function returns is not one number per example that depends on the outputs.

    Example:
        >>> import keras, numpy as np, tensorflow as tf, tfxai
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, kernel_initializer="identity")])
        >>> x, wanted = np.array([[1.0, 2.0], [4.0, 3.0]]), np.array([[1.0, 0.0], [0.0, 2.0]])
        >>> near = tfxai.targets.per_example(lambda y, rows: tf.reduce_sum(y * rows, axis=1), wanted)
        >>> tfxai.explain(model, x, target=near).values.round(3).tolist()
        [[1.0, 0.0], [0.0, 6.0]]
    """
    if not callable(function):
        raise TargetError(f"per_example() takes a function of the outputs and of rows of data. {received(function)}")
    return PerExample(function, data)


def region(mask: Any, class_index: Any) -> Region:
    """The score of one class, summed over a region of the output's places: what makes this object one of its class.

    S = sum over places p of mask_p y_p,c, as in Seg-Grad-CAM (Vinogradova et al. 2020, arXiv:2002.11434). For the mean
    over a region divide its mask by its sum. The axis of the classes is followed through the model: channels may be
    first or last. Of an output whose axes cannot be followed pass `tfxai.targets.mask` weights of its whole shape.

    Args:
        mask: Of the shape of the output's places, (height, width) for pictures, one for all examples or with an axis of
            n before it: booleans, or weights.
        class_index: Class, or one per example.

    Raises:
        TargetError: When used: another shape than that of the places, an empty region, NaN or Inf, a class that is not
            there, an output without places or with an axis that cannot be followed.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> layers = [keras.Input((4, 4, 1)), keras.layers.Conv2D(3, 1, kernel_initializer="ones")]
        >>> mask = np.zeros((4, 4), bool)
        >>> mask[0, :2] = True
        >>> e = tfxai.explain(keras.Sequential(layers), np.ones((1, 4, 4, 1)), target=tfxai.targets.region(mask, 2))
        >>> e.values[0, ..., 0].round(3).tolist()[:2]
        [[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]
    """
    array = np.asarray(mask)
    if array.dtype.kind not in "biuf" or not array.ndim:
        raise TargetError(f"The mask of a region is an array of booleans or weights. {received(mask)}")
    return Region(array, class_index)


# --- Checked against the examples and the output ----------------------------------------------------------------------


def rows_of(data: Any, n: int) -> tuple[tuple[np.ndarray, ...], Any]:
    """The arrays of data of each example, flat, and their structure with the position of each in its place.

    Raises:
        TargetError: Something in it is no array with a first axis of n.
    """
    tree = _structured(data)
    arrays = []
    for name, leaf in named(tree):
        where = f"The data {name!r} of per_example()" if name else "The data of per_example()"
        try:
            array = as_array(leaf.value)
        except Unreadable as error:
            raise TargetError(f"{where}: {error} {received(leaf.value)}") from error
        if array.dtype.kind not in "biuf" and array.dtype.name != "bfloat16":
            raise TargetError(f"{where} are numbers. {received(leaf.value)}")
        if not array.ndim or len(array) != n:
            raise TargetError(
                f"{where} have a row for each of the {n} examples. {received(array)} What is the same for all "
                "examples belongs into the function."
            )
        arrays.append(array)
    if not arrays:
        raise TargetError(f"per_example() takes data with a row for each example. {received(data)}")
    numbers = iter(range(len(arrays)))
    return tuple(arrays), map_structure(lambda _: next(numbers), tree)


@dataclasses.dataclass(frozen=True)
class _Leaf:
    value: Any


def _structured(data: Any) -> Any:
    """The data with every array a leaf: a list of numbers is one array, a list of arrays is several."""
    if isinstance(data, dict):
        return {key: _structured(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)) and any(isinstance(v, dict) or len(getattr(v, "shape", ())) for v in data):
        return [_structured(value) for value in data]
    return _Leaf(data)


def region_weights(region: Region, shape: tuple, axis: int | None, n: int) -> tuple[np.ndarray, int]:
    """(n or 1, places...) the weights of a region; and the axis of the classes, now that it is known to be there.

    Args:
        region: As the user gave it.
        shape: Of the output, without the examples.
        axis: Of the classes, the examples counted; None: that is not known.
        n: How many examples.

    Raises:
        TargetError: They do not fit.
    """
    if len(shape) < 2 or axis is None:
        raise TargetError(
            f"A region is of an output with places and an axis of classes. The output has shape {shape} per example, "
            "and it cannot be followed which of its axes holds the classes. Pass weights of its whole shape, "
            "tfxai.targets.mask(w)."
        )
    places = shape[: axis - 1] + shape[axis:]
    full = region.mask[None] if region.mask.ndim == len(places) else region.mask
    fits = full.ndim == len(places) + 1 and len(full) in (1, n)
    if not fits or any(s is not None and s != t for s, t in zip(places, full.shape[1:], strict=True)):
        raise TargetError(
            f"The mask of a region has the shape of the output's places, {places}, or an axis of 1 or {n} before it "
            f"(its classes are on axis {axis} of {('n', *shape)}). Received: an array of shape {region.mask.shape}."
        )
    full = full.astype(np.float32)
    if not np.isfinite(full).all():
        raise TargetError("The mask of a region has finite weights. Received: NaN or Inf. Replace them, say by 0.")
    empty = np.flatnonzero(~full.reshape(len(full), -1).any(axis=1))
    if len(empty):
        where = f" of example {empty[0]}" if len(full) > 1 else ""
        raise TargetError(f"A region has a place. Received: a mask{where} that is 0 everywhere.")
    return full, axis
