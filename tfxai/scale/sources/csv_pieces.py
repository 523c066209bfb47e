"""A CSV file in pieces of four million bytes, each of which pandas reads on its own."""

from __future__ import annotations

import csv
import dataclasses
import io
import os
import warnings
from collections.abc import Sequence
from typing import Any

from tfxai.errors import FileFormatError, InputError
from tfxai.scale.sources.records import PACKED, Records, opened, records
from tfxai.support.extras import extra

NO_HEADER = "Where it has no line of names: tfxai.scale.table(path, header=False)."

QUOTED = (
    "A line ends with a line feed, and a cell with a quotation mark in it is written between such marks, with that one "
    "twice."
)


@dataclasses.dataclass(frozen=True)
class Written:
    """How a table of text is written: separator, decimal point, whether a line of names comes first, encoding."""

    separator: str
    decimal: str
    header: bool
    encoding: str


class CsvPieces:
    """The pieces of a CSV file: any of them is read without those before it, unless the file is compressed.

    Args:
        path: Text, or text as gzip, bzip2 or xz pack it.
        written: How.

    Raises:
        FileFormatError: No table of text.
        MissingExtraError: pandas is not installed.
    """

    kind = "csv"

    def __init__(self, path: str, written: Written) -> None:
        extra("data", "pandas")
        self.path, self.written, self.size = path, written, os.path.getsize(path)
        found = records(path, written.separator)
        self.content = found.digest
        cells = self._first(found.first)
        self.columns = _names(path, cells) if written.header else [f"column {k + 1}" for k in range(len(cells))]
        self.rows = [max(row - written.header, 0) for row in found.rows]
        self._offsets = [found.first if written.header else 0, *found.offsets[1:]]
        self._file: Any = None
        self._check_cells(found)

    @property
    def sequential(self) -> bool:
        """Whether all before a piece must be unpacked."""
        return self.path.lower().endswith(tuple(PACKED))

    def frame(self, k: int, columns: Sequence[str], dtypes: dict[str, Any] | None) -> Any:
        """Piece k with these columns.

        Raises:
            ValueError, TypeError: From pandas: a cell that does not fit the dtypes.
            FileFormatError: Rows with more cells than names.
        """
        if os.path.getsize(self.path) != self.size:
            raise InputError(f"{self.path!r} has changed since it was opened: it had {self.size:,} bytes then.")
        pandas = extra("data", "pandas")
        start, stop = self._offsets[k], self._offsets[k + 1]
        with warnings.catch_warnings():
            warnings.simplefilter("error", pandas.errors.ParserWarning)
            try:
                frame = pandas.read_csv(
                    io.BytesIO(self._bytes(start, stop)), sep=self.written.separator, decimal=self.written.decimal,
                    header=None, names=self.columns, usecols=list(columns), index_col=False, dtype=dtypes,
                    encoding=self.written.encoding, skipinitialspace=True, low_memory=False,
                )  # fmt: skip
            except (pandas.errors.ParserError, pandas.errors.ParserWarning, UnicodeDecodeError) as error:
                raise self._no_table(error, k) from error
        if len(frame) != self.rows[k + 1] - self.rows[k]:
            raise self._no_table(ValueError(f"{len(frame):,} rows. {QUOTED}"), k)
        return frame[list(columns)]

    def texts(self, k: int, columns: Sequence[str]) -> Any:
        """Piece k as it is written, for an error; decimal commas as points."""
        frame = self.frame(k, columns, dict.fromkeys(columns, "str"))
        comma = self.written.decimal == ","
        return frame.apply(lambda column: column.str.replace(",", ".")) if comma else frame

    def _check_cells(self, found: Records) -> None:
        """Raises FileFormatError where a record has more or fewer cells than the first: pandas would fill it up."""
        between = len(self.columns) - 1
        for k, separators in enumerate(found.separators):
            if separators == between * (found.rows[k + 1] - found.rows[k]):
                continue
            text = self._bytes(0 if k == 0 else self._offsets[k], self._offsets[k + 1])
            lines = io.StringIO(text.decode(self.written.encoding, "replace"), newline="")
            cells = (row for row in csv.reader(lines, delimiter=self.written.separator, skipinitialspace=True) if row)
            for record, row in enumerate(cells, found.rows[k]):
                if len(row) != between + 1:
                    raise FileFormatError(
                        f"{self.path!r}, row {record - self.written.header:,}: expected {between + 1} cells, as in the "
                        f"first line. Received: {len(row)}, {self.written.separator.join(row)[:80]!r}."
                    )
            raise self._no_table(ValueError(f"other lines. {QUOTED}"), k)

    def _no_table(self, error: Exception, k: int) -> Exception:
        if isinstance(error, UnicodeDecodeError):
            return FileFormatError(
                f"{self.path!r} is no {self.written.encoding} ({error.reason}). Pass encoding='cp1252'."
            )
        reason = " ".join(str(error).split())[:200]
        return FileFormatError(
            f"{self.path!r}, rows {self.rows[k]:,} to {self.rows[k + 1] - 1:,}: expected {len(self.columns)} "
            f"cells in a row, separated by {self.written.separator!r}. Received: {reason}"
        )

    def _bytes(self, start: int, stop: int) -> bytes:
        if self._file is None:
            self._file = opened(self.path)
        self._file.seek(start)
        return self._file.read(stop - start)

    def _first(self, end: int) -> list[str]:
        """The cells of the first record."""
        if not end:
            raise FileFormatError(f"{self.path!r} holds no record.")
        data = self._head(end)
        try:
            text = data.decode("utf-8-sig" if self.written.encoding == "utf-8" else self.written.encoding)
        except UnicodeDecodeError as error:
            raise FileFormatError(
                f"{self.path!r} is no {self.written.encoding} ({error.reason}). Pass encoding='cp1252', or another."
            ) from error
        lines = io.StringIO(text.strip("\r\n"), newline="")
        return [
            cell.strip() for cell in next(csv.reader(lines, delimiter=self.written.separator, skipinitialspace=True))
        ]

    def _head(self, end: int) -> bytes:
        with opened(self.path) as file:
            return file.read(end)

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_file": None}


def _names(path: str, cells: list[str]) -> list[str]:
    """The names of columns in the first line."""
    names = [name or f"column {k + 1}" for k, name in enumerate(cells)]
    numbers = [name for name in names if _is_number(name)]
    if len(numbers) == len(names):
        raise FileFormatError(f"{path!r} has numbers alone in its first line, such as {numbers[0]!r}. {NO_HEADER}")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise FileFormatError(f"{path!r} has several columns of one name: {', '.join(twice[:8])}. Rename them.")
    return names


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True
