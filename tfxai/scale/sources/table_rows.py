"""The rows of a table as a source: the same dtypes from the first piece to the last."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import Any, Protocol

from tfxai.errors import InputError, InputTypeError, TfxaiError
from tfxai.explainer.batches import Batch, joined
from tfxai.scale.sources.rows import stretch
from tfxai.support.extras import extra


class Pieces(Protocol):
    """A file of rows in pieces.

    Attributes:
        kind, path: Of the file.
        rows: The row that each piece begins with, and how many there are in all.
        columns: Their names.
        content: A digest.
        sequential: Whether all before a piece is read with it.
    """

    kind: str
    path: str
    rows: list[int]
    columns: list[str]

    @property
    def content(self) -> str: ...

    @property
    def sequential(self) -> bool: ...

    def frame(self, k: int, columns: Sequence[str], dtypes: dict[str, Any] | None) -> Any: ...

    def texts(self, k: int, columns: Sequence[str]) -> Any: ...


class Table:
    """Rows of a table: of a stretch the pieces are read that hold it, and the last of them is kept for the next.

    `identity` reads the whole content of a CSV file, and 64 MB of a Parquet file in even pieces.

    Args:
        pieces: Of the file.
        columns: Of x.
        label: The column of y, or None.
        dtypes: Of columns, where they are said.
        inputs: The columns that are inputs of their own, or None.

    Raises:
        InputError: No rows.
    """

    names: list[str] | None = None

    def __init__(
        self, pieces: Pieces, columns: list[str], label: str | None, dtypes: dict[str, Any], inputs: list[str] | None
    ) -> None:
        self.pieces, self.columns, self.label, self.inputs = pieces, columns, label, inputs
        self.n, self.sequential = pieces.rows[-1], pieces.sequential
        if not self.n:
            raise InputError(f"{pieces.path!r} has no rows.")
        self._read = [*columns, *([label] if label is not None and label not in columns else [])]
        self.dtypes = {
            c: extra("data", "pandas").api.types.pandas_dtype(d) for c, d in dtypes.items() if c in self._read
        }
        begin = bisect.bisect_right(pieces.rows, 0) - 1  # a long line of names may fill pieces
        first = self._piece(begin)
        self.dtypes = dict(first.dtypes)
        self._kept: tuple[int, Any] | None = (begin, first)

    def read(self, start: int, stop: int) -> Batch:
        """The rows from start to stop, as a data frame or a dict of columns; y as an array."""
        rows = self.pieces.rows
        found = []
        for k in range(bisect.bisect_right(rows, start) - 1, bisect.bisect_left(rows, stop)):
            found.append(stretch(self._frame(k), max(start - rows[k], 0), min(stop, rows[k + 1]) - rows[k]))
        frame = joined(found).reset_index(drop=True)
        y = None if self.label is None else frame[self.label].to_numpy()
        x = frame[self.columns] if self.inputs is None else {name: frame[name].to_numpy() for name in self.inputs}
        return Batch(x, y)

    def _frame(self, k: int) -> Any:
        if self._kept is None or self._kept[0] != k:
            self._kept = (k, self._piece(k))
        return self._kept[1]

    def _piece(self, k: int) -> Any:
        """A piece in the dtypes that are known.

        Raises:
            InputTypeError: A cell does not fit.
        """
        plain = {c: dtype for c, d in self.dtypes.items() if (dtype := _plain(d)) is not None}
        try:
            frame = self.pieces.frame(k, self._read, plain)
        except TfxaiError:
            raise
        except (ValueError, TypeError, OverflowError) as error:
            raise self._misfit(k, str(error)) from error
        categories = {c: d for c, d in self.dtypes.items() if hasattr(d, "categories")}
        if any(d.categories is not None and _misfits(frame[c], d).any() for c, d in categories.items()):
            raise self._misfit(k, "a word that is none of the categories")
        return frame.astype(categories).copy()  # columns of one dtype together: stretches of that are cheap

    def _misfit(self, k: int, reason: str) -> InputTypeError:
        """An error that names the first cell of a piece that does not fit."""
        frame, first, path = self.pieces.texts(k, self._read), self.pieces.rows[k], self.pieces.path
        bad = {c: _misfits(frame[c], dtype).to_numpy() for c, dtype in self.dtypes.items()}
        found = [(int(cells.argmax()), c) for c, cells in bad.items() if cells.any()]
        if not found:
            return InputTypeError(f"{path!r}, in the rows from {first:,}: {reason}. Say dtypes= of the columns.")
        row, c = min(found)
        dtype, missing = self.dtypes[c], frame[c].isna().iloc[row]
        cell = "a missing value" if missing else repr(str(frame[c].iloc[row]))
        return InputTypeError(
            f"{path!r}, row {first + row:,}, column {c!r}: {cell} is no {dtype}, which the column is by dtypes= or by "
            f"its first rows. Say what it holds: tfxai.scale.table(path, dtypes={{{c!r}: "
            f"{_wider(dtype)!r}}})."
        )

    def identity(self) -> dict[str, Any]:
        """Length, columns, dtypes, and a digest of the content."""
        dtypes = {c: f"{d}{list(d.categories)}" if hasattr(d, "categories") else str(d) for c, d in self.dtypes.items()}
        return {"kind": self.pieces.kind, "n": self.n, "columns": self.columns, "label": self.label, "dtypes": dtypes,
                "inputs": self.inputs, "digest": self.pieces.content}  # fmt: skip

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_kept": None}


def _plain(dtype: Any) -> Any:
    """What a column is read as: of categories their own dtype, None where they are still unknown."""
    if not hasattr(dtype, "categories"):
        return dtype
    return None if dtype.categories is None else dtype.categories.dtype


def _misfits(column: Any, dtype: Any) -> Any:
    """The cells that are none of this dtype."""
    if hasattr(dtype, "categories"):
        known = column.iloc[:0] if dtype.categories is None else dtype.categories
        return column.notna() & ~column.isin(known)
    kind, pandas = getattr(dtype, "kind", "O"), extra("data", "pandas")
    if kind == "b":
        return ~column.astype(str).str.lower().isin(("true", "false"))
    numbers = pandas.to_numeric(column, errors="coerce")
    if kind in "iu":
        return numbers.isna() | (numbers % 1 != 0) | (numbers.abs() >= 2.0**63)
    return column.notna() & numbers.isna() & (kind == "f")


def _wider(dtype: Any) -> str:
    """A dtype that also holds what this one does not."""
    return "float64" if getattr(dtype, "kind", "O") in "iub" else "str"
