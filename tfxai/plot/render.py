"""An explanation as pixels, without axes: for film strips and event files, where a figure would be too slow."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from tfxai.plot.automatic import draw
from tfxai.plot.kinds import scale
from tfxai.plot.kinds.image import coloured, faint, same_places, summed
from tfxai.plot.kinds.table import guess
from tfxai.result.data import ExplanationData
from tfxai.result.describe import part, shown, unsigned

SIDE = 192  # least pixels of the shorter side


class Painted(NamedTuple):
    """A map in the colours of a palette.

    Attributes:
        levels: (height, width) uint8, indices of the palette.
        palette: (255, 4) colours, and how much of each is over the picture.
        values: (height, width), what is drawn.
        top: The magnitude of the strongest colour.
        picture: (height, width, 3) in [0, 1], what is under it; None where there is none.
    """

    levels: np.ndarray
    palette: np.ndarray
    values: np.ndarray
    top: float
    picture: np.ndarray | None


def render(e: ExplanationData, index: int = 0, key: Any = None, labels: Sequence[str] | None = None) -> np.ndarray:
    """The picture of one example as (height, width, 3) uint8: a map over its image, or the drawing of `auto`.

    Args:
        e: The explanation.
        index: Which example.
        key: Which input or layer, of several.
        labels: Class names.
    """
    values, inputs = part(shown(e), key)
    one, x = values[index], None if inputs is None else np.asarray(inputs[index])
    if guess(one, x) == "image" and np.isfinite(one).all():
        return _map(one, x, "positive" if unsigned(e, values) else "all")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.4, 2.8), layout="constrained")
    draw(e, index, figure.subplots(), key, labels=labels)
    return drawn(figure)


def drawn(figure: Any, dpi: int = 72) -> np.ndarray:
    """A matplotlib Figure as (height, width, 3) uint8."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return np.asarray(Image.open(buffer).convert("RGB"))


def photograph(e: ExplanationData, index: int = 0, key: Any = None) -> np.ndarray | None:
    """The input as (height, width, 3) uint8, where it is an image."""
    _, inputs = part(shown(e), key)
    x = None if inputs is None else np.asarray(inputs[index])
    if x is None or x.dtype.kind not in "biuf" or guess(x, None) != "image" or not np.isfinite(x).all():
        return None
    return _enlarged(coloured(np.asarray(x, float)))


def painted(one: np.ndarray, x: Any, sign: str) -> Painted:
    """The map of one example, at the places of its picture where it has one."""
    values = scale.signed_part(summed(np.asarray(one, float), None), sign)
    top = scale.limit(values, 1.0)
    image = x is not None and x.dtype.kind in "biuf" and np.isfinite(x).all() and same_places(one, x)
    behind = coloured(np.asarray(x, float)) if image else None
    if behind is not None and behind.shape[:2] != values.shape:
        size = behind.shape[1], behind.shape[0]
        values = np.asarray(Image.fromarray(values.astype(np.float32)).resize(size, Image.Resampling.BILINEAR))
    look, steps = scale.colours(sign, top), np.linspace(0, 1, scale.LEVELS)
    level = np.clip((values - look["vmin"]) / (look["vmax"] - look["vmin"]), 0, 1)
    palette = look["cmap"](steps)
    if behind is not None:
        palette[:, 3] = scale.OPAQUE * scale.opacity(look["vmin"] + steps * (look["vmax"] - look["vmin"]), top)
    return Painted(np.round(level * (scale.LEVELS - 1)).astype(np.uint8), palette, values, top, behind)


def _map(one: np.ndarray, x: np.ndarray | None, sign: str) -> np.ndarray:
    """A map over its image, as pixels."""
    drawn = painted(one, x, sign)
    colour, alpha = np.split(drawn.palette[drawn.levels], [3], axis=-1)
    return _enlarged(colour if drawn.picture is None else alpha * colour + (1 - alpha) * faint(drawn.picture))


def _enlarged(colour: np.ndarray) -> np.ndarray:
    """Whole pixels, large enough to see."""
    factor = -(-SIDE // min(colour.shape[:2])) if min(colour.shape[:2]) < SIDE else 1
    return np.repeat(np.repeat((255 * np.clip(colour, 0, 1)).round().astype(np.uint8), factor, 0), factor, 1)
