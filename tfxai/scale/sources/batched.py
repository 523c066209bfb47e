"""Data sets that give their examples in batches: by number (`PyDataset`), or one after the other (`tf.data`)."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfxai.errors import InputError, InputTypeError, OptionError, received
from tfxai.explainer.batches import Batch, check_batched, form, joined, length_of, part_of, size, split
from tfxai.scale.sources import digests
from tfxai.scale.sources.rows import flattened, stretch

LIKE_FIRST = "All batches but the last hold as many examples as the first, in arrays of the same shapes."


class Cut:
    """How a data set of batches of one size is cut into examples.

    Args:
        first, last: Its batches; last is None where it is as large as the first.
        batches: How many there are.
        declared: What the model says of its inputs.

    Raises:
        InputError: They are no batches of examples.
    """

    def __init__(self, first: Batch, last: Batch | None, batches: int, declared: list | None) -> None:
        check_batched(first.x, declared)
        self.batches, self.size, self.form = batches, size(first.x), _form(first)
        if not self.size:
            raise InputError("The first batch of the data set holds no examples.")
        self.n = (batches - 1) * self.size + (self.size if last is None else size(last.x))
        self.digests = {"first": digests.of_tree(_parts(first))}
        self.digests |= {} if last is None else {"last": digests.of_tree(_parts(last))}
        self.arrays = {name or "x": {"shape": list(np.shape(leaf)[1:]), "dtype": str(leaf.dtype)}
                       for name, leaf in flattened(first.x)}  # fmt: skip
        if last is not None:
            self.checked(last, batches - 1)

    def checked(self, batch: Batch, k: int) -> Batch:
        """Batch k, if it is like the others.

        Raises:
            InputError: It has another size or other arrays.
        """
        expected = self.size if k < self.batches - 1 else self.n - k * self.size
        if size(batch.x) != expected or expected > self.size or _form(batch) != self.form:
            shapes = ", ".join(str(tuple(leaf.shape)) for leaf in keras.tree.flatten(_parts(batch)))
            raise InputError(
                f"Batch {k} of {self.batches} has arrays of shapes {shapes}. {LIKE_FIRST} Expected: {expected} "
                f"examples of {self.arrays}. Of a tf.data.Dataset: data.unbatch().batch({self.size})."
            )
        return batch

    def rows(self, batches: Iterable[tuple[int, Batch]], start: int, stop: int) -> Batch:
        """The examples from start to stop, of the batches that hold them and their numbers."""
        parts = []
        for k, batch in batches:
            low, high = max(start - k * self.size, 0), min(stop - k * self.size, self.size)
            parts.append(keras.tree.map_structure(lambda leaf: stretch(leaf, low, high), _parts(batch)))  # noqa: B023
        return Batch(*(joined([part[p] for part in parts]) for p in range(len(parts[0]))))

    def holding(self, start: int, stop: int) -> range:
        """The numbers of the batches that hold the examples from start to stop."""
        return range(start // self.size, (stop - 1) // self.size + 1)

    def identity(self, kind: str) -> dict[str, Any]:
        """What the batches tell of the source."""
        return {"kind": kind, "n": self.n, "batches": self.batches, "x": self.arrays, "digests": self.digests}


def _read(batch: Any) -> Batch:
    """A batch as arrays, without its weights."""
    return Batch(*(None if p is None else keras.tree.map_structure(_dense, p) for p in split(batch)[:2]))


def _dense(leaf: Any) -> Any:
    if isinstance(leaf, tf.RaggedTensor):
        raise InputTypeError("The data set gives rows of different length: pad them (padded_batch, or to_tensor()).")
    return part_of(leaf)


def _parts(batch: Batch) -> tuple:
    """x, or x and y."""
    return (batch.x,) if batch.y is None else (batch.x, batch.y)


def _form(batch: Batch) -> list:
    return form(_parts(batch)) + [str(getattr(leaf, "dtype", "")) for leaf in keras.tree.flatten(_parts(batch))]


def _check_same(first: Sequence[Batch], again: Sequence[Batch], advice: str) -> None:
    """Raises InputError where batches that were read twice differ."""
    if [digests.of_tree(_parts(b)) for b in first] != [digests.of_tree(_parts(b)) for b in again]:
        raise InputError(
            "The data set gives other examples each time it is read: its first batches, read twice, differ. A job "
            f"that is resumed, or shared by several workers, would mix them up. {advice}"
        )


# --- By number


class Batches:
    """A `keras.utils.PyDataset`, a `Sequence` of tf_keras, or a list of (x, y): every batch is read by its number.

    It is never shuffled by this (`on_epoch_end` is not called), and its `workers` are left alone: a batch is read in
    the process that explains it. The batch last read is kept, for the stretch that follows.

    `identity` knows the number of batches, their shapes, and the content of the first and the last: another change is
    not seen. Pickled it takes the data set along.

    Args:
        data: With batches 0, 1, ... .
        declared: What the model says of its inputs.
        steps: At most so many batches; None: all of them.

    Raises:
        InputError: No batches, an unknown number of them; the first, read twice, differs.
    """

    sequential = False
    names: list[str] | None = None

    def __init__(self, data: Any, declared: list | None = None, steps: int | None = None) -> None:
        count = _count(length_of(data), steps)
        if count is None:
            raise InputError(
                f"How many batches this {type(data).__name__} has is not known. Give it a length (num_batches, "
                "__len__), or say how many to read: steps=."
            )
        if not count:
            raise InputError(f"The {type(data).__name__} has no batches.")
        self.data, first = data, _read(data[0])
        advice = (
            "Take what is drawn at random (shuffling, augmentation) out of its __getitem__, or seed it by the index."
        )
        _check_same([first], [_read(data[0])], advice)
        self._cut = Cut(first, _read(data[count - 1]) if count > 1 else None, count, declared)
        self._kept: tuple[int, Batch] = (0, first)
        self.n = self._cut.n

    def read(self, start: int, stop: int) -> Batch:
        """The examples from start to stop."""
        return self._cut.rows(((k, self._batch(k)) for k in self._cut.holding(start, stop)), start, stop)

    def _batch(self, k: int) -> Batch:
        kept, batch = self._kept
        if kept != k:
            batch = self._cut.checked(_read(self.data[k]), k)
            self._kept = (k, batch)
        return batch

    def identity(self) -> dict[str, Any]:
        """Number and form of the batches, digests of the first and the last."""
        return self._cut.identity("batches")

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"data": pickled(self.data, "a PyDataset that pickle takes"), "_kept": (-1, None)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, data=pickle.loads(state["data"]))


def _count(known: int | None, steps: int | None) -> int | None:
    """How many batches are read."""
    if steps is not None and (not isinstance(steps, int) or steps < 1):
        raise OptionError(f"steps is a number of batches. {received(steps)}")
    return steps if known is None else known if steps is None else min(known, steps)


def pickled(value: Any, instead: str) -> bytes:
    """What goes to another process: by cloudpickle where that is in use, which takes functions and classes along.

    Raises:
        InputTypeError: It cannot be pickled.
    """
    pickler = sys.modules.get("ray.cloudpickle") or sys.modules.get("cloudpickle") or pickle
    try:
        return pickler.dumps(value)
    except Exception as error:
        reason = " ".join(str(error).split())[:160]
        raise InputTypeError(
            f"{type(value).__name__} cannot be handed to another process ({type(error).__name__}: {reason}). Pass "
            f"files (.npy, Zarr, HDF5, a folder of images, a table), arrays, or {instead}."
        ) from error


# --- One after the other


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
        steps: At most so many batches; None: all of them.

    Raises:
        InputError: An unknown number of batches or no end, and no steps; no batches; other ones each time.
    """

    sequential = True
    names: list[str] | None = None

    def __init__(self, data: tf.data.Dataset, declared: list | None = None, steps: int | None = None) -> None:
        known = length_of(data)
        if known is None and steps is None:
            end = (
                "It has no end" if int(data.cardinality()) == tf.data.INFINITE_CARDINALITY else "Its length is unknown"
            )
            raise InputError(
                f"A job over a tf.data.Dataset needs to know how many batches that has. {end}: say how many to read "
                "(steps=), take so many (data.take(steps)), or tell it its length: "
                "data.apply(tf.data.experimental.assert_cardinality(batches))."
            )
        data = data if steps is None else data.take(_count(None, steps))
        self.data, self._cut = data, _measured(data, length_of(data), declared)
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
        for self._next in range(self._next + 1, k + 2):
            if (batch := next(self._iterator, None)) is None:
                raise InputError(
                    f"The tf.data.Dataset ends before batch {k}: it had {self._cut.batches} when it was opened."
                )
        read = self._cut.checked(_read(batch), k)
        self._kept = (k, read)
        return read

    def identity(self) -> dict[str, Any]:
        """Number and form of the batches, digests of the first two and the last."""
        return self._cut.identity("tf.data")

    def __getstate__(self) -> dict[str, Any]:
        raise InputTypeError(
            "A tf.data.Dataset cannot be handed to another process. Pass files (.npy, Zarr, HDF5, a folder of images, "
            "a table), arrays, or a keras.utils.PyDataset, which is read by number."
        )


