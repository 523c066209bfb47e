"""A model with other weights for a while: layers are initialised again, and put back bit for bit."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np

from tfxai.errors import ModelError
from tfxai.model.layers import handles, own_variables
from tfxai.model.traced import TracedModel


class Weight(NamedTuple):
    """A weight, the layer that holds it, and its numbers as they were."""

    layer: Any
    variable: Any
    was: np.ndarray

    def fresh(self, rng: np.random.Generator) -> Any:
        """Other numbers: by its own initialiser, with a seed of ours, so that nobody's random state is touched.

        Where the layer does not say which it was, normal numbers of its own mean and deviation.
        """
        initialiser = self._initialiser()
        if initialiser is None:
            numbers = self.was.astype(np.float64)
            return (numbers.mean() + numbers.std() * rng.standard_normal(self.was.shape)).astype(self.was.dtype)
        config = initialiser.get_config()
        if "seed" in config:
            config["seed"] = int(rng.integers(2**31))
        return type(initialiser).from_config(config)(tuple(self.was.shape), dtype=self.variable.dtype)

    def _initialiser(self) -> Any:
        """As Keras calls them: `kernel_initializer` for "kernel", `recurrent_initializer` for "recurrent_kernel"."""
        name = self.variable.name.split("/")[-1].split(":")[0]
        words = [name, name.removesuffix("_kernel"), "depthwise" if name == "kernel" else name]
        found = (getattr(self.layer, f"{word}_initializer", None) for word in words)
        return next((i for i in found if hasattr(i, "get_config") and callable(i)), None)


class Weights:
    """The weights of a model's layers, from the top down; after a `with` block they are as before, whatever happened.

    Args:
        model: A Keras model.
        traced: What it was captured as: the layers are ordered by where their weights are first read.
        seed: Of the new numbers.

    Raises:
        ModelError: It has no layers with weights, or does not say which they are.
    """

    def __init__(self, model: Any, traced: TracedModel, seed: int = 0) -> None:
        position: dict[int, int] = {}
        for k, op in enumerate(traced.graph.ops):
            for number in op.inputs:
                position.setdefault(number, k)
        read = {id(tensor): position[n] for n, tensor in traced.graph.captured.items() if n in position}
        found = list[tuple[int, list[Weight]]]()
        for layer in model._flatten_layers() if hasattr(model, "_flatten_layers") else ():
            own = [Weight(layer, v, np.array(v)) for v in own_variables(layer) if _is_float(v)]
            places = [read[handle] for w in own for handle in handles(w.variable) if handle in read]
            if places:
                found.append((min(places), own))
        if not found:
            raise ModelError(
                "Randomisation initialises the weights of a Keras model's layers again, and it finds none here. Pass "
                "the Keras model itself, not a function or a SavedModel of it."
            )
        self.layers = [own for _, own in sorted(found, key=lambda pair: -pair[0])]
        self.seed = seed

    def __len__(self) -> int:
        return len(self.layers)

    def initialise(self, k: int) -> None:
        """Gives layer k other numbers, the same every time."""
        for j, weight in enumerate(self.layers[k]):
            weight.variable.assign(weight.fresh(np.random.default_rng((self.seed, 5, k, j))))

    def restore(self, k: int) -> None:
        """Gives layer k its own."""
        for weight in self.layers[k]:
            weight.variable.assign(weight.was)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for k in range(len(self)):
            self.restore(k)


def _is_float(variable: Any) -> bool:
    return "float" in str(getattr(variable.dtype, "name", variable.dtype))
