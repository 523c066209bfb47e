"""Which numbers become which colours."""

from __future__ import annotations

from typing import Any

import numpy as np

from tfxai.errors import InputError, OptionError, received
from tfxai.plot.kinds import lettering
from tfxai.support.checks import one_of

SIGNS = ("all", "positive", "negative", "absolute_value")


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


def colours(sign: str, top: float, cmap: Any = None) -> dict[str, Any]:
    """Arguments for `imshow`: diverging with zero in the middle, or from zero up."""
    if sign == "all":
        return {"cmap": cmap or "RdBu_r", "vmin": -top, "vmax": top}
    return {"cmap": cmap or "inferno", "vmin": 0.0, "vmax": top}


def axes(ax: Any, size: tuple[float, float] = (4.5, 3.8)) -> Any:
    """The given Axes, or those of a new pyplot figure.

    pyplot's because a notebook shows (and closes) only those. A script that draws many pictures passes `ax=` of a
    `matplotlib.figure.Figure`, which nothing else holds on to, or closes them: `plt.close(ax.figure)`.
    """
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=size, layout="constrained")[1]
