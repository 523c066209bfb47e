"""Progress of work in many tasks of the same kinds, with the time that is left."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tfxai.explainer.progress import PATIENCE, is_watched


class Clock:
    """Tells which task is running, and how long all of them may still take: as long as those of their kind before.

    Args:
        kinds: Of every task, in any order.
        verbose: 0 silent, 1 a line for each task (in a terminal one that is drawn over), "auto" the same in a terminal
            or notebook, where the work has taken some seconds.
    """

    def __init__(self, kinds: Sequence[str], verbose: int | str) -> None:
        self.left, self.total = list(kinds), len(kinds)
        self.taken: dict[str, list[float]] = defaultdict(list)
        self.start, self.over = time.monotonic(), is_watched()
        self.verbose = verbose == 1 or verbose == 2 or verbose == "auto" and self.over
        self.patience = PATIENCE if verbose == "auto" else 0.0

    @contextmanager
    def task(self, kind: str, name: str) -> Iterator[None]:
        """Runs one task."""
        self._say(f"{name} ({self.total - len(self.left) + 1} of {self.total}{self._remaining()})")
        begun = time.monotonic()
        yield
        self.taken[kind].append(time.monotonic() - begun)
        self.left.remove(kind)
        if not self.left:
            self._say(f"{self.total} of {self.total}, {_clock(time.monotonic() - self.start)}", end=True)

    def remaining(self) -> float | None:
        """Seconds; None before anything has run."""
        done = [s for seconds in self.taken.values() for s in seconds]
        if not done:
            return None
        usual = sum(done) / len(done)
        means = {kind: sum(s) / len(s) for kind, s in self.taken.items()}
        return sum(means.get(kind, usual) for kind in self.left)

    def _remaining(self) -> str:
        seconds = self.remaining()
        return "" if seconds is None else f", about {_clock(seconds)} left"

    def _say(self, text: str, end: bool = False) -> None:
        if not self.verbose or time.monotonic() - self.start < self.patience:
            return
        print(f"\r{text:<78.78}" if self.over else text, end="" if self.over and not end else "\n", flush=True)


def _clock(seconds: float) -> str:
    """12 s; 3:05 min."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{int(seconds // 60)}:{int(seconds % 60):02d} min"
