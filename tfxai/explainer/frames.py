"""Data frames of a black box as arrays of numbers, and back: the function is handed frames like the one that x is.

Columns of words (text, categories, dates) become numbers of their own: each word has one, which it keeps.
"""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

import numpy as np

from tfxai.baselines.data import Sample
from tfxai.errors import BaselineError, InputError, InputTypeError, received

MISSING = object()  # stands for all that pandas calls missing


@dataclasses.dataclass(eq=False)
class Words:
    """The words of one column, in the order in which they came.

    Attributes:
        numbers: Word -> its number.
        words: Them, as they were given.
    """

    numbers: dict[Any, int] = dataclasses.field(default_factory=dict)
    words: list[Any] = dataclasses.field(default_factory=list)
    lock: Any = dataclasses.field(default_factory=threading.Lock)

    def coded(self, column: Any) -> np.ndarray:
        """The numbers of a column."""
        found = np.empty(len(column))
        with self.lock:
            for k, (word, missing) in enumerate(zip(column, column.isna(), strict=True)):
                key = MISSING if missing else word
                if key not in self.numbers:
                    self.numbers[key] = len(self.words)
                    self.words.append(word)
                found[k] = self.numbers[key]
        return found

    def read(self, numbers: np.ndarray, name: Any) -> list[Any]:
        """The words of some numbers.

        Raises:
            InputError: Between them: a method has mixed them.
        """
        whole = np.round(numbers).astype(int)
        if not np.array_equal(whole, numbers) or len(whole) and not 0 <= whole.min() <= whole.max() < len(self.words):
            raise InputError(
                f"Column {name!r} holds words, which cannot be mixed or have noise added. Use a method that replaces "
                "them ('occlusion', 'rise'), or hand over a column of numbers."
            )
        return [self.words[k] for k in whole]


def _with(frame: Any, columns: dict[Any, Any]) -> Any:
    """The frame with these columns replaced."""
    made = frame.copy()
    for name, column in columns.items():
        made[name] = column
    return made


def _holds(kind: Any, numbers: np.ndarray) -> bool:
    """Whether a column of whole numbers or flags holds these; one of floats does, as near as it can."""
    own = np.dtype(getattr(kind, "numpy_dtype", kind))
    if own.kind == "f":
        return True
    with np.errstate(invalid="ignore", over="ignore"):
        return np.array_equal(numbers.astype(own), numbers)


class Frame:
    """A data frame of pandas: its columns, and the words in those that do not hold numbers.

    Args:
        x: Some rows.

    Raises:
        InputTypeError: Another library's; columns of one name.
    """

    def __init__(self, x: Any) -> None:
        if not hasattr(x, "iloc"):
            library = type(x).__module__.split(".")[0]
            raise InputTypeError(
                f"A black box is handed frames of pandas, with the columns of x. Received: a frame of {library}. Pass "
                "x.to_pandas()."
            )
        if not x.columns.is_unique:
            raise InputTypeError(f"A black box takes frames whose columns differ in name. Received: {list(x.columns)}.")
        self.like = x.iloc[:0]
        kinds = {c: getattr(kind, "kind", "O") for c, kind in x.dtypes.items()}
        self.words = {c: Words() for c, kind in kinds.items() if kind not in "biuf"}
        self.own = {c: x.dtypes[c] for c in kinds if c not in self.words}
        self.kept = set(kinds.values()) == {"f"}  # numbers of one kind stay what they are

    @property
    def form(self) -> tuple:
        """What tells it from others."""
        return tuple(self.like.dtypes.items())

    def numbers(self, x: Any) -> Any:
        """A frame like it, as numbers."""
        if self.kept:
            return x
        return _with(x, {c: words.coded(x[c]) for c, words in self.words.items()}).astype("float64")

    def baseline(self, given: Any) -> Any:
        """A baseline as numbers: where there are words, a frame or a row of one."""
        sampled = isinstance(given, Sample) and given.frame is not None
        if sampled and set(given.frame.columns) == set(self.like.columns):
            return np.asarray(self.numbers(given.frame[list(self.like.columns)]))[None]
        if not self.words:
            return given
        row = given.to_frame().T if hasattr(given, "to_frame") and not hasattr(given, "columns") else given
        if not hasattr(row, "columns") or set(row.columns) != set(self.like.columns):
            raise BaselineError(
                f"Columns {', '.join(map(repr, self.words))} hold words, so the baseline is a frame with the columns "
                f"of x, or a row of one, such as x.mode().iloc[0]; or rows of one to average over, "
                f"tfxai.baselines.sample_of(frame). {received(given)}"
            )
        row = row[list(self.like.columns)]
        for c in self.words:
            known = getattr(self.like.dtypes[c], "categories", None)
            if known is not None and not row[c][~row[c].isna()].isin(known).all():
                raise BaselineError(f"Column {c!r} has the categories {', '.join(map(str, known))}. {received(given)}")
        return self.numbers(row)

    def handed(self, array: np.ndarray) -> Any:
        """The rows as a frame; whole numbers and flags as such, where they still are some."""
        made = type(self.like)(array, columns=self.like.columns)
        own = {c: kind for c, kind in self.own.items() if _holds(kind, made[c].to_numpy())}
        words = {c: words.read(made[c].to_numpy(), c) for c, words in self.words.items()}
        return _with(made, words).astype(own | {c: self.like.dtypes[c] for c in words})
