"""References that contributions are measured against.

Anything here can be passed as `baseline=`; so can a scalar, an array, or a function of x. Which reference is right
depends on the question: the reference is what "nothing there" means (the lecture: the background of a digit, a
blurred photograph, the expected frequencies of ACGT).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tfxai._gaussian import blur as gaussian
from tfxai.errors import BaselineError, received

Baseline = Callable[[np.ndarray], np.ndarray]


def zeros() -> Baseline:
    """All zeros: black for images in [0, 1], mean grey for centred ones, the zero embedding for tokens."""
    return constant(0.0)


def constant(value: float) -> Baseline:
    """The same value everywhere."""
    return lambda x: np.full((1, *x.shape[1:]), value, _float(x))


def blur(sigma: float = 10.0) -> Baseline:
    """Each image blurred over its spatial axes: what is left when detail is gone.

    Args:
        sigma: Standard deviation in pixels.
    """
    if not sigma > 0:
        raise BaselineError(f"blur(sigma) needs sigma above 0. {received(sigma)}")

    def blurred(x: np.ndarray) -> np.ndarray:
        if x.ndim < 3:
            raise BaselineError(f"blur needs spatial axes: (examples, ..., channels). Received: shape {x.shape}.")
        return gaussian(x, sigma, tuple(range(1, x.ndim - 1)))

    return blurred


def mean_of(data: Any) -> Baseline:
    """The mean of a data set (first axis: examples)."""
    mean = np.asarray(data).mean(axis=0, keepdims=True)
    return lambda x: mean.astype(_float(x))


def sample_of(data: Any, n: int = 10, seed: int = 0) -> Baseline:
    """n examples of a data set as n references, the same for every explained example."""
    array = np.asarray(data)
    if not 1 <= n <= len(array):
        raise BaselineError(f"sample_of(data, n) needs n from 1 to the {len(array)} examples. {received(n)}")
    rows = np.random.default_rng(seed).choice(len(array), n, replace=False)
    return lambda x: array[np.sort(rows)][None]


def uniform(low: float = 0.0, high: float = 1.0, n: int = 10, seed: int = 0) -> Baseline:
    """n references of uniform noise in [low, high), the same for every explained example."""
    if not low < high or n < 1:
        raise BaselineError(f"uniform needs low < high and n from 1. Received: low={low}, high={high}, n={n}.")

    def drawn(x: np.ndarray) -> np.ndarray:
        return np.random.default_rng(seed).uniform(low, high, (1, n, *x.shape[1:])).astype(_float(x))

    return drawn


def background(frequencies: Sequence[float] = (0.25, 0.25, 0.25, 0.25)) -> Baseline:
    """The expected frequencies of A, C, G, T at every position, for one-hot DNA of shape (n, length, 4)."""
    row = np.asarray(frequencies, float)
    if row.ndim != 1 or (row < 0).any() or not np.isclose(row.sum(), 1):
        raise BaselineError(f"Frequencies are not negative and sum to 1. {received(frequencies)}")

    def everywhere(x: np.ndarray) -> np.ndarray:
        if x.ndim != 3 or x.shape[2] != len(row):
            raise BaselineError(f"background() is for shape (n, length, {len(row)}). Received: {x.shape}.")
        return np.broadcast_to(row, (1, *x.shape[1:])).astype(_float(x))

    return everywhere


def dinucleotide_shuffle(n: int = 10, seed: int = 0) -> Baseline:
    """n shuffles of each one-hot sequence that keep every dinucleotide count and the first and last base.

    A shuffle is a random Eulerian walk through the sequence's own dinucleotides (Altschul and Erickson 1985). Its
    randomness comes from `seed` and the sequence itself, so it does not depend on the other sequences in the batch.

    Args:
        n: References per sequence.
        seed: Same seed, same shuffles.
    """
    if n < 1:
        raise BaselineError(f"dinucleotide_shuffle(n) needs n from 1. {received(n)}")

    def shuffled(x: np.ndarray) -> np.ndarray:
        if x.ndim != 3 or not np.isin(x, (0, 1)).all() or not (x.sum(axis=2) == 1).all():
            raise BaselineError(
                "dinucleotide_shuffle needs one-hot sequences (n, length, letters), exactly one 1 at every position. "
                f"Received: shape {x.shape}. Use background() where letters are unknown."
            )
        identity = np.eye(x.shape[2], dtype=x.dtype)
        return np.stack([[identity[s] for s in _shuffles(one.argmax(axis=1), n, seed)] for one in x])

    return shuffled


def _shuffles(letters: np.ndarray, n: int, seed: int) -> list[np.ndarray]:
    own = hashlib.blake2b(letters.astype(np.int64).tobytes(), digest_size=8).digest()
    rng = np.random.default_rng([seed, int.from_bytes(own, "little")])
    return [_eulerian(letters, rng) for _ in range(n)]


def _eulerian(letters: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A uniform random walk that uses every step of the sequence once, from its first to its last letter.

    The last exit from every letter must lead, step by step, to the final letter; a random walk backwards in time
    (Wilson's algorithm) draws such a tree of exits with the right probability; the other exits come in any order.
    """
    exits = {a: rng.permutation(letters[1:][letters[:-1] == a]) for a in np.unique(letters)}
    final, last = letters[-1], {}
    for start in exits:
        path, node = {}, start
        while node != final and node not in last:
            path[node] = rng.integers(len(exits[node]))
            node = exits[node][path[node]]
        node = start
        while node != final and node not in last:  # the loop-erased path
            last[node] = path[node]
            node = exits[node][path[node]]
    queues: dict[int, Any] = {}
    for a, order in exits.items():
        chosen = [last[a]] if a in last else []
        others = [k for k in range(len(order)) if k not in chosen]
        queues[a] = iter(order[np.array([*others, *chosen], int)])
    walk = [letters[0]]
    for _ in range(len(letters) - 1):
        walk.append(next(queues[walk[-1]]))
    return np.array(walk)


