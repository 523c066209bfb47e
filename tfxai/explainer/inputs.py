"""What the user brings as x: one array or a structure of them, checked before anything is computed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import keras
import numpy as np
import tensorflow as tf

from tfxai.errors import InputError, InputTypeError, received
from tfxai.support.arrays import Unreadable, all_finite, as_array


class Declared(NamedTuple):
    """What a model says of one of its inputs: name, shape with the batch first, dtype. None: not said."""

    name: str
    shape: tuple | None = None
    dtype: str | None = None


class Signature(NamedTuple):
    """What a captured model depends on: the structure of x, its specs; the shape, where it is good for that alone."""

    structure: str
    specs: tuple
    own: tuple | None = None


class Coding(Protocol):
    """How what a user gives becomes numbers, and the words that these stand for, by column."""

    @property
    def words(self) -> dict[str, list[str]]: ...

    def baseline(self, k: int, given: Any) -> Any: ...


@dataclasses.dataclass(frozen=True, eq=False)
class Inputs:
    """Flat arrays of n examples, and how they go back into the user's structure.

    Attributes:
        arrays: One array per model input, first axis n.
        names: One name per input, for messages.
        structure: As the user's x, with a leaf for every input.
        features: The columns of the inputs that came as data frames, by the path of the input ("" for a single one).
        specs: One per input, the batch open, and other axes open where the model leaves them open.
        signature: What the captured model depends on.
        rows: The names of the examples, where they came with a data frame that has others than their numbers.
        declared: What the model itself calls its inputs, where they came in its order.
        coding: What became numbers of a black box's data frames, and how its baselines do.
        missing: Positions of the inputs in which numbers are missing (NaN), where they may be.
    """

    arrays: list[np.ndarray]
    names: list[str]
    structure: Any
    features: dict[str, list[str]]
    specs: list[tf.TensorSpec]
    signature: Signature
    rows: list[str]
    declared: list[str] = dataclasses.field(default_factory=list)
    coding: Coding | None = None
    missing: tuple[int, ...] = ()

    @property
    def positions(self) -> dict[Any, int]:
        """What each input answers to: its name in x and in the model, and its position."""
        known: dict[Any, int] = {name: k for k, name in enumerate(self.declared)}
        known.update((name, k) for k, name in enumerate(self.names))
        return known | {k: k for k in range(len(self.names))}

    @property
    def n(self) -> int:
        """How many examples."""
        return len(self.arrays[0])

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Of one example's inputs."""
        return [a.shape[1:] for a in self.arrays]

    def at_own_shape(self, rows: int | None = None) -> Inputs:
        """The same with no axis open but that of the examples; or not that either, with so many rows."""
        specs = [tf.TensorSpec([rows, *a.shape[1:]], s.dtype) for a, s in zip(self.arrays, self.specs, strict=True)]
        signature = self.signature._replace(own=tuple(tuple(s.shape) for s in specs))
        return dataclasses.replace(self, specs=specs, signature=signature)

    def pack(self, flat: Sequence[Any]) -> Any:
        """Flat values in the user's structure."""
        return keras.tree.pack_sequence_as(self.structure, list(flat))


