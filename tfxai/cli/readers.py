"""Files that users bring: pictures, folders of them, arrays, tables. Sizes are checked before anything is decoded."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tfxai.cli.pictures import IMAGES, read_picture
from tfxai.cli.tables import read_table
from tfxai.cli.words import Words, read
from tfxai.errors import FileFormatError, InputError
from tfxai.support.placed import placed as placed_keys
from tfxai.support.placed import short
from tfxai.support.structure import map_structure

TABLES = (".csv", ".tsv")
ARRAYS = (".npy", ".npz")
LISTED = 3  # file names in a line


class Taken(NamedTuple):
    """What was read.

    Attributes:
        x: One array; a dict of those of an `.npz`; a list of single examples where pictures have other sizes (`apart`).
        columns: The names of a table's columns.
        examples: The name of each example where it has one: its file, its row.
        notes: What was done to the files, a line each.
        files: Every example is a file of its own.
        apart: Every example is explained on its own.
        words: What the numbers in columns of words stand for.
    """

    x: Any
    columns: list[str] | None = None
    examples: list[str] | None = None
    notes: tuple[str, ...] = ()
    files: bool = False
    apart: bool = False
    words: Words = {}


class Wanted(NamedTuple):
    """What a model says of one of its inputs: name, shape with the batch first, dtype."""

    name: str
    shape: tuple
    dtype: str


def read_inputs(
    paths: Sequence[str],
    shape: tuple | None,
    dtype: str | None = None,
    header: str = "auto",
    allow_nan: bool = False,
    words: Sequence[str] = (),
) -> Taken:
    """What is in the files.

    Args:
        paths: Pictures, folders or patterns of them, brought to the size and channels of `shape`; or one `.npy`,
            `.npz`, `.csv` or `.tsv`.
        shape: (n, height, width, channels) that the model declares, None where it does not say.
        dtype: What the model takes, None where it does not say.
        header, allow_nan, words: Of tables: see `read_table`.

    Raises:
        FileNotFoundError: No such file.
        FileFormatError: Damaged, or of another kind.
        InputError: A picture of too many pixels, pictures mixed with arrays.
    """
    files, notes = _expanded(paths)
    kinds = {"image" if f.suffix.lower() in IMAGES else f.suffix.lower() for f in files}
    if kinds == {"image"}:
        return _pictures(files, shape, notes)
    if len(files) > 1:
        raise InputError(f"Pass several images, or one file of another kind. Received: {_listed(files)}.")
    file = files[0]
    if file.suffix.lower() in TABLES:
        table = read_table(file, _columns(shape), dtype, header, allow_nan, words)
        said = (*notes, f"{file.name}: {table.note}")
        return Taken(table.values, table.columns, table.rows, said, words=table.words)
    if file.suffix.lower() in ARRAYS:
        return Taken(read_arrays(file), notes=notes)
    known = ", ".join([*sorted(IMAGES), *ARRAYS, *TABLES])
    raise FileFormatError(f"{str(file)!r} is of no kind that is read here. Save it as one of these: {known}.")


def _columns(shape: tuple | None) -> int | None:
    """How many numbers a row of a table has, where the model says so."""
    return None if shape is None or len(shape) > 2 else (1, *shape[1:])[-1]


def read_arrays(path: Path) -> Any:
    """The array of an `.npy`, the only one of an `.npz`, or a dict of several; nothing in the file is executed.

    Raises:
        FileFormatError: Damaged, or an array of Python objects.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            arrays = {k: loaded[k] for k in loaded.files}
    except PermissionError:
        raise
    except Exception as error:  # damaged bytes fail in every way there is
        raise FileFormatError(f"{str(path)!r} holds no plain arrays ({type(error).__name__}: {error}).") from error
    if not arrays:
        raise FileFormatError(f"{str(path)!r} holds no array.")
    return next(iter(arrays.values())) if len(arrays) == 1 else arrays


