"""Passes of a model that was traced for so many examples and no others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf


def in_blocks(rows: int | None, n: int, run: Callable[[np.ndarray | None], Any]) -> Any:
    """What `run` returns for n examples, in as many passes as that needs.

    Args:
        rows: How many examples a pass holds; None: any number.
        n: How many there are.
        run: Takes which examples a pass is of (None: all as they are), and returns a structure of tensors: with a row,
            or several, for each of them, or a sum over them.

    Returns:
        The same structure. The last example fills the last pass, and what is its copy is cut off; of a sum, its share.
    """
    if rows is None or rows == n:
        return run(None)
    blocks = [run(np.minimum(np.arange(start, start + rows), n - 1)) for start in range(0, n, rows)]

    def whole(*parts: Any) -> Any:
        if parts[0] is None:
            return None
        if parts[0].shape.rank == 0:
            return tf.add_n(parts) * tf.cast(n / (rows * len(parts)), parts[0].dtype)
        joined = tf.concat(parts, axis=0)
        return joined[: len(joined) * n // (rows * len(parts))]

    return keras.tree.map_structure(whole, *blocks)


def taken(tensors: Any, index: np.ndarray | None) -> list[tf.Tensor]:
    """These examples of the tensors."""
    return list(tensors) if index is None else [tf.gather(t, index) for t in tensors]
