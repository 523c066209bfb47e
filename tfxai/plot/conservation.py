"""Where relevance was lost or created on its way through a network."""

from __future__ import annotations

from typing import Any

import numpy as np

from tfxai.errors import InputError, OptionError, received
from tfxai.plot.kinds import lettering, scale
from tfxai.result.data import ExplanationData

KEPT, LOST = "#8a8a8a", "#e08214"  # by constants; by anything else


def conservation(e: ExplanationData, index: int = 0, top: int = 25, ax: Any = None, title: str | None = None) -> Any:
    """Draws, layer by layer from the output to the input, what each kept of the score, and what is left of it.

    Args:
        e: An explanation with `layer_sums`: of the methods `lrp` and `deep_taylor`.
        index: Which example.
        top: How many layers, those that kept most, in their order; the rest is summed in one last row.
        ax: Where to draw; None makes a figure.
        title: Above the picture.

    Returns:
        The matplotlib Axes. The line ends at the sum of the values.

    Raises:
        InputError: The explanation has no `layer_sums`.
        OptionError: top below 1.

    Example:
        >>> from matplotlib.figure import Figure
        >>> import keras, tfxai
        >>> layers = [keras.layers.Dense(2, name="a"), keras.layers.Dense(1, name="b")]
        >>> model = keras.Sequential([keras.Input((2,)), *layers])
        >>> e = tfxai.explain(model, np.ones((1, 2)), "lrp", verbose=0)
        >>> [t.get_text() for t in conservation(e, ax=Figure().subplots()).get_yticklabels()]
        ['b', 'a']
    """
    if e.layer_sums is None:
        raise InputError(f"Only 'lrp' and 'deep_taylor' keep account of relevance. Received: method {e.method!r}.")
    if not isinstance(top, int) or top < 1:
        raise OptionError(f"top is a number of layers from 1. {received(top)}")
    names, kept, lost = _rows(e, index, top)
    ax = scale.axes(ax, (6.0, 1.2 + 0.26 * len(names)))
    rows = np.arange(len(names))
    ax.barh(rows, kept, color=KEPT, label="kept by biases and other constants")
    ax.barh(rows, lost, left=kept, color=LOST, label="lost otherwise")
    left = float(e.score[index]) - np.cumsum(kept + lost)
    ax.plot([e.score[index], *left], [-0.5, *(rows + 0.5)], color="0.15", marker=".", label="left of the score")
    lettering.check(names)
    ax.set_yticks(rows, [lettering.plain(n) for n in lettering.short(names)])
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.axvline(0, color="0.3", linewidth=0.8)
    ax.set_xlabel("relevance, in units of the score; output above, input below")
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    ax.legend(fontsize=8, frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2)
    if title:
        ax.set_title(lettering.plain(title), pad=34)
    return ax


def _rows(e: ExplanationData, index: int, top: int) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names of the layers from the output down, what constants kept, and what was lost otherwise."""
    found = [(name, float(parts["bias"][index]), float(parts["other"][index])) for name, parts in e.layer_sums.items()]
    elsewhere = [row for row in found if row[0] == "elsewhere" and abs(row[2]) > 1e-6 * _size(e, index)]
    layers = [row for row in found if row[0] != "elsewhere"][::-1]
    if len(layers) > top:
        largest = sorted(layers, key=lambda row: -abs(row[1] + row[2]))[:top]
        rest = [row for row in layers if row not in largest]
        others = (f"{len(rest)} others", sum(row[1] for row in rest), sum(row[2] for row in rest))
        layers = [row for row in layers if row in largest] + [others]
    rows = layers + elsewhere
    return [row[0] for row in rows], np.array([row[1] for row in rows]), np.array([row[2] for row in rows])


def _size(e: ExplanationData, index: int) -> float:
    return max(float(np.abs(parts["arrived"][index])) for parts in e.layer_sums.values())
