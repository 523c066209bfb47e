"""The references that `tfxai.baselines` offers, but for shuffles of sequences and what is taken from data."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfxai.baselines.fitted import Baseline, called, generator, is_count, numbers
from tfxai.errors import BaselineError, received
from tfxai.support.gaussian import blur as gaussian
from tfxai.support.gaussian import is_width


def zeros() -> Baseline:
    """All zeros: black for images in [0, 1], mean grey for centred ones, the zero embedding for tokens.

    Example:
        >>> zeros()(np.ones((5, 2)))
        array([[0., 0.]])
    """
    return called("zeros", constant(0.0))


def constant(value: float) -> Baseline:
    """The same value everywhere, (1, ...).

    Args:
        value: One number, in the unit of the input.

    Raises:
        BaselineError: Not one number.

    Example:
        >>> constant(0.5)(np.ones((5, 2)))
        array([[0.5, 0.5]])
    """
    number = numbers(value)
    if number.ndim:
        raise BaselineError(f"constant(value) takes one number. {received(value)} Pass an array as baseline= itself.")
    return called(f"constant({number:g})", lambda x: np.full((1, *x.shape[1:]), number, fraction(x)))


def blur(sigma: float = 10.0) -> Baseline:
    """Each image blurred over its spatial axes: what is left when detail is gone.

    Images of integers stay integers (rounded). Which axes are spatial is known of the model that is explained; of an
    array alone they are all but the first and the last. Of several inputs each is blurred.

    Args:
        sigma: Standard deviation in pixels.

    Raises:
        BaselineError: sigma is not above 0; or, when used, x has no spatial axis.

    Example:
        >>> image = np.zeros((1, 9, 9, 1))
        >>> image[0, 4, 4] = 1
        >>> float(blur(sigma=2.0)(image).max().round(2))  # 1 / (2 pi sigma^2)
        0.04
    """
    if not is_width(sigma):
        raise BaselineError(f"blur(sigma) needs a number of pixels above 0, such as 10.0. {received(sigma)}")

    return Blur(float(sigma))


@dataclasses.dataclass(frozen=True)
class Blur:
    """What `blur` returns: a baseline that takes the axes of places from the model.

    Attributes:
        sigma: As in `blur`.
    """

    sigma: float

    def __call__(self, x: np.ndarray, places: Sequence[int] | None = None) -> np.ndarray:
        """x blurred over its places: all axes but the first and the last, unless they are given."""
        if x.ndim < 3:
            raise BaselineError(f"blur needs shape (n, ..., channels). Received: {x.shape}. Use mean_of(data).")
        result = gaussian(x, self.sigma, tuple(places or range(1, x.ndim - 1)))
        return np.rint(result).astype(x.dtype) if x.dtype.kind in "iu" else result


def uniform(low: float = 0.0, high: float = 1.0, n: int = 10, seed: int = 0) -> Baseline:
    """n references of uniform noise in [low, high), (1, n, ...), the same for every explained example.

    They are rounded for pictures of bytes.

    Args:
        low: Least value.
        high: Above the largest value.
        n: How many.
        seed: Same seed, same noise.

    Raises:
        BaselineError: low is not below high, or n is not a whole number from 1.

    Example:
        >>> uniform(-1.0, 1.0, n=4)(np.ones((5, 2))).shape
        (1, 4, 2)
    """
    bounds = numbers([low, high])
    if not is_count(n) or not np.isfinite(bounds).all() or not bounds[0] < bounds[1]:
        raise BaselineError(f"uniform needs low < high and a whole n from 1. Received: low={low}, high={high}, n={n}.")
    generator(seed)

    def drawn(x: np.ndarray) -> np.ndarray:
        return like(generator(seed).uniform(low, high, (1, n, *x.shape[1:])), x)

    return called(f"uniform({low:g}, {high:g}, n={n}, seed={seed})", drawn)


def background(frequencies: Sequence[float] = (0.25, 0.25, 0.25, 0.25)) -> Baseline:
    """The expected frequencies of A, C, G, T at every position, (1, length, 4), for one-hot DNA (n, length, 4).

    Args:
        frequencies: One per letter, in the order of the one-hot code.

    Raises:
        BaselineError: Frequencies that do not sum to 1; or, when used, x is not of this shape.

    Example:
        >>> background((0.3, 0.2, 0.2, 0.3))(np.zeros((5, 2, 4), "float32"))
        array([[[0.3, 0.2, 0.2, 0.3],
                [0.3, 0.2, 0.2, 0.3]]], dtype=float32)
    """
    row = numbers(frequencies).astype(float)
    if row.ndim != 1 or (row < 0).any() or not np.isclose(row.sum(), 1):
        raise BaselineError(f"Frequencies are not negative and sum to 1; divide by the sum. {received(frequencies)}")

    def everywhere(x: np.ndarray) -> np.ndarray:
        if x.ndim != 3 or x.shape[2] != len(row):
            raise BaselineError(f"background() is for (n, length, {len(row)}), letters last. Received: {x.shape}.")
        return np.broadcast_to(row, (1, *x.shape[1:])).astype(fraction(x))

    return called(f"background({', '.join(f'{f:g}' for f in row)})", everywhere)


def like(numbers: np.ndarray, x: np.ndarray) -> np.ndarray:
    """In the dtype of x if that has fractions, rounded if it is bytes, a picture; ids have no mean and are refused."""
    return np.rint(numbers).astype(x.dtype) if x.dtype == np.uint8 else numbers.astype(fraction(x))


def fraction(x: np.ndarray) -> Any:
    return x.dtype if x.dtype.kind == "f" else np.float32
