"""What the user brings as x: one array or a structure of them, checked before anything is computed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfxai.errors import InputError, InputTypeError, received


@dataclasses.dataclass(frozen=True, eq=False)
class Inputs:
    """Flat arrays of n examples, and how they go back into the user's structure.

    Attributes:
        arrays: One array per model input, first axis n.
        names: One name per input, for messages.
        structure: The user's x, as a template.
        features: The columns of the inputs that came as data frames, by the path of the input ("" for a single one).
    """

    arrays: list[np.ndarray]
    names: list[str]
    structure: Any
    features: dict[str, list[str]] = dataclasses.field(default_factory=dict)

    @property
    def n(self) -> int:
        return len(self.arrays[0])

    def pack(self, flat: Sequence[Any]) -> Any:
        return keras.tree.pack_sequence_as(self.structure, list(flat))

    def specs(self, declared: list | None) -> list[tf.TensorSpec]:
        """One spec per input, the batch open, and other axes open where the model leaves them open."""
        specs = []
        for k, array in enumerate(self.arrays):
            shape = _declared(declared, k, self)[1] if declared else None
            shape = shape if shape is not None and len(shape) == array.ndim else array.shape
            specs.append(tf.TensorSpec([None, *shape[1:]], tf.as_dtype(array.dtype)))
        return specs


def read(x: Any, declared: list[tuple[str, tuple, str]] | None, float_dtype: str | None) -> Inputs:
    """Checks x against the model's declared inputs.

    Args:
        x: Array, or list/tuple/dict of arrays; anything that numpy reads. First axis: examples.
        declared: (name, shape, dtype) of each model input when the model says so.
        float_dtype: What floats are cast to where nothing is declared; None keeps them.

    Raises:
        InputTypeError: Structure or dtype.
        InputError: Shape, rank, NaN or Inf, no examples.
    """
    structure = _structure(x, declared, _leaf)
    flat = keras.tree.flatten(structure)
    if declared is not None and len(flat) != len(declared):
        names = ", ".join(name for name, *_ in declared)
        raise InputTypeError(
            f"The model has {len(declared)} inputs ({names}): pass a list in this order or a dict by name. "
            f"Received: {len(flat)} arrays."
        )
    paths = [_path(p) for p, _ in keras.tree.flatten_with_path(structure)]
    template = Inputs([], paths, structure)
    arrays = []
    for k, value in enumerate(flat):
        name, shape, dtype = _declared(declared, k, template) if declared else (paths[k], None, None)
        arrays.append(_array(value, name or "x", shape, dtype, float_dtype))
    columns = keras.tree.flatten(_structure(x, declared, _columns))
    features = {path: names.tolist() for path, names in zip(paths, columns, strict=True) if len(names)}
    result = Inputs(arrays, [p or "x" for p in paths], structure, features)
    if len({len(a) for a in arrays}) > 1:
        sizes = ", ".join(f"{p}: {len(a)}" for p, a in zip(result.names, arrays, strict=True))
        raise InputError(f"All inputs hold the same number of examples. Received: {sizes}.")
    return result


def _structure(x: Any, declared: list | None, leaf: Callable[[Any], np.ndarray]) -> Any:
    """x with every leaf an array; a plain list of numbers is one array, not many inputs."""
    if isinstance(x, dict):
        return {k: _structure(v, None, leaf) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        arrays = bool(x) and all(hasattr(v, "shape") for v in x)
        several = declared is None or len(declared) > 1
        if arrays and (declared is None or several or len(np.shape(x[0])) == len(declared[0][1])):
            return [leaf(v) for v in x]
        if declared is not None and several:
            return [leaf(v) for v in x]
    return leaf(x)


def _columns(value: Any) -> np.ndarray:
    """The names of the columns of a data frame; none of anything else."""
    return np.array([str(c) for c in getattr(value, "columns", ())], object)


def _leaf(value: Any) -> np.ndarray:
    if isinstance(value, (tf.data.Dataset, keras.utils.PyDataset)):
        raise InputTypeError(
            f"x is arrays, not a {type(value).__name__}. Take a batch, without its labels: x = next(iter(dataset)). "
            "For many batches prepare once: explainer = tfxai.Explainer(model), then explainer(x) for each."
        )
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise InputTypeError(f"x cannot be read as an array: {error}. {received(value)}") from error
    if array.dtype == object and not all(isinstance(v, (str, bytes)) for v in array.reshape(-1)):
        raise InputTypeError(
            "x is an array of Python objects; expected numbers (or strings). Rows of different length? "
            f"{received(value)}"
        )
    return array


def _declared(declared: list, k: int, inputs: Inputs) -> tuple[str, tuple | None, str | None]:
    """The declaration of flat input k: by name for a dict, by position otherwise."""
    if isinstance(inputs.structure, dict):
        by_name = {name: (name, shape, dtype) for name, shape, dtype in declared}
        return by_name.get(inputs.names[k], (inputs.names[k], None, None))
    return declared[k]


def _path(path: Sequence[Any]) -> str:
    return ".".join(str(p) for p in path)


def _array(array, name: str, shape: tuple | None, dtype: str | None, float_dtype: str | None) -> np.ndarray:
    if array.ndim == 0:
        raise InputError(f"Input {name!r} has no axis of examples. {received(array)} Pass an array of rank 1 or more.")
    if shape is not None:
        _check_shape(array, name, shape)
    if len(array) == 0:
        raise InputError(f"Input {name!r} holds no examples. Received: shape {array.shape}. Pass at least one.")
    array = _cast(array, name, dtype, float_dtype)
    if array.dtype.kind not in "OSUbiu" and not np.isfinite(array).all():
        bad = np.unique(np.nonzero(~np.isfinite(array))[0])
        raise InputError(
            f"Input {name!r} has NaN or Inf in {len(bad)} of {len(array)} examples (first: example {bad[0]}). "
            "Attributions of such values mean nothing: remove or impute them."
        )
    return array


def _check_shape(array: np.ndarray, name: str, shape: tuple) -> None:
    expected = "(batch, " + ", ".join("any" if s is None else str(s) for s in shape[1:]) + ")"
    if array.ndim == len(shape) - 1:
        raise InputError(
            f"Input {name!r} expects shape {expected}. Received: {array.shape}, without the axis of examples. "
            "For one example pass x[None]."
        )
    if array.ndim != len(shape) or any(
        s is not None and s != t for s, t in zip(shape[1:], array.shape[1:], strict=True)
    ):
        raise InputError(f"Input {name!r} expects shape {expected}. Received: {array.shape}. Resize or transpose it.")


def _cast(array: np.ndarray, name: str, dtype: str | None, float_dtype: str | None) -> np.ndarray:
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
