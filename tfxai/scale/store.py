"""The store: a Zarr group with a row for each example, and a record of each chunk that says whether it is whole.

Every chunk of a job is written by one process, and covers whole chunks of Zarr: any number of processes may write at
once. What is marked as done comes last.
"""

from __future__ import annotations

import errno
import json
import os
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from tfxai.errors import FileFormatError, InputError, OptionError
from tfxai.result.export import VALUES, Variables
from tfxai.scale.layout import Layout
from tfxai.scale.place import taking_place, writing
from tfxai.support.extras import extra

FORMAT = 1
DTYPES = {"float32": np.float32, "float64": np.float64, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}
PIECE = 2**25  # bytes of a chunk of Zarr, at most: what is written, read and compressed as a whole
NARROW = 2**20  # bytes of a whole chunk of a job up to which an array is written at its end, as one chunk of Zarr
WORKER = 64  # bytes of a worker's name
RECORDS = {  # of each chunk of the job; the time is that of the clock, in seconds
    "done": ("bool", ()),
    "checksum": ("uint64", ()),  # CRC-32: it finds damage, not malice, at a fifth of the cost of a digest
    "times": ("float64", (2,)),  # when it was begun and finished
    "worker": ("uint8", (WORKER,)),
    "rounding": ("float64", ()),  # the largest change of a value by its dtype in the store
}