def resolve(baseline: Any, x: np.ndarray, seed: int = 0) -> np.ndarray:
    """Any baseline for one input as an array of shape (1 or n, R, *x.shape[1:]): R references for all, or each.

    The rank decides: that of x with a leading 1 or n; one less: one reference for all; one more: (1 or n, R, ...).

    Raises:
        BaselineError: Wrong shape or dtype, NaN or Inf, no reference.
    """
    if callable(baseline):
        baseline = baseline(x)
    array = np.asarray(0 if baseline is None else baseline)
    if array.dtype.kind not in "biuf":
        raise BaselineError(f"A baseline holds numbers. Received: dtype {array.dtype}.")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise BaselineError("A baseline is finite. Received: NaN or Inf. Impute them, for example by the mean.")
    if x.dtype.kind in "iu" and not np.array_equal(array, np.round(array)):
        raise BaselineError("The input holds integers (token ids), so the baseline does too. Received: fractions.")
    shape, n = x.shape[1:], len(x)
    if array.ndim == 0:
        array = np.full((1, 1, *shape), array)
    elif array.ndim == x.ndim - 1:
        array = array[None, None]
    elif array.ndim == x.ndim:
        array = array[:, None]
    if array.ndim != x.ndim + 1 or array.shape[2:] != shape or array.shape[0] not in (1, n) or not array.shape[1]:
        raise BaselineError(
            f"For {n} examples of shape {shape} a baseline is a scalar, or an array of shape {shape}, "
            f"(1 or {n}, {', '.join(map(str, shape))}), or (1 or {n}, references, {', '.join(map(str, shape))}). "
            f"Received: shape {np.shape(baseline)}."
        )
    return np.ascontiguousarray(array.astype(x.dtype))


def _float(x: np.ndarray) -> Any:
    return x.dtype if x.dtype.kind == "f" else np.float32