def read(
    x: Any, declared: list[tuple[str, tuple, str]] | None, float_dtype: str | None, allow_nan: bool = False
) -> Inputs:
    """Checks x against the model's declared inputs.

    Args:
        x: Array, or list/tuple/dict of arrays; anything that numpy reads. First axis: examples.
        declared: (name, shape, dtype) of each model input when the model says so.
        float_dtype: What floats are cast to where nothing is declared; None keeps them.
        allow_nan: Whether numbers may be missing.

    Raises:
        InputTypeError: Structure or dtype.
        InputError: Shape, rank, NaN (unless allowed) or Inf, no examples.
    """
    structure = leaves_of(x, declared)
    leaves = [(tuple(path), leaf.value) for path, leaf in keras.tree.flatten_with_path(structure)]
    if declared is not None and len(leaves) != len(declared):
        listed = ", ".join(name for name, *_ in declared)
        raise InputTypeError(
            f"The model has {len(declared)} input{'s' * (len(declared) > 1)} ({listed}): pass "
            f"{'a list in this order or a dict by name' if len(declared) > 1 else 'one array'}. Received: "
            f"{len(leaves)} array{'s' * (len(leaves) != 1)}. {_of_one(x)}"
        )
    arrays, names, specs, features = [], [], [], {}
    for k, (path, value) in enumerate(leaves):
        name = ".".join(map(str, path))
        known = Declared(name or "x") if declared is None else _declared(declared, k, name, isinstance(x, dict))
        array = _array(value, known, float_dtype, allow_nan)
        shape = array.shape if known.shape is None else known.shape
        arrays.append(array)
        names.append(name or "x")
        specs.append(tf.TensorSpec([None, *shape[1:]], tf.as_dtype(array.dtype)))
        if len(columns := getattr(value, "columns", ())):
            features[name] = [str(c) for c in columns]
    if len({len(a) for a in arrays}) > 1:
        sizes = ", ".join(f"{name}: {len(a)}" for name, a in zip(names, arrays, strict=True))
        raise InputError(f"All inputs hold the same number of examples. Received: {sizes}.")
    form = tuple((path, tuple(s.shape), s.dtype) for (path, _), s in zip(leaves, specs, strict=True))
    signature = Signature(type(structure).__name__, form)
    own = [name for name, *_ in declared or [] if not isinstance(x, dict)]
    missing = tuple(k for k, a in enumerate(arrays) if allow_nan and _are_floats(a) and np.isnan(a).any())
    return Inputs(arrays, names, structure, features, specs, signature, _rows(leaves), own, missing=missing)


def _rows(leaves: Sequence[tuple[Any, Any]]) -> list[str]:
    """The row names of the first data frame that has some."""
    for _, value in leaves:
        index = getattr(value, "index", None)
        if index is not None and not callable(index) and list(index) != list(range(len(index))):
            return [str(i) for i in index]
    return []


@dataclasses.dataclass(frozen=True)
class _Leaf:
    """What the user gave for one input: a leaf of the structure, whatever it is itself."""

    value: Any


def leaves_of(x: Any, declared: list | None) -> Any:
    """x with every input a leaf; a plain list of numbers is one array, not many inputs."""
    if isinstance(x, dict):
        return {k: leaves_of(v, None) for k, v in x.items()}
    if isinstance(x, (list, tuple)) and _is_several(x, declared):
        return [_Leaf(v) for v in x]
    return _Leaf(x)


def _is_several(x: Sequence[Any], declared: list | None) -> bool:
    """Whether a list holds one array per input, rather than one array.

    Arrays do, unless the model says that it has one input, of which they are the examples; other lists do where the
    model has several inputs.
    """
    arrays = bool(x) and all(hasattr(v, "shape") for v in x)
    if declared is None:
        return arrays
    return len(declared) > 1 or (arrays and len(x[0].shape) == len(declared[0][1]))


def _declared(declared: list, k: int, name: str, by_name: bool) -> Declared:
    """What the model says of flat input k: by name in a dict, by position otherwise."""
    if not by_name:
        return Declared(*declared[k])
    return next((Declared(*known) for known in declared if known[0] == name), Declared(name))


def _array(value: Any, declared: Declared, float_dtype: str | None, allow_nan: bool) -> np.ndarray:
    """Anything that numpy reads, in the dtype that the model takes, if it fits and its numbers are finite."""
    name, shape, dtype = declared
    if isinstance(value, (tf.data.Dataset, keras.utils.PyDataset)):
        raise InputTypeError(
            f"x is arrays here, not a {type(value).__name__}. Take a batch, without its labels: x = next(iter(data)). "
            "For many batches prepare once: explainer = tfxai.Explainer(model), then explainer(x) for each."
        )
    try:
        array = as_array(value)
    except Unreadable as error:
        raise InputTypeError(f"Input {name!r}: {error} {received(value)}") from error
    if array.ndim == 0:
        raise InputError(f"Input {name!r} has no axis of examples. {received(value)} {_one_of(array, shape, dtype)}")
    if shape is not None and array.ndim == 1 and len(shape) == 2 and shape[1] == 1:
        array = array[:, None]  # a column, as Keras takes it
    if shape is not None:
        _check_shape(array, name, shape, "x[None]" if hasattr(value, "shape") else "np.asarray(x)[None]")
    if len(array) == 0:
        raise InputError(f"Input {name!r} holds no examples. Received: shape {array.shape}. Pass at least one.")
    given = array
    with np.errstate(over="ignore"):  # looked at below
        array = _cast(given, name, dtype, float_dtype)
    if _are_floats(array):
        _check_finite(given, array, name, allow_nan)
    return array


