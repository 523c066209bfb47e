"""Arrays as a source: in memory, mapped, in Zarr and HDF5; one, or a structure of them, with or without labels."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from tfxai.errors import InputError, InputTypeError
from tfxai.explainer.batches import LABELLED, Batch, ranks
from tfxai.explainer.inputs import leaves_of
from tfxai.scale.sources.rows import Frame, Held, Mapped, Rows, flattened, lazily


class Arrays:
    """Examples whose arrays are sliced: any stretch costs the same.

    `identity` reads the whole content of arrays in memory up to 256 MB, and of larger ones 64 stretches of rows, evenly
    spread, of 256 MB in all; of a file, Zarr or HDF5 64 MB in the same way. A change between these stretches that
    leaves the size as it is is not seen.

    Args:
        x: `Rows`, or a structure of them as `explain` takes x.
        y: The same of labels, or None.
        kind: What `identity` calls it.

    Raises:
        InputError: No examples; arrays of different length.
    """

    sequential = False
    names: list[str] | None = None

    def __init__(self, x: Any, y: Any = None, kind: str = "arrays") -> None:
        self.x, self.y, self.kind = x, y, kind
        sizes = {name or "x": rows.shape[0] for name, rows in flattened(x)}
        sizes |= {f"labels {name}".rstrip(): rows.shape[0] for name, rows in flattened(y)} if y is not None else {}
        if len(set(sizes.values())) > 1:
            listed = ", ".join(f"{name}: {n}" for name, n in sizes.items())
            raise InputError(f"All arrays of a source hold the same number of examples. Received: {listed}.")
        self.n = next(iter(sizes.values()), 0)
        if not self.n:
            raise InputError(f"The source ({kind}) holds no examples. Pass at least one.")

    def read(self, start: int, stop: int) -> Batch:
        """The examples from start to stop."""
        x, y = (keras.tree.map_structure(lambda rows: rows.read(start, stop), tree) for tree in (self.x, self.y or ()))
        return Batch(x, None if self.y is None else y)

    def identity(self) -> dict[str, Any]:
        """Its kind and length, and of each array shape, dtype and a digest."""
        parts = {"x": self.x} if self.y is None else {"x": self.x, "y": self.y}
        return {"kind": self.kind, "n": self.n} | {
            part: {name: _told(rows) for name, rows in flattened(tree)} for part, tree in parts.items()
        }


def _told(rows: Rows) -> dict[str, Any]:
    return {"shape": list(rows.shape[1:]), "dtype": rows.dtype, "digest": rows.digest()}


def from_memory(source: Any, declared: list | None) -> Arrays:
    """Arrays, tensors, data frames, and lists and dicts of them; a tuple (x, y) has labels.

    A tuple of arrays is several inputs only where the model has as many inputs as that.

    Raises:
        InputTypeError: None of these.
    """
    x, y = _labelled(source, declared)
    try:
        kept = keras.tree.map_structure(
            lambda leaf: _rows(leaf.value, "An array of the source"), leaves_of(x, declared)
        )
    except InputTypeError as error:
        raise InputTypeError(
            f"Expected arrays, a data set, a folder or a file of one of the kinds that are read. {error}"
        ) from error
    labels = None if y is None else keras.tree.map_structure(
        lambda leaf: _rows(leaf.value, "An array of the labels"), leaves_of(y, None)
    )  # fmt: skip
    return Arrays(kept, labels)


def _labelled(source: Any, declared: list | None) -> tuple[Any, Any]:
    """x and y of a tuple as `fit` takes it, of which x alone fits the model; else all of it is x."""
    if not isinstance(source, tuple) or len(source) not in LABELLED:
        return source, None
    if not _is_arrays(source[0]):
        return source, None
    if declared is not None and ranks(source[0], declared) != [len(shape) for _, shape, _ in declared]:
        return source, None
    return source[0], source[1]


def _is_arrays(part: Any) -> bool:
    """Whether it is an array with an axis of examples, or a structure of them, and not numbers."""
    leaves = keras.tree.flatten(part)
    return bool(leaves) and all(len(getattr(leaf, "shape", ())) > 0 for leaf in leaves)


def _rows(value: Any, name: str) -> Rows:
    """An array as what is read in stretches: as lazily as it allows."""
    if isinstance(value, np.memmap) and (mapped := Mapped.of(value)) is not None:
        return mapped
    if (lazy := lazily(value)) is not None:
        return lazy
    if hasattr(value, "columns"):
        return Frame(value)
    return Held(value.tocsr() if hasattr(value, "tocsr") else value, name)
