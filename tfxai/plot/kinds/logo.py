"""Sequence logos: letters as high as their contributions."""

from __future__ import annotations

from typing import Any

import numpy as np

from tfxai.errors import InputError
from tfxai.plot.kinds import lettering, scale
from tfxai.support.extras import extra


def logo(
    values: np.ndarray,
    alphabet: str = "ACGT",
    ax: Any = None,
    title: str | None = None,
    unit: str = "contribution",
    highlight: tuple[int, int] | None = None,
) -> Any:
    """Draws contributions to a one-hot sequence; letters below the line speak against the target.

    Actual contributions are zero for every letter but the one that is there; hypothetical ones
    (`hypothetical=True`) stack all of them, and times the one-hot sequence they are the actual ones.

    Args:
        values: (length, letters), in the order of `alphabet`.
        alphabet: One letter per channel.
        ax: Where to draw; None makes a figure.
        title: Above the picture.
        unit: Beside the axis.
        highlight: (start, end) of a stretch to mark, such as a motif; end excluded.

    Returns:
        The matplotlib Axes.

    Raises:
        MissingExtraError: `logomaker` is not installed.
        InputError: Another shape, NaN or Inf.

    Example:
        >>> from matplotlib.figure import Figure
        >>> logo(np.eye(4), ax=Figure().subplots(), title="ACGT").get_xlabel()
        'position'
    """
    logomaker, pandas = extra("dna", "logomaker"), extra("dna", "pandas")
    values = np.asarray(values, float)
    if values.ndim != 2 or values.shape[1] != len(alphabet):
        raise InputError(
            f"A logo needs values of shape (length, {len(alphabet)}) for the alphabet {alphabet!r}. Received: "
            f"{values.shape}."
        )
    values = scale.signed_part(values, "all")
    ax = scale.axes(ax, (min(2.0 + 0.16 * len(values), 16.0), 2.2))
    frame = pandas.DataFrame(values, columns=list(alphabet))
    scheme = "classic" if set(alphabet) <= set("ACGTU") else "grays" if len(alphabet) < 20 else "chemistry"
    letters = logomaker.Logo(frame, ax=ax, color_scheme=scheme)
    if highlight is not None:
        letters.highlight_position_range(highlight[0], highlight[1] - 1, color="gold", alpha=0.3)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    ax.set_xlabel("position")
    ax.set_ylabel(lettering.plain(lettering.lines(unit)))
    if title:
        ax.set_title(lettering.plain(title))
    return ax


def fits(one: np.ndarray, x: np.ndarray | None) -> bool:
    """Never by itself: which letters the channels are must be known."""
    return False


def draw(one: np.ndarray, x: np.ndarray | None, ax: Any, options: dict, **facts: Any) -> Any:
    """The values alone."""
    return logo(one, ax=ax, **options)
