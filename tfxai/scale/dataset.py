"""`explain_dataset`: a job from its beginning, or from where it was left, to its end."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfxai.errors import OptionError, received
from tfxai.explainer.progress import Progress
from tfxai.method.base import Method
from tfxai.scale.engines.table import ENGINES
from tfxai.scale.job import Job
from tfxai.support.checks import one_of


def explain_dataset(
    model_or_path: Any,
    source: Any,
    out: str | os.PathLike = "attr.zarr",
    method: str | Method = "deeplift",
    *,
    target: Any = None,
    baseline: Any = None,
    batch_size: int | None = None,
    chunk: int = 1024,
    engine: str = "local",
    workers: int | None = None,
    num_gpus: float = 0,
    shard: Sequence[int] = (0, 1),
    resume: bool = True,
    dtype: str = "float32",
    seed: int | None = None,
    verbose: int | str = 1,
    **options: Any,
) -> Path | str:
    """Explains all examples of a source into a Zarr store: chunk by chunk, each written whole and marked as done.

    Killed at any moment, and called again with the same arguments, it goes on where it was: the store is the same to
    the bit as that of a run that was never stopped. What is in a chunk that is marked as done is compared with its
    checksum first, and explained again where it is damaged.

    Args:
        model_or_path: As in `tfxai.explain`; with engine="ray" the path of a `.keras` file, which every worker loads
            (safely: no code from the file is run). A model is never pickled.
        source: The examples, read a stretch at a time:
            an array, or a list or dict of them for several inputs; memory-mapped `.npy`, Zarr and HDF5 arrays, or their
            paths; a data frame; a `keras.utils.PyDataset`; a folder of images; a CSV or Parquet table; a
            `tf.data.Dataset` of known cardinality, which is read from its start when a job is resumed. See
            `tfxai.scale.images` and `tfxai.scale.table`.
        out: Path of the store, or an address that Zarr opens (`s3://...`, with `fsspec` and its driver): there two
            processes that make the same store at the same time may both do so, so let one make it first.
        method: As in `explain`.
        target: As in `explain`, for all examples or with an entry for each; `targets.each([...])`; "labels" of a source
            that has them.
        baseline: As in `explain`, for all or with an entry for each. A function of x is called for some examples at a
            time; one whose baselines depend on the other examples is refused.
        batch_size: Examples per pass; None chooses by size. Where memory does not suffice it is halved, once for the
            whole job.
        chunk: Examples that are explained and marked as done together: what is lost at most by each worker that is
            killed.
        engine: "local" (this process), "mirrored" (all GPUs of this machine) or "ray" (actors on one machine or many).
        workers: How many work at once; None: all devices, or all cores but one.
        num_gpus: GPUs of each worker of "ray".
        shard: (k, n): explain the k-th of every n chunks; several processes, such as those of a job array, share one
            store.
        resume: Whether to go on with a store that is there; False: one that is there is an error.
        dtype: In which values are stored: "float32", "float64", "float16" or "bfloat16" (how much they were changed by
            it is on record: see `Opened.rounding`). Scores and delta stay as they are.
        seed: Of random draws; None: one is drawn, and kept in the store. Every stretch of examples has its own from it.
        verbose: As in `explain`.
        **options: Of `explain` (on, layer, fixed, labels...) and of the method.

    Returns:
        Path: Of the store: see `tfxai.scale.open`. An address of object storage (`s3://...`) is returned as it is.

    Raises:
        StoreError: The store holds another job (what differs is named), or cannot be written.
        FileFormatError: Something else is at its path.
        MissingExtraError: `pip install "tfxai[scale]"`.
        TfxaiError: What `explain` raises.

    Example:
        >>> import keras, numpy as np, tempfile, tfxai
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     out = tfxai.scale.explain_dataset(model, np.ones((10, 3), "float32"), folder + "/a.zarr", verbose=0)
        ...     tfxai.scale.open(out)[2:5].values.shape
        (3, 3)
    """
    one_of(engine, "engine", tuple(ENGINES))
    share, count = _shard(shard)
    ENGINES[engine].check(model_or_path, {"method": method, "target": target, "baseline": baseline, **options})
    job = Job(
        model_or_path, source, out, method, target=target, baseline=baseline, batch_size=batch_size, chunk=chunk,
        seed=seed, dtype=dtype, resume=resume, **options,
    )  # fmt: skip
    store = job.store
    own = range(share, store.chunks, count)
    _drop_damaged(job, own)
    todo = job.todo((share, count))
    bar = Progress(sum(len(store.rows(k)) for k in own), verbose)
    bar.step(sum(len(store.rows(k)) for k in own) - sum(len(store.rows(k)) for k in todo))
    if todo:
        ENGINES[engine].work(job, todo, bar, workers, num_gpus)
    return store.path if "://" in store.path else Path(store.path)


def _shard(shard: Sequence[int]) -> tuple[int, int]:
    whole = [isinstance(k, int) and not isinstance(k, bool) for k in shard]
    if len(whole) != 2 or not all(whole) or not 0 <= shard[0] < shard[1]:
        raise OptionError(f"shard=(k, n) is the k-th of n processes, k from 0 to n - 1. {received(shard)}")
    return shard[0], shard[1]


def _drop_damaged(job: Job, own: Sequence[int]) -> None:
    """Marks what is done and does not hold what was written as not done."""
    done = job.store.record("done")
    for index in own:
        if done[index] and not job.store.is_whole(index):
            job.store.drop(index)
