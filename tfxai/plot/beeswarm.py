"""Every example of a table at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import ListedColormap

from tfxai.errors import InputError, OptionError, received
from tfxai.plot.kinds import lettering, scale
from tfxai.result.tabled import is_table, joined


def summary(
    values: Any,
    inputs: Any = None,
    names: Sequence[str] | None = None,
    top: int = 15,
    ax: Any = None,
    title: str | None = None,
    unit: str = "contribution",
) -> Any:
    """Draws one row per feature and one point per example: its contribution, coloured by the feature's value.

    Args:
        values: (examples, features); or by input, of a model with an input per column.
        inputs: The table itself, of the same shape or structure, for the colours; None draws grey points, as are those
            of words and of missing numbers.
        names: One per feature; None: the columns of the table or the names of the inputs where there are such, else
            numbers.
        top: How many features, those with the largest mean magnitude.
        ax: Where to draw; None makes a figure.
        title: Above the picture.
        unit: Under the axis.

    Returns:
        The matplotlib Axes.

    Raises:
        InputError: Shapes that do not fit each other, NaN or Inf.
        OptionError: top below 1.

    Example:
        >>> from matplotlib.figure import Figure
        >>> ax = summary(np.array([[1.0, -5.0], [2.0, 5.0]]), names=["age", "dose"], ax=Figure().subplots())
        >>> [t.get_text() for t in ax.get_yticklabels()]
        ['dose', 'age']
    """
    if names is None:
        columns = getattr(inputs, "columns", values if isinstance(values, dict) else None)
        names = None if columns is None else list(columns)
    values = scale.signed_part(np.asarray(joined(values) if is_table(values) else values, float), "all")
    inputs = joined(inputs) if is_table(inputs) else inputs
    if values.ndim != 2:
        raise InputError(f"A summary needs values of shape (examples, features). Received: {values.shape}.")
    if inputs is not None and np.shape(inputs) != values.shape:
        raise InputError(f"The inputs have the shape of the values, {values.shape}. Received: {np.shape(inputs)}.")
    if not isinstance(top, int) or top < 1:
        raise OptionError(f"top is a number of features from 1. {received(top)}")
    names = [str(i) for i in range(values.shape[1])] if names is None else [str(n) for n in names]
    if len(names) != values.shape[1]:
        raise InputError(f"Expected one name per feature, {values.shape[1]}. Received: {len(names)} names.")
    order = np.argsort(-np.abs(values).mean(axis=0), kind="stable")[:top]
    ax = scale.axes(ax, (6.5, 1.0 + 0.4 * len(order)))
    points = None
    for row, k in enumerate(order):
        height = row + 0.4 * _spread(values[:, k], np.abs(values[:, order]).max())
        colour: dict[str, Any] = {"color": "0.45"}
        if inputs is not None:
            colour = {"c": _rank(_numbers(np.asarray(inputs)[:, k])), "cmap": _colours(), "vmin": 0, "vmax": 1}
            colour["plotnonfinite"] = True
        points = ax.scatter(values[:, k], height, s=12, linewidths=0, **colour)
    chosen = [names[k] for k in order]
    lettering.check(chosen)
    lettering.beside(ax, range(len(order)), chosen)
    ax.invert_yaxis()
    ax.grid(axis="y", color="0.9", linewidth=0.8)  # from a name to its points
    ax.set_axisbelow(True)
    ax.tick_params(axis="y", length=0)
    ax.axvline(0, color="0.3", linewidth=0.8, zorder=0)
    ax.set_xlabel(lettering.plain(lettering.lines(unit)))
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    if title:
        ax.set_title(lettering.plain(title))
    if inputs is not None:
        bar = ax.figure.colorbar(points, ax=ax, aspect=30, pad=0.02)
        bar.set_ticks([0, 1], labels=["low", "high"])
        bar.set_label("value of the feature")
    return ax


def _spread(values: np.ndarray, widest: float) -> np.ndarray:
    """Heights in [-1, 1]: points that would lie on each other stand above each other."""
    cells = np.round(values / (widest or 1.0) * 50).astype(int)
    heights = np.zeros(len(values))
    for cell in np.unique(cells):
        (members,) = np.nonzero(cells == cell)
        heights[members] = [(-1) ** k * ((k + 1) // 2) for k in range(len(members))]
    return heights / max(float(np.abs(heights).max()), 6.0)


def _numbers(column: np.ndarray) -> np.ndarray:
    """The numbers of a column; words have none."""
    try:
        return column.astype(float)
    except (TypeError, ValueError):
        return np.full(len(column), np.nan)


def _rank(column: np.ndarray) -> np.ndarray:
    """Low to high in [0, 1], so that one outlier does not take all the colours; equal values, equal colours."""
    there = ~np.isnan(column)
    known, places = np.unique(column[there], return_inverse=True)
    ranks = np.full(len(column), np.nan)
    ranks[there] = places / max(len(known) - 1, 1)
    return ranks


def _colours() -> Any:
    """From low to high, and that of no number; without the yellow that cannot be seen on white."""
    kept = matplotlib.colormaps["viridis"](np.linspace(0, 0.88, 256))
    return ListedColormap(kept, "viridis without yellow").with_extremes(bad="0.6")
