"""Gaussian blur over the spatial axes that keeps the sum."""

from __future__ import annotations

from typing import Any

import numpy as np


def is_width(sigma: Any) -> bool:
    """Whether `sigma` can be a standard deviation: a finite number above 0."""
    number = isinstance(sigma, (int, float, np.integer, np.floating)) and not isinstance(sigma, bool)
    return number and bool(0 < sigma < np.inf)


def blur(array: np.ndarray, sigma: float, axes: tuple[int, ...]) -> np.ndarray:
    """Blurs along `axes` with standard deviation `sigma` (in pixels). The border reflects, so the sum stays.

    Every source pixel hands out weights that sum to 1: what would leave the array is folded back into it.

    Args:
        array: Numbers, any shape. Floats keep their dtype; everything else becomes float32.
        sigma: See `is_width`.
        axes: Which axes to blur.

    Example:
        >>> float(blur(np.array([[0.0, 0.0, 6.0]]), 1.0, (1,)).sum().round(9))
        6.0
    """
    result = array.astype(np.float64)
    for axis in axes:
        matrix = _weights(array.shape[axis], sigma)
        result = np.moveaxis(np.tensordot(matrix, np.moveaxis(result, axis, 0), axes=1), 0, axis)
    return result.astype(array.dtype if array.dtype.kind == "f" else np.float32)


def _weights(size: int, sigma: float) -> np.ndarray:
    """(size, size): column j says where the value at j goes."""
    sigma = float(np.clip(sigma, 1e-3, 4 * size))  # below, nothing moves; above, everything is even already
    reach = int(np.ceil(4 * sigma))
    steps = np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 * (steps / sigma) ** 2)
    period = 2 * size  # the array and its mirror image, for ever
    folded = np.bincount(steps % period, weights=kernel / kernel.sum(), minlength=period)
    i, j = np.indices((size, size))
    return folded[(i - j) % period] + folded[(-1 - i - j) % period]
