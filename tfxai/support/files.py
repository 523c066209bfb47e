"""Files that are whole or not there, under names that are safe."""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path that takes the place of `path` when the block ends well; else nothing is left of it."""
    temporary = path.with_name(f"{uuid.uuid4().hex}.tmp")  # beside it: os.replace does not cross file systems
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def safe_name(text: object) -> str:
    """A file name made of any text: letters, digits, `_`, `-` and inner dots, 80 at most.

    Example:
        >>> safe_name("../base/conv.1"), safe_name("<script>"), safe_name("...")
        ('base_conv.1', 'script', 'unnamed')
    """
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", str(text)).strip("._-")[:80].rstrip("._-") or "unnamed"
