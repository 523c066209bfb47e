"""Random masks of RISE: coarse grids that are stretched smoothly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfxai.method.places import resized


class Grid(NamedTuple):
    """Coarse random grids, stretched beyond the size of an input and cut out at a random place.

    Attributes:
        shape: Of one example.
        places: Its axes of places, counted with that of the examples; of a table each feature is drawn by itself.
        cells: Per axis of places.
    """

    shape: tuple[int, ...]
    places: Sequence[int]
    cells: int

    def drawn(self, rng: np.random.Generator, probability: float) -> tuple[np.ndarray, list[int]]:
        """Which cells or features of one mask are shown, and where it is cut out."""
        if len(self.shape) == 1:
            return rng.random(self.shape) < probability, []
        shown = rng.random([self.cells] * len(self.places)) < probability
        return shown, [int(rng.integers(0, size - length + 1)) for length, size in self.sizes()]

    def sizes(self) -> list[tuple[int, int]]:
        """Per axis of places its length, and that of a stretched grid."""
        lengths = [self.shape[a - 1] for a in self.places]
        return [(length, (self.cells + 1) * -(-length // self.cells)) for length in lengths]

    def masks(self, drawn: Sequence[tuple[np.ndarray, list[int]]]) -> np.ndarray:
        """(count, ...) these masks, with 1 for channels."""
        coarse = np.stack([shown for shown, _ in drawn]).astype(np.float64)
        if len(self.shape) == 1:
            return coarse
        fine = resized(tf.constant(coarse), [size for _, size in self.sizes()], "bilinear").numpy()
        cuts = [
            [slice(s, s + length) for s, (length, _) in zip(starts, self.sizes(), strict=True)] for _, starts in drawn
        ]
        found = np.stack([one[tuple(cut)] for one, cut in zip(fine, cuts, strict=True)]).astype(np.float64)
        return found.reshape(len(found), *[s if a in self.places else 1 for a, s in enumerate(self.shape, 1)])
