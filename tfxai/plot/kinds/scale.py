"""Which numbers become which colours."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import LinearSegmentedColormap

from tfxai.errors import InputError, OptionError, received
from tfxai.plot.kinds import lettering
from tfxai.support.checks import one_of

SIGNS = ("all", "positive", "negative", "absolute_value")
FOR, AGAINST = "#b1182b", "#2065ab"  # the ends of the signed scale, and bars
LEVELS = 255  # of a map: an odd number, so that zero has a colour of its own
BROWNS = np.linspace(0.1, 1.0, 9)
OPAQUE = 0.75  # a map over its picture, where it is strongest


def signed_part(values: np.ndarray, sign: str) -> np.ndarray:
    """The part of the values that is drawn."""
    one_of(sign, "sign", SIGNS)
    if not values.size:
        raise InputError(f"There is nothing to draw. Received: shape {values.shape}. Pass at least one value.")
    if not np.isfinite(values).all():
        raise InputError("The values to draw hold NaN or Inf. Find out where they come from before looking at them.")
    if sign == "all":
        return values
    if sign == "absolute_value":
        return np.abs(values)
    return np.maximum(values if sign == "positive" else -values, 0)


def label(sign: str, unit: str) -> str:
    """What the colour bar says: a map without signs does not show contributions but sizes."""
    text = {"negative": f"negative {unit}, its size", "absolute_value": f"size of {unit}"}.get(sign, unit)
    return lettering.plain(lettering.lines(text))


def limit(values: np.ndarray, outlier_perc: float) -> float:
    """The largest drawn magnitude: the given percent of the largest saturates, so a single pixel does not rule."""
    if not 0 <= outlier_perc < 100:
        raise OptionError(f"outlier_perc is a percentage from 0 to below 100. {received(outlier_perc)}")
    return float(np.percentile(np.abs(values), 100 - outlier_perc)) or float(np.abs(values).max()) or 1.0


@functools.cache
def signed() -> Any:
    """Red over white to blue: the middle of matplotlib's RdBu_r, whose nearly black ends look alike to some.

    For protanopes (Machado et al. 2009) its ends are 35 apart in CIE Lab, these 60; and here more is always farther.

    Example:
        >>> [css(signed()(level)) for level in (0.0, 0.5, 1.0)]
        ['#2065ab', '#f7f6f6', '#b1182b']
    """
    kept = colormaps["RdBu_r"](np.linspace(0.1, 0.9, LEVELS))
    return LinearSegmentedColormap.from_list("red and blue", kept, N=LEVELS)


@functools.cache
def unsigned() -> Any:
    """White over yellow to brown, for magnitudes: the colour-blind, too, do not take it for the blue of "against".

    Example:
        >>> css(unsigned()(0.0)), css(unsigned()(1.0))
        ('#ffffff', '#662506')
    """
    return LinearSegmentedColormap.from_list("white to brown", ["white", *colormaps["YlOrBr"](BROWNS)], N=LEVELS)


def colours(sign: str, top: float, cmap: Any = None) -> dict[str, Any]:
    """Arguments for `imshow`: diverging with zero in the middle, or from zero up."""
    if sign == "all":
        return {"cmap": cmap or signed(), "vmin": -top, "vmax": top}
    return {"cmap": cmap or unsigned(), "vmin": 0.0, "vmax": top}


def opacity(values: np.ndarray, top: float) -> np.ndarray:
    """How much of the map there is at every place over its picture, 0 to 1: nothing at zero, soon seen beside it."""
    return np.clip(np.abs(values) / top, 0, 1) ** 0.5


def css(colour: Any) -> str:
    """A colour of numbers from 0 to 1 as pages write it.

    Example:
        >>> css((1.0, 0.0, 0.5))
        '#ff0080'
    """
    return "#" + "".join(f"{round(255 * float(c)):02x}" for c in colour[:3])


def axes(ax: Any, size: tuple[float, float] = (4.5, 3.8)) -> Any:
    """The given Axes, or those of a new pyplot figure.

    pyplot's because a notebook shows (and closes) only those. A script that draws many pictures passes `ax=` of a
    `matplotlib.figure.Figure`, which nothing else holds on to, or closes them: `plt.close(ax.figure)`.
    """
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=size, layout="constrained")[1]
