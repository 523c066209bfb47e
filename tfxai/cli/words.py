"""Columns of words of a table, for inputs that take words: numbers while the table is read, words again afterwards."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Iterable

import numpy as np

from tfxai.errors import InputError

Words = dict[str, list[str]]  # the words of a column, in the order of the numbers that stand for them


def coded(
    text: str, columns: Collection[str], separators: Iterable[str], is_missing: Callable[[str], bool]
) -> tuple[str, Words]:
    """The text of a table with numbers in these columns, and the words that they stand for.

    As it is, where no line of names has all of these columns. What is missing is left so.

    Args:
        text: Of the table.
        columns: Names of those that hold words.
        separators: What may stand between cells.
        is_missing: Whether a cell says that there is nothing.

    Example:
        >>> coded("age,sex\\n3,f\\n5,m\\n7,f\\n", ["sex"], ",;", lambda cell: not cell)
        ('age,sex\\n3,0\\n5,1\\n7,0\\n', {'sex': ['f', 'm']})
    """
    for separator in separators if columns else ():
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True))
        names = [cell.strip() for cell in next(filter(None, rows), [])]
        if set(columns) <= set(names):
            return _written(rows, names, columns, separator, is_missing)
    return text, {}


def _written(
    rows: list[list[str]], names: list[str], columns: Collection[str], separator: str, is_missing: Callable[[str], bool]
) -> tuple[str, Words]:
    known: dict[str, dict[str, int]] = {name: {} for name in columns}
    head = rows.index(next(filter(None, rows)))
    for row in rows[head + 1 :]:
        before = len(row) - len(names)  # 1 where the names of the rows have none
        for name in columns if before in (0, 1) else ():
            k = names.index(name) + before
            cell = row[k].strip()
            if not is_missing(cell):
                row[k] = str(known[name].setdefault(cell, len(known[name])))
    out = io.StringIO()
    csv.writer(out, delimiter=separator, lineterminator="\n").writerows(rows)
    return out.getvalue(), {name: list(words) for name, words in known.items()}


def read(name: str, numbers: np.ndarray, words: list[str]) -> np.ndarray:
    """The words of a column that some numbers stand for.

    Raises:
        InputError: One is missing: there is no word for it that a model would know.
    """
    missing = np.flatnonzero(np.isnan(numbers))
    if len(missing):
        raise InputError(
            f"Column {name!r} holds words, and that of row {missing[0]} is missing ({len(missing)} in all); NaN is for "
            "numbers. Write there the word that the model was trained with for it, or leave the row out."
        )
    return np.array([words[int(k)] for k in numbers], object)
