"""Progress of long work: a bar in a terminal or notebook, plain lines where the output is a file."""

from __future__ import annotations

import os
import sys
import time

import keras

PATIENCE = 3.0  # seconds
BETWEEN = 5.0  # seconds between two lines in a file
FEW = 100  # examples: fewer are counted in percent, which moves while one of them is explained


class Progress:
    """Examples (or other units) done, of n. With "auto" it appears where it can be drawn, when the work has taken three
    seconds.
    """

    def __init__(self, n: int, verbose: int | str, unit: str = "example", done: str = "explained") -> None:
        self.n, self.done, self.start = n, 0, time.monotonic()
        self.words = f"{unit}{'es' if unit.endswith('h') else 's'} {done}"
        self.bar = _bar(n, unit) if is_watched() else None  # its clock starts here; it draws when updated
        self.waits, self.draws = verbose == "auto" and self.bar is not None, verbose in (1, 2)
        self.shown, self.said = 0, self.start

    def step(self, examples: int) -> None:
        """So many more are done."""
        self.done += examples
        self._show(self.done)

    def within(self, fraction: float, examples: int) -> None:
        """How much of the next so many is done, for chunks of many passes."""
        self._show(self.done + min(fraction, 1.0) * examples)

    def say(self, words: str) -> None:
        """A line before the work, where somebody reads it."""
        if self.draws or self.waits:
            print(words, flush=True)

    def _show(self, done: float) -> None:
        done = min(done, self.n)  # explained once more, to find out why values do not add up
        now = time.monotonic()
        if self.waits and done < self.n and now - self.start > PATIENCE:
            self.draws = True
        if not self.draws:
            return
        if self.bar is None:
            self._say(done, now)
        elif (position := int(self.bar.target * done / self.n)) > self.shown:
            self.shown = position
            self.bar.update(position)

    def _say(self, done: float, now: float) -> None:
        """A line, after some seconds, and one at the end."""
        if now - self.said < BETWEEN and (done < self.n or self.shown == self.n):
            return
        self.said, self.shown = now, int(done)
        print(f"{done / self.n:.0%} of {self.n} {self.words}, {now - self.start:.0f} s", flush=True)


def _bar(n: int, unit: str) -> keras.utils.Progbar:
    return keras.utils.Progbar(n, unit_name=unit) if n >= FEW else keras.utils.Progbar(100, unit_name="percent")


def is_watched() -> bool:
    """Whether a line can be drawn over: a terminal, a notebook, the console of an editor."""
    return sys.stdout.isatty() or "ipykernel" in sys.modules or "PYCHARM_HOSTED" in os.environ
