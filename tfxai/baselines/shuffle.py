"""Random arrangements of a sequence that keep every step between neighbours."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from tfxai.baselines.fitted import Baseline, called, generator, is_count
from tfxai.errors import BaselineError, received


def dinucleotide_shuffle(n: int = 10, seed: int = 0) -> Baseline:
    """n shuffles of each one-hot sequence that keep every dinucleotide count and the first and last base.

    Positions that are no single letter (zeros of padding, an N of equal parts) stay where they are, and each stretch of
    letters between them is shuffled for itself.

    A shuffle is a random Eulerian walk through the sequence's own dinucleotides (Altschul and Erickson 1985). Its
    randomness comes from `seed` and the sequence itself, so it does not depend on the other sequences in the batch,
    nor on its place in it; equal sequences get equal shuffles. All arrangements are equally likely.

    Args:
        n: References per sequence: the result has shape (N, n, length, letters) and the dtype of x.
        seed: Same seed, same shuffles.

    Raises:
        BaselineError: n or seed; or, when used, x is not one-hot: no position is a single letter, or some are not
            between 0 and 1.

    Example:
        >>> x = np.eye(4, dtype="float32")[[[0, 1, 0, 2, 0, 1, 3, 0]]]
        >>> dinucleotide_shuffle(n=3)(x).shape
        (1, 3, 8, 4)
    """
    if not is_count(n):
        raise BaselineError(f"dinucleotide_shuffle(n) needs a whole n from 1. {received(n)}")
    generator(seed)

    def shuffled(x: np.ndarray) -> np.ndarray:
        known = _known(x)
        if known is None:
            raise BaselineError(
                "dinucleotide_shuffle needs one-hot sequences (n, length, letters): one 1 at a position, or where it "
                f"is unknown numbers from 0 that sum to at most 1. Received: shape {x.shape}."
            )
        result, identity = np.repeat(x[:, None], n, axis=1), np.eye(x.shape[2], dtype=x.dtype)
        for letters, where, references in zip(x.argmax(axis=2), known, result, strict=True):
            rng = _own(np.where(where, letters, -1), seed)
            for stretch in _stretches(where):
                for reference in references:
                    reference[stretch] = identity[eulerian(letters[stretch], rng)]
        return result

    return called(f"dinucleotide_shuffle(n={n}, seed={seed})", shuffled)


def _known(x: np.ndarray) -> np.ndarray | None:
    """(n, length) whether a position is one letter; None where these are no sequences of letters."""
    if x.ndim != 3 or not x.size or not (x >= 0).all() or not (x.sum(axis=2) <= 1 + 1e-3).all():
        return None
    found: np.ndarray = (x.max(axis=2) == 1) & (x.sum(axis=2) == 1)
    return found if found.any() else None


def _stretches(where: np.ndarray) -> list[slice]:
    """The runs of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], where, [False]])))
    return [slice(start, stop) for start, stop in edges.reshape(-1, 2)]


def _own(letters: np.ndarray, seed: int) -> np.random.Generator:
    """Randomness of a sequence and a seed, wherever it stands."""
    own = hashlib.blake2b(letters.astype(np.int64).tobytes(), digest_size=8).digest()
    return generator(seed, int.from_bytes(own, "little"))


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
