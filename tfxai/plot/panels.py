"""One explanation of one example on a page: a map over its photograph, words, bars, or a drawing."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tfxai.plot import html, layers
from tfxai.plot.automatic import draw
from tfxai.plot.kinds import bars, scale
from tfxai.plot.kinds.image import coloured, same_places
from tfxai.plot.kinds.series import lanes
from tfxai.plot.kinds.table import guess
from tfxai.plot.kinds.text import text
from tfxai.plot.render import painted
from tfxai.result.data import ExplanationData
from tfxai.result.describe import keys, part, shown, title, unit, unsigned
from tfxai.result.tabled import tabled

LAYERS_SHOWN = 6  # maps per explanation of several layers
WHOLE = 10**6  # letters of a name that is not cut


@dataclasses.dataclass(frozen=True)
class Shown:
    """What is to be drawn: one example of one explanation, at one of its inputs or layers."""

    e: ExplanationData
    row: int
    key: Any
    labels: Any
    tokens: Any
    look: layers.Look
    called: str = ""

    @property
    def one(self) -> np.ndarray:
        """Its values."""
        return part(self.e, self.key)[0][self.row]

    @property
    def x(self) -> np.ndarray | None:
        """The input that belongs to them."""
        inputs = part(self.e, self.key)[1]
        return None if inputs is None else np.asarray(inputs[self.row])

    @property
    def photograph(self) -> Any:
        """Which input lies under it: all layers of a model with one input have the same."""
        return self.key if isinstance(self.e.inputs, (dict, list)) else None

    @property
    def heading(self) -> str:
        """The method, its rule, and where."""
        return heading(self.e, self.key)

    @property
    def unit(self) -> str:
        """What the numbers are."""
        return unit(self.e, self.row, self.labels, WHOLE)

    @property
    def said(self) -> str:
        """The beginning of what is said of a picture to those who do not see it."""
        return f"{self.heading}, {self.called}: {self.unit}"


def panels(
    e: ExplanationData, index: int, labels: Any, tokens: Any, look: layers.Look, mark: str, said: str, called: str
) -> str:
    """The figures of one example: one, or one per input or layer.

    Args:
        e: The explanation.
        index: Which example.
        labels: Class names.
        tokens: The words of the example.
        look: How much of each.
        mark: Class of the figures, by which a page shows and hides them.
        said: The beginning of the line under each.
        called: What the example is called.
    """
    e, found = tabled(shown(e)), []
    for key in keys(e)[-LAYERS_SHOWN:]:
        what = Shown(e, index, key, labels, tokens, look, called)
        kind = _kind(what)
        below = said + caption(e, index)
        content = PANELS.get(kind, _drawing)(what)
        found.append(html.figure(content, below, head=what.heading, kind=f"{SHAPES.get(kind, 'drawn')} {mark}".strip()))
    return "".join(found)


def photographs(group: Sequence[ExplanationData], index: int, look: layers.Look) -> dict[Any, layers.Photograph]:
    """What is under the maps of one example, by the input that it is, once for all explanations of the same inputs."""
    found: dict[Any, layers.Photograph] = {}
    for what in (Shown(e, index, key, None, None, look) for e in map(shown, group) for key in keys(e)):
        if what.photograph not in found and (picture := _under(what)) is not None:
            address = layers.photograph_address(picture, look.side)
            found[what.photograph] = layers.Photograph(address, picture.shape[1], picture.shape[0])
    return found


def _under(what: Shown) -> np.ndarray | None:
    """The input in [0, 1], where it is a picture by itself or lies under a map."""
    e, x = what.e, what.x
    x = np.asarray(e.inputs[what.row]) if isinstance(e.inputs, np.ndarray) else x
    if x is None or x.dtype.kind not in "biuf" or x.ndim not in (2, 3) or not np.isfinite(x).all():
        return None
    over = guess(what.one, x) == "image" and same_places(what.one, x)
    return coloured(x.astype(float)) if over or guess(x, None) == "image" else None


def heading(e: ExplanationData, key: Any) -> str:
    """The method, its rule, and which input or layer."""
    return at(key if key is not None else e.layer, title(e).replace("\n", " "))


def at(key: Any, words: str) -> str:
    """Words, and of which input or layer."""
    return words if key is None else f"{words}, {key}"


def caption(e: ExplanationData, i: int) -> str:
    """The numbers under a picture."""
    on = e.options.get("on", "score")
    line = f"{'mean ' if 'mean' in e.meta else ''}{on} {float(e.score[i]):.4g}"
    if e.baseline_score is not None:
        line += f", at the baseline {float(e.baseline_score[i]):.4g}"
    if e.delta is not None:
        line += f", delta {float(e.delta[i]):.1e}"
    return line


def drawing(e: ExplanationData, i: int, key: Any, labels: Any, dpi: int, alt: str, **options: Any) -> tuple[str, Any]:
    """What `tfxai.plot.auto` draws, as an image, and its Axes."""
    flat = part(e, key)[0].ndim == 4
    figure = Figure(figsize=(3.65, 3.0) if flat else (6.0, 3.2), layout="constrained")
    ax = figure.subplots()
    draw(e, i, ax, key, labels=labels, **options)
    return html.picture(figure, alt, dpi), ax


# --- Each kind


def _kind(what: Shown) -> str:
    """Which of the panels."""
    one = what.one
    if not np.isfinite(one).all():
        return "none"
    if what.tokens is not None and one.ndim in (1, 2) and len(one) == len(what.tokens):
        return "tokens"
    return guess(one, what.x)


def _nothing(what: Shown) -> str:
    return "<p>no picture: these values hold NaN or Inf</p>"


def _map(what: Shown) -> str:
    """A map of as many pixels as it has, over the photograph that all methods share."""
    sign = "positive" if unsigned(what.e, part(what.e, what.key)[0]) else "all"
    drawn = painted(what.one, what.x, sign)
    height, width = drawn.levels.shape
    under = "" if drawn.picture is None else layers.photograph(what.photograph, "under")
    alt = f"{what.said}, {layers.most(drawn.values)}"
    image = f'<img class="over" alt="{escape(alt)}" src="{layers.map_address(drawn, what.look.side)}">'
    cells = layers.cells(drawn.values, what.look.cells, mean=sign != "all")
    return layers.stack(width, height, under, image, cells) + layers.scale_bar(sign, drawn.top, what.unit)


def _words(what: Shown) -> str:
    x = what.x
    words = what.tokens if what.tokens is not None else [str(t) for t in (range(len(what.one)) if x is None else x)]
    found = text(what.one, words, what.unit)
    top = scale.limit(found.values, 0.0) if found.values.size else 1.0
    return f'<div class="lines">{found.html()}</div>{layers.scale_bar("all", top, what.unit)}'


def _bars(what: Shown) -> str:
    """A table of features, the largest first, with a bar for each."""
    x = what.x
    flat = None if x is None or x.shape != what.one.shape else x.reshape(-1)
    names = what.e.meta.get("features", {}).get("" if what.key is None else str(what.key)) or None
    heights, called, places = bars.ranked(what.one.reshape(-1), names)
    low, high = min(0.0, *heights), max(0.0, *heights)
    span = high - low or 1.0
    sizes = unsigned(what.e, part(what.e, what.key)[0])
    sign = "" if sizes else "+"
    rows = []
    for height, word, place, told in zip(heights, called, places, bars.told(heights, sign), strict=True):
        start, length = 100 * (min(height, 0) - low) / span, 100 * abs(height) / span
        bar = f'<b style="left:{-100 * low / span:.1f}%"></b>'
        side = "size" if sizes else "for" if height > 0 else "against"
        bar += f'<i class="{side}" style="left:{start:.1f}%;width:{length:.1f}%"></i>'
        value = "" if flat is None or place < 0 else f"= {bars.number(flat[place])}"
        short = "number " if len(value) < 15 else ""
        rows.append(
            f'<tr><th scope="row">{escape(word)}</th><td class="{short}value quiet">{escape(value)}</td>'
            f'<td class="track" title="{height:{sign}.4g}">{bar}</td><td class="number">{told}</td></tr>'
        )
    return f"<table><caption>{escape(what.unit)}</caption>{''.join(rows)}</table>"


def _drawing(what: Shown) -> str:
    """A figure; of a series, with its numbers where the pointer rests."""
    options = {} if what.tokens is None else {"tokens": what.tokens}
    image, ax = drawing(what.e, what.row, what.key, what.labels, what.look.dpi, what.said, **options)
    if _kind(what) != "series":
        return image
    values = lanes(what.one)
    values = values.reshape(len(values), -1)
    box, size = ax.get_position(), ax.figure.get_size_inches()
    place = f"left:{box.x0:.2%};top:{1 - box.y1:.2%};width:{box.width:.2%};height:{box.height:.2%};inset:auto"
    cells = layers.cells(values.T, 3 * what.look.cells, place=place)
    return f'<div class="stack" style="aspect-ratio:{size[0]:g}/{size[1]:g}">{image}{cells}</div>'


PANELS = {"none": _nothing, "image": _map, "tokens": _words, "bars": _bars}
SHAPES = {"none": "words", "image": "map", "tokens": "words", "bars": "bars", "volume": "drawn"}
