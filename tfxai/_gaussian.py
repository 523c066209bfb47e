"""Gaussian blur over the spatial axes that keeps the sum."""

from __future__ import annotations

import numpy as np


def blur(array: np.ndarray, sigma: float, axes: tuple[int, ...]) -> np.ndarray:
    """Blurs along `axes` with standard deviation `sigma` (in pixels). The border reflects, so the sum stays.

    Every source pixel hands out weights that sum to 1: what would leave the array is folded back into it.
    """
    result = array.astype(np.float64)
    for axis in axes:
        matrix = _weights(array.shape[axis], sigma)
        result = np.moveaxis(np.tensordot(matrix, np.moveaxis(result, axis, 0), axes=1), 0, axis)
    return result.astype(array.dtype if array.dtype.kind == "f" else np.float32)


def _weights(size: int, sigma: float) -> np.ndarray:
    """Column j: where the value at j goes."""
    reach = int(np.ceil(4 * sigma))
    steps = np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 * (steps / sigma) ** 2)
    kernel /= kernel.sum()
    matrix = np.zeros((size, size))
    period = 2 * size
    for step, weight in zip(steps, kernel, strict=True):
        target = (np.arange(size) + step) % period
        matrix[np.where(target < size, target, period - 1 - target), np.arange(size)] += weight
    return matrix
