"""The segments that `tfxai.segments` offers."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from tfxai.errors import OptionError, received
from tfxai.support.checks import amount, whole_number
from tfxai.support.extras import extra

SKIMAGE = "skimage.segmentation"
LIGHTNESS = 100  # of white in CIELAB, in which colours are compared


@dataclasses.dataclass(frozen=True)
class Segmenter(abc.ABC):
    """A function of x to labels that takes the axes of places from the model: of several inputs each has its own.

    Attributes:
        reads: Whether it looks at the numbers of x, or at its shape alone.
    """

    reads: ClassVar[bool] = True

    @abc.abstractmethod
    def __call__(self, x: np.ndarray, places: Sequence[int] | None = None) -> np.ndarray:
        """(1 or n, places...) whole numbers from 0.

        Args:
            x: (n, ...).
            places: Its axes of places; None: all but the first and the last, of a table the last.
        """


@dataclasses.dataclass(frozen=True)
class Grid(Segmenter):
    """What `grid` returns.

    Attributes:
        n: As in `grid`.
    """

    n: int | tuple[int, ...]

    reads: ClassVar[bool] = False

    def __call__(self, x: np.ndarray, places: Sequence[int] | None = None) -> np.ndarray:
        lengths = [np.shape(x)[a] for a in usual(x, places)]
        counts = list(self.n) if isinstance(self.n, tuple) else [self.n] * len(lengths)
        if len(counts) != len(lengths):
            raise OptionError(f"grid(n) has one number, or one for each of the {len(lengths)} axes. {received(self.n)}")
        found = np.zeros([1, *lengths], np.int64)
        for axis, (count, length) in enumerate(zip(counts, lengths, strict=True), 1):
            count = min(count, length)
            cells = np.arange(length) * count // max(length, 1)
            found = found * count + cells.reshape([-1 if a == axis else 1 for a in range(found.ndim)])
        return found

    def __repr__(self) -> str:
        return f"grid({self.n})"


@dataclasses.dataclass(frozen=True)
class Slic(Segmenter):
    """What `slic` returns.

    Attributes:
        n, compactness, sigma: As in `slic`.
    """

    n: int = 50
    compactness: float = 10.0
    sigma: float = 0.0

    def __call__(self, x: np.ndarray, places: Sequence[int] | None = None) -> np.ndarray:
        segmentation = extra("segments", SKIMAGE)
        x = np.asarray(x)
        places = usual(x, places)
        if x.ndim < 3 or len(places) not in (2, 3) or x.dtype.kind not in "biuf":
            raise OptionError(f"slic() is for pictures and volumes. {received(x.shape)} Use grid(n), or labels.")
        if not (finite := readable(x)).all():
            raise OptionError(
                f"slic() is for pictures of finite numbers. Received: NaN or infinity in {(~finite).sum()} of {len(x)} "
                f"(first: number {np.flatnonzero(~finite)[0]}). Use grid(n), or labels."
            )
        channels = [a - 1 for a in range(1, x.ndim) if a not in places]
        axis = channels[0] if channels else None
        colours = axis is not None and x.shape[axis + 1] == 3
        compactness = self.compactness / (1 if colours else LIGHTNESS)
        found = [
            segmentation.slic(one, self.n, compactness, sigma=self.sigma, start_label=0, channel_axis=axis)
            for one in x.astype(np.float64)
        ]
        return np.stack(found)

    def __repr__(self) -> str:
        return f"slic({self.n}, compactness={self.compactness:g}, sigma={self.sigma:g})"


def readable(x: np.ndarray) -> np.ndarray:
    """(n,) whether all numbers of an example are finite."""
    return np.isfinite(x).reshape(len(x), -1).all(axis=1)


def usual(x: np.ndarray, places: Sequence[int] | None) -> tuple[int, ...]:
    """The axes of places: as they are known, else channels last; a table has none."""
    rank = np.ndim(x)
    return tuple(range(1, max(rank - 1, min(rank, 2))) if places is None else places)


def grid(n: int | Sequence[int]) -> Grid:
    """Cells of equal size: n x n of a picture, n stretches of a sequence, n runs of columns of a table.

    Which axes are places is known of the model that is explained; of an array alone they are all but the first and the
    last. Where an axis is shorter than n, each of its places is a cell.

    Args:
        n: Cells per axis of places: one number, or one for each axis.

    Raises:
        OptionError: n is below 1; or, when used, has another number of axes.

    Example:
        >>> grid(3)(np.zeros((1, 6, 4)))
        array([[0, 0, 1, 1, 2, 2]])
    """
    for count in n if isinstance(n, (list, tuple)) else (n,):
        whole_number(count, "n")
    return Grid(n if isinstance(n, int) else tuple(map(int, np.ravel(n))) if np.ndim(n) else int(np.asarray(n)))


def slic(n: int = 50, compactness: float = 10.0, sigma: float = 0.0) -> Slic:
    """Superpixels of each picture by its own colours, by scikit-image: `pip install "tfxai[segments]"`.

    Achanta et al. 2012, doi:10.1109/TPAMI.2012.120. Numbers are brought to [0, 1] picture by picture; three channels
    are read as red, green and blue.

    Args:
        n: About how many.
        compactness: How much places count beside colours, in CIELAB: larger is squarer. Where there are not three
            channels, each counts as lightness does, from 0 to 100.
        sigma: Blurs the picture first, in pixels.

    Raises:
        OptionError: n below 1, compactness or sigma below 0; or, when used, x is no picture, or has NaN or infinity.
        MissingExtraError: When used: scikit-image is not installed.

    Example:
        >>> slic(2)
        slic(2, compactness=10, sigma=0)
    """
    whole_number(n, "n")
    amount(compactness, "compactness")
    amount(sigma, "sigma")
    return Slic(int(n), float(compactness), float(sigma))


def words(ids: Sequence[Any]) -> np.ndarray:
    """Labels of tokens, of the number of the word that each token is a piece of: what tokenizers call `word_ids`.

    Args:
        ids: (n, tokens) numbers of words; None, or below 0, at tokens that are of no word (start, end, padding), which
            are one group together. A single row is for all examples.

    Returns:
        (n, tokens) labels; (tokens,) of a single row.

    Raises:
        OptionError: Rows of different length, or other things than whole numbers and None.

    Example:
        >>> words([[None, 0, 0, 1, None], [None, 0, 1, 1, None]])
        array([[2, 0, 0, 1, 2],
               [2, 0, 1, 1, 2]])
    """
    single = all(i is None or isinstance(i, (int, np.integer)) for i in ids)
    rows = [list(ids)] if single else [list(row) for row in ids]
    flat = [i for row in rows for i in row]
    if not all(i is None or isinstance(i, (int, np.integer)) and not isinstance(i, bool) for i in flat):
        raise OptionError(f"words(ids) takes a whole number or None for each token. {received(ids)}")
    if len({len(row) for row in rows}) != 1:
        raise OptionError(f"words(ids) takes as many for each example: pad with None. {received(ids)}")
    none = max((i for i in flat if i is not None), default=-1) + 1
    found = np.array([[none if i is None or i < 0 else int(i) for i in row] for row in rows])
    return found[0] if single else found
