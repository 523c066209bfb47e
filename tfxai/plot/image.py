"""A map over an image."""

from __future__ import annotations

from typing import Any

import numpy as np

from tfxai.errors import InputError, OptionError, received
from tfxai.plot import scale


def image(
    values: np.ndarray,
    background: np.ndarray | None = None,
    ax: Any = None,
    sign: str = "all",
    outlier_perc: float = 1.0,
    cmap: Any = None,
    alpha_overlay: float = 0.75,
    colorbar: bool = True,
    title: str | None = None,
    unit: str = "contribution",
    top: float | None = None,
) -> Any:
    """Draws contributions of the pixels of one image.

    Args:
        values: (height, width) or (height, width, channels); channels are summed.
        background: The image in [0, 1] behind the map, drawn grey and light; None for the map alone.
        ax: Where to draw; None makes a figure.
        sign: "all" (diverging, zero white), "positive", "negative", or "absolute_value" (from zero up).
        outlier_perc: This percentage of the largest magnitudes saturates the colours.
        cmap: Another colour map.
        alpha_overlay: How opaque the map is at its largest magnitude; over a background it fades to nothing at zero.
        colorbar: Whether to draw the scale.
        title: Above the picture.
        unit: Beside the scale.
        top: The magnitude of the strongest colour, above 0; None takes it from the values.

    Returns:
        The matplotlib Axes.

    Raises:
        InputError: Shape, NaN or Inf of the values or the background.
        OptionError: sign, outlier_perc or top.
    """
    values = np.asarray(values, float)
    if values.ndim == 3:
        values = values.sum(axis=-1)
    if values.ndim != 2:
        raise InputError(
            f"An image map has shape (height, width) or (height, width, channels). Received: {values.shape}."
        )
    drawn = scale.chosen(values, sign)
    top = scale.limit(drawn, outlier_perc) if top is None else top
    if not 0 < top < np.inf:
        raise OptionError(f"top is a magnitude above 0, or None for that of the values. {received(top)}")
    grey = None if background is None else _faint(background)
    ax = scale.axes(ax)
    alpha: Any = None
    if grey is not None:
        ax.imshow(grey, extent=(-0.5, values.shape[1] - 0.5, values.shape[0] - 0.5, -0.5))
        alpha = alpha_overlay * np.clip(np.abs(drawn) / top, 0, 1) ** 0.5
    mapped = ax.imshow(drawn, alpha=alpha, **scale.colours(sign, top, cmap))
    ax.set_xticks([])
    ax.set_yticks([])
    if title:
        ax.set_title(title)
    if colorbar:
        from matplotlib.cm import ScalarMappable

        # a scale of its own, opaque where the map fades
        bar = ax.figure.colorbar(ScalarMappable(mapped.norm, mapped.cmap), ax=ax, shrink=0.85)
        bar.set_label(scale.label(sign, unit))
    return ax


def _faint(background: np.ndarray) -> np.ndarray:
    """The photograph in light grey, so that colours are the map's alone."""
    grey = np.asarray(background, float)
    if grey.ndim == 3:
        grey = grey[..., :3].mean(axis=-1)
    if grey.ndim != 2 or not grey.size or not np.isfinite(grey).all():
        raise InputError(
            "The background is one image without NaN or Inf, (height, width) or (height, width, channels). Received: "
            f"shape {np.shape(background)}."
        )
    low, high = grey.min(), grey.max()
    grey = (grey - low) / (high - low) if high > low else np.full_like(grey, 0.5)
    return np.repeat((0.6 + 0.35 * grey)[..., None], 3, axis=-1)
