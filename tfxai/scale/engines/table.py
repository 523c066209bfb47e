"""The engines by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from tfxai.explainer.progress import Progress
from tfxai.scale.engines.local import local
from tfxai.scale.engines.mirrored import check_traceable, mirrored
from tfxai.scale.engines.ray import ray
from tfxai.scale.engines.sent import check_sendable
from tfxai.scale.job import Job


class Work(Protocol):
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


class Engine(NamedTuple):
    """One of them.

    Attributes:
        work: What it does.
        check: Refuses a model, or arguments by name, that it cannot use, before a job and its store are made.
    """

    work: Work
    check: Callable[[Any, dict[str, Any]], None] = lambda model, arguments: None


ENGINES = {"local": Engine(local), "mirrored": Engine(mirrored, check_traceable), "ray": Engine(ray, check_sendable)}
