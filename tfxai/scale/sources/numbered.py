"""Data sets of batches that are read by their number: a `PyDataset`, a `Sequence` of tf_keras, a list."""

from __future__ import annotations

import pickle
from typing import Any

from tfxai.errors import InputError
from tfxai.explainer.batches import Batch, length_of
from tfxai.scale.sources.carried import pickled
from tfxai.scale.sources.cut import Cut, check_same, read


class Batches:
    """A `keras.utils.PyDataset`, a `Sequence` of tf_keras, or a list of (x, y): every batch is read by its number.

    It is never shuffled by this (`on_epoch_end` is not called), and its `workers` are left alone: a batch is read in
    the process that explains it. The batch last read is kept, for the stretch that follows.

    `identity` knows the number of batches, their shapes, and the content of the first and the last: another change is
    not seen. Pickled it takes the data set along.

    Args:
        data: With batches 0, 1, ... .
        declared: What the model says of its inputs.

    Raises:
        InputError: No batches, an unknown number of them; the first, read twice, differs.
    """

    sequential = False
    names: list[str] | None = None

    def __init__(self, data: Any, declared: list | None = None) -> None:
        count = length_of(data)
        if count is None:
            raise InputError(
                f"How many batches this {type(data).__name__} has is not known: a job needs that. Give it a length "
                "(num_batches, __len__)."
            )
        if not count:
            raise InputError(f"The {type(data).__name__} has no batches.")
        self.data, first = data, read(data[0])
        advice = (
            "Take what is drawn at random (shuffling, augmentation) out of its __getitem__, or seed it by the index."
        )
        check_same([first], [read(data[0])], advice)
        self._cut = Cut(first, read(data[count - 1]) if count > 1 else None, count, declared)
        self._kept: tuple[int, Batch] = (0, first)
        self.n = self._cut.n

    def read(self, start: int, stop: int) -> Batch:
        """The examples from start to stop."""
        return self._cut.rows(((k, self._batch(k)) for k in self._cut.holding(start, stop)), start, stop)

    def _batch(self, k: int) -> Batch:
        kept, batch = self._kept
        if kept != k:
            batch = self._cut.checked(read(self.data[k]), k)
            self._kept = (k, batch)
        return batch

    def identity(self) -> dict[str, Any]:
        """Number and form of the batches, digests of the first and the last."""
        return self._cut.identity("batches")

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"data": pickled(self.data, "a PyDataset that pickle takes"), "_kept": (-1, None)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, data=pickle.loads(state["data"]))
