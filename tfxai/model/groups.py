"""What is hidden together: the group of each element of the explained tensors of some examples."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from tfxai.model.hidden import chosen
from tfxai.support.numerics import widened

Arrays = Sequence[np.ndarray]
Tensors = Sequence[tf.Tensor]


@dataclasses.dataclass(frozen=True, eq=False)
class Groups:
    """The groups of some examples.

    Attributes:
        labels: Per explained tensor (1 or n, ...) the number of each element's group, from 0, with 1 for channels that
            share it; -1: of none.
        weights: Per explained tensor (1, ...) how much of one feature of the input each element is: 1, or its share
            where a feature is looked up as several (the channels of an embedding).
        counts: (1 or n,) how many groups an example has.
        words: Where they come from.
    """

    labels: list[np.ndarray]
    weights: list[np.ndarray]
    counts: np.ndarray
    words: str

    def take(self, rows: np.ndarray) -> Groups:
        """Those of the examples `rows`, which may repeat."""
        *labels, counts = [a if len(a) == 1 else a[rows] for a in (*self.labels, self.counts)]
        return dataclasses.replace(self, labels=labels, counts=counts)

    def alike(self, n: int) -> Iterator[tuple[int, np.ndarray]]:
        """Each number of groups, and which of the n examples have so many: what is drawn depends on nothing else."""
        counts = np.broadcast_to(self.counts, n)
        for count in np.unique(counts):
            yield int(count), np.flatnonzero(counts == count)

    def hidden(self, x: Arrays, reference: Arrays, flags: np.ndarray) -> list[tf.Tensor]:
        """Copies of x with the reference in some groups: (n * copies, ...), all copies of an example after each other.

        Args:
            x: Explained tensors (n, ...).
            reference: (1 or n, ...).
            flags: (copies, groups) which groups are shown, in the copies of each example.
        """
        flags = np.concatenate([flags, np.ones((len(flags), 1), bool)], axis=1)  # what is of no group stays
        found = []
        for array, start, labels in zip(x, reference, self.labels, strict=True):
            each = np.broadcast_to(labels, (len(labels), *array.shape[1:]))
            shown = np.stack([flags[:, own.reshape(-1)] for own in each])  # (1 or n, copies, elements)
            found.append(chosen(array, start, shown.reshape(*shown.shape[:2], *array.shape[1:])))
        return found

    def shared(self, values: np.ndarray, x: Tensors, score: tf.Tensor) -> list[tf.Tensor]:
        """Values of groups (n, groups), divided evenly among the features of each: per explained tensor (n, ...).

        In the precision of the tensor, or that of the score where it holds whole numbers or text; in single for half.
        """
        sizes = self._sizes(values.shape[1], x)
        found = []
        for tensor, labels, weights in zip(x, self.labels, self.weights, strict=True):
            each = np.concatenate([values / np.maximum(sizes, 1e-300), np.zeros((len(values), 1))], axis=1)
            rows = np.arange(len(values))[:, None]
            flat = np.broadcast_to(labels, (len(values), *labels.shape[1:])).reshape(len(values), -1)
            own = each[rows, flat].reshape(len(values), *labels.shape[1:]) * weights
            dtype = tensor.dtype if tensor.dtype.is_floating else score.dtype
            found.append(tf.constant(np.broadcast_to(own, tensor.shape), widened(dtype)))
        return found

    def _sizes(self, count: int, x: Tensors) -> np.ndarray:
        """(1 or n, count) how many features of the input each group has."""
        sizes = np.zeros((max(map(len, self.labels)), count + 1))
        for tensor, labels, weights in zip(x, self.labels, self.weights, strict=True):
            alike = int(np.prod(tensor.shape[1:])) // max(int(np.prod(labels.shape[1:])), 1)
            weight = np.broadcast_to(weights * alike, (1, *labels.shape[1:])).reshape(-1)
            for k in range(len(sizes)):
                own = labels[k if len(labels) > 1 else 0].reshape(-1)
                sizes[k] += np.bincount(np.where(own < 0, count, own), weight, count + 1)
        return sizes[:, :count]
