"""Every error tfxai raises. Each is also the built-in error that fits, so `except ValueError` works too.

TfxaiError
├── ModelError (ValueError)           the model cannot be explained as it is
│   ├── ModelTypeError (TypeError)    it is not a model at all
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
└── MissingExtraError (ImportError)   an optional package is not installed
"""

from __future__ import annotations

import difflib
import sys
import warnings
from collections.abc import Iterable


class TfxaiError(Exception):
    """Base of all errors raised on purpose by tfxai."""


class ModelError(TfxaiError, ValueError):
    """The model cannot be explained as it is."""


class ModelTypeError(ModelError, TypeError):
    """The object is not a model."""


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
    """An operation of the model has no rule, and guessing one would be wrong."""


class FileFormatError(TfxaiError, ValueError):
    """The file is not what it should be."""


class MissingExtraError(TfxaiError, ImportError):
    """An optional package is needed and not installed."""


class CompletenessWarning(UserWarning):
    """The attributions of a complete method do not add up as well as they should."""


class EmptyMapWarning(UserWarning):
    """A class activation map is zero everywhere: nothing in the layer speaks for the target."""


class SnapshotWarning(UserWarning):
    """A snapshot during training could not be made or written; training goes on."""


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
    near = difflib.get_close_matches(str(name), known, n=3, cutoff=0.5)
    if near:
        return f"Did you mean {' or '.join(repr(n) for n in near)}? Known: {', '.join(known)}."
    return f"Known: {', '.join(known)}."
