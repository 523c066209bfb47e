"""Progress of long work, as `fit` shows it."""

from __future__ import annotations

import time
from typing import Any

import keras


class Progress:
    """Keras' own progress bar; with "auto" it appears when the work has taken three seconds."""

    def __init__(self, steps: int, verbose: int | str) -> None:
        self.bar: Any = None
        self.steps, self.done, self.start, self.verbose = steps, 0, time.monotonic(), verbose

    def step(self) -> None:
        self.done += 1
        late = self.verbose == "auto" and time.monotonic() - self.start > 3 and self.done < self.steps
        if self.bar is None and (late or self.verbose in (1, 2)):
            self.bar = keras.utils.Progbar(self.steps, unit_name="batch")
        if self.bar is not None:
            self.bar.update(self.done)
