"""`open`: a store as its user reads it."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfxai.errors import InputError
from tfxai.explanation import Explanation
from tfxai.plot.parts import Part
from tfxai.scale.source import Source
from tfxai.scale.sources import opened
from tfxai.scale.store import Store
from tfxai.scale.summary import Summary, summary
from tfxai.scale.told import parts
from tfxai.support.extras import extra


class Opened:
    """A store, of which nothing is read before it is asked for.

    Attributes:
        done: (chunks,) whether each is there. Values of examples that are not are NaN.
        rounding: The largest change of a value by the dtype of the store: 0 where it is that of the explanations.

    Example:
        >>> import keras, numpy as np, tempfile, tfxai
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, kernel_initializer="ones")])
        >>> x = np.arange(12, dtype="float32").reshape(4, 3)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     out = tfxai.scale.explain_dataset(model, x, folder + "/a.zarr", target=1, verbose=0)
        ...     store = tfxai.scale.open(out)
        ...     len(store), store[2].values.round(3).tolist(), np.asarray(store["score"][1:3]).round(3).tolist()
        (4, [[6.0, 7.0, 8.0]], [12.0, 21.0])
    """

    def __init__(self, store: Store, source: Source | None = None) -> None:
        self._store, self._source = store, source

    def __len__(self) -> int:
        return self._store.n

    def __repr__(self) -> str:
        values = ", ".join(f"{name} {self._store.arrays[name].shape}" for name in self._store.names)
        return f"Opened({self._store.path!r}, {values}, {int(self.done.sum())} of {len(self.done)} chunks done)"

    @property
    def done(self) -> np.ndarray:
        return self._store.record("done")

    @property
    def rounding(self) -> float:
        return float(self._store.record("rounding").max(initial=0.0))

    def keys(self) -> list[str]:
        """The names of the arrays with a row for each example."""
        return list(self._store.names)

    def __getitem__(self, rows: str | int | slice) -> Any:
        """An array by its name, as an `xarray.DataArray` where xarray is installed, else as a Zarr array: both are read
        where they are sliced. Or the explanation of one example (as a batch of one) or of some; of several targets a
        list.
        """
        if isinstance(rows, str):
            if rows not in self._store.names:
                raise KeyError(f"{rows!r}: the store has {', '.join(self._store.names)}")
            known = importlib.util.find_spec("xarray") is not None
            return self.to_xarray()[rows] if known else self._store.arrays[rows]
        return self._explained(self._range(rows))

    def to_xarray(self) -> Any:
        """All of it as a lazy `xarray.Dataset`, with the dimensions that `Explanation.to_xarray` has.

        Raises:
            MissingExtraError: `pip install "tfxai[data]"`.
        """
        return extra("data", "xarray").open_zarr(self._store.path, consolidated=False, chunks=None)

    def summary(self, top: int = 10, target: int | None = None) -> Summary:
        """What all examples say together, in one pass that does not hold them in memory.

        Args:
            top: How many examples are named that stand out.
            target: Of a store of several targets, which.

        Returns:
            Summary: Means of the values and of their sizes, for all and by class; the examples with the highest scores;
            those whose values add up worst.

        Raises:
            InputError: Nothing is done yet.
            OptionError: No such target.
        """
        return summary(self._store, top, target)

    def parts(self, examples: Sequence[int] | None = None, labels: Sequence[str] | None = None) -> list[Part]:
        """What a page of it shows, part by part: `tfxai.report(store, path)` makes one.

        Args:
            examples: Which examples to show; None: those with the highest scores, and those whose values add up worst.
            labels: Class names; None: those that the job was given.

        Returns:
            list[Part]: Means of all and by class, then these; of several targets those of each, a pass over the store
            for each target.

        Raises:
            InputError: Nothing is done yet, or not these examples.
        """
        return parts(self._store, self.__getitem__, examples, labels)

    def _range(self, rows: int | slice) -> range:
        if isinstance(rows, slice):
            return range(*rows.indices(len(self)))
        if not -len(self) <= rows < len(self):
            raise IndexError(f"example {rows} of {len(self)}")
        return range(len(self))[rows : rows + 1 or None]

    def _explained(self, rows: range) -> Explanation | list[Explanation]:
        store = self._store
        for index in dict.fromkeys(k // store.chunk for k in rows):  # a record is a file: only those of these rows
            if not store.is_done(index):
                missing = next(k for k in rows if k // store.chunk == index)
                done = f"{int(self.done.sum())} of {store.chunks} chunks are done"
                raise InputError(
                    f"Example {missing} is not explained yet: {done}. Resume the job with "
                    "tfxai.scale.explain_dataset, or read what is there (done, to_xarray())."
                )
        first, last = (min(rows), max(rows) + 1) if rows else (0, 0)
        arrays = {name: _stepped(store.arrays[name][first:last], rows) for name in store.names}
        inputs = None if self._source is None else _stepped(self._source.read(first, last).x, rows)
        found = store.layout.explanations(arrays, {"seed": store.seed}, inputs)
        return found if store.layout.several else found[0]


def open(out: str | os.PathLike, source: Any = None) -> Opened:
    """Opens a store of explanations for reading, also while a job writes it.

    Args:
        out: Its path.
        source: The examples, as `explain_dataset` was given them: then explanations have their inputs and can be drawn.

    Returns:
        Opened: A mapping from names to lazy arrays, and a sequence of explanations.

    Raises:
        FileNotFoundError: Nothing is there.
        FileFormatError: Something else is.
        InputError: The source has another number of examples.

    Example:
        >>> import keras, numpy as np, tempfile, tfxai
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> x = np.ones((10, 3), "float32")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     store = tfxai.scale.open(tfxai.scale.explain_dataset(model, x, folder + "/a.zarr", verbose=0), x)
        ...     store.keys(), store[4].inputs.tolist()
        (['values', 'score', 'baseline_score', 'delta', 'target'], [[1.0, 1.0, 1.0]])
    """
    store = Store.at(out)
    if store is None:
        raise FileNotFoundError(f"No store of explanations at {os.fspath(out)!r}.")
    held = None if source is None else opened(source, None)
    if held is not None and held.n != store.n:
        raise InputError(f"The store has {store.n} examples. Received: a source of {held.n}.")
    return Opened(store, held)


def _stepped(x: Any, rows: range) -> Any:
    """The examples of a stretch that are in the rows, in their order."""
    if isinstance(x, dict):
        return {k: _stepped(v, rows) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        return [_stepped(v, rows) for v in x]
    return np.asarray(x)[np.asarray(rows, int) - min(rows, default=0)]
