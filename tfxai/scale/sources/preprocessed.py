"""A source whose examples go through a function before they are explained."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import keras

from tfxai.errors import InputError
from tfxai.explainer.batches import Batch
from tfxai.scale.identity import told
from tfxai.scale.source import Source
from tfxai.scale.sources import digests
from tfxai.scale.sources.carried import pickled


class Preprocessed:
    """The examples of a source as a function returns them: what the model takes.

    `identity` knows the function by its code, and the first example as it is given.

    Args:
        source: Its x is what the function takes.
        function: Of many examples at a time, each of which becomes one.
    """

    def __init__(self, source: Source, function: Callable[[Any], Any]) -> None:
        self.source, self.function = source, function
        self.n, self.names, self.sequential = source.n, source.names, source.sequential

    def read(self, start: int, stop: int) -> Batch:
        """The examples from start to stop.

        Raises:
            InputError: The function returns another number of examples than it takes.
        """
        batch = self.source.read(start, stop)
        made = self.function(batch.x)
        shapes = [tuple(getattr(leaf, "shape", ())) for leaf in keras.tree.flatten(made)]
        if not shapes or any(shape[:1] != (stop - start,) for shape in shapes):
            listed = ", ".join(map(str, shapes))
            raise InputError(f"preprocess takes {stop - start} examples and returns as many. Received: shape {listed}.")
        return Batch(made, batch.y)

    def identity(self) -> dict[str, Any]:
        """That of the source, and what the function is."""
        return self.source.identity() | {"preprocess": told(self.function), "first": digests.of_tree(self.read(0, 1).x)}

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"function": pickled(self.function, "a function of a module as preprocess")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, function=pickle.loads(state["function"]))
