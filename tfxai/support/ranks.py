"""Rank correlation of many rows at once."""

from __future__ import annotations

import numpy as np


def ranks(values: np.ndarray) -> np.ndarray:
    """(rows, ...) numbers -> (rows, features) ranks from 1; equal values share the mean of their ranks.

    Example:
        >>> ranks(np.array([[3.0, 1.0, 3.0]])).tolist()
        [[2.5, 1.0, 2.5]]
    """
    flat = values.reshape(len(values), -1)
    found = np.empty(flat.shape)
    for row, out in zip(flat, found, strict=True):
        _, place, counts = np.unique(row, return_inverse=True, return_counts=True)
        ends = np.cumsum(counts)
        out[:] = (ends - (counts - 1) / 2)[place]
    return found


def correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(rows,) correlation of each row of a with that of b: of ranks, Spearman's.

    Where a row is constant, 1 if the two rows are the same and 0 if not.

    Example:
        >>> correlation(ranks(np.array([[1.0, 2.0, 9.0]])), ranks(np.array([[1.0, 4.0, 2.0]]))).tolist()
        [0.5]
    """
    a, b = (r - r.mean(axis=1, keepdims=True) for r in (a, b))
    size = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    varies = size > 0
    return np.where(varies, (a * b).sum(axis=1) / np.where(varies, size, 1), 1.0 * (a == b).all(axis=1))
