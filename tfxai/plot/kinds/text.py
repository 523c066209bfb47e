"""Coloured words: in a notebook, a terminal, a page, or a figure."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from tfxai.errors import InputError
from tfxai.plot.kinds import lettering, scale


@dataclasses.dataclass(frozen=True, repr=False)
class Text:
    """Words and their contributions. A notebook shows it in colour; `rich.print(text)` does in a terminal.

    Attributes:
        tokens: (n,) words.
        values: (n,) contributions.
        unit: What the numbers are.
    """

    tokens: tuple[str, ...]
    values: np.ndarray
    unit: str = "contribution"

    def __repr__(self) -> str:
        return " ".join(f"{t}({v:+.2g})" for t, v in zip(self.tokens, self.values, strict=True))

    def html(self) -> str:
        """One `<span>` per word; the number is in its title, so colour is not the only carrier."""
        words = [
            f'<span style="background:{scale.css(c)};color:{"#fff" if _is_dark(c) else "#111"};padding:1px 3px;'
            f'border-radius:3px" title="{escape(self.unit)}: {v:+.4g}">{escape(t)}</span>'
            for t, v, c in zip(self.tokens, self.values, self.colours(), strict=True)
        ]
        return f'<div style="line-height:1.9">{" ".join(words)}</div>'

    def _repr_html_(self) -> str:
        return self.html()

    def __rich__(self) -> Any:
        from rich.text import Text as RichText  # comes with Keras

        line = RichText()
        for token, colour in zip(self.tokens, self.colours(), strict=True):
            line.append(token, style=f"{'white' if _is_dark(colour) else 'black'} on {scale.css(colour)}")
            line.append(" ")
        return line

    def colours(self) -> np.ndarray:
        """(n, 3) red for, blue against, white for nothing."""
        if not len(self.tokens):
            return np.zeros((0, 3))
        top = scale.limit(self.values, 0.0)
        return scale.signed()(0.5 + 0.5 * np.clip(self.values / top, -1, 1))[:, :3]


def text(values: np.ndarray, tokens: Sequence[str], unit: str = "contribution") -> Text:
    """Words coloured by their contributions, for notebooks, terminals and pages.

    Args:
        values: (n,), or (n, channels), which are summed.
        tokens: n words; anything else is shown by its `str`.
        unit: What the numbers are.

    Returns:
        Text: a notebook shows it in colour, `rich.print` in a terminal, `.html()` is for pages.

    Raises:
        InputError: Another number of words, NaN or Inf.

    Example:
        >>> text(np.array([0.5, -2.0]), ["not", "<bad>"]).html().count("&lt;bad&gt;")
        1
        >>> text(np.array([0.5, -2.0]), ["not", "bad"])
        not(+0.5) bad(-2)
    """
    values = np.asarray(values, float)
    values = values.sum(axis=-1) if values.ndim == 2 else values
    if values.shape != (len(tokens),):
        raise InputError(
            f"Expected one word per value, {values.shape[0] if values.ndim else 0} of them. Received: {len(tokens)} "
            f"words for values of shape {values.shape}."
        )
    return Text(tuple(str(t) for t in tokens), scale.signed_part(values, "all") if values.size else values, unit)


def tokens(
    values: np.ndarray, tokens: Sequence[str], ax: Any = None, title: str | None = None, unit: str = "contribution",
    width: int = 60, colorbar: bool = True,
) -> Any:  # fmt: skip
    """The same words in a figure, broken into lines.

    Args:
        values: As in `text`.
        tokens: As in `text`.
        ax: Where to draw; None makes a figure.
        title: Above the picture.
        unit: Under the scale.
        width: Letters per line.
        colorbar: Whether to draw the scale.

    Returns:
        The matplotlib Axes.

    Raises:
        InputError: As in `text`.

    Example:
        >>> from matplotlib.figure import Figure
        >>> ax = tokens(np.array([0.1, -2.0]), ["not", "bad"], ax=Figure().subplots())
        >>> [t.get_text() for t in ax.texts]
        ['not', 'bad']
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    words = text(values, tokens, unit)
    lines, places, column = 0, [], 0
    for token in words.tokens:
        if column and column + len(token) > width:
            lines, column = lines + 1, 0
        places.append((column, lines))
        column += len(token) + 2
    lettering.check(words.tokens, "monospace")
    ax = scale.axes(ax, (8.0, 0.9 + 0.34 * (lines + 1)))
    for token, value, place, colour in zip(words.tokens, words.values, places, words.colours(), strict=True):
        drawn = ax.text(
            place[0] / width, -place[1], token, family="monospace", va="center", parse_math=False,
            color="white" if _is_dark(colour) else "black",
            bbox={"facecolor": tuple(colour), "edgecolor": "none", "boxstyle": "round,pad=0.15"},
        )  # fmt: skip
        drawn.set_gid(f"{value:+.4g}")
    ax.set_xlim(-0.02, 1.12)
    ax.set_ylim(-lines - 0.7, 0.7)
    ax.set_axis_off()
    if title:
        ax.set_title(lettering.plain(title))
    if colorbar:
        top = scale.limit(words.values, 0.0) if len(words.values) else 1.0
        bar = ax.figure.colorbar(
            ScalarMappable(Normalize(-top, top), scale.signed()),
            ax=ax,
            location="bottom",
            shrink=0.4,
            aspect=30,
            pad=0.02,
        )
        bar.set_label(lettering.plain(lettering.lines(unit)), fontsize=9)
    return ax


def _is_dark(colour: np.ndarray) -> bool:
    return float(np.dot(colour, [0.299, 0.587, 0.114])) < 0.5


def fits(one: np.ndarray, x: np.ndarray | None) -> bool:
    """One number for every whole number or word of the input."""
    return one.ndim == 1 and x is not None and x.dtype.kind in "iuUS" and x.shape == one.shape


def draw(one: np.ndarray, x: np.ndarray | None, ax: Any, options: dict, *, words: Any, **facts: Any) -> Any:
    """The given words, or the ids of the input."""
    one = one.sum(axis=-1) if one.ndim == 2 else one
    if words is None:
        words = [str(t) for t in (x.tolist() if x is not None and x.ndim == 1 else range(len(one)))]
    return tokens(one, words, ax=ax, **options)
