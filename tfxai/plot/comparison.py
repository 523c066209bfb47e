"""Methods beside each other, one row per example."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfxai.errors import InputError, OptionError, received
from tfxai.plot import preprocessed
from tfxai.plot.automatic import draw
from tfxai.plot.kinds import bars, lettering, scale
from tfxai.plot.kinds.image import coloured, image
from tfxai.plot.kinds.table import guess
from tfxai.result.data import ExplanationData
from tfxai.result.describe import displayed, flat, keys, part, quantity, shown, target_name, title, unsigned
from tfxai.result.tabled import tabled

SCALES = ("own", "row")
BESIDE_A_TITLE = 24  # letters
BELOW_A_COLUMN = 30  # letters of a line below the scale of one column of maps


def grid(
    images: Sequence[np.ndarray | None],
    maps: Sequence[Sequence[np.ndarray]],
    titles: Sequence[str],
    rows: Sequence[str],
    sign: str | Sequence[str] = "all",
    outlier_perc: float = 1.0,
    overlay: bool | Sequence[bool] = False,
    notes: Sequence[Sequence[str]] | None = None,
    scales: str = "own",
    unit: str = "contribution",
) -> Any:
    """Draws a table of maps: each row an image and its maps, on symmetric scales.

    Args:
        images: One per row, in [0, 1].
        maps: Per row one map per column, (height, width[, channels]).
        titles: One per column of maps.
        rows: One per row, written under the image.
        sign: As in `tfxai.plot.image`; or one per column.
        outlier_perc: As in `tfxai.plot.image`.
        overlay: Draw each map over its image; or one per column.
        notes: A line under each map, such as its delta.
        scales: "own" gives each map its own scale; "row" one for all signed maps of a row, and one for all others, so
            that colours can be compared.
        unit: What signed maps are, beside their scale.

    Returns:
        The matplotlib Figure. It belongs to no window: show it in a notebook by naming it, write it with `savefig`.

    Raises:
        InputError, OptionError: What `tfxai.plot.image` refuses; another `scales`.

    Example:
        >>> figure = grid([np.ones((4, 4, 3))], [[np.eye(4), -np.eye(4)]], ["one", "two"], ["an image"])
        >>> [ax.get_title() for ax in figure.axes[:3]]
        ['', 'one', 'two']
    """
    from tfxai.plot.figure import Picture

    if scales not in SCALES:
        raise OptionError(f"scales is 'own' or 'row'. {received(scales)}")
    signs = [sign] * len(titles) if isinstance(sign, str) else list(sign)
    over = [overlay] * len(titles) if isinstance(overlay, bool) else list(overlay)
    columns = len(titles) + 1
    bars = list(dict.fromkeys("all" if s == "all" else "positive" for s in signs))
    size = (2.25 * columns, 2.5 * len(images) + 1.1)
    figure = Picture(figsize=size, layout="constrained")
    axes = figure.subplots(len(images), columns, squeeze=False)
    for r, (picture, own) in enumerate(zip(images, maps, strict=True)):
        _photograph(axes[r][0], picture, rows[r])
        tops = _row_tops(own, signs, outlier_perc) if scales == "row" else [None] * len(own)
        for c, values in enumerate(own):
            ax = axes[r][c + 1]
            if not np.isfinite(values).all():
                _without_numbers(ax)
                continue
            behind = picture if over[c] else None
            image(values, behind, ax, signs[c], outlier_perc, colorbar=False, top=tops[c])
            if notes:
                ax.set_xlabel(notes[r][c], fontsize=8, color="0.35")
    for ax, above in zip(axes[0][1:], titles, strict=True):
        ax.set_title(lettering.plain(above), fontsize=11)
    for k, kind in enumerate(bars):  # below, side by side: the maps have the width
        _bar(figure, list(np.array_split(axes[-1], len(bars))[k]), kind, scales, unit)
    return figure


def compare(
    explanations: Sequence[ExplanationData],
    examples: Sequence[int] | None = None,
    images: Sequence[np.ndarray] | None = None,
    labels: Sequence[str] | None = None,
    titles: Sequence[str] | None = None,
    overlay: bool | Sequence[bool] = True,
    outlier_perc: float = 1.0,
    scales: str = "own",
    sizes: Sequence[int] = (),
    display: Any = None,
    rows: Sequence[str] | None = None,
    **options: Any,
) -> Any:
    """Explanations of the same examples beside each other: one row per example, one column per explanation.

    Args:
        explanations: Of the same inputs; lists among them, as of several targets, are taken as their members.
        examples: Which; None the first four.
        images: What to show of the inputs, one per input, in [0, 1]; None scales each input to its own range.
        labels: Class names.
        titles: One per explanation; None takes the methods.
        overlay: As in `grid`.
        outlier_perc: As in `tfxai.plot.image`.
        scales: As in `grid`.
        sizes: Columns drawn as magnitudes, for methods whose sign is not for or against (gradient, SmoothGrad).
        display: What to show instead of the inputs, as in `tfxai.report`.
        rows: What each example is called, such as its file or row.
        **options: Of `tfxai.plot.auto`, where the examples are not images.

    Returns:
        The matplotlib Figure.

    Raises:
        InputError: Nothing to draw, or explanations of different numbers of examples.

    Example:
        >>> x = np.ones((2, 8, 8, 3))
        >>> e = ExplanationData(values=x, inputs=x, score=np.ones(2), method="gradient")
        >>> len(compare([e, e], examples=[0]).axes)  # image, two maps, the scale
        4
    """
    if display is None and images is None:
        preprocessed.check(flat(explanations))
    return compared(explanations, examples, images, labels, titles, overlay, outlier_perc, scales, sizes, display,
                    rows, **options)  # fmt: skip


def compared(
    explanations: Sequence[ExplanationData], examples: Any = None, images: Any = None, labels: Any = None,
    titles: Any = None, overlay: bool | Sequence[bool] = True, outlier_perc: float = 1.0, scales: str = "own",
    sizes: Sequence[int] = (), display: Any = None, rows: Any = None, **options: Any,
) -> Any:  # fmt: skip
    """`compare`, without a word on the colours: for what has said it."""
    explanations = flat(explanations)
    if not explanations or len({len(e) for e in explanations}) != 1:
        counts = [len(e) for e in explanations]
        raise InputError(f"Expected explanations of the same examples. Received: explanations of {counts} examples.")
    if rows is not None and len(rows) != len(explanations[0]):
        raise InputError(f"Expected names for {len(explanations[0])} examples. Received: {len(rows)}.")
    explanations = [displayed(shown(e), display) for e in explanations]
    explanations = explanations if "input" in options else [tabled(e) for e in explanations]
    examples = list(range(min(4, len(explanations[0])))) if examples is None else list(examples)
    titles = [title(e) for e in explanations] if titles is None else list(titles)
    called = ["" if rows is None else str(rows[i]) for i in examples]
    targets = [[target_name(e, i, labels) for e in explanations] for i in examples]
    alike = all(len(set(row)) == 1 for row in targets)
    beneath = [
        ", ".join(filter(None, (row[0] if alike else "", name))) for row, name in zip(targets, called, strict=True)
    ]
    notes = [
        ["\n".join(filter(None, ("" if alike else lettering.lines(name, 24), _delta(e, i))))
         for name, e in zip(row, explanations, strict=True)]
        for row, i in zip(targets, examples, strict=True)
    ]  # fmt: skip
    if not all(isinstance(e.values, np.ndarray) and guess(e.values[0], None) == "image" for e in explanations):
        return _any(explanations, examples, titles, labels, called, options)
    beside = [ranged(explanations[0].inputs[i]) for i in examples] if images is None else [images[i] for i in examples]
    signs = ["absolute_value" if c in sizes else "positive" if unsigned(e, e.values) else "all"
             for c, e in enumerate(explanations)]  # fmt: skip
    maps = [[np.asarray(e.values[i], float) for e in explanations] for i in examples]
    words = {quantity(e) for e, sign in zip(explanations, signs, strict=True) if sign == "all"}
    unit = words.pop() if len(words) == 1 else "value"
    return grid(beside, maps, titles, beneath, signs, outlier_perc, overlay, notes, scales, unit)


def _any(explanations, examples, titles, labels, called, options) -> Any:
    """Columns of drawings that are no images."""
    from tfxai.plot.figure import Picture

    each = max(_height(e) for e in explanations)
    size = (4.6 * len(explanations), each * len(examples) + 0.4)
    figure = Picture(figsize=size, layout="constrained")
    axes = figure.subplots(len(examples), len(explanations), squeeze=False)
    for c, e in enumerate(explanations):
        for r, i in enumerate(examples):
            if not all(np.isfinite(part(e, key)[0][i]).all() for key in keys(e)):
                _without_numbers(axes[r][c])
                continue
            draw(e, i, axes[r][c], labels=labels, **options)
        below = "\n" if any(called) else ""  # the line of the example's name
        axes[0][c].set_title(lettering.plain(titles[c]) + below, fontsize=11)
    for r, name in enumerate(lettering.short(called, BESIDE_A_TITLE)):
        axes[r][0].set_title(lettering.plain(name), fontsize=9, loc="left")
    return figure


def _height(e: ExplanationData) -> float:
    """Inches of a drawing that is no image: more for many bars."""
    one = part(e, keys(e)[-1])[0]
    return max(3.0, bars.height(one.shape[1])) if one.ndim == 2 else 3.0


def _photograph(ax: Any, picture: np.ndarray | None, label: str) -> None:
    """The input of a row, and what is written under it."""
    ax.set_xlabel(lettering.plain(lettering.lines(label, 24)), fontsize=10)
    ax.set_xticks([])
    ax.set_yticks([])
    if picture is None:
        ax.set_frame_on(False)
        return
    ax.imshow(np.squeeze(picture), cmap="gray", vmin=0, vmax=1)


def _without_numbers(ax: Any) -> None:
    """In the place of a map that cannot be drawn."""
    ax.set_axis_off()
    ax.text(0.5, 0.5, "NaN or Inf", ha="center", va="center", color="0.35", transform=ax.transAxes)


def _bar(figure: Any, axes: Any, sign: str, scales: str, unit: str) -> None:
    """One scale for all maps of a kind: signed, or from zero up."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    look = scale.colours(sign, 1.0)
    mapped = ScalarMappable(Normalize(look["vmin"], look["vmax"]), look["cmap"])
    bar = figure.colorbar(mapped, ax=axes, location="bottom", fraction=0.05, pad=0.02, aspect=30)
    ticks = {-1: "against", 0: "0", 1: "for"} if sign == "all" else {0: "0", 1: "strong"}
    bar.set_ticks(list(ticks), labels=list(ticks.values()))
    own = "each map on its own scale" if scales == "own" else "one scale per row"
    said = f"{unit if sign == 'all' else 'size'}, {own}"
    bar.set_label(lettering.lines(said, BELOW_A_COLUMN * len(axes)), fontsize=9)


def _row_tops(maps: Sequence[np.ndarray], signs: Sequence[str], outlier_perc: float) -> list[float]:
    """The strongest colour of each map: the same for all signed ones, and the same for all others."""
    tops = [_top(v, s, outlier_perc) if np.isfinite(v).all() else 0.0 for v, s in zip(maps, signs, strict=True)]
    return [max(t for t, other in zip(tops, signs, strict=True) if (other == "all") == (s == "all")) for s in signs]


def _top(values: np.ndarray, sign: str, outlier_perc: float) -> float:
    values = np.asarray(values, float)
    return scale.limit(scale.signed_part(values.sum(-1) if values.ndim == 3 else values, sign), outlier_perc)


def _delta(e: ExplanationData, i: int) -> str:
    return "" if e.delta is None else f"delta {abs(float(e.delta[i])):.2g}"


def ranged(x: Any) -> np.ndarray | None:
    """An input as an image in [0, 1]; None where it is none, or has NaN."""
    x = None if x is None else np.asarray(x, float)
    return None if x is None or x.ndim not in (2, 3) or not np.isfinite(x).all() else coloured(x)
