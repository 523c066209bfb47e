"""Time series whose line has the colour of its contributions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfxai.errors import InputError
from tfxai.plot.kinds import lettering, scale
from tfxai.support.checks import one_of


def series(
    values: np.ndarray,
    signal: np.ndarray | None = None,
    names: Sequence[str] | None = None,
    time: np.ndarray | None = None,
    ax: Any = None,
    sign: str = "all",
    outlier_perc: float = 0.0,
    cmap: Any = None,
    colorbar: bool = True,
    title: str | None = None,
    unit: str = "contribution",
    style: str = "band",
) -> Any:
    """Draws each channel as a line in the colours of its contributions at every step.

    Args:
        values: (steps,) or (steps, channels).
        signal: The series itself, of the shape of `values`; None draws the values as the lines.
        names: One per channel.
        time: (steps,) positions on the axis; None numbers the steps.
        ax: Where to draw; None makes a figure.
        sign: As in `tfxai.plot.image`.
        outlier_perc: As in `tfxai.plot.image`.
        cmap: Another colour map.
        colorbar: Whether to draw the scale.
        title: Above the picture.
        unit: Beside the scale.
        style: "band" (a dark line over a band of colour, for dense series) or "line" (the line itself is coloured).

    Returns:
        The matplotlib Axes. Every channel fills a lane of height 1, from its least to its largest value; the colours
        share one scale.

    Raises:
        InputError: Shapes that do not fit each other, NaN or Inf.
        OptionError: sign, outlier_perc or style.

    Example:
        >>> from matplotlib.figure import Figure
        >>> ax = series(np.sin(np.arange(9.0)), names=["lead II"], ax=Figure().subplots())
        >>> [t.get_text() for t in ax.get_yticklabels()]
        ['lead II']
    """
    one_of(style, "style", DRAW)
    values = np.asarray(values, float)
    if values.ndim not in (1, 2):
        raise InputError(f"A series has shape (steps,) or (steps, channels). Received: {values.shape}.")
    signal = values if signal is None else np.asarray(signal, float)
    if signal.shape != values.shape:
        raise InputError(f"The signal has one number per value, {values.shape}. Received: shape {signal.shape}.")
    drawn = scale.signed_part(values.reshape(len(values), -1), sign)
    signal = scale.signed_part(signal.reshape(drawn.shape), "all")
    steps, channels = drawn.shape
    numbers = [str(c) for c in range(channels)] if channels > 1 else [""]  # one lane needs no number
    names = numbers if names is None else [str(n) for n in names]
    time = np.arange(steps, dtype=float) if time is None else np.asarray(time, float)
    if len(names) != channels or time.shape != (steps,):
        raise InputError(
            f"Expected {channels} names and times of shape {(steps,)}. Received: {len(names)} names, times of shape "
            f"{time.shape}."
        )
    ax = scale.axes(ax, (8.0, 1.0 + 0.9 * channels))
    look = scale.colours(sign, scale.limit(drawn, outlier_perc), cmap)
    edges = np.concatenate([[time[0] - _step(time) / 2], (time[1:] + time[:-1]) / 2, [time[-1] + _step(time) / 2]])
    for c in range(channels):
        lane = channels - 1 - c
        low, high = signal[:, c].min(), signal[:, c].max()
        level = (signal[:, c] - low) / (high - low) if high > low else np.full(steps, 0.5)
        mapped = DRAW[style](ax, edges, time, lane, lane + 0.08 + 0.84 * level, drawn[:, c], look)
        if lane:
            ax.axhline(lane, color="white" if style == "band" else "0.85", linewidth=2)
    ax.set_yticks(channels - 0.5 - np.arange(channels), [lettering.plain(n) for n in names])
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(0, channels)
    ax.set_xlim(edges[0], edges[-1])
    ax.set_xlabel("step")
    if title:
        ax.set_title(lettering.plain(title))
    if colorbar:
        ax.figure.colorbar(mapped, ax=ax, pad=0.02, aspect=30).set_label(scale.label(sign, unit))
    return ax


def _band(ax, edges, time, lane, height, drawn, look) -> Any:
    mapped = ax.pcolormesh(edges, [lane, lane + 1], drawn[None], **look)
    ax.plot(time, height, color="0.15", linewidth=1.1)
    return mapped


def _line(ax, edges, time, lane, height, drawn, look) -> Any:
    """Each step has the colour of its own number, half way to its neighbours; white parts stand on a grey line."""
    from matplotlib.collections import LineCollection
    from matplotlib.colors import Normalize

    heights = np.interp(edges, time, height)
    points = np.stack([edges[:-1], heights[:-1], time, height, edges[1:], heights[1:]], axis=-1).reshape(-1, 3, 2)
    ax.plot(time, height, color="0.75", linewidth=4.0)
    norm = Normalize(look["vmin"], look["vmax"])
    return ax.add_collection(LineCollection(list(points), array=drawn, cmap=look["cmap"], norm=norm, linewidths=2.6))


DRAW = {"band": _band, "line": _line}


def _step(time: np.ndarray) -> float:
    return float(time[1] - time[0]) if len(time) > 1 else 1.0


def fits(one: np.ndarray, x: np.ndarray | None) -> bool:
    """Two axes, steps and channels, or three of which one of places is single."""
    return one.ndim == 2 or one.ndim == 3 and 1 in one.shape[:2]


def draw(one: np.ndarray, x: np.ndarray | None, ax: Any, options: dict, *, sign: str, **facts: Any) -> Any:
    """Along the input, where that has the same shape."""
    signal = x if x is not None and x.shape == one.shape else None
    signal = None if signal is None else lanes(signal)
    return series(lanes(one), ax=ax, **{"sign": sign, "signal": signal, **options})


def lanes(one: np.ndarray) -> np.ndarray:
    """(steps, channels), also of a picture one place wide."""
    return np.squeeze(one, one.shape[:2].index(1)) if one.ndim == 3 else one
