"""Progress of long work, as `fit` shows it."""

from __future__ import annotations

import time

import keras

PARTS = 100  # of each chunk
PATIENCE = 3.0  # seconds


class Progress:
    """Keras' own progress bar; with "auto" it appears when the work has taken three seconds."""

    def __init__(self, steps: int, verbose: int | str) -> None:
        self.steps, self.done, self.start = steps, 0, time.monotonic()
        self.bar = keras.utils.Progbar(PARTS * steps, unit_name="part")  # its clock starts here; it draws when updated
        self.waits, self.draws = verbose == "auto", verbose in (1, 2)
        self.shown = 0

    def step(self) -> None:
        self.done += 1
        self._show(self.done)

    def within(self, fraction: float) -> None:
        """How much of the next step is done, for steps of many passes."""
        self._show(self.done + min(fraction, 1.0))

    def _show(self, done: float) -> None:
        """Moves the bar if it is drawn and has moved by a part."""
        done = min(done, self.steps)  # explained once more, to find out why values do not add up
        if self.waits and done < self.steps and time.monotonic() - self.start > PATIENCE:
            self.draws = True
        if self.draws and int(PARTS * done) > self.shown:
            self.shown = int(PARTS * done)
            self.bar.update(self.shown)
