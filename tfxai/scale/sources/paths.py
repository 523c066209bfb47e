"""Paths as sources: what a file or folder is, told by its ending, or by what is in it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tfxai.errors import FileFormatError
from tfxai.scale.sources.files import from_hdf5, from_npy, from_npz, from_zarr
from tfxai.scale.sources.folder import from_folder
from tfxai.scale.sources.tables import PARQUET, TEXTS, from_table

INSIDE = "::"  # between a file and the name of an array in it
ZARR = ("zarr.json", ".zgroup", ".zarray", ".zmetadata")  # one of them is in the folder of a Zarr store
# What opens a file of this ending, with (path, name of an array in it, what the model says of its inputs).
ENDINGS: dict[str, Callable[..., Any]] = {
    ".npy": from_npy,
    ".npz": from_npz,
    ".h5": from_hdf5,
    ".hdf5": from_hdf5,
    ".zarr": from_zarr,
    **dict.fromkeys((*TEXTS, *PARQUET), from_table),
}


def is_path(source: Any) -> bool:
    """Whether it names a file or folder."""
    return isinstance(source, (str, os.PathLike))


def is_table(path: Path) -> bool:
    """Whether a file is a table by its ending."""
    return path.name.lower().endswith((*TEXTS, *PARQUET))


def is_text(path: Path) -> bool:
    """Whether it is one of text."""
    return path.name.lower().endswith(TEXTS)


def from_path(source: Any, declared: list | None) -> Any:
    """The source in a file or folder.

    Raises:
        FileNotFoundError: There is none.
        FileFormatError: Of no kind that is read.
    """
    text, _, name = os.fspath(source).partition(INSIDE)
    remote, path = "://" in text, Path(text)
    if not remote and not path.exists():
        raise FileNotFoundError(f"No file or folder at {text!r}.")
    opens = from_zarr if not remote and _is_zarr(path) else from_folder if path.is_dir() else _by_ending(path)
    return opens(text if remote else str(path.absolute()), name or None, declared)


def _is_zarr(path: Path) -> bool:
    return path.is_dir() and (path.suffix.lower() == ".zarr" or any((path / name).exists() for name in ZARR))


def _by_ending(path: Path) -> Callable[..., Any]:
    for ending, opens in ENDINGS.items():
        if path.name.lower().endswith(ending):
            return opens
    raise FileFormatError(
        f"{str(path)!r} is of no kind that is read here: a folder of images, or {', '.join(ENDINGS)}. Load it "
        "yourself and pass the arrays."
    )
