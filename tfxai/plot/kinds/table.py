"""Every kind of picture by name: which values it fits, and how it is drawn."""

from __future__ import annotations

import inspect
from collections.abc import Collection
from types import ModuleType
from typing import Any

import numpy as np

from tfxai.errors import UnknownOptionError, suggest
from tfxai.plot.kinds import bars, image, logo, series, text, volume

# A kind is a file with `fits(one, x) -> bool`: whether it suits one example's values and input, and
# `draw(one, x, ax, options, *, sign, names, words) -> Axes`, which takes of the last three what it can show.
# In this order the first that fits is drawn.
KINDS: dict[str, ModuleType] = {
    "volume": volume,
    "image": image,
    "series": series,
    "tokens": text,
    "bars": bars,
    "logo": logo,
}


def check_options(kind: str, options: Collection[str]) -> None:
    """Raises UnknownOptionError where the function that draws this kind, which has its name, lacks one of the options.

    Example:
        >>> check_options("bars", ["top"])
    """
    taken = inspect.signature(getattr(KINDS[kind], kind)).parameters
    known = list(taken)[1:]
    open_end = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in taken.values())
    if open_end:  # handed on to the picture of each slice
        known = [*known[:-1], *inspect.signature(image.image).parameters]
    for option in options:
        if option not in known:
            own = [name for name in known if name != "ax"]
            raise UnknownOptionError(f"A picture of kind {kind!r} has no option {option!r}. {suggest(option, own)}")


def guess(one: np.ndarray, x: Any = None) -> str:
    """The kind that fits the shape of one example's values (and of its input, where that belongs to them)."""
    return next(name for name, kind in KINDS.items() if kind.fits(one, x))
