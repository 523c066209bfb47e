"""Digests of content: of all of it where that is little, else of pieces that lie evenly spread."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np

IN_MEMORY = 2**28  # bytes that are read of an array in memory
ON_DISK = 2**26  # of a file, and of an array that is read from one
PIECES = 64  # that these are spread over


def spread(total: int, most: int, pieces: int = PIECES) -> list[tuple[int, int]]:
    """Stretches of range(total): all of it where it is no longer than `most`, else so much of it in even distances.

    The first stretch begins at 0, the last ends at the end.

    Example:
        >>> spread(10, 10), spread(100, 6, 3)
        ([(0, 10)], [(0, 2), (49, 51), (98, 100)])
    """
    if total <= most:
        return [(0, total)]
    count = min(pieces, max(most, 2))
    length = max(most // count, 1)
    return [(int(start), int(start) + length) for start in np.linspace(0, total - length, count)]


def of_arrays(arrays: Iterable[np.ndarray]) -> str:
    """One digest of arrays: their numbers, shapes and dtypes."""
    found = hashlib.blake2b(digest_size=16)
    for array in arrays:
        found.update(f"{array.dtype} {array.shape}".encode())
        if array.dtype == object:
            found.update(repr(array.tolist()).encode())
        else:
            found.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return found.hexdigest()


def of_tree(tree: Any) -> str:
    """One digest of the arrays in a structure."""
    return of_arrays(np.asarray(leaf) for leaf in keras.tree.flatten(tree))


def of_texts(texts: Iterable[str]) -> str:
    """One digest of texts in their order."""
    found = hashlib.blake2b(digest_size=16)
    for text in texts:
        found.update(text.encode("utf-8", "surrogateescape") + b"\0")
    return found.hexdigest()


def of_file(path: Path, most: int = ON_DISK) -> str:
    """A digest of a file's size and bytes: of all of them up to `most`, else of so many in 64 even pieces."""
    size = path.stat().st_size
    found = hashlib.blake2b(str(size).encode(), digest_size=16)
    with path.open("rb") as file:
        for start, stop in spread(size, most):
            file.seek(start)
            found.update(file.read(stop - start))
    return found.hexdigest()
