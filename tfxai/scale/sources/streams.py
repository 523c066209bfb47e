"""Data sets of TensorFlow as sources: their batches come one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from tfxai.errors import InputError, InputTypeError
from tfxai.explainer.batches import Batch, length_of
from tfxai.scale.sources import digests
from tfxai.scale.sources.cut import Cut, check_same, parts, read


class Stream:
    """A `tf.data.Dataset` of known cardinality: read from its start, and on from where it is.

    For a stretch that lies behind it is read again from the start, up to there. How many examples there are is in its
    shapes, where the size of its batches is (`drop_remainder=True`); else the last batch tells, and once, when it is
    opened, all before that are skipped: instantly for arrays (`from_tensor_slices`), by running the whole pipeline
    where it has a `map`.

    `identity` knows the number of batches, their shapes, and the content of the first two and of the last where it
    was read: another change is not seen. Neither is an order that differs only after the first two batches, such as
    that of `interleave(deterministic=False)`. It cannot be pickled.

    Args:
        data: Batched, and the same each time it is read.
        declared: What the model says of its inputs.

    Raises:
        InputError: An unknown number of batches or no end; no batches; other ones each time.
    """

    sequential = True
    names: list[str] | None = None

    def __init__(self, data: tf.data.Dataset, declared: list | None = None) -> None:
        batches = length_of(data)
        if batches is None:
            endless = int(data.cardinality()) == tf.data.INFINITE_CARDINALITY
            advice = "It has no end: take some of it, data.take(batches)." if endless else (
                "Its length is unknown: tell it, data.apply(tf.data.experimental.assert_cardinality(batches))."
            )  # fmt: skip
            raise InputError(f"A job over a tf.data.Dataset needs to know how many batches that has. {advice}")
        self.data, self._cut = data, _measured(data, batches, declared)
        self.n = self._cut.n
        self._kept: tuple[int, Batch] | None = None
        self._next, self._iterator = 0, iter(())  # the number of the batch that comes next

    def read(self, start: int, stop: int) -> Batch:
        """The examples from start to stop."""
        return self._cut.rows(((k, self._batch(k)) for k in self._cut.holding(start, stop)), start, stop)

    def _batch(self, k: int) -> Batch:
        if self._kept is not None and self._kept[0] == k:
            return self._kept[1]
        if k < self._next or self._next == 0:
            self._next, self._iterator = k, iter(self.data.skip(k))
        batch: Any = None
        while self._next <= k:
            self._next += 1
            if (batch := next(self._iterator, None)) is None:
                raise InputError(
                    f"The tf.data.Dataset ends before batch {k}: it had {self._cut.batches} when it was opened."
                )
        self._kept = (k, self._cut.checked(read(batch), k))
        return self._kept[1]

    def identity(self) -> dict[str, Any]:
        """Number and form of the batches, digests of the first two and the last."""
        return self._cut.identity("tf.data")

    def __getstate__(self) -> dict[str, Any]:
        raise InputTypeError(
            "A tf.data.Dataset cannot be handed to another process. Pass files (.npy, Zarr, HDF5, a folder of images, "
            "a table), arrays, or a keras.utils.PyDataset, which is read by number."
        )


def _measured(data: tf.data.Dataset, batches: int, declared: list | None) -> Cut:
    """How a data set is cut; the first two batches are read twice, the last once, if it must be."""
    first, again = ([read(batch) for batch in data.take(2)] for _ in range(2))
    if not first:
        raise InputError("The tf.data.Dataset yields no batches.")
    check_same(first, again, "Shuffle it once: shuffle(..., reshuffle_each_iteration=False) with a seed; seed maps.")
    last = None if batches == 1 or _batch_size(data) is not None else _last(data, batches)
    cut = Cut(first[0], last, batches, declared)
    cut.digests["second"] = digests.of_tree(parts(first[-1]))
    return cut


def _batch_size(data: tf.data.Dataset) -> int | None:
    """The number of examples in every batch, where the data set itself promises one."""
    shape = tf.nest.flatten(data.element_spec)[0].shape
    return None if shape.rank in (None, 0) else shape[0]


def _last(data: tf.data.Dataset, batches: int) -> Batch:
    found = next(iter(data.skip(batches - 1)), None)
    if found is None:
        raise InputError(f"The tf.data.Dataset says that it has {batches} batches, and yields fewer.")
    return read(found)


def refused_generator(source: Any, *_: Any) -> Iterator[Any]:
    """Raises InputTypeError: what is read once only cannot be resumed."""
    raise InputTypeError(
        f"A {type(source).__name__} is read once only, and a job may be resumed. Pass a keras.utils.PyDataset, a "
        "tf.data.Dataset of known length, arrays, or files."
    )
