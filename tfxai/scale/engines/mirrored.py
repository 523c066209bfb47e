"""The devices of one machine, each with its own copy of the model's variables and a chunk of its own.

`tf.distribute.MirroredStrategy` makes the copies. A chunk takes many passes with Python between them, which
`strategy.run` would do for one replica after the other: so each replica has a thread, in which everything is captured,
compiled and run on its device.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any

import tensorflow as tf

from tfxai.errors import ModelTypeError, OptionError, received
from tfxai.explainer.batches import Batch
from tfxai.explainer.progress import Progress
from tfxai.graph.capture import Graph
from tfxai.model.black_box import BlackBox
from tfxai.scale.job import Job
from tfxai.scale.source import Source
from tfxai.support.checks import whole_number


def check_traceable(model: Any, arguments: dict[str, Any]) -> None:
    """Refuses what has no variables that could be on several devices.

    Raises:
        ModelTypeError: It is a black box.
    """
    if isinstance(model, BlackBox):
        raise ModelTypeError(
            "engine='mirrored' copies the variables of a model to several devices, and a black box has none. Use "
            f"engine='local', in several processes with shard=(k, n). {received(model)}"
        )


def mirrored(job: Job, todo: Sequence[int], bar: Progress, workers: int | None, num_gpus: float) -> None:
    """The chunks by one thread for each device: all GPUs that TensorFlow sees; without any, all its CPU devices."""
    devices = _devices(workers, num_gpus)
    mirrors, queue = Mirrors(devices), Queue(job, todo, bar)
    replicas = [_replica(job, mirrors, queue, k) for k in range(len(devices))]

    def work(k: int) -> None:
        with tf.device(devices[k]):
            for index in queue.chunks(k):
                replicas[k].explain_chunk(index)

    with ThreadPoolExecutor(len(devices), "tfxai-replica") as pool:
        running = [pool.submit(work, k) for k in range(len(devices))]
        try:
            wait(running, return_when=FIRST_EXCEPTION)
        finally:
            queue.close()  # the others end with the chunk at which they are
    for replica in running:
        replica.result()


def _devices(workers: int | None, num_gpus: float) -> list[str]:
    """The names of the devices.

    Raises:
        OptionError: More are asked for than there are.
    """
    there = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if workers is not None:
        whole_number(workers, "workers", more=", or None")
    if num_gpus:
        raise OptionError(
            f"engine='mirrored' gives each worker one device. Received: num_gpus={num_gpus}. Leave it out."
        )
    if (workers or 0) > len(there):
        kind = there[0].device_type
        raise OptionError(
            f"workers is how many devices of this machine explain: TensorFlow sees {len(there)} of type {kind}. "
            f"Received: {workers}."
        )
    return [device.name for device in there[:workers]]


def _replica(job: Job, mirrors: Mirrors, queue: Queue, k: int) -> Job:
    """The job on device number k, captured there: of two threads that capture one model, each would see the other."""
    device = mirrors.devices[k]
    explainer = job.explainer.placed(lambda graph: mirrors.placed(graph, k))
    with tf.device(device):
        explainer.trace(job.source.read(0, 1).x)
    return job.replica(explainer, Handed(queue, k), device.rpartition("device:")[2])


class Mirrors:
    """Copies of the variables of captured graphs on some devices, as they were when they were first asked for.

    Attributes:
        devices: Their names.
    """

    def __init__(self, devices: list[str]) -> None:
        self.devices = devices
        self._strategy = tf.distribute.MirroredStrategy(devices)
        self._copies: dict[int, tuple[tf.Tensor, list[tf.Variable]]] = {}  # by the handle, which is kept alive
        self._lock = threading.Lock()

    def placed(self, graph: Graph, k: int) -> Graph:
        """The graph with what it reads from outside on device number k; tables of texts stay where they are."""
        return dataclasses.replace(graph, captured={n: self._at(tensor, k) for n, tensor in graph.captured.items()})

    def _at(self, tensor: tf.Tensor, k: int) -> tf.Tensor:
        if tensor.dtype == tf.variant:
            return tensor
        if tensor.dtype != tf.resource:
            with tf.device(self.devices[k]):
                return tf.identity(tensor)
        kinds = tensor._handle_data.shape_and_type if tensor._handle_data else []
        if not kinds:
            return tensor
        with self._lock:
            if id(tensor) not in self._copies:
                value = tf.raw_ops.ReadVariableOp(resource=tensor, dtype=kinds[0].dtype)
                with self._strategy.scope():
                    made = tf.Variable(value, trainable=False)
                self._copies[id(tensor)] = tensor, list(self._strategy.experimental_local_results(made))
            return self._copies[id(tensor)][1][k].handle


class Queue:
    """The chunks in their order, each given to the replica that asks first, and the rows of it.

    A source is read by one thread at a time. One that is read from its start is read a chunk at a time, for no chunk
    lies behind it then.
    """

    def __init__(self, job: Job, todo: Sequence[int], bar: Progress) -> None:
        self.source, self._store, self._bar = job.source, job.store, bar
        self._waiting, self._lock = deque(todo), threading.Lock()
        self._ahead: dict[int, dict[int, Batch]] = {}  # replica -> first row -> rows

    def chunks(self, k: int) -> Iterator[int]:
        """The chunks of replica number k; that the one before is done is known when it asks for the next."""
        while (index := self._next(k)) is not None:
            yield index
            with self._lock:
                self._bar.step(len(self._store.rows(index)))

    def rows(self, k: int, start: int, stop: int) -> Batch:
        """The rows of a stretch, for replica number k."""
        ahead = self._ahead.get(k, {})
        if start in ahead:
            return ahead.pop(start)
        with self._lock:
            return self.source.read(start, stop)

    def close(self) -> None:
        """Gives out no more."""
        self._waiting.clear()

    def _next(self, k: int) -> int | None:
        with self._lock, contextlib.suppress(IndexError):
            index = self._waiting.popleft()
            if self.source.sequential:
                self._ahead[k] = {p.start: self.source.read(p.start, p.stop) for p in self._store.pieces(index)}
            return index
        return None


class Handed:
    """The source of one replica: what the queue reads for it."""

    def __init__(self, queue: Queue, k: int) -> None:
        self._queue, self._k = queue, k
        source: Source = queue.source
        self.n, self.names, self.sequential = source.n, source.names, source.sequential

    def read(self, start: int, stop: int) -> Batch:
        """The examples from start to stop."""
        return self._queue.rows(self._k, start, stop)

    def identity(self) -> dict[str, Any]:
        """That of the source."""
        return self._queue.source.identity()
