"""A method's name and options -> the method."""

from __future__ import annotations

import dataclasses
import importlib
from typing import Any

from tfxai.errors import MethodError, UnknownOptionError, received, suggest
from tfxai.method.base import Method
from tfxai.method.table import ALIASES, METHODS

# options of an Explainer, whatever its method
SHARED = ("on", "layer", "jit_compile", "fixed", "reduction", "labels", "allow_nan")


def methods() -> dict[str, str]:
    """All method names with a one-line description.

    Example:
        >>> import tfxai
        >>> "deeplift" in tfxai.methods()
        True
    """
    return {name: (class_of(name).__doc__ or "").strip().splitlines()[0] for name in METHODS}


def score_only() -> list[str]:
    """The names of the methods that ask for nothing but scores."""
    return [name for name in METHODS if class_of(name).scores_only]


def class_of(name: str) -> type[Method]:
    """The class of a method in the table."""
    file, _, kind = METHODS[name].partition(".")
    found: type[Method] = getattr(importlib.import_module(f"tfxai.method.{file}"), kind)
    return found


def get(method: Any, options: dict[str, Any]) -> Method:
    """The method object for a name and its options, checked; a method object is taken as it is.

    Raises:
        MethodError: No such method.
        UnknownOptionError: It has no such option, or a method object comes with options.
        OptionError: An option's value cannot be used.
    """
    made = method if isinstance(method, Method) else _made(method, options)
    if isinstance(method, Method) and options:
        raise UnknownOptionError(
            f"A method object carries its own options. Received: {', '.join(options)} beside it. "
            f"Write tfxai.{type(method).__name__}({', '.join(f'{k}=...' for k in options)})."
        )
    made.check()
    return made


def takes(method: Any, option: str) -> bool:
    """Whether a method that is given by its name has this option."""
    name = ALIASES.get(method, method) if isinstance(method, str) else ""
    return name in METHODS and option in [f.name for f in dataclasses.fields(class_of(name))]


def _made(name: Any, options: dict[str, Any]) -> Method:
    """The method of this name with these options."""
    if isinstance(name, type) and issubclass(name, Method):
        raise MethodError(f"This is a method's class: pass tfxai.{name.__name__}(), with its options. {received(name)}")
    name = ALIASES.get(name, name) if isinstance(name, str) else name
    if not isinstance(name, str) or name not in METHODS:
        raise MethodError(f"No method {name!r}. {suggest(name, [*METHODS, *ALIASES])} {received(name)}")
    kind = class_of(name)
    known = [f.name for f in dataclasses.fields(kind)]
    for option in options:
        if option not in known:
            raise UnknownOptionError(f"{name!r} has no option {option!r}. {suggest(option, [*known, *SHARED])}")
    return kind(**options)
