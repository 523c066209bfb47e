"""How far a job is, from the records of its store alone: any process can ask, on any machine."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import numpy as np

from tfxai.scale.store import Store

PATIENCE = 60.0  # seconds: whoever has finished nothing for so long, and for three chunks, works no more
UNITS = ((86400, "days"), (3600, "h"), (60, "min"))


@dataclasses.dataclass(frozen=True)
class Worker:
    """What a process has done.

    Attributes:
        name: Of its machine, and its number there.
        chunks: How many it has finished.
        rate: Examples per second while it worked.
        ago: Seconds since it finished its last chunk.
        works: Whether it seems to work still.
    """

    name: str
    chunks: int
    rate: float
    ago: float
    works: bool


@dataclasses.dataclass(frozen=True)
class Status:
    """How far a job is.

    Attributes:
        path, method: Of the store.
        chunks, examples: (done, all).
        workers: Those whose chunks are in the store, the last to finish one first.
    """

    path: str
    method: Any
    chunks: tuple[int, int]
    examples: tuple[int, int]
    workers: list[Worker]

    @property
    def rate(self) -> float:
        """Examples per second of all that work now."""
        return sum(worker.rate for worker in self.workers if worker.works)

    @property
    def left(self) -> float | None:
        """Seconds to the end; None where nobody works."""
        done, all_ = self.examples
        return 0.0 if done == all_ else (all_ - done) / self.rate if self.rate else None

    def __str__(self) -> str:
        (done, chunks), (explained, n) = self.chunks, self.examples
        lines = [f"{self.path}, {self.method}: {done:,} of {chunks:,} chunks done, {explained:,} of {n:,} examples "
                 f"({explained / n:.0%})"]  # fmt: skip
        if done < chunks:
            going = f"{self.rate:.3g} examples/s, about {duration(self.left)} left" if self.left is not None else ""
            lines.append(f"  {going or 'nobody has finished a chunk lately: start it again, and it goes on from here'}")
        for worker in self.workers:
            last = f"last {duration(worker.ago)} ago"
            lines.append(f"  {worker.name}: {worker.chunks:,} chunks, {worker.rate:.3g} examples/s, {last}")
        return "\n".join(lines)


def status(store: Store, now: float | None = None) -> Status:
    """How far the job of a store is.

    Args:
        store: The store.
        now: The time, in seconds; None: that of the clock.
    """
    now = time.time() if now is None else now
    done, times, names = (store.record(name) for name in ("done", "times", "worker"))
    sizes = np.array([len(store.rows(k)) for k in range(store.chunks)])
    by_name: dict[str, list[int]] = {}
    for k in np.flatnonzero(done):
        by_name.setdefault(bytes(names[k]).rstrip(b"\0").decode("utf-8", "replace"), []).append(int(k))
    workers = [_worker(name, sizes[own], times[own], now) for name, own in by_name.items()]
    ordered = sorted(workers, key=lambda worker: (worker.ago, worker.name))
    examples = (int(sizes[done].sum()), store.n)
    return Status(store.path, store.job["method"], (int(done.sum()), store.chunks), examples, ordered)


def _worker(name: str, sizes: np.ndarray, times: np.ndarray, now: float) -> Worker:
    """A process, by the chunks that it has finished."""
    took = np.maximum(times[:, 1] - times[:, 0], 1e-3)
    ago = max(now - float(times[:, 1].max()), 0.0)
    return Worker(name, len(sizes), float(sizes.sum() / took.sum()), ago, ago < max(PATIENCE, 3 * float(took.mean())))


def duration(seconds: float) -> str:
    """A time for people.

    Example:
        >>> duration(7), duration(200), duration(9000), duration(200000)
        ('7 s', '3 min', '2.5 h', '2.3 days')
    """
    for size, unit in UNITS:
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}" if unit == "min" else f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
