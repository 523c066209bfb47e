"""Contributions of named features as bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfxai.errors import InputError, OptionError, received
from tfxai.plot.kinds import lettering, scale

TOP = 20  # bars unless told
ROUNDING = 1e-6  # of the largest: no more is known in single precision
NUMBER = 0.2  # of the width of all bars, for a number beside the longest


def bars(
    values: np.ndarray,
    names: Sequence[str] | None = None,
    top: int | None = TOP,
    ax: Any = None,
    title: str | None = None,
    unit: str = "contribution",
    ordered: bool = True,
    inputs: Sequence[Any] | None = None,
) -> Any:
    """Draws one bar per feature with its number, red for, blue against, the largest on top.

    Args:
        values: (features,).
        names: One per feature; None numbers them.
        top: How many to draw; the rest is summed in one last bar, so that the bars still add up. None draws all.
        ax: Where to draw; None makes a figure.
        title: Above the picture.
        unit: Under the axis.
        ordered: Largest magnitude first; False keeps the order (for positions in a sequence).
        inputs: The features themselves, numbers or words, to be said beside the names: "age = 63".

    Returns:
        The matplotlib Axes.

    Raises:
        InputError: Not one value, one name and one input per feature, NaN or Inf.
        OptionError: top below 1.

    Example:
        >>> from matplotlib.figure import Figure
        >>> ax = bars(np.array([3.0, -1.0, 0.5]), ["a", "b", "c"], top=2, ax=Figure().subplots())
        >>> [t.get_text() for t in ax.get_yticklabels()]
        ['a', 'b', '1 others']
        >>> ax = bars(np.array([3.0, -1.0]), ["age", "dose"], inputs=[63, 0.5], ax=Figure().subplots())
        >>> [t.get_text() for t in ax.get_yticklabels()], [t.get_text() for t in ax.texts]
        (['age = 63', 'dose = 0.5'], ['+3', '-1'])
    """
    heights, labels, kept = ranked(values, names, top, ordered)
    if inputs is not None:
        if len(inputs) != len(values):
            raise InputError(f"Expected one input per feature, {len(values)}. Received: {len(inputs)} inputs.")
        labels = [name if k < 0 else f"{name} = {number(inputs[k])}" for name, k in zip(labels, kept, strict=True)]
    ax = scale.axes(ax, (5.0, height(len(heights))))
    places = np.arange(len(heights))
    drawn = ax.barh(places, heights, color=[scale.FOR if h > 0 else scale.AGAINST for h in heights])
    lettering.check(labels)
    lettering.beside(ax, places, labels)
    ax.bar_label(drawn, told(heights), padding=3, fontsize=8, color="0.35")
    low, high = min(0.0, *heights), max(0.0, *heights)
    room = NUMBER * (high - low or 1.0)  # for the numbers at the ends
    ax.set_xlim(low - room * (low < 0 or high == 0), high + room * (high > 0 or low == 0))
    ax.invert_yaxis()
    ax.axvline(0, color="0.3", linewidth=0.8)
    ax.set_xlabel(lettering.plain(lettering.lines(unit)))
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    if title:
        ax.set_title(lettering.plain(title))
    return ax


def ranked(
    values: np.ndarray, names: Sequence[str] | None = None, top: int | None = TOP, ordered: bool = True
) -> tuple[list[float], list[str], list[int]]:
    """Heights and names of the bars that are drawn, and which feature each is; -1 is the sum of the others."""
    values = scale.signed_part(np.asarray(values, float), "all")
    if values.ndim != 1:
        raise InputError(f"Bars need one value per feature. Received: shape {values.shape}.")
    names = [str(i) for i in range(len(values))] if names is None else [str(n) for n in names]
    if len(names) != len(values):
        raise InputError(f"Expected one name per feature, {len(values)}. Received: {len(names)} names.")
    if top is not None and top < 1:
        raise OptionError(f"top is a number of bars from 1, or None. {received(top)}")
    order = np.argsort(-np.abs(values), kind="stable") if ordered else np.arange(len(values))
    kept = order if top is None or not ordered else order[:top]
    heights, labels = list(values[kept]), [names[i] for i in kept]
    if len(kept) < len(values):
        heights.append(values.sum() - sum(heights))
        labels.append(f"{len(values) - len(kept)} others")
    return heights, labels, [*map(int, kept), *[-1] * (len(heights) - len(kept))]


def told(heights: Sequence[float], sign: str = "+") -> list[str]:
    """The numbers of bars, of sizes without a sign; what is but rounding beside the largest is 0.

    Example:
        >>> told([-159.0, 0.0231, -7.6e-6, -0.0])
        ['-159', '+0.0231', '0', '0']
    """
    least = ROUNDING * max(map(abs, heights), default=0.0)
    return [f"{height:{sign}.3g}" if abs(height) > least else "0" for height in heights]


def number(value: Any) -> str:
    """The value of a feature, as short as it can be read.

    Example:
        >>> number(63.0), number(0.123456), number("yes"), number(b"no")
        ('63', '0.1235', 'yes', 'no')
    """
    if isinstance(value, bytes):  # TensorFlow's text
        return value.decode("utf-8", "replace")
    return f"{value:.4g}" if isinstance(value, (int, float, np.number)) else str(value)


def height(count: int) -> float:
    """Inches of a figure with so many bars, of which not all may be drawn."""
    return 0.75 + 0.28 * min(count, TOP + 1)


def fits(one: np.ndarray, x: np.ndarray | None) -> bool:
    """Whatever no other picture is for."""
    return True


def draw(one: np.ndarray, x: np.ndarray | None, ax: Any, options: dict, *, names: Any, **facts: Any) -> Any:
    """Every number by itself, under the name of its column where there is one; then the input is said, too."""
    there = {"names": names, "inputs": x.reshape(-1)} if names and x is not None and x.shape == one.shape else {}
    return bars(one.reshape(-1), ax=ax, **{"names": names or None, **there, **options})
