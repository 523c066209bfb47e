"""Random arrangements of a sequence that keep every step between neighbours."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from tfxai.baselines.fitted import Baseline, generator, is_count
from tfxai.errors import BaselineError, received


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
    if not is_count(n):
        raise BaselineError(f"dinucleotide_shuffle(n) needs a whole n from 1. {received(n)}")
    generator(seed)

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
    rng = generator(seed, int.from_bytes(own, "little"))
    return [eulerian(letters, rng) for _ in range(n)]


def eulerian(letters: np.ndarray, rng: np.random.Generator) -> np.ndarray:
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
