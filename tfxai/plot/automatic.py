"""The picture that fits an explanation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfxai.errors import InputError
from tfxai.plot import preprocessed
from tfxai.plot.kinds.table import KINDS, check_options, guess
from tfxai.result.data import ExplanationData
from tfxai.result.describe import displayed, part, shown, unit, unsigned
from tfxai.result.tabled import tabled
from tfxai.support.checks import one_of


def auto(
    e: ExplanationData,
    index: int = 0,
    ax: Any = None,
    input: Any = None,
    kind: str | None = None,
    labels: Sequence[str] | None = None,
    tokens: Sequence[str] | None = None,
    display: Any = None,
    **options: Any,
) -> Any:
    """Draws example `index`: photographs as maps, sequences as lines, token ids as words, tables as bars.

    Args:
        e: The explanation.
        index: Which example.
        ax: Where to draw; None makes a figure.
        input: Which input of a model with several, or which layer of several: key or position. Needed for inputs, but
            where each is a column, one number or word for each example: these are drawn as one table. Of layers the
            deepest is drawn.
        kind: "image", "volume", "series", "logo", "tokens" or "bars"; None goes by the shape: three axes are an image,
            four a volume, two with both large and of alike length an image without channels, other two a series; whole
            numbers are tokens, other vectors bars. Which axis holds the channels is known of the model; of an
            explanation made by hand it is the last, unless data_format= says otherwise.
        labels: Class names, to name the target.
        tokens: The words of this example, for "tokens".
        display: What to show instead of the inputs, as in `tfxai.report`.
        **options: Of the function of that kind in `tfxai.plot`. `background=None` leaves out the image.

    Returns:
        The matplotlib Axes.

    Raises:
        InputError: No such example, several inputs and none chosen.
        OptionError: Unknown kind.
        UnknownOptionError: An option that the function of the kind does not have.

    Example:
        >>> from matplotlib.figure import Figure
        >>> e = ExplanationData(values=np.ones((1, 8, 8, 3)), score=np.ones(1), method="deeplift", target=np.array([1]))
        >>> ax = auto(e, 0, ax=Figure().subplots(), labels=["cat", "dog"])
        >>> ax.figure.axes[-1].get_ylabel()
        'contribution to dog'
    """
    if display is None and "background" not in options:
        preprocessed.check([e])
    return draw(e, index, ax, input, kind, labels, tokens, display, **options)


def draw(
    e: ExplanationData, index: int, ax: Any, input: Any = None, kind: str | None = None, labels: Any = None,
    tokens: Any = None, display: Any = None, **options: Any,
) -> Any:  # fmt: skip
    """`auto`, without a word on the colours: for what has said it."""
    if kind is not None:
        one_of(kind, "kind", KINDS, ", or None")
    if not -len(e) <= index < len(e):
        raise InputError(f"The explanation has {len(e)} examples. Received: index {index}.")
    if e.meta.get("channels"):  # known: they are put last
        options.pop("data_format", None)
    e = displayed(shown(e), display)
    e = tabled(e) if input is None else e
    values, inputs = part(e, input)
    one, x = values[index], None if inputs is None else np.asarray(inputs[index])
    options.setdefault("unit", unit(e, index, labels))
    kind = kind or guess(one, x)
    check_options(kind, options)
    names = e.meta.get("features", {}).get("" if input is None else str(input))
    sign = "positive" if unsigned(e, values) else "all"
    return KINDS[kind].draw(one, x, ax, options, sign=sign, names=names, words=tokens)
