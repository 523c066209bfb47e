"""Files and stores of arrays as sources: `.npy`, `.npz`, Zarr, HDF5. Only the stretches that are asked for are read."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from typing import Any, BinaryIO

import keras
import numpy as np

from tfxai.errors import FileFormatError, InputError
from tfxai.scale.sources.arrays import Arrays
from tfxai.scale.sources.rows import Mapped, Reopened, Rows, contiguous, hdf5, lazily, library
from tfxai.support.extras import extra
from tfxai.support.placed import placed, short

LABELS = "y"  # what an array of labels beside those of x is called
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
LOCAL_HEADER = 30  # bytes before the name of a member of a zip file; the last four say how long name and extra are


def from_npy(path: str, name: str | None, declared: list | None) -> Arrays:
    """A `.npy`, memory-mapped."""
    try:
        with open(path, "rb") as file:
            rows = _mapped(path, file)
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(path, "an array of numbers", error) from error
    return Arrays(rows, kind="npy")


def from_npz(path: str, name: str | None, declared: list | None) -> Arrays:
    """An `.npz`: what `numpy.savez` writes is mapped, what `savez_compressed` writes is held in memory."""
    try:
        with zipfile.ZipFile(path) as archive, open(path, "rb") as file:
            members = {i.filename.removesuffix(".npy"): _member(path, i, file) for i in archive.infolist()}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise _damaged(path, "an archive of arrays of numbers", error) from error
    return _chosen(path, members, name, declared, "npz")


def _member(path: str, info: zipfile.ZipInfo, file: BinaryIO) -> Rows:
    if info.compress_type != zipfile.ZIP_STORED:
        return Reopened(unpacked, (path, info.filename.removesuffix(".npy")))
    file.seek(info.header_offset)
    header = file.read(LOCAL_HEADER)
    file.seek(sum(int.from_bytes(header[k : k + 2], "little") for k in (26, 28)), 1)
    return _mapped(path, file)


def _mapped(path: str, file: BinaryIO) -> Mapped:
    """The array whose header the file is at."""
    version = np.lib.format.read_magic(file)
    if version not in HEADERS:
        raise ValueError(f"version {version} of the format")
    shape, fortran, kind = HEADERS[version](file)
    if kind.hasobject:
        raise ValueError("Python objects")
    found = contiguous(path, shape, kind, fortran, file.tell())
    if found.offset + kind.itemsize * np.prod(shape, dtype=int) > found.size:
        raise ValueError("it ends before its last number")
    return found


def unpacked(path: str, name: str) -> np.ndarray:
    """A compressed array of an `.npz`."""
    with np.load(path, allow_pickle=False) as archive:
        return archive[name]


def from_hdf5(path: str, name: str | None, declared: list | None) -> Arrays:
    """An HDF5 file: the data set of this name, or those that the model has inputs for."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            members = [key for key, _ in _members(file)]
        arrays = {key: Reopened(hdf5, (path, key)) for key in members}
    except (OSError, RuntimeError, TypeError) as error:
        raise _damaged(path, "an HDF5 file of arrays", error) from error
    return _chosen(path, arrays, name, declared, "hdf5")


def from_zarr(path: str, name: str | None, declared: list | None) -> Arrays:
    """A Zarr array or group, by a path or an address that Zarr opens."""
    zarr = extra("scale", "zarr")
    try:
        found = zarr.open(path, mode="r")
    except Exception as error:  # every store and codec fails in its own way
        raise _damaged(path, "a Zarr array or group", error) from error
    if hasattr(found, "shape"):
        return Arrays(_rows(found), kind="zarr")
    return _chosen(path, {key: _rows(array) for key, array in _members(found)}, name, declared, "zarr")


def is_group(source: Any) -> bool:
    """Whether it is an open group of arrays."""
    return library(source) is not None and hasattr(source, "keys")


def from_open_group(source: Any, declared: list | None) -> Arrays:
    """An open Zarr or HDF5 group."""
    arrays = {key: _rows(array) for key, array in _members(source)}
    return _chosen(str(source.name), arrays, None, declared, library(source) or "")


def _members(group: Any) -> list[tuple[str, Any]]:
    """The arrays of a Zarr or HDF5 group and of the groups in it, by their paths."""
    found: list[tuple[str, Any]] = []
    if hasattr(group, "visititems"):
        group.visititems(lambda key, item: found.append((key, item)))
    else:
        found.extend(group.members(max_depth=None))
    return sorted(((key, item) for key, item in found if hasattr(item, "shape")), key=lambda pair: pair[0])


def _rows(array: Any) -> Rows:
    rows = lazily(array)
    assert rows is not None  # noqa: S101 - it is one of a library
    return rows


def _chosen(path: str, arrays: Mapping[str, Rows], name: str | None, declared: list | None, kind: str) -> Arrays:
    """Those of several arrays that the model has inputs for, with the labels where there is a `y` beside them."""
    if name is not None:
        key = name.strip("/")
        if key not in arrays:
            raise FileFormatError(f"{path!r} has no array {key!r}. It holds {short(list(arrays)) or 'none'}.")
        return Arrays(arrays[key], kind=kind)
    if not arrays:
        raise FileFormatError(f"{path!r} holds no array.")
    inputs = None if declared is None else [known for known, *_ in declared]
    y = arrays[LABELS] if len(arrays) > 1 and LABELS in arrays and LABELS not in (inputs or ()) else None
    rest = [key for key in arrays if y is None or key != LABELS]
    if len(rest) == 1 and (inputs is None or len(inputs) == 1):
        return Arrays(arrays[rest[0]], y, kind)
    try:
        keys, _ = placed(rest, inputs)
        return Arrays(keras.tree.map_structure(arrays.__getitem__, keys), y, kind)
    except InputError as error:
        raise InputError(f"{path!r}: {error} One of its arrays alone is {path + '::' + rest[0]!r}.") from error


def _damaged(path: str, expected: str, error: Exception) -> Exception:
    if isinstance(error, (PermissionError, FileNotFoundError)):
        return error
    reason = " ".join(str(error).split())[:200]
    return FileFormatError(f"{path!r} is not {expected} ({type(error).__name__}: {reason}).")
