"""Files that users bring: images, arrays, tables, labels. Sizes are checked before anything is decoded."""

from __future__ import annotations

import csv
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tfxai.errors import FileFormatError, InputError

IMAGES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".bmp": "BMP"}
PIXELS = 89_478_485  # Pillow's own limit, as an error instead of a warning


def read_inputs(paths: Sequence[str], shape: tuple | None) -> tuple[Any, list[str] | None]:
    """One array (or a dict of them, from an `.npz` of several) and the names of its columns where a table has them.

    Args:
        paths: Images, brought to the size and channels of `shape`; or one `.npy`, `.npz` or `.csv`.
        shape: (n, height, width, channels) that the model declares, None where it does not say.

    Raises:
        FileNotFoundError: No such file.
        FileFormatError: Damaged, or of another kind.
        InputError: An image of too many pixels, images mixed with arrays.
    """
    files = [Path(p) for p in paths]
    for file in files:
        if not file.is_file():
            raise FileNotFoundError(f"No input file at {str(file)!r}.")
    kinds = {"image" if f.suffix.lower() in IMAGES else f.suffix.lower() for f in files}
    if kinds == {"image"}:
        return np.stack([read_image(f, shape) for f in files]), None
    if len(files) > 1:
        raise InputError(f"Pass several images, or one file of another kind. Received: {', '.join(map(str, paths))}.")
    file = files[0]
    if file.suffix.lower() == ".csv":
        return read_table(file)
    if file.suffix.lower() in (".npy", ".npz"):
        return read_arrays(file), None
    known = ", ".join([*sorted(IMAGES), ".npy", ".npz", ".csv"])
    raise FileFormatError(f"{str(file)!r} is of no kind that is read here. Known: {known}.")


def read_image(path: Path, shape: tuple | None) -> np.ndarray:
    """(height, width, channels) float32 from 0 to 255, of the model's size and channels.

    Raises:
        FileFormatError: No image of a known format, or a damaged one.
        InputError: More pixels than 89 million.
    """
    first = shape is not None and len(shape) == 4 and shape[1] in (1, 3) and shape[3] not in (1, 3)
    size = (
        (None, None, None)
        if shape is None or len(shape) != 4
        else tuple(shape[2:]) + (shape[1],)
        if first
        else shape[1:]
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=sorted(set(IMAGES.values()))) as opened:
                image = opened.convert("L" if size[2] == 1 else "RGB")
                if size[0] and size[1] and image.size != (size[1], size[0]):
                    image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
                pixels = np.asarray(image, np.float32)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(
            f"{str(path)!r} has more than {PIXELS:,} pixels and was not decoded. Make it smaller first."
        ) from error
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, PermissionError):
            raise
        raise FileFormatError(
            f"{str(path)!r} is no image that can be read ({type(error).__name__}: {error})."
        ) from error
    pixels = pixels if pixels.ndim == 3 else pixels[..., None]
    return np.moveaxis(pixels, -1, 0) if first else pixels


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


def read_table(path: Path) -> tuple[np.ndarray, list[str] | None]:
    """(rows, columns) float32 of a `.csv`, and the names in its first line if that is not numbers.

    Raises:
        FileFormatError: A cell that is not a number (line and column are said), or rows of different length.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise FileFormatError(f"{str(path)!r} is no table of text ({error}).") from error
    names = rows.pop(0) if rows and not all(_is_number(cell) for cell in rows[0]) else None
    if not rows:
        raise FileFormatError(f"{str(path)!r} has no row of numbers.")
    width = len(names or rows[0])
    for line, row in enumerate(rows, start=1 + (names is not None)):
        for column, cell in enumerate(row):
            if not _is_number(cell):
                raise FileFormatError(f"{str(path)!r}, line {line}, column {column + 1}: {cell!r} is not a number.")
        if len(row) != width:
            raise FileFormatError(f"{str(path)!r}, line {line}: expected {width} cells. Received: {len(row)}.")
    return np.array(rows, np.float32), names


def read_labels(path: str) -> list[str]:
    """Class names: one per line, or a JSON list of them.

    Raises:
        FileFormatError: Neither.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        if text.lstrip().startswith("["):
            return [str(name) for name in json.loads(text)]
    except ValueError as error:
        raise FileFormatError(f"{path!r} holds no labels, one per line or as a JSON list ({error}).") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def _is_number(cell: str) -> bool:
    """Whether a cell of a table reads as a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return True
