"""Random arrangements of a sequence that keep every step between neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np


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
