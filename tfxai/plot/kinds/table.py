"""Every kind of picture by name: which values it fits, and how it is drawn."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

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


def guess(one: np.ndarray, x: Any = None) -> str:
    """The kind that fits the shape of one example's values (and of its input, where that belongs to them)."""
    return next(name for name, kind in KINDS.items() if kind.fits(one, x))