class Store:
    """A store that is there.

    Attributes:
        path: Where.
        job: What its numbers depend on.
        layout: How explanations are made of its arrays.
        n: How many examples.
        chunk: How many a job's chunk has.
        piece: How many a chunk of Zarr has, of which a job's chunk has a whole number; narrow arrays, such as scores,
            have all of a job's chunk in one, or there would be many files with little in them.
        dtype: Of the values, by name.
        seed: Of the job.
        names: Of the arrays with a row per example.
        arrays: These, and the records, by name.
    """

    def __init__(self, path: str, group: Any) -> None:
        self.path = path
        about = json.loads(group.attrs["tfxai"])
        self.job: dict[str, Any] = about["job"]
        self.layout = Layout(**about["layout"])
        self.n, self.chunk, self.piece = int(about["n"]), int(about["chunk"]), int(about["piece"])
        self.dtype, self.seed, self.names = str(about["dtype"]), int(about["seed"]), list(about["names"])
        # Opened once: to look an array up is to read a file.
        self.arrays = {name: group[name] for name in (*self.names, *RECORDS)}

    @classmethod
    def at(cls, path: str | os.PathLike) -> Store | None:
        """The store at a path; None where nothing is.

        Raises:
            FileFormatError: Something else is there, or a store of a newer format.
        """
        zarr, path = extra("scale", "zarr"), os.fspath(path)
        local = "://" not in path
        if local and not os.path.lexists(path):
            return None
        try:
            group = zarr.open_group(path, mode="r" if local and not os.access(path, os.W_OK) else "r+", zarr_format=3)
            text = group.attrs["tfxai"]
        except (FileNotFoundError, KeyError, NotADirectoryError, ValueError, OSError) as error:
            if isinstance(error, FileNotFoundError) and (not local or not any(Path(path).iterdir())):
                return None
            raise FileFormatError(
                f"{path!r} is no store of explanations ({type(error).__name__}: {error}). Pass another path with out=."
            ) from error
        if json.loads(text)["format"] != FORMAT:
            raise FileFormatError(f"{path!r} has format {json.loads(text)['format']!r}; this tfxai reads {FORMAT}.")
        return cls(path, group)

    @classmethod
    def created(
        cls,
        path: str | os.PathLike,
        job: dict[str, Any],
        layout: Layout,
        arrays: Variables,
        n: int,
        chunk: int,
        dtype: str,
        seed: int,
    ) -> Store:
        """A new store; or the one that another process has created meanwhile.

        Args:
            path: Where.
            job: What its numbers depend on.
            layout: Of its explanations.
            arrays: Of some examples, from which the store takes dimensions, shapes and dtypes.
            n: How many examples.
            chunk: How many are explained and marked as done together.
            dtype: In which values are stored.
            seed: Of random draws.
        """
        zarr, path = extra("scale", "zarr"), os.fspath(path)
        piece = _piece(chunk, max(a[0].nbytes for _, a in arrays.values()))
        about = {"format": FORMAT, "job": job, "layout": vars(layout), "n": n, "chunk": chunk, "piece": piece}
        about |= {"dtype": dtype, "seed": seed, "names": list(arrays)}
        with writing(path), taking_place(path) as place:
            group = zarr.open_group(place, mode="w", zarr_format=3)
            for name, (dims, array) in arrays.items():
                stored = _stored_dtype(name, array.dtype, dtype)
                held = chunk if chunk * array[0].nbytes <= NARROW else piece
                _create(group, name, (n, *array.shape[1:]), (min(held, n), *array.shape[1:]), stored, dims)
            for name, (kind, shape) in RECORDS.items():
                extents = [f"{name}_{k}" for k in range(len(shape))]
                _create(group, name, (-(-n // chunk), *shape), (1, *shape), np.dtype(kind), ("chunk", *extents))
            for name, places in layout.names.items():
                _create(group, name, (len(places),), (len(places),), str, (name,))
                group[name][:] = np.array([str(p) for p in places], object)
            group.attrs.update({**layout.attrs, "tfxai": json.dumps(about)})
        return found if (found := cls.at(path)) is not None else cls(path, group)

    @property
    def chunks(self) -> int:
        """How many chunks the job has."""
        return -(-self.n // self.chunk)

    def rows(self, index: int) -> range:
        """The examples of a chunk."""
        return range(index * self.chunk, min((index + 1) * self.chunk, self.n))

    def pieces(self, index: int) -> list[range]:
        """The same in the stretches that are written as a whole."""
        rows = self.rows(index)
        return [range(k, min(k + self.piece, rows.stop)) for k in range(rows.start, rows.stop, self.piece)]

    def record(self, name: str) -> np.ndarray:
        """What is on record of each chunk; where a record cannot be read, nothing."""
        try:
            return self.arrays[name][:]
        except Exception:  # a file that was cut off: every codec fails in its own way
            return np.array([self._one(name, k) for k in range(self.chunks)])

    def _one(self, name: str, index: int) -> np.ndarray:
        try:
            return self.arrays[name][index]
        except Exception:
            kind, shape = RECORDS[name]
            return np.zeros(shape, kind)

    def is_done(self, index: int) -> bool:
        """Whether a chunk is marked as done."""
        return bool(self._one("done", index))

    def is_whole(self, index: int) -> bool:
        """Whether what a chunk holds is what was written."""
        checksum = 0
        try:
            for piece in self.pieces(index):
                for name in self.names:
                    held = np.ascontiguousarray(self.arrays[name][piece.start : piece.stop])
                    checksum = zlib.crc32(held.data, checksum)
            checksum = zlib.crc32(np.float64(self.arrays["rounding"][index]).tobytes(), checksum)
        except Exception:  # a file that was cut off
            return False
        return checksum == int(self._one("checksum", index))

    def drop(self, index: int) -> None:
        """Marks a chunk as not done."""
        with writing(self.path):
            self._check_right()
            self.arrays["done"][index] = False

    def writer(self, index: int, worker: str) -> Writer:
        """What writes a chunk.

        Raises:
            StoreError: Nobody has the right to.
        """
        with writing(self.path):
            self._check_right()
        return Writer(self, index, worker)

    def _check_right(self) -> None:
        if self.arrays["done"].read_only:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


class Writer:
    """Writes one chunk: its pieces, and at the end the record that says that it is whole."""

    def __init__(self, store: Store, index: int, worker: str) -> None:
        self.store, self.index, self.worker = store, index, worker
        self._begun, self._checksum, self._rounding = time.time(), 0, 0.0
        self._narrow: dict[str, list[np.ndarray]] = {}  # what is written at the end

    def piece(self, rows: range, arrays: Variables) -> None:
        """Writes the arrays of some rows.

        Raises:
            InputError: They are not like those of the examples from which the store was made.
            OptionError: Values that the store's dtype cannot hold.
            StoreError: They cannot be written.
        """
        names = self.store.names
        if set(arrays) != set(names):
            raise InputError(f"Examples {rows} have {_listed(arrays)}; the store holds {_listed(names)}.")
        with writing(self.store.path):
            for name in names:
                array, held = arrays[name][1], self.store.arrays[name]
                if array.shape[1:] != held.shape[1:]:
                    raise InputError(
                        f"{name!r} of examples {rows.start} to {rows.stop - 1} has shape {array.shape[1:]}; those "
                        f"before them have {held.shape[1:]}. A store has one shape for all: pad or resize the examples."
                    )
                stored = self._stored(name, array, held.dtype)
                self._checksum = zlib.crc32(stored.data, self._checksum)
                if held.chunks[0] > self.store.piece:
                    self._narrow.setdefault(name, []).append(stored)
                else:
                    held[rows.start : rows.stop] = stored

    def finish(self) -> None:
        """Marks the chunk as done."""
        records = {
            "checksum": zlib.crc32(np.float64(self._rounding).tobytes(), self._checksum),
            "times": [self._begun, time.time()],
            "worker": np.frombuffer(self.worker.encode()[:WORKER].ljust(WORKER, b"\0"), np.uint8),
            "rounding": self._rounding,
            "done": True,
        }
        rows = self.store.rows(self.index)
        with writing(self.store.path):
            for name, parts in self._narrow.items():
                self.store.arrays[name][rows.start : rows.stop] = np.concatenate(parts)
            for name, value in records.items():
                self.store.arrays[name][self.index] = value

    def _stored(self, name: str, array: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """The array as the store has it."""
        if not _is_values(name):
            return np.ascontiguousarray(array, dtype)
        kind = DTYPES[self.store.dtype]
        with np.errstate(over="ignore"):
            stored = np.ascontiguousarray(array.astype(kind, copy=False).astype(dtype, copy=False))
        if stored.dtype == array.dtype and kind == array.dtype:
            return stored
        lost = _change(array, stored)
        if not np.isfinite(lost):
            raise OptionError(
                f"dtype={self.store.dtype!r} holds numbers up to {float(ml_dtypes.finfo(kind).max):g}. Received: "
                f"{name} up to {np.abs(array).max(where=np.isfinite(array), initial=0):.3g}. Use 'bfloat16' or "
                "'float32'."
            )
        self._rounding = max(self._rounding, lost)
        return stored


def _change(array: np.ndarray, stored: np.ndarray) -> float:
    """The largest change of a finite number."""
    with np.errstate(invalid="ignore"):
        change = np.abs(array - stored)  # exact, in the dtype of the array: it takes no more digits than rounding did
    lost = float(change.max(initial=0.0))
    return lost if np.isfinite(lost) else float(change.max(initial=0.0, where=np.isfinite(array)))


def _piece(chunk: int, row: int) -> int:
    """The largest part of a chunk of which the widest array takes no more than PIECE."""
    return max(k for k in range(1, chunk + 1) if chunk % k == 0 and (k == 1 or k * row <= PIECE))


def _is_values(name: str) -> bool:
    return name.split(".")[0] in VALUES


def _stored_dtype(name: str, own: np.dtype, dtype: str) -> np.dtype:
    """Values in the dtype that was asked for; bfloat16, which Zarr has not, rounded in a float32 that packs well."""
    if not _is_values(name):
        return own
    return np.dtype(np.float32 if dtype == "bfloat16" else DTYPES[dtype])


def _create(group: Any, name: str, shape: tuple, chunks: tuple, dtype: Any, dims: tuple) -> None:
    """An array, with NaN where nothing was written yet. All is written, or what is missing could not be told."""
    empty = np.nan if np.dtype(dtype).kind == "f" else None  # else its own zero
    group.create_array(name, shape=shape, chunks=chunks, dtype=dtype, dimension_names=dims, fill_value=empty,
                       config={"write_empty_chunks": True})  # fmt: skip


def _listed(names: Mapping | list) -> str:
    return ", ".join(names)