def _measured(data: tf.data.Dataset, batches: int | None, declared: list | None) -> Cut:
    """How a data set is cut; the first two batches are read twice, the last once, if it must be."""
    first, again = ([_read(batch) for batch in data.take(2)] for _ in range(2))
    if not first:
        raise InputError("The tf.data.Dataset yields no batches.")
    _check_same(first, again, "Shuffle it once: shuffle(..., reshuffle_each_iteration=False) with a seed; seed maps.")
    if batches is None:
        batches, last = _counted(data)
    else:
        last = None if batches == 1 or _batch_size(data) is not None else _last(data, batches)
    cut = Cut(first[0], last, batches, declared)
    cut.digests["second"] = digests.of_tree(_parts(first[-1]))
    return cut


def _batch_size(data: tf.data.Dataset) -> int | None:
    """The number of examples in every batch, where the data set itself promises one."""
    shape = tf.nest.flatten(data.element_spec)[0].shape
    return None if shape.rank in (None, 0) else shape[0]


def _last(data: tf.data.Dataset, batches: int) -> Batch:
    found = next(iter(data.skip(batches - 1)), None)
    if found is None:
        raise InputError(f"The tf.data.Dataset says that it has {batches} batches, and yields fewer.")
    return _read(found)


def _counted(data: tf.data.Dataset) -> tuple[int, Batch | None]:
    """How many batches there are, and the last: by reading all of them."""
    count, last = 0, None
    for last in data:
        count += 1
    return count, None if count < 2 else _read(last)


def is_stream(source: Any) -> bool:
    """Whether it is a data set of TensorFlow."""
    return isinstance(source, tf.data.Dataset)


def refused_generator(source: Any, *_: Any) -> Iterator[Any]:
    """Raises InputTypeError: what is read once only cannot be resumed."""
    raise InputTypeError(
        f"A {type(source).__name__} is read once only, and a job may be resumed. Pass a keras.utils.PyDataset, a "
        "tf.data.Dataset of known length, arrays, or files."
    )
