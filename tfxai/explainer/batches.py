"""What users hand over in batches: data sets of TensorFlow and Keras, generators, lists of (x, y)."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tfxai.errors import InputError, InputTypeError
from tfxai.explainer.inputs import leaves_of
from tfxai.explainer.progress import Progress
from tfxai.support.arrays import Unreadable, as_array
from tfxai.support.extras import extra
from tfxai.support.memory import free

LABELLED = (2, 3)  # (x, y) and (x, y, weights)
HELD = 4  # times x: its batches until they are joined, the values, and what values are made of
SINGLE = "Expected batches: arrays whose first axis is that of the examples, as fit takes them (dataset.batch(8))."


class Batch(NamedTuple):
    """What a batch holds, as Keras reads it: x, or a tuple (x,), (x, y), (x, y, weights)."""

    x: Any
    y: Any = None
    weights: Any = None


def split(batch: Any) -> Batch:
    """The parts of a batch."""
    return Batch(*batch) if isinstance(batch, tuple) and 1 <= len(batch) <= max(LABELLED) else Batch(batch)


def is_data(x: Any) -> bool:
    """Whether this is a data set or a generator of batches."""
    kinds = (tf.data.Dataset, keras.utils.PyDataset)
    return isinstance(x, kinds) or hasattr(x, "__next__") or _is_sequence_of_tf_keras(x)


def batches_of(x: Any) -> Iterable[Any] | None:
    """The batches of a data set, a generator, or a list of (x, y); None for anything else."""
    if isinstance(x, keras.utils.PyDataset) or _is_sequence_of_tf_keras(x):
        count = length_of(x)
        return (x[k] for k in (itertools.count() if count is None else range(count)))
    if is_data(x):
        return x
    labelled = isinstance(x, list) and x and all(isinstance(batch, tuple) and _is_labelled(batch) for batch in x)
    return x if labelled else None


def length_of(data: Any) -> int | None:
    """How many batches a data set has; None where it is endless, or does not say so."""
    if isinstance(data, tf.data.Dataset):
        count = int(data.cardinality())
        return count if count >= 0 else None
    if isinstance(data, keras.utils.PyDataset):
        return data.num_batches
    return len(data) if hasattr(data, "__len__") else None


def _is_sequence_of_tf_keras(x: Any) -> bool:
    """Told by its name: that package is imported by nobody who does not use it."""
    return any(c.__name__ == "Sequence" and c.__module__.startswith("tf_keras") for c in type(x).__mro__)


def _is_labelled(batch: tuple) -> bool:
    """Whether it is (x, y) or (x, y, weights), and not the numbers of a row."""
    leaves = keras.tree.flatten(batch)
    return len(batch) in LABELLED and all(len(getattr(leaf, "shape", ())) > 0 for leaf in leaves if leaf is not None)


# --- All of a data set, as arrays


def gathered(data: Any, declared: list | None, steps: int | None = None, verbose: int | str = 0) -> Batch:
    """The batches of a data set joined: x as `explain` takes it, and y, as far as there are labels.

    Args:
        data: For which `is_data`.
        declared: What the model says of its inputs.
        steps: At most so many batches; None: all of them.
        verbose: As in `explain`.

    Raises:
        InputError: It is endless or does not say how long it is, and no steps; it yields nothing, no batches,
            batches of different shapes, or more than memory has room for.
    """
    length = length_of(data)
    if steps is None and length is None:
        raise InputError(
            f"How many batches this {type(data).__name__} has is not known, or it has no end. Say how many to read: "
            "steps= of an Explainer, or dataset.take(steps). What has fewer is read to its end."
        )
    known = None if length is None else length if steps is None else min(length, steps)
    bar = Progress(max(known or steps or 1, 1), verbose, "batch", "read")
    room, found = free(), list[Batch]()
    for batch in itertools.islice(batches_of(data) or (), steps):
        part = Batch(*(None if p is None else keras.tree.map_structure(part_of, p) for p in split(batch)))
        _check(part, found, declared)
        found.append(part)
        _check_room(found, known, room)
        bar.step(1)
    if not found:
        raise InputError(f"The {type(data).__name__} yields no batches. Is it a generator that was read before?")
    x, y = (joined([p[k] for p in found]) for k in (0, 1))
    return Batch(x, y)


def form(x: Any) -> list:
    """Where the arrays are in a batch, and their shapes without the axis of examples."""
    return [(path, tuple(np.shape(leaf)[1:]) if not isinstance(leaf, tf.RaggedTensor) else leaf.shape.rank)
            for path, leaf in keras.tree.flatten_with_path(x)]  # fmt: skip


def size(x: Any) -> int:
    """How many examples are in a batch.

    Raises:
        InputError: It has no axis of them.
    """
    leaves = keras.tree.flatten(x)
    if not leaves or any(len(leaf.shape) == 0 for leaf in leaves):
        raise InputError(f"The data set gives single numbers. {SINGLE}")
    return int(leaves[0].shape[0])


def ranks(x: Any, declared: list) -> list[int]:
    """The ranks of the arrays that x holds for a model with these inputs."""
    return [_rank(leaf.value) for leaf in keras.tree.flatten(leaves_of(x, declared))]


def check_batched(x: Any, declared: list | None) -> None:
    """Raises InputError where a data set gives the examples of a model with these inputs one by one."""
    if declared is not None and ranks(x, declared) == [len(shape) - 1 for _, shape, _ in declared]:
        raise InputError(f"The data set gives single examples. {SINGLE}")


def _rank(value: Any) -> int:
    if hasattr(value, "shape"):
        return len(value.shape)
    return 1 + _rank(value[0]) if isinstance(value, (list, tuple)) and value else 0


def part_of(leaf: Any) -> Any:
    """An array of a batch: rows of different length and data frames stay what they are."""
    if isinstance(leaf, tf.RaggedTensor) or hasattr(leaf, "columns"):
        return leaf
    try:
        return as_array(leaf)
    except Unreadable as error:
        raise InputTypeError(f"The data set gives no arrays. {error}") from error


def _check(part: Batch, before: Sequence[Batch], declared: list | None) -> None:
    """Raises InputError where a batch is none, or is not like those before it."""
    count = size(part.x)
    check_batched(part.x, declared)
    if part.y is not None and any(len(leaf.shape) == 0 or len(leaf) != count for leaf in keras.tree.flatten(part.y)):
        raise InputError(f"A batch of the data set has {count} examples and other labels. {SINGLE}")
    if not before:
        return
    for name, one, first in zip(("x", "labels"), part, before[0], strict=False):
        if (one is None) != (first is None) or one is not None and form(one) != form(first):
            raise InputError(
                f"The batches of the data set have different shapes: {name} {_shapes(first)} in the first, "
                f"{_shapes(one)} in batch {len(before)}. Pad all to one length (padded_batch with padded_shapes=), or "
                "explain one after the other: explainer(x) for each batch."
            )


def _shapes(x: Any) -> str:
    return ", ".join(str(tuple(leaf.shape)) for leaf in keras.tree.flatten(x)) if x is not None else "none"


def _check_room(found: Sequence[Batch], known: int | None, room: int | None) -> None:
    """Raises InputError where the arrays and their explanation would not fit in memory."""
    read = sum(_bytes(leaf) for part in found for leaf in keras.tree.flatten(part.x))
    whole = read if known is None else read * known // len(found)
    if room is None or HELD * whole <= room:
        return
    first, per = found[0].x, size(found[0].x)
    total = f"{known * per:,}" if known is not None else f"more than {len(found) * per:,}"
    raise InputError(
        f"{total} examples of {_shapes(first)} a batch take {whole / 2**30:.3g} GB, and their explanation about "
        f"{HELD - 1} times that; {room / 2**30:.3g} GB are free. Explain them into a store, a stretch at a time: "
        'tfxai.scale.explain_dataset(model, data, out="attributions.zarr")'
        + (", of arrays, files or a data set whose length is known." if known is None else ".")
    )


def _bytes(leaf: Any) -> int:
    if isinstance(leaf, tf.RaggedTensor):
        return int(leaf.flat_values.shape[0] or 0) * leaf.dtype.size
    return int(leaf.memory_usage(deep=False).sum()) if hasattr(leaf, "columns") else leaf.nbytes


def joined(parts: Sequence[Any]) -> Any:
    """Batches after each other."""
    return None if parts[0] is None else keras.tree.map_structure(lambda *leaves: _concatenated(leaves), *parts)


def _concatenated(leaves: Sequence[Any]) -> Any:
    if isinstance(leaves[0], tf.RaggedTensor):
        return tf.concat(leaves, axis=0)
    if hasattr(leaves[0], "columns"):
        return extra("data", "pandas").concat(leaves)
    return leaves[0] if len(leaves) == 1 else np.concatenate(leaves)
