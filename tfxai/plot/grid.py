"""Methods beside each other, one row per example."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfxai.plot import scale
from tfxai.plot.image import image


def grid(
    images: Sequence[np.ndarray],
    maps: Sequence[Sequence[np.ndarray]],
    titles: Sequence[str],
    rows: Sequence[str],
    sign: str = "all",
    outlier_perc: float = 1.0,
    overlay: bool = False,
    notes: Sequence[Sequence[str]] | None = None,
) -> Any:
    """Draws a table of maps: each row an image and its maps, each map on its own symmetric scale.

    Args:
        images: One per row, in [0, 1].
        maps: Per row one map per column, (height, width[, channels]).
        titles: One per column of maps.
        rows: One per row, written under the image.
        sign: As in `tfxai.plot.image`.
        outlier_perc: As in `tfxai.plot.image`.
        overlay: Draw each map over its image.
        notes: A line under each map, such as its residual.

    Returns:
        The matplotlib Figure. It belongs to no window: show it in a notebook by naming it, write it with `savefig`.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    columns = len(titles) + 1
    figure = Figure(figsize=(2.25 * columns + 0.9, 2.55 * len(images) + 0.3), layout="constrained")
    axes = figure.subplots(len(images), columns, squeeze=False)
    for r, (picture, own) in enumerate(zip(images, maps, strict=True)):
        first = axes[r][0]
        first.imshow(np.squeeze(picture), cmap="gray", vmin=0, vmax=1)
        first.set_xticks([])
        first.set_yticks([])
        first.set_xlabel(rows[r], fontsize=10)
        for c, values in enumerate(own):
            ax = axes[r][c + 1]
            image(values, picture if overlay else None, ax, sign, outlier_perc, colorbar=False)
            if r == 0:
                ax.set_title(titles[c], fontsize=11)
            if notes:
                ax.set_xlabel(notes[r][c], fontsize=8, color="0.35")
    look = scale.colours(sign, 1.0)
    bar = figure.colorbar(
        ScalarMappable(Normalize(look["vmin"], look["vmax"]), look["cmap"]), ax=axes, shrink=0.6, pad=0.01, aspect=30
    )
    ticks = {-1: "against", 0: "0", 1: "for"} if sign == "all" else {0: "0", 1: "strong"}
    bar.set_ticks(list(ticks), labels=list(ticks.values()))
    bar.set_label("contribution to the class (each map on its own scale)", fontsize=9)
    return figure
