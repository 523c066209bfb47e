"""The samples of snapshots: the first ones of all that `explain` and `fit` take."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfxai.errors import OptionError
from tfxai.explainer.batches import LABELLED, batches_of, check_batched, form, ranks, size, split
from tfxai.explainer.inputs import leaves_of
from tfxai.model.function import declared_inputs


class Samples:
    """At most so many samples of what the user handed over.

    Arrays are copied and data sets read here, once. Of a list only the model says whether it holds examples or inputs:
    it is cut when that is known.

    Args:
        x: As `ExplanationSnapshot` takes it.
        most: How many at most.

    Raises:
        OptionError: A data set without a batch.
        InputError: It gives single numbers.

    Example:
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> rows, labels = np.ones((12, 3)), np.zeros(12)
        >>> Samples((rows, labels), 8).of(model)[0].shape, len(Samples(list(rows), 8).of(model)[0])
        ((8, 3), 8)
    """

    def __init__(self, x: Any, most: int) -> None:
        self.most = most
        batches = batches_of(x)
        self.read = batches is not None
        self.x = _taken(x, most) if batches is None else _joined(batches, most)

    def of(self, model: Any) -> list[Any]:
        """What the samples may be for a model, the likeliest first; more than one where the model does not say.

        Raises:
            InputError: They are of a data set that is not in batches.
        """
        declared = declared_inputs(model)
        pair = isinstance(self.x, tuple) and len(self.x) in LABELLED
        if declared is None:
            found = [self._first(x, None) for x in ([self.x, self.x[0]] if pair else [self.x])]
            return found + ([np.array(self.x[: self.most])] if _are_examples(self.x) else [])
        expected = [len(shape) for _, shape, _ in declared]
        if self.read:
            check_batched(self.x, declared)
        labelled = pair and ranks(self.x, declared) != expected and ranks(self.x[0], declared) == expected
        return [self._first(self.x[0] if labelled else self.x, declared)]

    def _first(self, x: Any, declared: list | None) -> Any:
        return keras.tree.map_structure(lambda leaf: _rows(leaf.value, self.most), leaves_of(x, declared))


def _taken(x: Any, most: int) -> Any:
    """What is certain before the model is known: that arrays, also by name, are cut at their first axis."""
    if isinstance(x, dict):
        return {name: _taken(part, most) for name, part in x.items()}
    return x if isinstance(x, (list, tuple)) else _rows(x, most)


def _joined(batches: Iterable[Any], most: int) -> Any:
    """The first samples of batches (x, or x and what belongs to it), as far as the batches are of one form."""
    found: list[Any] = []
    count = 0
    for batch in batches:
        x = keras.tree.map_structure(_dense, split(batch).x)
        if found and form(x) != form(found[0]):
            break  # padded to another length, or of another size: padding it here would make other samples of it
        found.append(x)
        count += size(x)
        if count >= most:
            break
    if not found:
        raise OptionError("The data set of samples is empty. Expected one batch or more.")
    return keras.tree.map_structure(lambda *parts: np.concatenate(parts)[:most], *found)


def _are_examples(x: Any) -> bool:
    """Whether it is a list of arrays of one shape, which may be the examples."""
    if not isinstance(x, (list, tuple)) or not x or not all(hasattr(part, "shape") for part in x):
        return False
    return len({tuple(part.shape) for part in x}) == 1


def _rows(value: Any, most: int) -> Any:
    """The first rows; what has none is left as it is, for the first explanation to refuse."""
    try:
        return _dense(value[:most])
    except Exception:
        return value


def _dense(value: Any) -> Any:
    """A copy as an array: rows of other lengths filled up with 0, as TensorFlow does; frames keep their columns."""
    if isinstance(value, tf.RaggedTensor):
        return value.to_tensor().numpy()
    return value.copy() if hasattr(value, "columns") else np.array(value)
