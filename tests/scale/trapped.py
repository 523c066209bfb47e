"""A source that notes each reading of it, and at some examples does what kills a process, or stops it there."""

import os
import signal
import time
from pathlib import Path

import numpy as np

from tfxai.errors import InputError
from tfxai.explainer.batches import Batch


class Trapped:
    """Rows of an array.

    Args:
        x: The array.
        folder: Where `reads` is written, a line for each reading (first row, process), and where traps are read: a file
            with the name of the first row that is read says what to do before; `pace` says how many seconds it takes.
    """

    names, sequential = None, False

    def __init__(self, x, folder):
        self.x, self.n, self.folder = np.asarray(x), len(x), Path(folder)

    def identity(self):
        return {"kind": "trapped", "n": self.n, "sum": float(self.x.sum())}

    def read(self, start, stop):
        with open(self.folder / "reads", "a") as file:
            file.write(f"{start} {os.getpid()}\n")
        if (pace := self.folder / "pace").exists():
            time.sleep(float(pace.read_text()))
        trap = self.folder / str(start)
        if trap.exists():
            getattr(self, f"_{trap.read_text()}")(trap)
        return Batch(self.x[start:stop])

    def set(self, row, what):
        """What happens when this row is read: "dies", "dies_once", "stops", "fails"."""
        (self.folder / str(row)).write_text(what)

    def reads(self):
        """(first row, process) of each reading so far."""
        return [tuple(map(int, line.split())) for line in (self.folder / "reads").read_text().splitlines()]

    def _dies(self, trap):
        os.kill(os.getpid(), signal.SIGKILL)

    def _dies_once(self, trap):
        trap.unlink()
        self._dies(trap)

    def _stops(self, trap):
        """Waits to be killed, and says so."""
        trap.unlink()
        (self.folder / "stopped").write_text(str(os.getpid()))
        while True:
            signal.pause()

    def _fails(self, trap):
        raise InputError("This example cannot be read.")