def _are_floats(array: np.ndarray) -> bool:
    return array.dtype.kind not in "OSUbiu"


def _check_finite(given: np.ndarray, array: np.ndarray, name: str, allow_nan: bool) -> None:
    """Raises InputError where numbers are none, or are too large for the dtype that the model takes."""
    if all_finite(array):
        return
    bad = np.unique(np.nonzero(np.isinf(array) if allow_nan else ~np.isfinite(array))[0])
    if not len(bad):
        return
    where = f"in {len(bad)} of {len(array)} examples (first: example {bad[0]})"
    if np.isfinite(given).all():
        raise InputError(f"Input {name!r} has numbers too large for {array.dtype} {where}. Scale them.")
    raise InputError(
        f"Input {name!r} has NaN or Inf {where}. Attributions of such values mean nothing: remove or impute them. For "
        "a model that is made for missing values (NaN) pass allow_nan=True."
    )


def _of_one(x: Any) -> str:
    """What to do about another number of arrays than the model has inputs."""
    if hasattr(x, "columns"):
        return "Of a data frame with a column for each pass dict(frame)."
    return "Of a pair (x, y) pass x alone, without the labels."


def _one_of(array: np.ndarray, shape: tuple | None, dtype: str | None) -> str:
    """What to do about one number or text in place of an array."""
    if array.dtype.kind not in "US":
        return "Pass an array of rank 1 or more."
    if dtype == "string":
        return "Of one text pass a list of it, [text]."
    size = f", target_size={shape[1:3]}" if shape is not None and len(shape) == 4 and None not in shape[1:3] else ""
    return (
        f"Files are not read here: x = keras.utils.img_to_array(keras.utils.load_img(path{size}))[None] reads "
        "a picture, to be scaled as in training; `tfxai explain MODEL FILE` in a shell does it all."
    )


def _check_shape(array: np.ndarray, name: str, shape: tuple, one: str) -> None:
    """Raises InputError when the array has another shape than declared; `one` is a batch of one example."""
    expected = "(batch, " + ", ".join("any" if s is None else str(s) for s in shape[1:]) + ")"
    if array.ndim == len(shape) - 1:
        raise InputError(
            f"Input {name!r} expects shape {expected}. Received: {array.shape}, without the axis of examples. "
            f"For one example pass {one}."
        )
    if array.ndim != len(shape) or any(
        s is not None and s != t for s, t in zip(shape[1:], array.shape[1:], strict=True)
    ):
        raise InputError(f"Input {name!r} expects shape {expected}. Received: {array.shape}. Resize or transpose it.")


def _cast(array: np.ndarray, name: str, dtype: str | None, float_dtype: str | None) -> np.ndarray:
    """The array in the declared dtype; floats without one in `float_dtype`."""
    kind = array.dtype.kind
    if kind in "OSU" and dtype in (None, "string"):
        return array.astype(object)
    if kind not in "biuf" and array.dtype.name != "bfloat16":
        raise InputTypeError(f"Input {name!r} expects numbers. Received: dtype {array.dtype}.")
    if dtype is None:
        return array.astype(float_dtype) if kind == "f" and float_dtype else array
    target = tf.as_dtype(dtype)
    if target.is_integer and kind == "f":
        if not np.array_equal(array, np.round(array)):
            raise InputTypeError(
                f"Input {name!r} expects integers ({dtype}), such as token ids. Received: {array.dtype} with "
                "fractions. Round it yourself if that is meant."
            )
    return array.astype(target.as_numpy_dtype)
