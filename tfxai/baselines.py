"""References that contributions are measured against.

Anything here can be passed as `baseline=`; so can a scalar, an array, or a function of x. Which reference is right
depends on the question: the reference is what "nothing there" means (the lecture: the background of a digit, a
blurred photograph, the expected frequencies of ACGT).

Every factory returns a function of x, (n, ...), to references: (1 or n, ...), or (1 or n, R, ...) where R are drawn.

    >>> import numpy as np
    >>> zeros()(np.ones((5, 3), "float32"))
    array([[0., 0., 0.]], dtype=float32)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tfxai._eulerian import eulerian
from tfxai._gaussian import blur as gaussian
from tfxai._gaussian import is_width
from tfxai.errors import BaselineError, received

Baseline = Callable[[np.ndarray], np.ndarray]


def zeros() -> Baseline:
    """All zeros: black for images in [0, 1], mean grey for centred ones, the zero embedding for tokens.

    Example:
        >>> zeros()(np.ones((5, 2)))
        array([[0., 0.]])
    """
    return constant(0.0)


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
    return lambda x: np.full((1, *x.shape[1:]), number, _float(x))


def blur(sigma: float = 10.0) -> Baseline:
    """Each image blurred over its spatial axes: what is left when detail is gone.

    Images of integers stay integers (rounded).

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

    def blurred(x: np.ndarray) -> np.ndarray:
        if x.ndim < 3:
            raise BaselineError(f"blur needs shape (n, ..., channels). Received: {x.shape}. Use mean_of(data).")
        result = gaussian(x, sigma, tuple(range(1, x.ndim - 1)))
        return np.rint(result).astype(x.dtype) if x.dtype.kind in "iu" else result

    return blurred


def mean_of(data: Any) -> Baseline:
    """The mean of a data set, (1, ...).

    Args:
        data: Examples on the first axis, (any, ...).

    Raises:
        BaselineError: No examples, or not numbers.

    Example:
        >>> mean_of([[1.0, 2.0], [3.0, 6.0]])(np.ones((5, 2)))
        array([[2., 4.]])
    """
    mean = _data(data, "mean_of").mean(axis=0, keepdims=True, dtype=np.float64)
    return lambda x: mean.astype(_float(x))


def sample_of(data: Any, n: int = 10, seed: int = 0) -> Baseline:
    """n different examples of a data set as references, (1, n, ...), the same for every explained example.

    Args:
        data: Examples on the first axis, (any, ...).
        n: How many.
        seed: Same seed, same examples.

    Raises:
        BaselineError: n is not between 1 and the number of examples.

    Example:
        >>> sample_of(np.arange(8.0).reshape(4, 2), n=3)(np.ones((5, 2))).shape
        (1, 3, 2)
    """
    array = _data(data, "sample_of")
    if not _is_count(n) or n > len(array):
        raise BaselineError(f"sample_of(data, n) needs n from 1 to the {len(array)} examples. {received(n)}")
    rows = np.sort(_rng(seed).choice(len(array), n, replace=False))
    return lambda x: array[rows][None]


def uniform(low: float = 0.0, high: float = 1.0, n: int = 10, seed: int = 0) -> Baseline:
    """n references of uniform noise in [low, high), (1, n, ...), the same for every explained example.

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
    if not _is_count(n) or not np.isfinite(bounds).all() or not bounds[0] < bounds[1]:
        raise BaselineError(f"uniform needs low < high and a whole n from 1. Received: low={low}, high={high}, n={n}.")
    _rng(seed)

    def drawn(x: np.ndarray) -> np.ndarray:
        return _rng(seed).uniform(low, high, (1, n, *x.shape[1:])).astype(_float(x))

    return drawn


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
        return np.broadcast_to(row, (1, *x.shape[1:])).astype(_float(x))

    return everywhere


def dinucleotide_shuffle(n: int = 10, seed: int = 0) -> Baseline:
    """n shuffles of each one-hot sequence that keep every dinucleotide count and the first and last base.

    A shuffle is a random Eulerian walk through the sequence's own dinucleotides (Altschul and Erickson 1985). Its
    randomness comes from `seed` and the sequence itself, so it does not depend on the other sequences in the batch,
    nor on its place in it; equal sequences get equal shuffles. All arrangements are equally likely.

    Args:
        n: References per sequence: the result has shape (N, n, length, letters) and the dtype of x.
        seed: Same seed, same shuffles.

    Raises:
        BaselineError: n or seed; or, when used, x is not one-hot.

    Example:
        >>> x = np.eye(4, dtype="float32")[[[0, 1, 0, 2, 0, 1, 3, 0]]]
        >>> dinucleotide_shuffle(n=3)(x).shape
        (1, 3, 8, 4)
    """
    if not _is_count(n):
        raise BaselineError(f"dinucleotide_shuffle(n) needs a whole n from 1. {received(n)}")
    _rng(seed)

    def shuffled(x: np.ndarray) -> np.ndarray:
        if x.ndim != 3 or not x.size or not np.isin(x, (0, 1)).all() or not (x.sum(axis=2) == 1).all():
            raise BaselineError(
                "dinucleotide_shuffle needs one-hot sequences (n, length, letters), exactly one 1 at every position. "
                f"Received: shape {x.shape}. Use background() where letters are unknown."
            )
        identity = np.eye(x.shape[2], dtype=x.dtype)
        return np.stack([[identity[s] for s in _shuffles(one.argmax(axis=1), n, seed)] for one in x])

    return shuffled


def _shuffles(letters: np.ndarray, n: int, seed: int) -> list[np.ndarray]:
    own = hashlib.blake2b(letters.astype(np.int64).tobytes(), digest_size=8).digest()
    rng = _rng(seed, int.from_bytes(own, "little"))
    return [eulerian(letters, rng) for _ in range(n)]


def numbers(value: Any) -> np.ndarray:
    """Anything that numpy reads, as an array of numbers."""
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise BaselineError(f"A baseline is one rectangular array: {error}. {received(value)}") from error
    if array.dtype.name == "bfloat16":
        return array.astype(np.float32)
    if isinstance(value, str):
        raise BaselineError(
            f"A baseline is an array, or made by tfxai.baselines ({', '.join(__all__)}). {received(value)}"
        )
    if array.dtype.kind not in "biuf":
        raise BaselineError(f"A baseline holds numbers. Received: dtype {array.dtype}. Pass real ones, or None.")
    return array


def _data(data: Any, name: str) -> np.ndarray:
    array = numbers(data)
    if array.ndim == 0 or not array.size:
        raise BaselineError(f"{name}(data) needs one example or more, first axis. Received: shape {array.shape}.")
    return array


def _is_count(n: Any) -> bool:
    return isinstance(n, (int, np.integer)) and not isinstance(n, bool) and bool(n >= 1)


def _rng(seed: Any, *more: int) -> np.random.Generator:
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise BaselineError(f"seed is a whole number from 0. {received(seed)}")
    return np.random.default_rng([int(seed), *more] if more else int(seed))


def _float(x: np.ndarray) -> Any:
    return x.dtype if x.dtype.kind == "f" else np.float32


__all__ = ["background", "blur", "constant", "dinucleotide_shuffle", "mean_of", "sample_of", "uniform", "zeros"]
