"""Every error tfxai raises. Each is also the built-in error that fits, so `except ValueError` works too.

TfxaiError
├── ModelError (ValueError)           the model cannot be explained as it is
│   ├── ModelTypeError (TypeError)    it is not a model at all
│   ├── NoMemoryError (MemoryError)   its passes do not fit into memory
│   ├── NoGradientError               its output does not depend differentiably on the input
│   └── NoRectifierError              it has no rectifier, whose rule the method is
├── BackendError (RuntimeError)       Keras runs on another backend than TensorFlow
├── InputError (ValueError)           x: shape, rank, NaN, empty
│   └── InputTypeError (TypeError)    x: dtype or structure
├── BaselineError (ValueError)
├── TargetError (ValueError)
├── MethodError (ValueError)          unknown method
├── OptionError (ValueError)          an option's value
│   └── UnknownOptionError (TypeError)
├── LayerError (ValueError)           layer not found, or ambiguous
├── UnsupportedOpError (NotImplementedError)
├── FileFormatError (ValueError)      a saved explanation or model file that cannot be read
├── StoreError (OSError)              a store of explanations that holds another job, or cannot be written
├── WorkerError (RuntimeError)        processes that explain a data set died, again and again
└── MissingExtraError (ImportError)   an optional package is not installed
"""

from __future__ import annotations

import difflib
import sys
import warnings
from collections.abc import Iterable


class TfxaiError(Exception):
    """Base of all errors raised on purpose by tfxai: what was expected, what was received, what to do.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> try:
        ...     tfxai.explain(model, np.ones((1, 4), "float32"))
        ... except tfxai.TfxaiError as error:
        ...     print(type(error).__name__, isinstance(error, ValueError))
        InputError True
    """


class ModelError(TfxaiError, ValueError):
    """The model cannot be explained as it is."""


class ModelTypeError(ModelError, TypeError):
    """The object is not a model."""


class NoMemoryError(ModelError, MemoryError):
    """The passes through the model do not fit into memory: `size` examples, or changed copies of them, in each."""

    size: int = 1


class NoGradientError(ModelError):
    """The explained output does not depend differentiably on the input."""


class NoRectifierError(ModelError):
    """The model has no rectifier between the explained tensors and the output."""


class BackendError(TfxaiError, RuntimeError):
    """Keras runs on another backend than TensorFlow."""


class InputError(TfxaiError, ValueError):
    """The input has a wrong shape, rank or value."""


class InputTypeError(InputError, TypeError):
    """The input has a wrong dtype or structure."""


class BaselineError(TfxaiError, ValueError):
    """The baseline does not fit the input."""


class TargetError(TfxaiError, ValueError):
    """The target does not fit the model's output."""


class MethodError(TfxaiError, ValueError):
    """No method has this name."""


class OptionError(TfxaiError, ValueError):
    """An option has a value that the method cannot use."""


class UnknownOptionError(OptionError, TypeError):
    """The method has no such option."""


class LayerError(TfxaiError, ValueError):
    """The layer is not in the model, or the name is ambiguous."""


class UnsupportedOpError(TfxaiError, NotImplementedError):
    """An operation of the model has no rule, and guessing one would be wrong.

    Example:
        >>> import numpy as np, tensorflow as tf, tfxai
        >>> try:
        ...     tfxai.explain(tf.linalg.eigvalsh, np.eye(2, dtype="float32")[None], target=0)
        ... except tfxai.UnsupportedOpError as error:
        ...     print("SelfAdjointEigV2" in str(error))
        True
    """


class FileFormatError(TfxaiError, ValueError):
    """The file is not what it should be."""


class StoreError(TfxaiError, OSError):
    """A store of explanations holds another job, or cannot be written."""


class WorkerError(TfxaiError, RuntimeError):
    """Processes that explain a data set died, again and again."""


class MissingExtraError(TfxaiError, ImportError):
    """An optional package is needed, and not installed or not to be imported."""


class CompletenessWarning(UserWarning):
    """The attributions of a complete method do not add up as well as they should.

    Example: where that must stop a pipeline, make it an error.
        >>> import warnings, tfxai
        >>> warnings.simplefilter("error", tfxai.CompletenessWarning)
    """


class EmptyMapWarning(UserWarning):
    """A class activation map is zero everywhere: nothing in the layer speaks for the target.

    Example:
        >>> import keras, numpy as np, tfxai, warnings
        >>> against = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1, kernel_initializer="ones")]
        >>> layers = [keras.Input((4, 4, 1)), keras.layers.Conv2D(1, 3, kernel_initializer="ones"), *against]
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     e = tfxai.explain(keras.Sequential(layers), -np.ones((1, 4, 4, 1), "float32"), "gradcam")
        >>> [w.category.__name__ for w in caught], float(e.values.max())
        (['EmptyMapWarning'], 0.0)
    """


class SnapshotWarning(UserWarning):
    """A snapshot during training could not be made or written; training goes on.

    Example: where training shall stop instead, make it an error, or pass `strict=True` to the callback.
        >>> import warnings, tfxai
        >>> warnings.simplefilter("error", tfxai.SnapshotWarning)
    """


def warn(message: str, category: type[Warning]) -> None:
    """A warning that names the user's line, however deep in tfxai it comes from."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] == "tfxai":
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def received(value: object) -> str:
    """`value` as the last sentence of an error: its repr, cut short, and its type."""
    text = repr(value)
    if len(text) > 120:
        text = text[:117] + "..."
    return f"Received: {text} (of type {type(value).__name__})."


def suggest(name: object, known: Iterable[str]) -> str:
    """The sentence 'Did you mean ...?', or all the known names when nothing is near."""
    known = sorted(known)
    plain = {k: "".join(c for c in k.lower() if c.isalnum() or c == "+") for k in known}
    wanted = "".join(c for c in str(name).lower() if c.isalnum() or c == "+")  # however papers and classes write it
    near = [k for k in known if plain[k] == wanted] or difflib.get_close_matches(str(name), known, n=3, cutoff=0.5)
    if near:
        return f"Did you mean {' or '.join(repr(n) for n in near)}? Known: {', '.join(known)}."
    return f"Known: {', '.join(known)}."


__all__ = [
    "BackendError",
    "BaselineError",
    "CompletenessWarning",
    "EmptyMapWarning",
    "FileFormatError",
    "InputError",
    "InputTypeError",
    "LayerError",
    "MethodError",
    "MissingExtraError",
    "ModelError",
    "ModelTypeError",
    "NoGradientError",
    "NoMemoryError",
    "NoRectifierError",
    "OptionError",
    "SnapshotWarning",
    "StoreError",
    "TargetError",
    "TfxaiError",
    "UnknownOptionError",
    "UnsupportedOpError",
    "WorkerError",
]
