"""Tables of text as people have them: with or without a header, row names, other separators, decimal commas.

What a table means is decided here once. pandas reads the numbers where it is installed, because it is fast; the csv
module reads them otherwise, and wherever pandas finds anything but plain numbers, so that an error can name the cell.
"""

from __future__ import annotations

import csv
import importlib
import io
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tfxai.cli.words import Words, coded
from tfxai.errors import FileFormatError, InputError

ANY = "any"  # a dtype: whole numbers where all are, else float64
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "blanks"}
# What pandas takes for a missing cell, and what else people write for one, in small letters.
MISSING = frozenset(
    ["", "na", "n/a", "#n/a", "#n/a n/a", "#na", "nan", "-nan", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan", "<na>",
     "null", "none", "nil", "?", "-", "--", ".", "missing",
     "#nv", "#n/d", "#n/d!", "#n/b", "#i/t", "#saknas!", "#puuttuu!"]  # #N/A of a spreadsheet in other languages
)  # fmt: skip
NUMBERS = {
    point: re.compile(
        rf"[+-]?(([0-9]+(\{point}[0-9]*)?|\{point}[0-9]+)(e[+-]?[0-9]+)?|inf|infinity)|true|false", re.IGNORECASE
    )
    for point in ".,"
}
WHOLE = re.compile(r"[+-]?[0-9]+")
FLAGS = {"true": 1, "false": 0}
UNNAMED = ("", "Unnamed: 0")  # what pandas and R write over the names of rows
INDEX_NAMES = re.compile(r"|unnamed: 0|index|id|row|rownames|row\.names|(lfd\.? ?)?nr\.?|no\.?|#", re.IGNORECASE)
GROUPED = re.compile(r"[+-]?[0-9]{1,3}([., '\u00a0\u202f][0-9]{3})+([.,][0-9]*)?")  # thousands with a mark between
SAMPLE = 50  # rows that tell how a table is written
EXACT = {"float32": 24, "float64": 53}  # bits of whole numbers that are not rounded


class Table(NamedTuple):
    """Numbers, the names of columns and rows where the file has them, and what there is to say of it."""

    values: np.ndarray
    columns: list[str] | None
    rows: list[str] | None
    note: str
    words: Words = {}


class Layout(NamedTuple):
    """How a table is written."""

    separator: str
    decimal: str
    names: list[str] | None  # of the columns of numbers
    indexed: bool  # the first column names the rows
    width: int  # cells of a row, with the index


def read_table(
    path: Path,
    width: int | None = None,
    dtype: str | None = None,
    header: str = "auto",
    allow_nan: bool = False,
    words: Sequence[str] = (),
) -> Table:
    """(rows, columns) of numbers: whole ones (int64) where `dtype` is, or is `ANY`; else float32, or float64.

    Args:
        path: Text with a separator.
        width: Columns that the model takes, None where it does not say: tells an index column, and separators.
        dtype: What the model takes.
        header: "yes", "no", or "auto": the first line is names when no cell of it is a number.
        allow_nan: Missing cells are NaN, instead of an error.
        words: Columns of words, which come as numbers of these.

    Raises:
        FileFormatError: A cell that is missing (unless allowed) or no number (line and column are said), rows of
            different length, a first line that is neither names nor numbers.
        InputError: Another number of columns than the model takes.
    """
    text, encoding = read_text(path)
    text, known = coded(text, words, SEPARATORS, _is_missing)
    file = io.StringIO(text, newline="")
    try:
        layout, first = layout_of(path, file, width, header)
        rest = file.read()
        columns, rows = _fast(rest, layout) or _slow(path, rest, layout, first, allow_nan)
    except csv.Error as error:
        raise FileFormatError(f"{str(path)!r} is no table of text ({error}).") from error
    if not len(columns[0]):
        raise FileFormatError(f"{str(path)!r} has no row of numbers.")
    values, rounded = _joined(path, columns, layout, dtype)
    if width is not None and values.shape[1] != width:
        raise InputError(
            f"{str(path)!r} has {values.shape[1]} columns{_shown(layout.names)}, and the model takes {width}. "
            "Leave out what is none of its inputs, or add what is missing."
        )
    return Table(values, layout.names, rows, _note(layout, values, encoding) + rounded, known)


