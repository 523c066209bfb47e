"""The records of a CSV file, found in one pass: how many there are, and where every 4 MB of them begin."""

from __future__ import annotations

import bz2
import dataclasses
import gzip
import hashlib
import lzma
from collections.abc import Callable
from typing import Any

import numpy as np

from tfxai.errors import FileFormatError

PIECE = 2**22  # bytes
PACKED: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
UTF16 = (b"\xff\xfe", b"\xfe\xff")  # its marks
QUOTE, NEWLINE, RETURN = b'"\n\r'


@dataclasses.dataclass(frozen=True)
class Records:
    """Where the records of a file are; blank lines are none.

    Attributes:
        rows: The number of the record that each piece begins with, and how many there are in all.
        offsets: The byte that each piece begins at, and where the last ends.
        first: The byte after the first record.
        separators: How many of them are in each piece, between no quotation marks.
        digest: Of the whole content.
    """

    rows: list[int]
    offsets: list[int]
    first: int
    separators: list[int]
    digest: str


def opened(path: str) -> Any:
    """The bytes of a file, without its compression."""
    for ending, opens in PACKED.items():
        if path.lower().endswith(ending):
            return opens(path, "rb")
    return open(path, "rb")


def records(path: str, separator: str) -> Records:
    """The records of a file: a newline between quotation marks ends none.

    Args:
        path: Text in an encoding that has ASCII in it, such as UTF-8; packed or not.
        separator: Between the cells of a record.

    Raises:
        FileFormatError: A quotation mark is opened and never closed; the file cannot be unpacked.
    """
    scan = _Scan(ord(separator))
    try:
        with opened(path) as file:
            while data := file.read(PIECE):
                if not scan.size and data.startswith(UTF16):
                    raise FileFormatError(f"{path!r} is UTF-16. Save it as UTF-8.")
                scan.take(data)
    except (EOFError, lzma.LZMAError, gzip.BadGzipFile, OSError) as error:
        if isinstance(error, (FileNotFoundError, PermissionError)):
            raise
        raise FileFormatError(f"{path!r} cannot be unpacked ({type(error).__name__}: {error}).") from error
    if scan.inside:
        raise FileFormatError(f"{path!r} has a quotation mark that is opened and never closed.")
    return scan.done()


class _Scan:
    """A pass over bytes that come in pieces."""

    def __init__(self, separator: int) -> None:
        self.separator, self.separators, self.seen = separator, list[int](), 0
        self.rows, self.offsets, self.first = [0], [0], 0
        self.count, self.size, self.end = 0, 0, 0  # records, bytes; the byte after the last newline that ended one
        self.inside, self.last = False, 0  # between quotation marks; the last byte
        self.hash = hashlib.blake2b(digest_size=16)

    def take(self, data: bytes) -> None:
        """The next bytes."""
        self.hash.update(data)
        content = np.frombuffer(data, np.uint8)
        newlines, separators = content == NEWLINE, content == self.separator
        if self.inside or QUOTE in data:
            outside = ~(np.logical_xor.accumulate(content == QUOTE) ^ self.inside)
            newlines &= outside
            separators &= outside
            self.inside = not outside[-1]
        ends = np.flatnonzero(newlines)
        cut = int(ends[-1]) + 1 if len(ends) else 0
        self.seen += int(np.count_nonzero(separators[:cut]))
        if len(ends):
            before = np.where(ends > 0, content[ends - 1], self.last)
            lengths = np.diff(ends + self.size + 1, prepend=self.end)
            full = (lengths > 2) | (lengths == 2) & (before != RETURN)
            self._found(full, ends + self.size + 1)
        self.seen += int(np.count_nonzero(separators[cut:]))
        self.size, self.last = self.size + len(data), data[-1]

    def _found(self, full: np.ndarray, ends: np.ndarray) -> None:
        if not self.count and full.any():
            self.first = int(ends[np.argmax(full)])
        self.count, self.end = self.count + int(full.sum()), int(ends[-1])
        if self.count > self.rows[-1]:
            self._ends(self.end)

    def _ends(self, offset: int) -> None:
        """A piece."""
        self.rows.append(self.count)
        self.offsets.append(offset)
        self.separators.append(self.seen)
        self.seen = 0

    def done(self) -> Records:
        """What was found, with a last record that no newline ends."""
        if self.size - self.end > (self.last == RETURN):
            self.count += 1
            self.first = self.first or self.size
        if self.count > self.rows[-1]:
            self._ends(self.size)
        return Records(self.rows, self.offsets, self.first, self.separators, self.hash.hexdigest())
