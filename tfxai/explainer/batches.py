"""What users hand over in batches: data sets of TensorFlow and Keras, generators, lists of (x, y)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import tensorflow as tf

LABELLED = (2, 3)  # (x, y) and (x, y, weights)


def batches_of(x: Any) -> Iterable[Any] | None:
    """The batches of a data set, a generator, or a list of (x, y); None for anything else."""
    if isinstance(x, keras.utils.PyDataset) or _is_sequence_of_tf_keras(x):
        return (x[k] for k in range(len(x)))
    if isinstance(x, tf.data.Dataset) or hasattr(x, "__next__"):
        return x
    labelled = isinstance(x, list) and x and all(isinstance(batch, tuple) and _is_labelled(batch) for batch in x)
    return x if labelled else None


def _is_sequence_of_tf_keras(x: Any) -> bool:
    """Told by its name: that package is imported by nobody who does not use it."""
    return any(c.__name__ == "Sequence" and c.__module__.startswith("tf_keras") for c in type(x).__mro__)


def _is_labelled(batch: tuple) -> bool:
    """Whether it is (x, y) or (x, y, weights), and not the numbers of a row."""
    leaves = keras.tree.flatten(batch)
    return len(batch) in LABELLED and all(len(getattr(leaf, "shape", ())) > 0 for leaf in leaves if leaf is not None)
