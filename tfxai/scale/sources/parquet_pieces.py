"""A Parquet file in its row groups."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfxai.errors import FileFormatError, InputError
from tfxai.scale.sources import digests
from tfxai.support.extras import extra

INDEX = re.compile(r"__index_level_\d+__")  # what pandas calls the names of rows


def _cast(column: Any, dtype: Any) -> Any:
    """The column as this dtype; ValueError where that changes what is in it."""
    if column.dtype == dtype:
        return column
    made, missing = column.astype(dtype), column.isna()
    if (made.isna() != missing).any() or not (missing | (made == column)).all():
        raise ValueError(f"{column.name} is no {dtype}")
    return made


class ParquetPieces:
    """The row groups of a Parquet file: each is read on its own, and of it no more than the columns asked for.

    Raises:
        FileFormatError: No Parquet file.
        MissingExtraError: pyarrow or pandas is not installed.
    """

    kind, sequential = "parquet", False

    def __init__(self, path: str) -> None:
        extra("parquet", "pandas")
        self.path, self.size = path, os.path.getsize(path)
        self._file: Any = None
        about = self._opened().metadata
        counts = [about.row_group(k).num_rows for k in range(about.num_row_groups)]
        self.rows = [0, *itertools.accumulate(count for count in counts if count)]
        self._groups = [k for k, count in enumerate(counts) if count]
        self.columns = [name for name in self._opened().schema_arrow.names if not INDEX.fullmatch(name)]

    @property
    def content(self) -> str:
        """A digest of the file: its footer, which is at its end, has the numbers of every row group."""
        return digests.of_file(Path(self.path))

    def frame(self, k: int, columns: Sequence[str], dtypes: dict[str, Any] | None) -> Any:
        """Row group k with these columns; ValueError where a cell does not fit the dtypes."""
        if os.path.getsize(self.path) != self.size:
            raise InputError(f"{self.path!r} has changed since it was opened: it had {self.size:,} bytes then.")
        table = self._opened().read_row_group(self._groups[k], columns=list(columns))
        frame = table.to_pandas(ignore_metadata=True)[list(columns)]
        return frame.assign(**{name: _cast(frame[name], dtype) for name, dtype in (dtypes or {}).items()})

    def texts(self, k: int, columns: Sequence[str]) -> Any:
        """Row group k as it is, for an error."""
        return self.frame(k, columns, None)

    def _opened(self) -> Any:
        if self._file is None:
            parquet = extra("parquet", "pyarrow.parquet")
            try:
                self._file = parquet.ParquetFile(self.path)
            except (OSError, ValueError) as error:
                if isinstance(error, (FileNotFoundError, PermissionError)):
                    raise
                raise FileFormatError(f"{self.path!r} is no Parquet file ({' '.join(str(error).split())}).") from error
        return self._file

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_file": None}
