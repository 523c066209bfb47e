"""Checks of option values: what was expected, what was received."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tfxai.errors import OptionError, received


def is_number(value: object) -> bool:
    """A finite real number, and no bool."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.floating, np.integer)):
        return False
    return bool(np.isfinite(value))


def amount(value: object, name: str) -> None:
    """Raises OptionError when the value is no number from 0."""
    if not is_number(value) or value < 0:  # type: ignore[operator]  # it is a number then
        raise OptionError(f"{name} is a number from 0. {received(value)}")


def whole_number(value: object, name: str, least: int = 1, more: str = "") -> None:
    """Raises OptionError when the value is no whole number from `least`; `more` says what else it may be."""
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
        raise OptionError(f"{name} is a whole number from {least}{more}. {received(value)}")


def one_of(value: object, name: str, known: Iterable[str], more: str = "") -> None:
    """Raises OptionError when the value is none of these names; `more` says what else it may be."""
    known = list(known)
    if not isinstance(value, str) or value not in known:
        raise OptionError(f"{name} is one of {', '.join(map(repr, known))}{more}. {received(value)}")


def either(value: object, name: str, *known: str) -> None:
    """Raises OptionError when the value is none of these few."""
    if not isinstance(value, str) or value not in known:
        *first, last = map(repr, known)
        raise OptionError(f"{name} is {', '.join(first)} or {last}. {received(value)}")
