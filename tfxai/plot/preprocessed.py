"""A word where pictures are shown as the network saw them, in colours that nobody photographed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from tfxai.errors import warn
from tfxai.plot.kinds.table import guess
from tfxai.result.data import ExplanationData
from tfxai.result.describe import keys, part, shown

FAR = 8  # pictures of -1 to 1, or divided by their deviation, stay nearer to 0
BYTES = 255


def check(explanations: Iterable[ExplanationData]) -> None:
    """Warns, once, where an input looks like bytes from which the means of the channels were taken."""
    for e in map(shown, explanations):
        for x in _pictures(e):
            low, high = float(x.min()), float(x.max())
            if -BYTES <= low < -FAR and FAR < high <= BYTES:
                warn(
                    f"The pictures that {e.method} explains hold numbers from {low:.4g} to {high:.4g}, as after a "
                    "preprocessing that takes the means of the channels away: they are not shown in the colours of the "
                    "photographs. Pass display=, the pictures as they were before it.",
                    UserWarning,
                )
                return


def _pictures(e: ExplanationData) -> Iterable[Any]:
    """The inputs that are drawn as pictures of colours."""
    for key in keys(e):
        values, x = part(e, key)
        if x is None or not np.size(x):
            continue
        x = np.asarray(x)
        colours = x.ndim == 4 and x.shape[-1] in (3, 4) and x.dtype.kind == "f"
        if colours and guess(values[0], x[0]) == "image":
            yield x
