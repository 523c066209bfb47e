"""Checks of option values that several methods share."""

from __future__ import annotations

import numpy as np

from tfxai.errors import OptionError, received


def is_number(value: object) -> bool:
    """A finite real number, and no bool."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.floating, np.integer)):
        return False
    return bool(np.isfinite(value))


def whole_number(value: object, name: str, least: int = 1) -> None:
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
        raise OptionError(f"{name} is a whole number from {least}. {received(value)}")


def one_of(value: object, name: str, known) -> None:
    if value not in tuple(known):
        raise OptionError(f"{name} is one of {', '.join(map(repr, known))}. {received(value)}")
