"""What runs in another process: it makes the job of its parts, and explains the chunks that it is given."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import warnings
from typing import Self

import keras
import tensorflow as tf

from tfxai.scale.engines.sent import Parts
from tfxai.scale.job import Job

Doubts = list[tuple[str, type[Warning]]]  # what a worker would have warned of


@dataclasses.dataclass(frozen=True)
class Place:
    """What a worker has to itself, and what it has as its driver has it.

    Attributes:
        threads: Of TensorFlow, at most; the environment variable TF_NUM_INTRAOP_THREADS has the last word.
        gpus: Whether it works on GPUs.
        folder: The working directory, against which paths are read.
        path: Where modules are found.
    """

    threads: int
    gpus: bool
    folder: str
    path: tuple[str, ...]

    @classmethod
    def of_driver(cls, threads: int, gpus: bool) -> Self:
        """The place of a worker of this process."""
        return cls(threads, gpus, os.getcwd(), tuple(os.path.abspath(p) for p in sys.path))

    def take(self) -> None:
        """Makes this process such a place: before anything of TensorFlow is used."""
        with contextlib.suppress(OSError):  # another machine: only absolute paths mean the same there
            os.chdir(self.folder)
        sys.path += [p for p in self.path if p not in sys.path]
        if "TF_NUM_INTRAOP_THREADS" not in os.environ:
            tf.config.threading.set_intra_op_parallelism_threads(min(self.threads, os.cpu_count() or 1))
        if not self.gpus:
            tf.config.set_visible_devices([], "GPU")
        for device in tf.config.get_visible_devices("GPU"):  # several workers may share one
            tf.config.experimental.set_memory_growth(device, True)


class Worker:
    """An actor.

    Args:
        place: Of its process.
        parts: A reference to what the job is made of, in a list: so it is read when the place is taken.
    """

    def __init__(self, place: Place, parts: list) -> None:
        place.take()
        self._parts = parts
        self._job: Job | None = None

    def ready(self) -> Doubts:
        """Answers as soon as its process runs."""
        return []

    def explain(self, index: int) -> Doubts:
        """Explains a chunk, at the first time with the model that it loads."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            if self._job is None:
                self._job = self._made()
            self._job.explain_chunk(index)
        return [(str(w.message), w.category) for w in caught]

    def _made(self) -> Job:
        import ray

        parts: Parts = ray.get(self._parts[0])
        keras.saving.get_custom_objects().update(parts.custom)
        return parts.make(*parts.given)
