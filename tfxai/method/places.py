"""Coarse maps brought to other sizes."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from tfxai.model.grid import stretched

FILTERS = ("bilinear", "nearest")


def resized(heat: tf.Tensor, size: Sequence[int], method: str) -> tf.Tensor:
    """(n, places...) -> (n, *size)."""
    for axis, length in enumerate(size, 1):
        heat = stretched(heat, axis, length, method)
    return heat
