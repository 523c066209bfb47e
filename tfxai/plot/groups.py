"""Pictures of values that are added up by groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfxai.errors import InputError
from tfxai.plot.automatic import auto
from tfxai.plot.kinds import bars
from tfxai.plot.kinds.table import guess
from tfxai.result.describe import part, shown, unit
from tfxai.support.structure import leaves

PAINTED = ("image", "volume")  # where a group is seen better than named


def groups(
    grouped: Any,
    index: int = 0,
    ax: Any = None,
    kind: str | None = None,
    input: Any = None,
    labels: Sequence[str] | None = None,
    **options: Any,
) -> Any:
    """Draws the sums of one example's groups: of pictures at their places, of everything else as bars.

    Args:
        grouped: What `e.grouped(...)` returned.
        index: Which example.
        ax: Where to draw; None makes a figure.
        kind: "bars", or a kind of `tfxai.plot.auto`, which is drawn of the sums at every place of their group; None
            paints pictures and volumes.
        input: Which input of several, for what is painted.
        labels: Class names, to name the target.
        **options: Of the function of that kind in `tfxai.plot`.

    Returns:
        The matplotlib Axes.

    Raises:
        InputError: No such example, several inputs and none chosen.
        OptionError: Unknown kind.

    Example:
        >>> from matplotlib.figure import Figure
        >>> import tfxai
        >>> e = tfxai.Explanation(values=np.array([[1.0, 2.0, 4.0]]), score=np.array([7.0]), method="deeplift")
        >>> ax = groups(e.grouped([0, 1, 0], names=["even", "odd"]), ax=Figure().subplots())
        >>> [t.get_text() for t in ax.get_yticklabels()]
        ['even', 'odd']
    """
    e = grouped.of
    if not -len(e) <= index < len(e):
        raise InputError(f"The explanation has {len(e)} examples. Received: index {index}.")
    if kind is None:
        kind = _guess(grouped, index, input)
    if kind != "bars":
        return auto(grouped.painted(), index, ax, input, kind, labels, **options)
    options.setdefault("unit", unit(e, index, labels))
    return bars.bars(grouped.values[index], **{"names": grouped.names, "ax": ax, **options})


def _guess(grouped: Any, index: int, input: Any) -> str:
    """The picture that fits: of several inputs bars, unless one of them is asked for."""
    if input is None and len(leaves(grouped.of.values)) > 1:
        return "bars"
    values, inputs = part(shown(grouped.of), input)
    found = guess(values[index], None if inputs is None else np.asarray(inputs[index]))
    return found if found in PAINTED else "bars"
