"""Actors of Ray, on one machine or many: each loads the model from its file, and takes the next chunk when it is free.

Where it runs: in the session of Ray that there is (`ray.init` was called, or the environment variable RAY_ADDRESS names
a cluster, as it does for a job that was submitted to one); else in one on this machine that is started for the job and
shut down behind it. The paths of model, source and store must mean the same on every machine, and the same packages be
installed there.

Networks: whoever reaches the ports of a cluster of Ray can run code on it. The session that is started here listens on
the loopback address alone (seen on Linux with Ray 2.60; no dashboard). A cluster of your own listens on all interfaces:
keep it in a network that you trust, and leave its token authentication on: for a job there RAY_AUTH_MODE=token is set
before Python starts, and the token is where Ray looks for it. Ray reports usage statistics to its makers unless
RAY_USAGE_STATS_ENABLED=0 is set.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import Any

from tfxai.errors import OptionError, WorkerError, received, warn
from tfxai.explainer.progress import Progress
from tfxai.scale.engines.sent import Parts, sendable
from tfxai.scale.engines.worker import Doubts, Place, Worker
from tfxai.scale.job import Job
from tfxai.support.checks import whole_number
from tfxai.support.extras import extra

DEATHS = 3  # of workers at one chunk: then it is the chunk
SET_BY_RAY = ("PYTHONBREAKPOINT", "RAY_AUTH_MODE")  # in the environment; and its own handler of SIGTERM
PATIENCE = 60.0  # seconds without a worker, after which it is said why


def ray(job: Job, todo: Sequence[int], bar: Progress, workers: int | None, num_gpus: float) -> None:
    """The chunks by as many actors as there are workers: of one core, and of `num_gpus`, each."""
    module, parts = extra("ray", "ray"), sendable(job)
    with session(module):
        count, threads = _shares(module.cluster_resources(), workers, num_gpus)
        crew = _Crew(module, parts, Place.of_driver(threads, num_gpus > 0), num_gpus)
        try:
            crew.work(job, todo, bar, min(count, len(todo)))
        finally:
            crew.dismiss()


class _Crew:
    """Actors, which of them is at which chunk, and how many died there.

    Args:
        ray: The module.
        parts: What a job is made of.
        place: Of each actor.
        num_gpus: Of each.
    """

    def __init__(self, ray: Any, parts: Parts, place: Place, num_gpus: float) -> None:
        self._ray, self._num_gpus = ray, num_gpus
        self._actor = ray.remote(num_cpus=1, num_gpus=num_gpus, max_restarts=0)(Worker)
        self._given = place, [ray.put(parts)]  # once per machine; arrays are read where they lie
        self._at: dict[Any, tuple[Any, int | None]] = {}  # what is waited for -> its actor, at which chunk or starting
        self._deaths: Counter[int | None] = Counter()
        self._is_said = False

    def work(self, job: Job, todo: Sequence[int], bar: Progress, count: int) -> None:
        """Explains the chunks with so many actors.

        An actor is given a chunk when it runs, so that none waits for a machine that is not there.
        """
        waiting, left, said = deque(todo), len(todo), set[type[Warning]]()
        for _ in range(count):
            self._hire()
        while left:
            ready, _ = self._ray.wait(list(self._at), timeout=PATIENCE)
            if not ready and not self._is_said and all(index is None for _, index in self._at.values()):
                self._say_stuck()
            for answer in ready:
                actor, index = self._at.pop(answer)
                doubts = self._answer(answer, index)
                if doubts is None:  # the actor is dead
                    if index is not None:
                        waiting.appendleft(index)
                    self._hire()
                    continue
                for words, category in doubts:
                    if category not in said:
                        said.add(category)
                        warn(words, category)
                if index is not None:
                    left -= 1
                    bar.step(len(job.store.rows(index)))
                if waiting:
                    chunk = waiting.popleft()
                    self._at[actor.explain.remote(chunk)] = actor, chunk

    def dismiss(self) -> None:
        """Ends all actors."""
        for actor, _ in self._at.values():
            self._ray.kill(actor)
        self._at.clear()

    def _hire(self) -> None:
        actor = self._actor.remote(*self._given)
        self._at[actor.ready.remote()] = actor, None

    def _answer(self, answer: Any, index: int | None) -> Doubts | None:
        """What an actor has to say, or None where it died.

        Raises:
            WorkerError: As many died at this chunk as it takes to blame the chunk.
            Exception: What `Job.explain_chunk` raised there.
        """
        known = self._ray.exceptions
        try:
            return self._ray.get(answer)
        except known.RayTaskError as error:
            raise error.cause from error
        except (known.RayActorError, known.WorkerCrashedError, known.OutOfMemoryError, known.NodeDiedError) as error:
            self._deaths[index] += 1
            if self._deaths[index] < DEATHS:
                return None
            died = f"{DEATHS} worker{'s' * (DEATHS > 1)} died"
            where = "at the start" if index is None else f"at chunk {index}"
            reason = " ".join(str(error).split())
            raise WorkerError(
                f"{died} {where}, the last by: {reason} What is done is kept. Where memory did not suffice, pass a "
                "smaller batch_size or fewer workers; engine='local' shows what becomes of one process."
            ) from error

    def _say_stuck(self) -> None:
        """Says, once, what is missing where no worker has got a place."""
        self._is_said = True
        there, free = self._ray.cluster_resources(), self._ray.available_resources()
        units = [f"{free.get(k, 0):g} of {there.get(k, 0):g} {word}" for k, word in (("CPU", "cores"), ("GPU", "GPUs"))]
        warn(
            f"No worker runs after {PATIENCE:g} s: each takes 1 core and num_gpus={self._num_gpus}. Free in the "
            f"cluster: {', '.join(units)}. The job goes on when other work there has ended.",
            UserWarning,
        )


def _shares(resources: dict[str, float], workers: int | None, num_gpus: float) -> tuple[int, int]:
    """How many workers there are, and how many threads of TensorFlow each of them has.

    Raises:
        OptionError: More than there are cores or GPUs for.
    """
    cores, gpus = int(resources.get("CPU", 0)), resources.get("GPU", 0)
    if isinstance(num_gpus, bool) or not isinstance(num_gpus, (int, float)) or num_gpus < 0:
        raise OptionError(
            f"num_gpus is how many GPUs each worker has: 0, a part of one, or a number. {received(num_gpus)}"
        )
    if workers is None:
        workers = max(1, cores - 1 if not num_gpus else min(cores, int(gpus / num_gpus)))
    whole_number(workers, "workers", more=", or None")
    for wanted, there, unit in ((workers, cores, "cores"), (workers * num_gpus, gpus, "GPUs")):
        if wanted > there:
            raise OptionError(
                f"{workers} workers of 1 core and num_gpus={num_gpus} each take {wanted:g} {unit}; Ray has {there:g}. "
                "Pass fewer workers, or start more machines."
            )
    return workers, cores // workers


@contextlib.contextmanager
def session(ray: Any, **more: Any) -> Iterator[None]:
    """The session of Ray that there is; or one on this machine, with `more` of `ray.init`, until its block is left."""
    if ray.is_initialized():
        yield
        return
    main, handler = threading.current_thread() is threading.main_thread(), signal.getsignal(signal.SIGTERM)
    before = {name: os.environ.get(name) for name in SET_BY_RAY}
    quiet = {"log_to_driver": False, "logging_level": logging.WARNING}
    if address := os.environ.get("RAY_ADDRESS"):
        try:
            ray.init(**quiet)
        except ConnectionError as error:
            raise WorkerError(
                f"No cluster of Ray answers at RAY_ADDRESS={address!r}. Start it (ray start --head), or unset the "
                "variable to work on this machine alone."
            ) from error
    else:
        with _loopback(ray):
            ray.init("local", include_dashboard=False, _node_ip_address="127.0.0.1", **quiet, **more)
    try:
        yield
    finally:
        ray.shutdown()
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        if main:
            signal.signal(signal.SIGTERM, handler)


@contextlib.contextmanager
def _loopback(ray: Any) -> Iterator[None]:
    """While Ray starts, keeps it from taking the address of the network in place of the loopback address.

    Ray does so where it has been told that there are clusters, and then listens on all interfaces.
    """
    constants = ray._private.ray_constants
    before = constants.ENABLE_RAY_CLUSTER
    constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        constants.ENABLE_RAY_CLUSTER = before
