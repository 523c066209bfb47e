"""What pictures are divided into where nothing is said: by SLIC where scikit-image is installed, else by a grid."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from tfxai.segments.factories import SKIMAGE, Grid, Segmenter, Slic, readable
from tfxai.support.extras import installed

FEWEST = 1 / 4  # of the superpixels asked for: of noise SLIC joins nearly all pixels


@dataclasses.dataclass(frozen=True, eq=False)
class Made(Segmenter):
    """Labels that were made of x already.

    Attributes:
        labels: (1 or n, places...).
        words: What made them.
    """

    labels: np.ndarray
    words: str

    reads: ClassVar[bool] = False

    def __call__(self, x: Any, places: Sequence[int] | None = None) -> np.ndarray:
        return self.labels

    def __repr__(self) -> str:
        return self.words


def superpixels(x: np.ndarray, places: Sequence[int], slic: Slic, grid: Grid) -> Made:
    """Superpixels of pictures, each by its own numbers; a grid where scikit-image is not installed, or they are not
    to be had: of pictures with missing numbers, and of noise.

    Args:
        x: (n, ...) pictures.
        places: Their two axes of places.
        slic, grid: What divides them.
    """
    cells = grid(x, places)
    if not installed(SKIMAGE):
        return Made(cells, repr(grid))
    found, own = np.repeat(cells, len(x), axis=0), np.zeros(len(x), bool)
    for k in np.flatnonzero(readable(x)):
        pieces = slic(x[k : k + 1], places)[0]
        if len(np.unique(pieces)) >= FEWEST * slic.n:
            found[k], own[k] = pieces, True
    if own.all():
        return Made(found, repr(slic))
    if not own.any():
        return Made(cells, repr(grid))
    return Made(found, f"{slic!r} of {own.sum()} pictures, {grid!r} of {(~own).sum()}")
