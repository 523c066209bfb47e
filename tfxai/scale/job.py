"""A job: a model, a method, a source of examples, and the store that their explanations go to, chunk by chunk."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from tfxai.errors import ModelTypeError, StoreError, warn
from tfxai.explainer import Explainer
from tfxai.explainer.batches import Batch
from tfxai.explainer.labels import of_data
from tfxai.method.base import Method
from tfxai.model.function import declared_inputs
from tfxai.scale.identity import check_same, job_of
from tfxai.scale.layout import Found, Layout, arrays_of
from tfxai.scale.rows import check_baseline, of_baseline, of_target
from tfxai.scale.source import Source
from tfxai.scale.sources import opened
from tfxai.scale.store import DTYPES, Store
from tfxai.support.checks import one_of, whole_number


class Job:
    """What a whole data set is explained with, in chunks that any process can explain, in any order.

    The store is made where there is none; one that is there is gone on with, if it is of the same job. Only whole
    chunks count: what a killed process has begun is explained again.

    Args:
        model: As in `tfxai.explain`. A path is loaded (safely: no code from the file is run), and only a job with a
            path can be sent to other processes.
        source: The examples: see `explain_dataset`.
        out: Path of the store.
        method: As in `explain`.
        target: As in `explain`, for all examples or with an entry for each; "labels" of a source of (x, y).
        baseline: As in `explain`; a function of x is called for some examples at a time.
        batch_size: Examples per pass. It is no part of the job: it changes memory, never the values.
        chunk: Examples that are explained and marked as done together.
        seed: Of random draws; None: one is drawn, and kept in the store. Each stretch of examples has its own from it,
            so that the values depend on `chunk`, and not on who explains what.
        dtype: In which values are stored: "float32", "float64", "float16" or "bfloat16". Scores stay as they are.
        resume: Whether to go on with a store that is there.
        **options: Of `tfxai.Explainer` and of the method.

    Attributes:
        store: The store.
        explainer: The explainer.
        source: The source.

    Raises:
        StoreError: The store holds another job (what differs is named), is there although resume=False, or cannot be
            written.
        FileFormatError: Something else is at its path.
        TfxaiError: What `explain` raises of the first example.

    Example:
        >>> import keras, numpy as np, tempfile, tfxai
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     job = tfxai.scale.Job(model, np.ones((10, 3), "float32"), folder + "/a.zarr", chunk=4)
        ...     [tfxai.scale.explain_chunk(job, k) for k in (0, 2, 2)], job.todo()
        ([True, True, False], [1])
    """

    def __init__(
        self,
        model: Any,
        source: Any,
        out: str | os.PathLike,
        method: str | Method = "deeplift",
        *,
        target: Any = None,
        baseline: Any = None,
        batch_size: int | None = None,
        chunk: int = 1024,
        seed: int | None = None,
        dtype: str = "float32",
        resume: bool = True,
        **options: Any,
    ) -> None:
        one_of(dtype, "dtype", tuple(DTYPES))
        whole_number(chunk, "chunk")
        self._given = {"model": model, "out": os.fspath(out), "method": method, "target": target, "baseline": baseline,
                       "chunk": chunk, "seed": seed, "dtype": dtype, **options}  # fmt: skip
        self.target, self.baseline, self.batch_size = target, baseline, batch_size
        self.explainer = Explainer(model, method, **options)
        self.source: Source = opened(source, declared_inputs(self.explainer.model))
        self._said: set[type[Warning]] = set()
        first = self.source.read(0, min(2, self.source.n))
        _, traced = self.explainer.trace(_some(first.x, 1))
        self._places = max((len(s) - 1 for s in traced.output_shapes if not isinstance(s, str)), default=None)
        check_baseline(baseline, first.x)
        given = {"target": target, "baseline": baseline, "seed": seed, "chunk": chunk, "dtype": dtype}
        identity = job_of(self.explainer, traced, **given) | {"source": self.source.identity()}
        self.store = self._open(os.fspath(out), identity, resume, chunk, dtype, seed)
        self.worker = f"{socket.gethostname()}:{os.getpid()}"

    def __reduce__(self) -> tuple:
        """A job is sent to other processes as what it was made of: they load the model from its path."""
        if not isinstance(self._given["model"], (str, os.PathLike)):
            raise ModelTypeError(
                "A job is sent to other processes with the path of its model, never with the model: save it, "
                "model.save('model.keras'), and pass the path."
            )
        return _made, (self._given, self.source, self.batch_size)

    def replica(self, explainer: Explainer, source: Source, name: str) -> Job:
        """The same job for one of several workers of this process: with its own explainer and what it reads."""
        other = object.__new__(type(self))
        vars(other).update(vars(self), explainer=explainer, source=source, worker=f"{self.worker}:{name}")
        return other

    def todo(self, shard: Sequence[int] = (0, 1)) -> list[int]:
        """The chunks that are not done: all, or those of the k-th of n processes, shard=(k, n)."""
        share, count = shard
        done = self.store.record("done")
        return [k for k in range(share, self.store.chunks, count) if not done[k]]

    def explain_chunk(self, index: int) -> bool:
        """Explains a chunk and writes it; False where it was done."""
        if self.store.is_done(index):
            return False
        writer = self.store.writer(index, self.worker)
        with ThreadPoolExecutor(1, "tfxai-writer") as behind:  # writes a piece while the next is explained
            written: Future | None = None
            for rows in self.store.pieces(index):
                arrays = arrays_of(self.explained(rows))
                if written is not None:
                    written.result()
                written = behind.submit(writer.piece, rows, arrays)
            if written is not None:
                written.result()
        writer.finish()  # when all of it is written
        return True

    def explained(self, rows: range) -> Found:
        """The explanations of some examples: what is doubtful of them is said at the first time."""
        batch = self.source.read(rows.start, rows.stop)
        found, doubtful = self._within_memory(batch, rows, self.store.seed)
        for message, category in doubtful:
            if category not in self._said:
                self._said.add(category)
                where = f"In examples {rows.start} to {rows.stop - 1}: {message}"
                warn(f"{where} It is said once for all of the job.", category)
        return found

    def _within_memory(self, batch: Batch, rows: range, seed: int) -> tuple[Found, list]:
        """The explanations and doubts; with fewer examples per pass where memory does not suffice."""
        n = self.source.n
        baseline = of_baseline(self.baseline, rows, n, batch.x)
        target = of_target(of_data(self.target, batch.y), rows, n, self._places)
        own = int(np.random.SeedSequence([seed, rows.start]).generate_state(1)[0])
        shrunk = False
        while True:
            try:
                found = self.explainer.doubted(batch.x, target, baseline, self.batch_size, own, verbose=0)
                break
            except MemoryError as error:
                size = getattr(error, "size", len(rows))
                if size == 1:
                    raise
                self.batch_size, shrunk = -(-size // 2), True
        if shrunk:
            warn(f"Memory does not suffice: from here on {self.batch_size} examples at once.", ResourceWarning)
        return found

    def _open(self, out: str, identity: dict, resume: bool, chunk: int, dtype: str, seed: int | None) -> Store:
        store = Store.at(out)
        if store is not None and not resume:
            raise StoreError(f"There is a store at {out!r} already. Go on with it (resume=True), or pass another out=.")
        if store is None:
            drawn = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
            rows = range(1)
            found, _ = self._within_memory(self.source.read(0, 1), rows, drawn)
            store = Store.created(out, identity, Layout.of(found), arrays_of(found), self.source.n, chunk, dtype, drawn)
        check_same(store.job, identity, out)
        return store


def explain_chunk(job: Job, index: int) -> bool:
    """Explains one chunk of a job and writes it to the store: the unit that Beam, Spark or a queue of yours calls.

    It can be called again, by several processes at once, and in any order: the store is the same.

    Args:
        job: The job.
        index: Of the chunk, below `job.store.chunks`.

    Returns:
        bool: False where it was done before.

    Raises:
        IndexError: No such chunk.
        TfxaiError: What `explain` raises of an example; what a `Job` raises of its store.

    Example:
        >>> import keras, numpy as np, tempfile, tfxai
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     job = tfxai.scale.Job(model, np.ones((10, 3), "float32"), folder + "/a.zarr", chunk=5)
        ...     [tfxai.scale.explain_chunk(job, index) for index in range(job.store.chunks)]
        [True, True]
    """
    if not 0 <= index < job.store.chunks:
        raise IndexError(f"chunk {index} of {job.store.chunks}")
    return job.explain_chunk(index)


def _made(given: dict[str, Any], source: Source, batch_size: int | None) -> Job:
    """The job in another process."""
    return Job(source=source, batch_size=batch_size, **given)


def _some(x: Any, rows: int) -> Any:
    """The first rows of a structure."""
    if isinstance(x, dict):
        return {k: _some(v, rows) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        return [_some(v, rows) for v in x]
    return x[:rows]
