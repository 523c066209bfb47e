"""How much memory is free."""

from __future__ import annotations

from pathlib import Path


def free() -> int | None:
    """Bytes that can be taken without swapping, as far as the system says so (Linux); else None."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError, IndexError):
        return None
