"""One array of a source, wherever it lies: its rows are read in stretches, and only those that are asked for.

What is pickled is small: arrays in files are found again by their paths, in whatever process reads them next.
"""

from __future__ import annotations

import dataclasses
import math
import mmap
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np

from tfxai.errors import InputError, InputTypeError, received
from tfxai.scale.sources import digests
from tfxai.support.arrays import Unreadable, as_array


class Rows(Protocol):
    """An array whose first axis is that of the examples."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> str: ...

    def read(self, start: int, stop: int) -> Any: ...

    def digest(self) -> str: ...


def stretch(value: Any, start: int, stop: int) -> Any:
    """Rows of anything that has some: an array, or a data frame, whose columns stay known."""
    if not hasattr(value, "iloc"):
        return value[start:stop]
    rows = value.iloc[start:stop]
    index = value.index
    numbered = getattr(index, "step", 0) == 1 and index.start == 0  # names that are but the numbers of rows
    return rows.reset_index(drop=True) if numbered else rows


class Held:
    """An array in memory, or anything else that is sliced like one: arrays of Dask, tensors of other libraries.

    Args:
        value: Whose content it is.
        name: For errors.

    Raises:
        InputTypeError: It is no array, or its rows have different lengths.
        InputError: It has no axis of examples.
    """

    def __init__(self, value: Any, name: str) -> None:
        self.value = value if _is_sliced(value) else _array(value, name)
        if not self.shape:
            raise InputError(f"{name} has no axis of examples. {received(value)} Pass arrays of rank 1 or more.")
        first = _array(stretch(self.value, 0, 1), name)
        self.dtype, self._row = str(first.dtype), max(first.nbytes, 1)

    @property
    def shape(self) -> tuple[int, ...]:
        """The examples first."""
        return tuple(self.value.shape)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Rows."""
        return as_array(stretch(self.value, start, stop))

    def digest(self) -> str:
        """Of the content, up to 256 MB of it."""
        pieces = digests.spread(self.shape[0], digests.IN_MEMORY // self._row)
        return digests.of_arrays(self.read(*piece) for piece in pieces)


class Frame:
    """A data frame in memory; what is read are frames, whose columns stay known."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.shape = tuple(value.shape)
        self.dtype = ", ".join(f"{name}: {value[name].dtype}" for name in value.columns)

    def read(self, start: int, stop: int) -> Any:
        """Rows."""
        return stretch(self.value, start, stop)

    def digest(self) -> str:
        """Of the columns, up to 256 MB of them."""
        pieces = digests.spread(self.shape[0], digests.IN_MEMORY // (8 * max(self.shape[1], 1)))
        rows = (stretch(self.value, *piece) for piece in pieces)
        return digests.of_arrays(np.asarray(part[name]) for part in rows for name in part.columns)


def _is_sliced(value: Any) -> bool:
    """Whether rows can be taken of it as it is: numpy would read all of the arrays of other libraries at once."""
    if isinstance(value, np.ndarray) or hasattr(value, "iloc"):
        return True
    tensors = type(value).__module__.startswith(("tensorflow", "keras", "tf_keras"))
    return not tensors and all(hasattr(value, name) for name in ("shape", "dtype", "__getitem__"))


def _array(value: Any, name: str) -> np.ndarray:
    try:
        return as_array(value)
    except Unreadable as error:
        raise InputTypeError(f"{name}: {error} {received(value)}") from error


@dataclasses.dataclass
class Mapped:
    """An array in a file as it is in memory: a `.npy`, an uncompressed member of an `.npz`, a `numpy.memmap`.

    Attributes:
        path, size: The file, and its bytes.
        shape, kind, strides, offset: Where the numbers are in it.
    """

    path: str
    size: int
    shape: tuple[int, ...]
    kind: Any
    strides: tuple[int, ...]
    offset: int

    @classmethod
    def of(cls, array: np.memmap) -> Mapped | None:
        """The place of a mapped array, or of a part of one; None where it is mapped no more, or only for itself."""
        root: Any = array
        while isinstance(root, np.ndarray) and isinstance(root.base, np.ndarray):
            root = root.base
        if not isinstance(root, np.memmap) or not isinstance(root.base, mmap.mmap) or root.mode == "c":
            return None  # changes that are never written to the file are in memory alone
        if root.filename is None:
            return None
        path = os.path.abspath(root.filename)
        offset = root.offset + _address(array) - _address(root)
        return cls(path, os.path.getsize(path), array.shape, array.dtype, array.strides, offset)

    @property
    def dtype(self) -> str:
        """As numpy writes it."""
        return str(self.kind)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Rows. The file is mapped for that long: what was read of it takes no memory then."""
        if not os.path.exists(self.path) or os.path.getsize(self.path) != self.size:
            raise InputError(f"{self.path!r} has changed since it was opened: it had {self.size:,} bytes then.")
        whole = np.memmap(self.path, np.uint8, mode="r")
        return np.array(np.ndarray(self.shape, self.kind, whole, self.offset, self.strides)[start:stop])

    def digest(self) -> str:
        """Of the file."""
        return digests.of_file(Path(self.path))


def _address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def contiguous(path: str, shape: tuple[int, ...], kind: Any, fortran: bool, offset: int) -> Mapped:
    """Numbers that lie one after the other in a file."""
    sizes = [kind.itemsize * math.prod(shape[:k] if fortran else shape[k + 1 :]) for k in range(len(shape))]
    return Mapped(path, os.path.getsize(path), tuple(shape), kind, tuple(sizes), offset)


class Reopened:
    """An array that a library reads from a file or a store, opened again in every process.

    Args:
        find: Opens it; a function that can be pickled.
        args: What the function takes.
        opened: Of this process, where it is open already.

    Raises:
        InputError: When rows are read: it has another shape than it had.
    """

    def __init__(self, find: Callable[..., Any], args: tuple, opened: Any = None) -> None:
        self.find, self.args, self._opened = find, args, opened
        found = find(*args) if opened is None else opened
        self.shape, self.dtype = tuple(found.shape), str(found.dtype)
        self._row = max(getattr(found.dtype, "itemsize", 8) * math.prod(self.shape[1:]), 1)
        self._opened = found

    def read(self, start: int, stop: int) -> np.ndarray:
        """Rows, and no more than the chunks of the file that hold them."""
        if self._opened is None:
            self._opened = self.find(*self.args)
            if tuple(self._opened.shape) != self.shape:
                raise InputError(
                    f"{self.args[0]!r} has changed since it was opened: its shape was {self.shape} then. "
                    f"Received: {tuple(self._opened.shape)}."
                )
        found = np.asarray(self._opened[start:stop])
        return found.astype(object) if found.dtype.kind == "T" else found  # numpy's own texts: little takes them

    def digest(self) -> str:
        """Of 64 MB at most, in up to 16 pieces: each is read with the chunks that it lies in."""
        pieces = digests.spread(self.shape[0], digests.ON_DISK // self._row, 16)
        return digests.of_arrays(self.read(*piece) for piece in pieces)

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_opened": None}


LIBRARIES = {"zarr": "zarr", "h5py": "hdf5"}


def library(value: Any) -> str | None:
    """What keeps it: "zarr", "hdf5", or None. Told by its name: they are imported by nobody who does not use them."""
    return LIBRARIES.get(type(value).__module__.split(".")[0])


def lazily(value: Any) -> Reopened | None:
    """An open array of Zarr, which is pickled by its store, or of HDF5, which is found again by its file.

    Raises:
        InputError: It has no axis of examples.
    """
    kept = library(value)
    if kept is None or not hasattr(value, "shape"):
        return None
    if not value.shape:
        raise InputError(f"It has no axis of examples. {received(value)} Pass arrays of rank 1 or more.")
    if kept == "zarr":
        return Reopened(as_it_is, (value,))
    return Reopened(hdf5, (value.file.filename, value.name), value)


def hdf5(path: str, name: str) -> Any:
    """An array in an HDF5 file."""
    import h5py

    return h5py.File(path, "r")[name]


def as_it_is(array: Any) -> Any:
    """An array that is pickled as what it is."""
    return array


def flattened(tree: Any) -> Iterator[tuple[str, Any]]:
    """(name, leaf) of every leaf of a structure; "" names the only one."""
    for path, leaf in keras.tree.flatten_with_path(tree):
        yield ".".join(map(str, path)), leaf
