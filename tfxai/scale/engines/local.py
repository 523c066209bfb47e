"""One chunk after the other, in this process."""

from __future__ import annotations

from collections.abc import Sequence

from tfxai.errors import OptionError
from tfxai.explainer.progress import Progress
from tfxai.scale.job import Job


def local(job: Job, todo: Sequence[int], bar: Progress, workers: int | None, num_gpus: float) -> None:
    """The chunks in their order. Several processes share a job by `shard=`."""
    if workers not in (None, 1) or num_gpus:
        raise OptionError(
            f"engine='local' is one process, on the devices that TensorFlow sees. Received: workers={workers}, "
            f"num_gpus={num_gpus}. Start several with shard=(k, n), or use engine='ray' or 'mirrored'."
        )
    for index in todo:
        job.explain_chunk(index)
        bar.step(len(job.store.rows(index)))
