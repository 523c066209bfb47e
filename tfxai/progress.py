"""Progress of long work, as `fit` shows it."""

from __future__ import annotations

import time
from typing import Any

import keras

PARTS = 100  # of each chunk


class Progress:
    """Keras' own progress bar; with "auto" it appears when the work has taken three seconds."""

    def __init__(self, steps: int, verbose: int | str) -> None:
        self.bar: Any = None
        self.steps, self.done, self.start, self.verbose = steps, 0, time.monotonic(), verbose
        self.shown = 0

    def step(self) -> None:
        self.done += 1
        self._show(self.done)

    def within(self, fraction: float) -> None:
        """How much of the next step is done, for steps of many passes."""
        self._show(self.done + min(fraction, 1.0))

    def _show(self, done: float) -> None:
        late = self.verbose == "auto" and time.monotonic() - self.start > 3 and done < self.steps
        if self.bar is None and (late or self.verbose in (1, 2)):
            self.bar = keras.utils.Progbar(PARTS * self.steps, unit_name="part")
        if self.bar is not None and int(PARTS * done) > self.shown:
            self.shown = int(PARTS * done)
            self.bar.update(self.shown)