def placed(taken: Taken, wanted: Sequence[Wanted] | None, in_order: bool = True) -> Taken:
    """The arrays, or the columns of a table, each at the input of the model that it is for: by name, or by order.

    Args:
        taken: What was read.
        wanted: The model's inputs, None where it does not say.
        in_order: Whether the inputs have an order; those of a SavedModel have names only.

    Raises:
        InputError: Other names than the model's, fewer arrays.
    """
    names = [w.name for w in wanted] if wanted else None
    if isinstance(taken.x, dict):
        keys, note = placed_keys(list(taken.x), names, in_order)
        x = map_structure(taken.x.__getitem__, keys)
        return taken._replace(x=x, notes=(*taken.notes, *note))
    if names is None or len(names) == 1:
        return taken
    if taken.columns and set(names) <= set(taken.columns):
        columns = {w.name: taken.x[:, taken.columns.index(w.name)] for w in wanted or ()}
        columns |= {name: read(name, columns[name], known) for name, known in taken.words.items()}
        x = {w.name: _typed(columns[w.name], w) for w in wanted or ()}
        return taken._replace(x=x, columns=None, notes=(*taken.notes, "one column for each input, by name"))
    raise InputError(
        f"The model has {len(names)} inputs ({short(names)}). Received: one array. Put them all into one .npz by "
        f"these names: numpy.savez(path, **{{{names[0]!r}: ..., {names[1]!r}: ...}})."
    )


def _typed(column: np.ndarray, wanted: Wanted) -> np.ndarray:
    """A column as an input of its own: (n, 1), or (n,) where the model takes that."""
    dtype = wanted.dtype if wanted.dtype.startswith("float") else column.dtype
    return column.astype(dtype).reshape((-1, 1)[: len(wanted.shape)])


def _expanded(paths: Sequence[str]) -> tuple[list[Path], tuple[str, ...]]:
    """The files that the paths name, in order: a folder is its pictures, a pattern what it matches."""
    files: list[Path] = []
    notes: list[str] = []
    for text in paths:
        path = Path(text)
        if path.is_dir():
            inside = sorted(f for f in path.iterdir() if f.is_file() and not f.name.startswith("."))
            found = [f for f in inside if f.suffix.lower() in IMAGES]
            if not found:
                raise FileNotFoundError(
                    f"The folder {text!r} holds no picture ({', '.join(sorted(IMAGES))}). For pictures in folders "
                    f"inside it, pass the pattern {str(path / '*' / '*')!r}."
                )
            left = [f for f in inside if f not in found]
            notes.append(
                f"folder {path.name}: {len(found)} pictures" + (f"; left out: {_listed(left)}" if left else "")
            )
        elif not path.is_file() and glob.has_magic(text):
            found = sorted(Path(f) for f in glob.glob(text, recursive=True) if Path(f).is_file())
            if not found:
                raise FileNotFoundError(f"No input file matches the pattern {text!r}.")
            notes.append(f"pattern {path.name}: {len(found)} files")
        elif not path.is_file():
            raise FileNotFoundError(f"No input file at {text!r}.")
        else:
            found = [path]
        files += found
    return files, tuple(notes)


def _pictures(files: list[Path], shape: tuple | None, notes: tuple[str, ...]) -> Taken:
    """Pictures as one array where they have one size, else each on its own."""
    read, done = [], dict[str, list[Path]]()
    for file in files:
        pixels, what = read_picture(file, shape)
        read.append(pixels)
        for text in what:
            done.setdefault(text, []).append(file)
    said = [*notes, *(f"{text}: {_listed(which)}" for text, which in done.items())]
    names = [f.name for f in files]
    names = names if len(set(names)) == len(names) else [str(f) for f in files]
    if len({pixels.shape for pixels in read}) == 1:
        return Taken(np.stack(read), None, names, tuple(said), files=True)
    said.append("pictures of other sizes: each is explained on its own")
    return Taken([pixels[None] for pixels in read], None, names, tuple(said), files=True, apart=True)


def _listed(files: Sequence[Path]) -> str:
    """File names for a line: the first three, and how many more."""
    more = len(files) - LISTED
    return ", ".join(f.name for f in files[:LISTED]) + (f" and {more} more" if more > 0 else "")
