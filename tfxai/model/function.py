"""Any model as one callable on flat tensors, and what is known of its inputs before it is traced."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tfxai.errors import BackendError, FileFormatError, InputTypeError, ModelError, ModelTypeError, received
from tfxai.model.black_box import OF_TORCH, is_torch

# How Keras says that it knows no class or function of that name, and that a file brings code.
UNKNOWN = re.compile(r"(?:(?:locate|deserialize) (?:class|function)|[Uu]nknown \w+:?) '([^']+)'")
PYTHON_INSIDE = re.compile(r"`?Lambda`? layer|unsafe_deserialization|safe_mode")


def open_model(model: Any) -> Any:
    """The model itself, checked; a path to a `.keras` or `.h5` file or SavedModel folder is loaded.

    Raises:
        BackendError: Keras runs on another backend than TensorFlow.
        ModelTypeError: It is no model and no function.
        ModelError: It has no weights yet, because it has never been called.
        FileFormatError: The path does not hold a model.
    """
    if isinstance(model, (str, os.PathLike)):
        return open_model(_load(Path(model)))
    if isinstance(model, keras.layers.Layer) and keras.config.backend() != "tensorflow":
        raise BackendError(
            f"tfxai explains models on Keras' TensorFlow backend. Received: backend {keras.config.backend()!r}. "
            "Set KERAS_BACKEND=tensorflow before importing keras; a .keras file moves between backends as it is."
        )
    if not callable(model) and not hasattr(model, "signatures"):
        raise ModelTypeError(
            "Expected a Keras model, a tf_keras model, a loaded SavedModel, or a function of tensors; of any other "
            "model a function from arrays to scores: tfxai.black_box(model.predict_proba). " + received(model)
        )
    if is_torch(model):
        raise ModelTypeError(f"{OF_TORCH} {received(model)}")
    if isinstance(model, type):
        raise ModelTypeError(f"Expected a model, not its class: call {model.__name__}(...) first. {received(model)}")
    owner = getattr(model, "__self__", None)
    if isinstance(owner, keras.Model) and getattr(model, "__name__", "").startswith("predict"):
        raise ModelTypeError(
            f"{model.__name__} returns arrays of numbers, through which no gradient goes: pass the model itself, or "
            f"tfxai.black_box(model.{model.__name__}), for methods that need no more than scores. " + received(model)
        )
    if getattr(model, "built", True) is False and not getattr(model, "inputs", None):
        raise ModelError(
            f"The model {getattr(model, 'name', model)!r} has never been built, so it has no weights to explain. "
            "Call it on one batch (model(x)), or give its first layer a keras.Input."
        )
    return model


def name_of(model: Any) -> str:
    """What an error calls the model: its own name, or that of its class."""
    return str(getattr(model, "name", type(model).__name__))


def _load(path: Path) -> Any:
    """The model in a file or folder, loaded without running code from it."""
    if not path.exists():
        raise FileNotFoundError(f"No model file at {str(path)!r}.")
    try:
        if path.is_dir():
            return tf.saved_model.load(str(path))
        return keras.saving.load_model(str(path))
    except Exception as error:
        raise FileFormatError(f"{str(path)!r} is not a model that can be loaded safely: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Why a file cannot be loaded, and what to do, without the model's whole configuration."""
    text = str(error)
    if unknown := UNKNOWN.search(text):
        return (
            f"it needs {unknown[1]!r}, which Keras does not have. Import the module that defines it, with "
            "@keras.saving.register_keras_serializable() on it, before loading; in the shell: --import MODULE."
        )
    if PYTHON_INSIDE.search(text):
        return (
            "A file with Python code inside (a Lambda layer) is refused on purpose: build that model in Python and "
            "load its weights."
        )
    first = " ".join(text.split())
    first = first if len(first) <= 200 else first[:197] + "..."
    return f"{type(error).__name__}: {first} Expected a .keras or .h5 file, or a SavedModel folder."


def as_function(model: Any, pack: Callable[[Sequence[tf.Tensor]], Any]) -> Callable:
    """The model as a function of its flat input tensors, at inference."""
    if isinstance(model, keras.layers.Layer):
        return lambda *flat: model(pack(flat), training=False)
    signatures = getattr(model, "signatures", None)
    if signatures:
        model = signatures["serving_default"] if "serving_default" in signatures else next(iter(signatures.values()))
    if _is_signature(model):
        return lambda *flat: model(**_named(model, pack(flat)))
    if "training" in _parameters(getattr(model, "call", model)):
        return lambda *flat: model(pack(flat), training=False)
    return lambda *flat: model(pack(flat))


def _is_signature(model: Any) -> bool:
    """A SavedModel signature takes its inputs by name only."""
    structured = getattr(model, "structured_input_signature", None)
    return structured is not None and not structured[0] and bool(structured[1])


def _named(signature: Any, x: Any) -> dict[str, tf.Tensor]:
    """Inputs by name, as a signature takes them.

    Raises:
        InputTypeError: A list for several: a signature keeps no order of its inputs.
    """
    names = sorted(signature.structured_input_signature[1])
    if isinstance(x, dict):
        return x
    flat = list(x) if isinstance(x, (list, tuple)) else [x]
    if len(names) > 1 or len(flat) > 1:
        raise InputTypeError(
            f"A SavedModel takes its {len(names)} inputs by name, in no order: pass a dict with {', '.join(names)}. "
            f"Received: {len(flat)} arrays."
        )
    return dict(zip(names, flat, strict=True))


def _parameters(function: Any) -> Sequence[str]:
    """The names of a function's parameters; none where Python cannot tell."""
    try:
        return tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return ()


def declared_inputs(model: Any) -> list[tuple[str, tuple, str]] | None:
    """(name, shape with the batch first, dtype) of each flat input of a built functional model; else None."""
    inputs = getattr(model, "inputs", None)
    if not inputs or not isinstance(inputs, (list, tuple)) or not hasattr(model, "layers"):
        return None
    return [(t.name, tuple(t.shape), _dtype_name(t.dtype)) for t in inputs]


def fixed_batch(model: Any) -> int | None:
    """How many examples a model with layers that keep their state is made for; None: any number."""
    declared = declared_inputs(model) if isinstance(model, keras.layers.Layer) else None
    rows = declared[0][1][0] if declared else None  # looked at first: few models say so, and it is asked at every call
    if rows is None or not any(getattr(layer, "stateful", False) for layer in model._flatten_layers()):
        return None
    return int(rows)


def _dtype_name(dtype: Any) -> str:
    return dtype if isinstance(dtype, str) else tf.as_dtype(dtype).name
