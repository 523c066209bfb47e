"""The engines by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tfxai.explainer.progress import Progress
from tfxai.scale.engines.local import local
from tfxai.scale.job import Job


class Engine(Protocol):
    """Explains chunks of a job."""

    def __call__(self, job: Job, todo: Sequence[int], bar: Progress, workers: int | None, num_gpus: float) -> None:
        """Explains those chunks, each once.

        Args:
            job: The job.
            todo: Which chunks.
            bar: Is told of the examples that are done.
            workers: How many work at once; None: as the engine finds right.
            num_gpus: How many each of them has for itself.

        Raises:
            OptionError: Workers or devices that it cannot give.
        """


ENGINES: dict[str, Engine] = {"local": local}
