"""A map over an image."""

from __future__ import annotations

from typing import Any

import numpy as np

from tfxai.errors import InputError, OptionError, received
from tfxai.plot.kinds import lettering, scale
from tfxai.support.checks import either, one_of

STYLES = ("blended", "masked", "heat_map")
BYTES = 8  # above this largest number, from 0 on, a picture is one of bytes
LARGE = 16  # places from which two axes of alike length are a picture without channels, not steps and channels


def image(
    values: np.ndarray,
    background: np.ndarray | None = None,
    ax: Any = None,
    sign: str = "all",
    outlier_perc: float = 1.0,
    cmap: Any = None,
    alpha_overlay: float = scale.OPAQUE,
    colorbar: bool = True,
    title: str | None = None,
    unit: str = "contribution",
    top: float | None = None,
    style: str = "blended",
    channel: int | None = None,
    data_format: str = "channels_last",
) -> Any:
    """Draws contributions of the pixels of one image.

    Args:
        values: (height, width) or (height, width, channels); channels are summed.
        background: The image, in 0 to 255, 0 to 1 or -1 to 1, else scaled to its own range; None for the map alone. A
            map of another size is stretched over it.
        ax: Where to draw; None makes a figure.
        sign: "all" (diverging, zero white), "positive", "negative", or "absolute_value" (from zero up).
        outlier_perc: This percentage of the largest magnitudes saturates the colours.
        cmap: Another colour map.
        alpha_overlay: How opaque the map is at its largest magnitude; over a background it fades to nothing at zero.
        colorbar: Whether to draw the scale.
        title: Above the picture.
        unit: Beside the scale.
        top: The magnitude of the strongest colour, above 0; None takes it from the values.
        style: What becomes of the background: "blended" (grey and light under the map), "masked" (the image itself,
            dark where the map is small), "heat_map" (not drawn).
        channel: Draw this channel alone instead of the sum.
        data_format: "channels_first" when values and background have their channels before the places.

    Returns:
        The matplotlib Axes.

    Raises:
        InputError: Shape, NaN or Inf of the values or the background.
        OptionError: sign, outlier_perc, top, style, channel or data_format.

    Example:
        >>> from matplotlib.figure import Figure
        >>> ax = image(np.eye(3) - 0.5, np.ones((3, 3, 3)), ax=Figure().subplots(), title="identity")
        >>> len(ax.images)  # the background, and the map over it
        2
    """
    one_of(style, "style", STYLES)
    values = summed(channels_last(values, data_format), channel)
    drawn = scale.signed_part(values, sign)
    top = scale.limit(drawn, outlier_perc) if top is None else top
    if not 0 < top < np.inf:
        raise OptionError(f"top is a magnitude above 0, or None for that of the values. {received(top)}")
    ax = scale.axes(ax)
    picture = None if background is None or style == "heat_map" else coloured(channels_last(background, data_format))
    size = (picture if picture is not None else values).shape
    look: dict[str, Any] = {"extent": (-0.5, size[1] - 0.5, size[0] - 0.5, -0.5)}
    if size[:2] != values.shape:
        look["interpolation"] = "bilinear"
    strength = scale.opacity(drawn, top)
    if picture is not None and style == "masked":
        ax.imshow(picture, extent=look["extent"])
        mapped = ax.imshow(np.zeros_like(drawn), alpha=1 - strength, cmap="gray", vmin=0, vmax=1, **look)
        colorbar = False  # brightness, not colour, carries the map
    else:
        if picture is not None:
            ax.imshow(faint(picture), extent=look["extent"])
            look["alpha"] = alpha_overlay * strength
        mapped = ax.imshow(drawn, **look, **scale.colours(sign, top, cmap))
    ax.set_xticks([])
    ax.set_yticks([])
    if title:
        ax.set_title(lettering.plain(title))
    if colorbar:
        from matplotlib.cm import ScalarMappable

        # a scale of its own, opaque where the map fades
        bar = ax.figure.colorbar(ScalarMappable(mapped.norm, mapped.cmap), ax=ax, shrink=0.85)
        bar.set_label(scale.label(sign, unit))
    return ax


def channels_last(array: Any, data_format: str) -> np.ndarray:
    """Channels at the end."""
    either(data_format, "data_format", "channels_last", "channels_first")
    array = np.asarray(array, float)
    return np.moveaxis(array, 0, -1) if data_format == "channels_first" and array.ndim == 3 else array


def summed(values: np.ndarray, channel: int | None) -> np.ndarray:
    """One number per place."""
    if values.ndim not in (2, 3):
        raise InputError(
            f"An image map has shape (height, width) or (height, width, channels). Received: {values.shape}."
        )
    if channel is None:
        return values.sum(axis=-1) if values.ndim == 3 else values
    count = values.shape[-1] if values.ndim == 3 else 1
    if not isinstance(channel, int) or not -count <= channel < count:
        raise OptionError(f"The map has {count} channels, so channel is from {-count} to {count - 1}, or None. "
                          f"{received(channel)}")  # fmt: skip
    return values[..., channel] if values.ndim == 3 else values


def coloured(background: np.ndarray) -> np.ndarray:
    """(height, width, 3) in [0, 1]: colours where there are three channels (a fourth is opacity), else grey."""
    if background.ndim not in (2, 3) or not background.size or not np.isfinite(background).all():
        raise InputError(
            "The background is one image without NaN or Inf, (height, width) or (height, width, channels). Received: "
            f"shape {background.shape}."
        )
    if background.ndim == 3:
        channels = background.shape[-1]
        background = background[..., :3] if channels in (3, 4) else background.mean(axis=-1)
    scaled = in_range(background)
    return scaled if scaled.ndim == 3 else np.repeat(scaled[..., None], 3, axis=-1)


def in_range(picture: np.ndarray) -> np.ndarray:
    """In [0, 1], by the range that pictures have: 0 to 255, 0 to 1, -1 to 1; others from their least to their largest.

    So a white page is white, and a dark photograph dark.
    """
    low, high = float(picture.min()), float(picture.max())
    if low >= 0 and high <= 1:
        return picture
    if low >= 0 and BYTES < high <= 255:
        return picture / 255
    if low >= -1 and high <= 1:
        return (picture + 1) / 2
    return (picture - low) / (high - low) if high > low else np.full_like(picture, 0.5)


def faint(picture: np.ndarray) -> np.ndarray:
    """The photograph in light grey, so that colours are the map's alone."""
    return np.repeat(0.6 + 0.35 * picture.mean(axis=-1, keepdims=True), 3, axis=-1)


def fits(one: np.ndarray, x: np.ndarray | None) -> bool:
    """Three axes none of whose places is single; or two that are both large and of alike length."""
    if one.ndim == 3:
        return 1 not in one.shape[:2]
    return one.ndim == 2 and min(one.shape) >= LARGE and max(one.shape) <= 2 * min(one.shape)


def same_places(one: np.ndarray, x: np.ndarray) -> bool:
    """Whether an input is the picture under a map: with channels as the map has them, or of its places without."""
    return x.ndim == one.ndim == 3 or x.shape == one.shape[:2]


def draw(one: np.ndarray, x: np.ndarray | None, ax: Any, options: dict, *, sign: str, **facts: Any) -> Any:
    """Over the input, where that has the same places."""
    options = {"sign": sign, **options}
    if x is not None and same_places(one, x):
        options.setdefault("background", x)
    return image(one, ax=ax, **options)
