"""How a data set of batches of one size is cut into examples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfxai.errors import InputError, InputTypeError
from tfxai.explainer.batches import Batch, check_batched, form, joined, part_of, size, split
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
        self.digests = {"first": digests.of_tree(parts(first))}
        self.digests |= {} if last is None else {"last": digests.of_tree(parts(last))}
        named = {"x": first.x} if first.y is None else {"x": first.x, "y": first.y}
        self.arrays = {name: {"shape": list(np.shape(leaf)[1:]), "dtype": str(getattr(leaf, "dtype", "frame"))}
                       for name, leaf in flattened(named)}  # fmt: skip
        if last is not None:
            self.checked(last, batches - 1)

    def checked(self, batch: Batch, k: int) -> Batch:
        """Batch k, if it is like the others.

        Raises:
            InputError: It has another size or other arrays.
        """
        expected = min(self.n - k * self.size, self.size)
        if size(batch.x) != expected or _form(batch) != self.form:
            shapes = ", ".join(str(tuple(leaf.shape)) for leaf in keras.tree.flatten(parts(batch)))
            like = ", ".join(str((expected, *array["shape"])) for array in self.arrays.values())
            raise InputError(
                f"Batch {k} of {self.batches} has arrays of shapes {shapes}. {LIKE_FIRST} Expected: {like}. "
                f"Of a tf.data.Dataset: data.unbatch().batch({self.size})."
            )
        return batch

    def rows(self, batches: Iterable[tuple[int, Batch]], start: int, stop: int) -> Batch:
        """The examples from start to stop, of the batches that hold them and their numbers."""
        found = list[tuple]()
        for k, batch in batches:
            low, high = max(start - k * self.size, 0), min(stop - k * self.size, self.size)
            found.append(keras.tree.map_structure(lambda leaf: stretch(leaf, low, high), parts(batch)))  # noqa: B023
        return Batch(*(joined([part[p] for part in found]) for p in range(len(found[0]))))

    def holding(self, start: int, stop: int) -> range:
        """The numbers of the batches that hold the examples from start to stop."""
        return range(start // self.size, (stop - 1) // self.size + 1)

    def identity(self, kind: str) -> dict[str, Any]:
        """What the batches tell of the source."""
        return {"kind": kind, "n": self.n, "batches": self.batches, "arrays": self.arrays, "digests": self.digests}


def read(batch: Any) -> Batch:
    """A batch as arrays, without its weights."""
    return Batch(*(None if p is None else keras.tree.map_structure(_dense, p) for p in split(batch)[:2]))


def _dense(leaf: Any) -> Any:
    if isinstance(leaf, tf.RaggedTensor):
        raise InputTypeError("The data set gives rows of different length: pad them (padded_batch, or to_tensor()).")
    return part_of(leaf)


def parts(batch: Batch) -> tuple:
    """x, or x and y."""
    return (batch.x,) if batch.y is None else (batch.x, batch.y)


def _form(batch: Batch) -> list:
    return form(parts(batch)) + [str(getattr(leaf, "dtype", "")) for leaf in keras.tree.flatten(parts(batch))]


def check_same(first: Sequence[Batch], again: Sequence[Batch], advice: str) -> None:
    """Raises InputError where batches that were read twice differ."""
    if [digests.of_tree(parts(b)) for b in first] != [digests.of_tree(parts(b)) for b in again]:
        raise InputError(
            "The data set gives other examples each time it is read: its first batches, read twice, differ. A job "
            f"that is resumed, or shared by several workers, would mix them up. {advice}"
        )
