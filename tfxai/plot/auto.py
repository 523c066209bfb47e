"""The picture that fits an explanation."""

from __future__ import annotations

from typing import Any

import numpy as np

from tfxai.errors import InputError
from tfxai.explanation import Explanation
from tfxai.plot.bars import bars
from tfxai.plot.image import image


def auto(e: Explanation, index: int = 0, ax: Any = None, input: Any = None, **options: Any) -> Any:
    """Draws example `index`: images as maps over the image, everything else as bars.

    Args:
        e: The explanation.
        index: Which example.
        ax: Where to draw; None makes a figure.
        input: Which input of a model with several: key or position.
        **options: Of `tfxai.plot.image` or `tfxai.plot.bars`.

    Returns:
        The matplotlib Axes.
    """
    values, inputs = e.values, e.inputs
    if isinstance(values, (dict, list)):
        known = list(values) if isinstance(values, dict) else list(range(len(values)))
        if input not in known:
            raise InputError(f"The model has several inputs: say input= one of {known}. Received: {input!r}.")
        values, inputs = values[input], None if inputs is None else inputs[input]
    one = values[index]
    options.setdefault("unit", _unit(e, index))
    if one.ndim == 3 and 1 not in one.shape[:2]:
        if "background" not in options and e.layer is None and inputs is not None and inputs[index].ndim == 3:
            options["background"] = inputs[index]
        return image(one, ax=ax, **options)
    if one.ndim == 2:  # a sequence: one bar per step
        return bars(one.sum(axis=-1), ax=ax, **{"ordered": False, "top": None, **options})
    return bars(one.reshape(-1), ax=ax, **options)


def _unit(e: Explanation, index: int) -> str:
    target = e.target[index] if isinstance(e.target, np.ndarray) else e.target
    named = "" if target is None or isinstance(target, str) and not target else f" {target}"
    if e.method == "gradient":
        return f"d target{named} / d input"
    return f"contribution to target{named}"
