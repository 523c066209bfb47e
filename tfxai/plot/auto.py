"""The picture that fits an explanation."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tfxai.errors import InputError, OptionError, received
from tfxai.explanation import Explanation
from tfxai.plot.bars import bars
from tfxai.plot.image import format_of, image
from tfxai.plot.logo import logo
from tfxai.plot.series import series
from tfxai.plot.text import tokens as words
from tfxai.plot.volume import volume

COMPARED = re.compile(r"\d+ - (\d+|mean\(.*\))")  # what tfxai.targets calls one class against others
KINDS = ("image", "volume", "series", "logo", "tokens", "bars")


def auto(
    e: Explanation,
    index: int = 0,
    ax: Any = None,
    input: Any = None,
    kind: str | None = None,
    labels: Sequence[str] | None = None,
    tokens: Sequence[str] | None = None,
    **options: Any,
) -> Any:
    """Draws example `index`: photographs as maps, sequences as lines, token ids as words, tables as bars.

    Args:
        e: The explanation.
        index: Which example.
        ax: Where to draw; None makes a figure.
        input: Which input of a model with several, or which layer of several: key or position. Needed for inputs;
            of layers the deepest is drawn.
        kind: "image", "volume", "series", "logo", "tokens" or "bars"; None goes by the shape: three axes are an image
            (channels before the places are seen too), four a volume, two with both large and of alike length an image
            without channels, other two a series; whole numbers are tokens, other vectors bars.
        labels: Class names, to name the target.
        tokens: The words of this example, for "tokens".
        **options: Of the function of that kind in `tfxai.plot`. `background=None` leaves out the image.

    Returns:
        The matplotlib Axes.

    Raises:
        InputError: No such example, several inputs and none chosen.
        OptionError: Unknown kind.

    Example:
        >>> from matplotlib.figure import Figure
        >>> e = Explanation(values=np.ones((1, 8, 8, 3)), score=np.ones(1), method="deeplift", target=np.array([1]))
        >>> ax = auto(e, 0, ax=Figure().subplots(), labels=["cat", "dog"])
        >>> ax.figure.axes[-1].get_ylabel()
        'contribution to dog'
    """
    if kind is not None and kind not in KINDS:
        raise OptionError(f"kind is one of {', '.join(map(repr, KINDS))}, or None. {received(kind)}")
    if not -len(e) <= index < len(e):
        raise InputError(f"The explanation has {len(e)} examples. Received: index {index}.")
    values, inputs = part(e, input)
    one, x = values[index], None if inputs is None else np.asarray(inputs[index])
    options.setdefault("unit", unit(e, index, labels))
    kind = kind or guess(one, x)
    columns = e.meta.get("features", {}).get("" if input is None else str(input))
    if kind == "bars" and columns:
        options.setdefault("names", columns)
    if kind in ("image", "volume", "series"):
        options.setdefault("sign", "positive" if unsigned(values) else "all")
    return DRAW[kind](one, x, tokens, ax, options)


def guess(one: np.ndarray, x: np.ndarray | None) -> str:
    """The kind that fits the shape of one example's values."""
    if one.ndim == 4:
        return "volume"
    if one.ndim == 3 and 1 not in one.shape[:2]:
        return "image"
    if one.ndim == 2 and min(one.shape) >= 16 and max(one.shape) <= 2 * min(one.shape):
        return "image"
    if one.ndim == 2:
        return "series"
    return "tokens" if one.ndim == 1 and x is not None and x.dtype.kind in "iuUS" and x.shape == one.shape else "bars"


def unit(e: Explanation, index: int, labels: Sequence[str] | None = None) -> str:
    """What the numbers are, for the scale: "contribution to target 3", or the label of class 3."""
    name = target_name(e, index, labels) or "target"
    name = name if len(name) <= 40 else name[:39] + "…"
    return f"d {name} / d input" if e.method == "gradient" else f"contribution to {name}"


def target_name(e: Explanation, index: int, labels: Sequence[str] | None = None) -> str:
    """The label of the explained class (or classes), or "target 3", or its description; "" where there is none."""
    target = e.target[index] if isinstance(e.target, np.ndarray) else e.target
    if labels is not None and isinstance(target, np.integer) and 0 <= target < len(labels):
        return str(labels[int(target)])
    if labels is not None and isinstance(target, str) and COMPARED.fullmatch(target):
        known = dict(enumerate(labels))
        return re.sub(r"\d+", lambda found: str(known.get(int(found[0]), found[0])), target)
    return "" if target is None or isinstance(target, str) and not target else f"target {target}"


def unsigned(values: np.ndarray) -> bool:
    """Whether a map has no direction: nothing in it is below zero, whatever the example."""
    return bool((values >= 0).all() and (values > 0).any())


def keys(e: Explanation) -> list[Any]:
    """What `input=` can be: the inputs of a model with several, or the layers of an explanation of several; or None."""
    if isinstance(e.values, dict):
        return list(e.values)
    return list(range(len(e.values))) if isinstance(e.values, list) else [None]


def part(e: Explanation, input: Any) -> tuple[np.ndarray, Any]:
    """Values and inputs (None where they do not belong together) of one input or layer."""
    values, inputs = e.values, e.inputs
    if not isinstance(values, (dict, list)):
        return values, inputs if not isinstance(inputs, (dict, list)) else None
    known = keys(e)
    layers = e.layer is not None and known == e.layer.split(", ")  # one map each, all of the same input
    if input is None and layers:
        input = known[-1]
    if input not in known:
        raise InputError(f"The model has several inputs: say input= one of {known}. Received: {input!r}.")
    if layers or inputs is None or not isinstance(inputs, type(values)):
        return values[input], None if isinstance(inputs, (dict, list)) else inputs
    return values[input], inputs[input]


def _image(one, x, tokens, ax, options) -> Any:
    options.setdefault("data_format", format_of(one, x))
    if x is not None and x.ndim == one.ndim and (one.ndim == 3 or x.shape == one.shape):
        options.setdefault("background", x)
    return image(one, ax=ax, **options)


def _volume(one, x, tokens, ax, options) -> Any:
    if x is not None and x.shape[:3] == one.shape[:3]:
        options.setdefault("background", x)
    return volume(one, ax=ax, **options)


def _series(one, x, tokens, ax, options) -> Any:
    options.setdefault("signal", x if x is not None and x.shape == one.shape else None)
    return series(one, ax=ax, **options)


def _logo(one, x, tokens, ax, options) -> Any:
    return logo(one, ax=ax, **options)


def _words(one, x, tokens, ax, options) -> Any:
    one = one.sum(axis=-1) if one.ndim == 2 else one
    if tokens is None:
        tokens = [str(t) for t in (x.tolist() if x is not None and x.ndim == 1 else range(len(one)))]
    return words(one, tokens, ax=ax, **options)


def _bars(one, x, tokens, ax, options) -> Any:
    return bars(one.reshape(-1), ax=ax, **options)


DRAW: dict[str, Callable] = {
    "image": _image, "volume": _volume, "series": _series, "logo": _logo, "tokens": _words, "bars": _bars,
}  # fmt: skip
