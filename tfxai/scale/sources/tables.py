"""Tables as sources: CSV and Parquet, read in pieces by pandas."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfxai.errors import FileFormatError, InputError, OptionError, received, suggest
from tfxai.scale.sources.csv_pieces import CsvPieces, Written
from tfxai.scale.sources.parquet_pieces import ParquetPieces
from tfxai.scale.sources.records import PACKED
from tfxai.scale.sources.table_rows import Pieces, Table
from tfxai.support.placed import short

PARQUET = (".parquet", ".pq")
SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
TEXTS = tuple(ending + packed for ending in (".csv", ".tsv") for packed in ("", *PACKED))


@dataclasses.dataclass(frozen=True)
class TableFile:
    """What `table` was asked for."""

    path: str
    label: str | None
    columns: tuple[str, ...] | None
    dtypes: dict[str, Any]
    written: Written | None
    index: bool

    def as_source(self, declared: list | None) -> Table:
        """The rows, for a model that declares these inputs."""
        pieces: Pieces = ParquetPieces(self.path) if self.written is None else CsvPieces(self.path, self.written)
        for name in (*(self.columns or ()), *([self.label] if self.label else ()), *self.dtypes):
            if name not in pieces.columns:
                raise InputError(f"{self.path!r} has no column {name!r}. {suggest(name, pieces.columns)[:300]}")
        columns = self.columns or [name for name in pieces.columns[self.index :] if name != self.label]
        source = Table(pieces, list(columns), self.label, self.dtypes, _names(self.path, columns, declared))
        _check_numbers(source, declared)
        return source


def table(
    path: str | os.PathLike,
    label: str | None = None,
    columns: Sequence[str] | None = None,
    *,
    dtypes: Mapping[str, Any] | None = None,
    separator: str | None = None,
    decimal: str = ".",
    header: bool = True,
    index: bool = False,
    encoding: str = "utf-8",
) -> TableFile:
    """A table in a file as a source of a job: CSV (also as .gz, .bz2, .xz) or Parquet, read in pieces.

    The examples are data frames, so their columns stay known; a model with several inputs that are columns gets a dict
    of these. The dtypes of columns are those of the first piece (4 MB of a CSV file, the first row group), and a cell
    further down that does not fit is an error, which names it: pass `dtypes` then.

    Args:
        path: The file.
        label: The column of the labels, which is none of x.
        columns: Those of x, in the order in which the model takes them; None: all but the label
            and the index.
        dtypes: Of columns whose first rows do not tell: {"age": "float64"}.
        separator: Of a CSV file; None: a tab in .tsv, else a comma.
        decimal: "," where numbers are written so.
        header: Whether the first line of a CSV file is names; else columns are called "column 1", ...
        index: Whether the first column names the rows, and is none of x.
        encoding: Of a CSV file.

    Returns:
        What `explain_dataset` takes as its source.

    Raises:
        FileNotFoundError: No such file.
        FileFormatError: Of neither kind.
        OptionError: An option's value.

    Example:
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp()) / "people.csv"
        >>> _ = file.write_text("age,income,buys\\n30,1.5,0\\n40,2.5,1\\n")
        >>> source = table(file, label="buys").as_source(None)
        >>> source.n, source.read(1, 2).x.to_dict("list"), source.read(1, 2).y
        (2, {'age': [40], 'income': [2.5]}, array([1]))
    """
    file, text = Path(path), os.fspath(path)
    if not file.is_file():
        raise FileNotFoundError(f"No table at {text!r}.")
    if separator is not None and len(separator) != 1 or decimal not in (".", ","):
        raise OptionError(f"separator is one character, decimal a point or comma. {received((separator, decimal))}")
    plain = file.name.lower()
    plain = plain.removesuffix(next((packed for packed in PACKED if plain.endswith(packed)), ""))
    ending, written = os.path.splitext(plain)[1], None
    if not plain.endswith(PARQUET):
        separator = separator or SEPARATORS.get(ending)
        if separator is None:
            known = ", ".join((*TEXTS, *PARQUET))
            raise FileFormatError(f"{text!r} is no table by its name ({known}). Of another text say separator=.")
        written = Written(separator, decimal, header, encoding)
    names = None if columns is None else tuple(columns)
    return TableFile(str(file.absolute()), label, names, dict(dtypes or {}), written, index)


def from_table(path: str, name: str | None, declared: list | None) -> Table:
    """A table without options."""
    return table(path).as_source(declared)


def _check_numbers(source: Table, declared: list | None) -> None:
    """Raises InputError where columns of words are to be an input of numbers."""
    if declared is None:
        return
    takes = {name: dtype for name, _, dtype in declared} if source.inputs else {}
    words = [c for c in source.inputs or source.columns if takes.get(c, declared[0][2]) != "string"
             and getattr(source.dtypes[c], "kind", "O") not in "biuf"]  # fmt: skip
    if words:
        raise InputError(
            f"The model takes numbers, and {short(words)} of {source.pieces.path!r} hold words in the first rows. "
            "Leave them out (label=, columns=), or say what they are: dtypes={...}."
        )


def _names(path: str, columns: Sequence[str], declared: list | None) -> list[str] | None:
    """The columns that are inputs of their own; None where the rows are one input.

    Raises:
        InputError: The model takes another number of columns, other columns, or no rows.
    """
    if declared is None:
        return None
    if len(declared) > 1:
        names = [name for name, *_ in declared]
        if not set(names) <= set(columns):
            raise InputError(f"The model takes {short(names)}, a column each. {path!r} has {short(columns)}.")
        return names
    shape = declared[0][1]
    if len(shape) != 2:
        raise InputError(f"{path!r} is a table: rows of numbers. The model takes shape {shape}: pass arrays.")
    if shape[1] not in (None, len(columns)):
        raise InputError(
            f"{path!r} has {len(columns)} columns ({short(columns)}), and the model takes {shape[1]}. Say which: "
            "tfxai.scale.table(path, label=..., columns=[...]); in the shell --label, --columns."
        )
    return None