def read_text(path: Path) -> tuple[str, str]:
    """A file as text, and its encoding: by its byte order mark, else UTF-8, else that of western Windows.

    Raises:
        FileFormatError: No text.
    """
    return decoded(path.read_bytes(), path)


def decoded(data: bytes, path: Path) -> tuple[str, str]:
    """What is in a file, or its beginning, in the same way."""
    marked = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    for encoding in (marked, "cp1252"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text, encoding
    raise FileFormatError(f"{str(path)!r} is no text: expected UTF-8, UTF-16 with its mark, or Windows-1252.")


def _rows(file: Any, separator: str) -> Iterator[tuple[int, list[str]]]:
    """(lines read so far, cells) of every row that is not blank."""
    lines = (line if line.strip(" \r\n") else "" for line in file)  # tabs alone are a row without a number
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    for row in reader:
        if row:
            yield reader.line_num, [cell.strip() for cell in row]


def _separator(text: str, width: int | None) -> tuple[str, str]:
    """Separator and decimal point with which the most cells are numbers; then as many as the model takes, then most."""

    def rows_by(separator: str) -> Iterator[list[str]]:
        return (row for _, row in _rows(io.StringIO(text, newline=""), separator))

    def fit(separator: str) -> tuple:
        rows = list(itertools.islice(rows_by(separator), SAMPLE)) or [[]]
        body, decimal = rows[1:] or rows, _decimal(rows, separator)
        cells = [cell for row in body for cell in row]
        share = sum(_is_number(c, decimal) or _is_missing(c) for c in cells) / max(len(cells), 1)
        columns = max(map(len, body), default=0)
        fits = 0 if width is None else {width: 2, width + 1: 1}.get(columns, 0)  # one more is an index
        even = columns > 1 and len(rows[0]) in (columns, columns - 1) and all(len(row) == columns for row in body)
        return share, fits, even, columns

    best = max(SEPARATORS, key=fit)
    return best, _decimal(rows_by(best), best)  # of all rows: the first decimal may come late


def _decimal(rows: Iterable[list[str]], separator: str) -> str:
    """A decimal comma where commas do not separate and a number has one."""
    has = separator != "," and any("," in cell and _is_number(cell, ",") for row in rows for cell in row)
    return "," if has else "."


def layout_of(path: Path, file: io.StringIO, width: int | None, header: str) -> tuple[Layout, int]:
    """How the table is written, and the lines before its first row; the file is left at that row."""
    separator, decimal = _separator(file.getvalue(), width)
    return _layout(path, file, separator, decimal, width, header)


def _layout(
    path: Path, file: io.StringIO, separator: str, decimal: str, width: int | None, header: str
) -> tuple[Layout, int]:
    """The same, where separator and decimal point are known."""
    sample = list(itertools.islice(_rows(file, separator), SAMPLE))
    if not sample:
        raise FileFormatError(f"{str(path)!r} has no row of numbers.")
    (line, first), body = sample[0], [row for _, row in sample[1:]]
    named = header == "yes" or header == "auto" and _is_header(path, line, first, body, decimal, width)
    cells = len(body[0]) if named and body else len(first)
    index = _has_index(first if named else None, body if named else [first, *body], decimal, width)
    names = None
    if named:
        kept = first[1:] if index and len(first) == cells else first
        names = [name or f"column {k + 1}" for k, name in enumerate(kept)]
        cells = len(names) + index  # a row of another length is an error that names it
    file.seek(0)
    for _ in range(line if named else 0):
        file.readline()
    return Layout(separator, decimal, names, index, cells), line if named else 0


def _is_header(path: Path, line: int, first: list[str], body: list[list[str]], decimal: str, width: int | None) -> bool:
    """Whether the first row is names: no cell of it is a number. A row of numbers is data, also one with a gap.

    Raises:
        FileFormatError: Names and numbers in one row: it may be either, and a wrong guess loses an example.
    """
    rows = [first, *body]
    fits = width is None or len(first) == width + 1
    own = first[1:] if len(body) and fits and _are_names([row[0] for row in rows[1:]], decimal) else first
    numbers = [cell for cell in own if _is_number(cell, decimal)]
    texts = [cell for cell in own if not _is_missing(cell) and cell not in numbers]
    if not numbers:
        return bool(texts)
    if texts:
        raise FileFormatError(
            f"{str(path)!r}, line {line}: expected names or numbers in the first line. Received: both, such as "
            f"{texts[0][:40]!r} and {numbers[0][:40]!r}. Say --header yes where it is names; mend it where it is a row."
        )
    # pandas' numbers of columns, with nothing over its numbers of rows
    numbered = not first[0] and len(numbers) == len(first) - 1 and _has_index(first, body, decimal, width)
    return numbered and (width is not None or _counts([row[0] for row in body]))


def _has_index(first: list[str] | None, body: list[list[str]], decimal: str, width: int | None) -> bool:
    """Whether the first column names the rows: by texts, or as pandas and R write it, and not a column too few."""
    if not body or min(map(len, body)) < 2:
        return False
    cells, below = len(body[0]), [row[0] for row in body]
    if width is not None and cells != width + 1:
        return False
    names = _are_names(below, decimal)
    if first is None:
        return names
    if len(first) == cells - 1:
        return names or _counts(below)
    known = first[0] in UNNAMED if width is None else INDEX_NAMES.fullmatch(first[0]) is not None
    return len(first) == cells and (known and len(set(below)) == len(below) or names and (known or width is not None))


def _are_names(cells: list[str], decimal: str) -> bool:
    """Whether no cell is a number or missing."""
    return not any(_is_number(cell, decimal) or _is_missing(cell) for cell in cells)


def _counts(cells: list[str]) -> bool:
    """Whether the cells count up from 0 or 1."""
    return any(cells == [str(k + start) for k in range(len(cells))] for start in (0, 1))


def _fast(text: str, layout: Layout) -> tuple[list[np.ndarray], list[str] | None] | None:
    """Columns and names of rows by pandas; None without it, and where a cell is not a plain number."""
    try:
        pandas = importlib.import_module("pandas")
    except ImportError:
        return None
    try:
        frame = pandas.read_csv(
            io.StringIO(text, newline=""), sep=layout.separator, decimal=layout.decimal, header=None,
            skipinitialspace=True, low_memory=False,
            dtype={0: str} if layout.indexed else None,
        )  # fmt: skip
    except (ValueError, OverflowError):  # no row, or one that is too long
        return None
    columns = [frame[k].to_numpy() for k in range(int(layout.indexed), frame.shape[1])]
    plain = all(c.dtype.kind in "iufb" and (c.dtype.kind != "f" or not np.isnan(c).any()) for c in columns)
    if not plain or frame.shape[1] != layout.width or layout.indexed and frame[0].isna().any():
        return None
    return columns, [name.strip() for name in frame[0]] if layout.indexed else None


def _slow(
    path: Path, text: str, layout: Layout, before: int, allow_nan: bool
) -> tuple[list[np.ndarray], list[str] | None]:
    """Columns and names of rows by the csv module, with errors that name line and column."""
    rows = list(_rows(io.StringIO(text, newline=""), layout.separator))
    for line, row in rows:
        if len(row) != layout.width:
            raise FileFormatError(
                f"{str(path)!r}, line {line + before}: expected {layout.width} cells. Received: {len(row)}."
            )
        for k in range(int(layout.indexed), layout.width):
            if not _is_number(row[k], layout.decimal) and not (allow_nan and _is_missing(row[k])):
                raise FileFormatError(_bad_cell(path, line + before, k, row[k], layout))
    cells = [row for _, row in rows]
    columns = [_column([row[k] for row in cells], layout.decimal) for k in range(int(layout.indexed), layout.width)]
    return columns, [row[0] for row in cells] if layout.indexed else None


def _bad_cell(path: Path, line: int, k: int, cell: str, layout: Layout) -> str:
    """What is the matter with a cell that is no number."""
    name = f" ({layout.names[k - layout.indexed]})" if layout.names else ""
    if _is_missing(cell):
        what = f"the cell is missing ({cell!r}){name}. Fill it in, or leave the row out; for a model that is made for "
        what += "missing values pass --allow-nan"
    else:
        grouped = GROUPED.fullmatch(cell) is not None
        advice = "Mend it, or leave a column of words out"
        advice = "Export the numbers without marks between their thousands" if grouped else advice
        what = f"{cell[:40]!r} is not a number{name}. {advice}"
    return f"{str(path)!r}, line {line}, column {k + 1}: {what}."


def _column(cells: list[str], decimal: str) -> np.ndarray:
    """A column of numbers: whole ones as int64 where they fit, else float64; a missing one is NaN."""
    if all(WHOLE.fullmatch(cell) for cell in cells):
        try:
            return np.array([int(cell) for cell in cells], np.int64)
        except OverflowError:
            pass
    known = FLAGS | dict.fromkeys(MISSING, np.nan)
    said = [known.get(cell.lower()) for cell in cells]
    return np.array(
        [float(cell.replace(decimal, ".")) if flag is None else flag for cell, flag in zip(cells, said, strict=True)]
    )


def _joined(path: Path, columns: list[np.ndarray], layout: Layout, dtype: str | None) -> tuple[np.ndarray, str]:
    """The columns as one array that the model takes, and what is to be said of whole numbers that it rounds."""
    whole = all(column.dtype.kind != "f" or (column == np.floor(column)).all() for column in columns)
    if whole and dtype is not None and dtype.startswith((ANY, "int", "uint")):
        if any(column.dtype.kind in "fu" and (np.abs(column) >= 2**53).any() for column in columns):
            raise FileFormatError(f"{str(path)!r} holds whole numbers that 64 bits cannot hold exactly.")
        return np.stack([column.astype(np.int64) for column in columns], axis=1), ""
    kind = "float32" if dtype not in (ANY, "float64") and not str(dtype).startswith(("int", "uint")) else "float64"
    names = layout.names or [f"column {k + 1 + layout.indexed}" for k in range(len(columns))]
    large = [n for n, c in zip(names, columns, strict=True) if c.dtype.kind in "iu" and _longest(c) > 2 ** EXACT[kind]]
    said = f"; {large[0]} has whole numbers above 2**{EXACT[kind]}, which {kind} rounds" if large else ""
    return np.stack([column.astype(kind) for column in columns], axis=1), said


def _longest(column: np.ndarray) -> float:
    """The largest size."""
    return float(np.abs(column.astype(np.float64)).max())


def _note(layout: Layout, values: np.ndarray, encoding: str) -> str:
    """How the table was read, in a line."""
    shape, missing = values.shape, int(np.isnan(values).sum()) if values.dtype.kind == "f" else 0
    parts = [
        f"{shape[0]} {'row' if shape[0] == 1 else 'rows'} of {shape[1]} {'column' if shape[1] == 1 else 'columns'}",
        f"header{_shown(layout.names)}"
        if layout.names
        else "no header: its first line is numbers, read as a row (--header yes: names)",
        "first column taken as the names of the rows" if layout.indexed else "",
        f"separated by {SEPARATORS[layout.separator]}" if layout.separator != "," and layout.width > 1 else "",
        "decimal commas" if layout.decimal == "," else "",
        f"{missing} missing {'cell' if missing == 1 else 'cells'}" if missing else "",
        f"read as {encoding}" if encoding != "utf-8-sig" else "",
    ]
    return "; ".join(part for part in parts if part)


def _shown(names: list[str] | None) -> str:
    """Some names of columns, for a line."""
    return f" ({', '.join(names[:4])}{', ...' if len(names) > 4 else ''})"[:200] if names else ""


def _is_number(cell: str, decimal: str = ".") -> bool:
    """Whether a cell reads as a number (or as true or false)."""
    return NUMBERS[decimal].fullmatch(cell) is not None


def _is_missing(cell: str) -> bool:
    """Whether a cell says that there is no number."""
    return cell.lower() in MISSING
