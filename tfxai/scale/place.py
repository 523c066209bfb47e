"""Where a store lies: it is there as a whole or not at all, and what stops the writing of it says what to do."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from tfxai.errors import FileFormatError, StoreError


@contextlib.contextmanager
def taking_place(path: str) -> Iterator[str]:
    """Where to create a store, which is then at its path as a whole: if another process was first, theirs stays."""
    if "://" in path:
        yield path
        return
    temporary = f"{path.rstrip('/')}.{uuid.uuid4().hex}.tmp"
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with contextlib.suppress(OSError):  # it is there: a rename takes the place of an empty folder alone
            os.rename(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def writing(path: str) -> Iterator[None]:
    """Says what to do where something cannot be written."""
    try:
        yield
    except (StoreError, FileFormatError):
        raise
    except OSError as error:
        raise StoreError(
            f"Nothing more can be written to {path!r}: {error.strerror or error}. What was marked as done is whole; "
            "make room, or give the right to write, and call it again with resume=True."
        ) from error
