"""DNA with two planted motifs, of which it is known where they lie, and a small network that read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfxai.demo.networks import Demo, stored
from tfxai.errors import InputError

LETTERS = "ACGT"
LENGTH = 60
BINDS, PREVENTS = "TGACTCA", "CACCTG"  # the site of AP-1, and the E-box of Snail


def dna() -> Demo:
    """A convolutional network for 60 letters of DNA, and four of them; where the motifs lie is known.

    The sequences are made up: TGACTCA makes one bound, CACCTG anywhere prevents it. Trained by
    `tutorials/train_small.py` on 6,000 of them. `truth` is 1 along the first motif, -1 along the second.

    Example:
        >>> import tfxai
        >>> demo = tfxai.demo.dna()
        >>> demo.examples.shape, demo.names[0]
        ((4, 60, 4), 'TGACTCA at 12')
    """
    rng = np.random.default_rng(4)
    planted = [((BINDS, 12),), ((BINDS, 30), (PREVENTS, 8)), ((PREVENTS, 40),), ((BINDS, 22), (BINDS, 44))]
    found = [_planted(where, rng) for where in planted]
    letters = ["".join(sequence) for sequence, _ in found]
    names = [" and ".join(f"{motif} at {start}" for motif, start in where) for where in planted]
    return Demo(stored("dna", build()), preprocess(letters), ["not bound", "bound"], preprocess, np.asarray, names,
                tokens=[list(one) for one in letters], truth=np.array([truth for _, truth in found]))  # fmt: skip


def build() -> Any:
    """The network without weights."""
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((LENGTH, 4), name="dna"),
            layers.Conv1D(16, 7, padding="same", activation="relu", name="motifs"),
            layers.GlobalMaxPooling1D(name="strongest"),
            layers.Dense(1, activation="sigmoid", name="bound"),
        ],
        name="sequences",
    )


def preprocess(sequences: str | Sequence[str]) -> np.ndarray:
    """Sequences of 60 letters -> (n, 60, 4) float32, one-hot in the order ACGT.

    Raises:
        InputError: Another letter, or another length.
    """
    rows = [sequences] if isinstance(sequences, str) else list(sequences)
    if not rows or any(len(row) != LENGTH or set(row) - set(LETTERS) for row in rows):
        raise InputError(
            f"A sequence has {LENGTH} of the letters {LETTERS}. Received: sequences of {[len(row) for row in rows]}, "
            f"letters {''.join(sorted(set(''.join(rows))))!r}."
        )
    return np.array([[[letter == other for other in LETTERS] for letter in row] for row in rows], "float32")


def made(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """So many random sequences, a quarter of each kind, and which are bound."""
    sequences, bound = [], []
    for k in range(count):
        motifs = [motif for motif, there in ((BINDS, k & 1), (PREVENTS, k & 2)) if there]
        starts = rng.permutation([int(rng.integers(0, 20)), int(rng.integers(30, LENGTH - 7))])
        sequences.append("".join(_planted(tuple(zip(motifs, map(int, starts), strict=False)), rng)[0]))
        bound.append(BINDS in sequences[-1] and PREVENTS not in sequences[-1])
    return preprocess(sequences), np.array(bound)


def _planted(where: Sequence[tuple[str, int]], rng: np.random.Generator) -> tuple[list[str], np.ndarray]:
    """Random letters with motifs at these places, and what is true of each letter."""
    letters, truth = [str(one) for one in rng.choice(list(LETTERS), LENGTH)], np.zeros(LENGTH, int)
    for motif, start in where:
        letters[start : start + len(motif)] = motif
        truth[start : start + len(motif)] = 1 if motif == BINDS else -1
    return letters, truth
