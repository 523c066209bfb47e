"""Volumes and films as a row of slices."""

from __future__ import annotations

from typing import Any

import numpy as np

from tfxai.errors import InputError, OptionError, received
from tfxai.plot.kinds.image import image


def volume(
    values: np.ndarray,
    background: np.ndarray | None = None,
    axis: int = 0,
    slices: int | list[int] = 6,
    ax: Any = None,
    **options: Any,
) -> Any:
    """Draws slices of a volume beside each other, on one scale.

    Args:
        values: (depth, height, width) or (depth, height, width, channels); channels are summed.
        background: The volume itself, of the same places.
        axis: 0, 1 or 2: across which the slices are cut.
        slices: How many, evenly spread, or which.
        ax: Where to draw; None makes a figure.
        **options: Of `tfxai.plot.image`.

    Returns:
        The matplotlib Axes; the numbers under it are those of the slices.

    Raises:
        InputError: Shapes that do not fit each other, NaN or Inf.
        OptionError: Another axis, slices that are not there, or what `tfxai.plot.image` refuses.

    Example:
        >>> from matplotlib.figure import Figure
        >>> ax = volume(np.ones((8, 4, 5)), slices=[0, 7], ax=Figure().subplots())
        >>> [t.get_text() for t in ax.get_xticklabels()]
        ['0', '7']
    """
    values = np.asarray(values, float)
    if values.ndim == 4:
        values = values.sum(axis=-1)
    if values.ndim != 3:
        raise InputError(f"A volume has shape (depth, height, width[, channels]). Received: {values.shape}.")
    if axis not in (0, 1, 2):
        raise OptionError(f"axis is 0, 1 or 2. {received(axis)}")
    depth = values.shape[axis]
    chosen = _spread(slices, depth) if isinstance(slices, int) else list(slices)
    if not chosen or not all(0 <= s < depth for s in chosen):
        raise OptionError(f"slices is a number from 1, or a list of indices below {depth}. {received(slices)}")
    behind = None
    if background is not None:
        background = np.asarray(background, float)
        background = background[..., :3].mean(-1) if background.ndim == 4 else background
        if background.shape != values.shape:
            raise InputError(
                f"The background has the places of the volume, {values.shape}. Received: {background.shape}."
            )
        behind = _beside(background, axis, chosen)
    ax = image(_beside(values, axis, chosen), behind, ax, **options)
    width = np.delete(values.shape, axis)[1]
    ax.set_xticks([(k + 0.5) * width - 0.5 for k in range(len(chosen))], [str(s) for s in chosen])
    ax.tick_params(length=0)
    for k in range(1, len(chosen)):
        ax.axvline(k * width - 0.5, color="0.5", linewidth=0.8)
    return ax


def _spread(count: int, depth: int) -> list[int]:
    """So many indices from first to last, evenly."""
    return np.unique(np.linspace(0, depth - 1, min(count, depth)).round().astype(int)).tolist() if count > 0 else []


def _beside(cube: np.ndarray, axis: int, slices: list[int]) -> np.ndarray:
    return np.concatenate([np.take(cube, s, axis) for s in slices], axis=1)


def fits(one: np.ndarray, x: np.ndarray | None) -> bool:
    """Four axes: three of places, and channels."""
    return one.ndim == 4


def draw(one: np.ndarray, x: np.ndarray | None, ax: Any, options: dict, *, sign: str, **facts: Any) -> Any:
    """Over the input, where that has the same places."""
    options = {"sign": sign, **options}
    if x is not None and x.shape[:3] == one.shape[:3]:
        options.setdefault("background", x)
    return volume(one, ax=ax, **options)
