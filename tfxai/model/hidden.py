"""Copies of examples in which something is hidden: the rows that methods of scores put into a model.

They are written in memory. Ops that choose number by number, broadcast over examples and copies, take a tenth of the
time that a small network needs for the rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfxai.support.arrays import as_tensor

Window = tuple[slice, ...]  # of (n, ...)


def painted(x: np.ndarray, blank: np.ndarray, windows: Sequence[Window]) -> tf.Tensor:
    """Copies of x, each with the blank in one of the windows.

    Args:
        x: (n, ...).
        blank: (1 or n, ...).
        windows: One for each copy.

    Returns:
        (n * windows, ...), all copies of an example after each other.
    """
    made = np.empty((len(x), len(windows), *x.shape[1:]), x.dtype)
    made[:] = x[:, None]
    for k, window in enumerate(windows):
        made[:, k][window] = blank[window]
    return _rows(made)


def chosen(x: np.ndarray, blank: np.ndarray, shown: np.ndarray) -> tf.Tensor:
    """Copies of x, each with the blank where it is not shown.

    Args:
        x: (n, ...).
        blank: (1 or n, ...).
        shown: (1 or n, copies, ...), with 1 for axes that are shown or hidden whole.

    Returns:
        As `painted`.
    """
    shown = _whole(shown, x)
    if x.dtype.kind in "OSU" or x.itemsize > 8:
        return _rows(np.where(shown, x[:, None], blank[:, None]))
    # By the bits, of which those are changed that differ: half of the time of a choice, and the same numbers.
    bits, own = f"u{x.itemsize}", f"i{x.itemsize}"
    x_bits, blank_bits = (np.ascontiguousarray(a, x.dtype).view(bits)[:, None] for a in (x, blank))
    made = (x_bits ^ blank_bits) & np.negative(shown, dtype=own, casting="unsafe").view(bits)
    made ^= blank_bits
    return _rows(made.view(x.dtype))


def mixed(x: np.ndarray, blank: np.ndarray, masks: np.ndarray, finite: bool) -> tf.Tensor:
    """Copies of x, each with the blank where a mask is 0, and between the two where it is between 0 and 1.

    What is missing is so where it is shown at all. Of numbers that are known to be finite the hidden ones need no
    choice: they are multiplied by 0. Whole numbers are rounded.

    Args:
        x: (n, ...).
        blank: (1 or n, ...).
        masks: (copies, ...) from 0 to 1, with 1 for axes that share one.
        finite: Whether they are.

    Returns:
        As `painted`.
    """
    shown, numbers = masks == 1, x.dtype.kind not in "OSUb"
    if not numbers or not (finite and tf.as_dtype(x.dtype).is_floating) and (shown | (masks == 0)).all():
        return chosen(x, blank, shown[None])
    whole = x.dtype.kind in "iu"
    high, low = (a.astype(np.float64) if whole else a for a in (x, blank))
    masks = _whole(masks[None].astype(high.dtype), x)
    made = high[:, None] * masks
    made += low[:, None] * (1 - masks)  # of one blank for all that is little
    if not finite:
        made = np.where(masks == 0, low[:, None], made)
    return _rows(np.rint(made).astype(x.dtype) if whole else made)


def _whole(masks: np.ndarray, x: np.ndarray) -> np.ndarray:
    """With all axes written out: numpy is quick along the last one alone, and channels are few."""
    return np.ascontiguousarray(np.broadcast_to(masks, (*masks.shape[:2], *x.shape[1:])))


def _rows(made: np.ndarray) -> tf.Tensor:
    return as_tensor(made.reshape(-1, *made.shape[2:]))
