"""Noisy linear imputation's linear part: what is missing of a picture as the weighted mean of its neighbours.

u_i = sum_j w_ij u_j / sum_j w_ij over the neighbours j that there are, u_j = x_j where x is known. The weights are the
product of (1/2, 1, 1/2) along the axes of places, without the middle: in a picture 1/6 for neighbours beside, 1/12 for
those across.  Rong et al. 2022, arXiv:2202.00449
"""

from __future__ import annotations

import numpy as np

TOLERANCE, MOST = 1e-4, 500  # of the range of x, the largest residual; rounds


def imputed(x: np.ndarray, gone: np.ndarray, places: tuple[int, ...]) -> np.ndarray:
    """Fills in what is gone, by conjugate gradients from a guess that is coarse first.

    Args:
        x: (n, ...) numbers.
        gone: (n, copies, ...) bool, with 1 for the axes of channels: at least one place of each is left.
        places: The axes of places of x, the examples counted.

    Returns:
        (n, copies, ...) float32; what is left is as in x.

    Example:
        >>> x, gone = np.array([[[0.0], [9.0], [1.0]]]), np.array([[[[False], [True], [False]]]])
        >>> imputed(x, gone, (1,)).round(2).tolist()
        [[[[0.0], [0.5], [1.0]]]]
    """
    n, copies = gone.shape[:2]
    known = np.repeat(x.astype(np.float32), copies, axis=0)
    flags = gone.reshape(n * copies, *gone.shape[2:])
    free = flags.astype(np.float32)
    filled = np.where(flags, _coarse(known, 1 - free, places), known)
    weights = _neighbours(np.ones((1, *free.shape[1:]), np.float32), places)
    axes = tuple(range(1, x.ndim))
    # the system is symmetric: of what is gone, the weights times the value less the sum of the neighbours' values
    residual = free * (_neighbours(filled, places) - weights * filled)
    enough = TOLERANCE * np.maximum(np.ptp(known, axis=axes, keepdims=True), 1e-12)
    direction, size = residual.copy(), _dot(residual, residual, places)
    for _ in range(MOST):
        # each system ends by itself: others in the same pass have no say in it
        busy = (np.abs(residual) > enough).any(axis=places, keepdims=True)
        if not busy.any():
            break
        image = free * (weights * direction - _neighbours(direction, places))
        curvature = _dot(direction, image, places)
        step = np.divide(size, curvature, out=np.zeros_like(size), where=busy & (curvature > 0))
        filled += step * direction
        residual -= step * image
        before, size = size, _dot(residual, residual, places)
        direction = residual + np.divide(size, before, out=np.zeros_like(size), where=before > 0) * direction
    return filled.reshape(n, copies, *x.shape[1:])


def _dot(a: np.ndarray, b: np.ndarray, places: tuple[int, ...]) -> np.ndarray:
    """Of each picture and channel by itself: they are systems of their own."""
    return (a * b).sum(axis=places, keepdims=True)


def _neighbours(u: np.ndarray, places: tuple[int, ...]) -> np.ndarray:
    """The weighted sum over the neighbours of each place."""
    found = u
    for axis in places:
        beside = found.copy()
        ahead, back = ([slice(None)] * u.ndim for _ in range(2))
        ahead[axis], back[axis] = slice(1, None), slice(None, -1)
        beside[tuple(ahead)] += 0.5 * found[tuple(back)]
        beside[tuple(back)] += 0.5 * found[tuple(ahead)]
        found = beside
    return (found - u) / (2 ** len(places) - 1)


def _coarse(x: np.ndarray, known: np.ndarray, places: tuple[int, ...]) -> np.ndarray:
    """A guess everywhere: means of what is known of blocks of two, of blocks of four where a block has nothing..."""
    long = [a for a in places if x.shape[a] > 1]
    total, weight = x * known, known
    if not long:
        return np.divide(total, weight, out=np.zeros_like(total), where=np.broadcast_to(weight, total.shape) > 0)
    for axis in long:
        total, weight = _halved(total, axis), _halved(weight, axis)
    there = np.broadcast_to(weight, total.shape) > 0
    means = np.divide(total, weight, out=np.zeros_like(total), where=there)
    means = np.where(there, means, _coarse(means, (weight > 0).astype(np.float32), places))
    for axis in long:
        means = np.repeat(means, 2, axis=axis).take(range(x.shape[axis]), axis=axis)
    return means


def _halved(a: np.ndarray, axis: int) -> np.ndarray:
    """Sums of pairs along an axis; the last may stand alone."""
    return np.add.reduceat(a, range(0, a.shape[axis], 2), axis=axis)
