"""The features of x that metrics order, hide and count: its places, with all their channels, of all inputs in a row."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tfxai.errors import InputError, received, suggest
from tfxai.explainer.chunks import Run
from tfxai.explainer.groups import place_of


class Part(NamedTuple):
    """One explained input: its name, its shape and its axes of places (the examples counted), its features."""

    input: int
    name: str
    shape: tuple[int, ...]
    places: tuple[int, ...]
    features: slice

    @property
    def grid(self) -> tuple[int, ...]:
        """The lengths of its axes of places."""
        return tuple(self.shape[a] for a in self.places)

    @property
    def channels(self) -> tuple[int, ...]:
        """Its axes of channels, the examples counted."""
        return tuple(a for a in range(1, len(self.shape)) if a not in self.places)

    def numbers(self) -> np.ndarray:
        """The number of the feature that each element of an example belongs to, (1, ...) with 1 for channels."""
        thin = [s if a in self.places else 1 for a, s in enumerate(self.shape)]
        return np.arange(self.features.start, self.features.stop).reshape(1, *thin[1:])


@dataclasses.dataclass(frozen=True, eq=False)
class Features:
    """The features of what a run explains. A picture's are its pixels, a sequence's its steps, a table's its cells.

    Attributes:
        run: What is explained.
    """

    run: Run

    @functools.cached_property
    def parts(self) -> list[Part]:
        """The inputs that are explained; those that are held fixed have no features."""
        found, start = list[Part](), 0
        for k in sorted(set(self.run.model.input_of)):
            shape = self.run.inputs.arrays[k].shape
            places = self.run.model.layouts[k].places
            count = int(np.prod([shape[a] for a in places], initial=1))
            found.append(Part(k, self.run.inputs.names[k], shape, places, slice(start, start + count)))
            start += count
        return found

    @property
    def count(self) -> int:
        """How many there are: F."""
        return self.parts[-1].features.stop

    @functools.cached_property
    def grid(self) -> Part | None:
        """The one explained input, where it has places beside channels and is explained itself: pictures, sequences."""
        direct = self.run.model.explained == tuple(self.run.model.graph.inputs[p.input] for p in self.parts)
        one = self.parts[0]
        return one if len(self.parts) == 1 and direct and one.channels else None

    # --- From what users hand over to (n, F)

    def of(self, values: Any, whose: str, sizes: bool = False) -> np.ndarray:
        """(n, F) one number per feature: the sum over its channels.

        Args:
            values: Arrays of the shape of x, or with one number per place, in the structure of x.
            whose: Whose they are, for messages.
            sizes: Add sizes: of slopes, whose signs say which way to go and not what counts.

        Raises:
            InputError: They do not fit, or are no numbers.
        """
        found = np.concatenate([self._flat(a, p, whose, sizes) for a, p in self._paired(values, whose)], axis=1)
        bad = np.flatnonzero(~np.isfinite(found).all(axis=1))
        if len(bad):
            raise InputError(f"The values of {whose} have NaN or Inf in {len(bad)} examples (first: example {bad[0]}).")
        return found

    def inside(self, masks: Any) -> np.ndarray:
        """(n, F) whether each feature is inside of the masks; True, or a number that is not 0, is inside.

        Raises:
            InputError: They do not fit, or one has nothing inside.
        """
        found = []
        for array, part in self._paired(masks, "masks", whole=False):
            if array is None:
                found.append(np.zeros((part.shape[0], int(np.prod(part.grid, initial=1)))))
            else:
                found.append(self._flat((np.asarray(array) != 0).astype(float), part, "masks", False))
        inside = np.concatenate(found, axis=1) > 0
        empty = np.flatnonzero(~inside.any(axis=1))
        if len(empty):
            raise InputError(
                f"masks of {len(empty)} examples have nothing inside (first: example {empty[0]}): nothing can be found "
                "there. Leave these examples out."
            )
        return inside

    def _paired(self, values: Any, whose: str, whole: bool = True) -> list[tuple[Any, Part]]:
        """The array of each explained input; of masks an input may have none."""
        names, structure = self.run.inputs.names, self.run.inputs.structure
        flat = [values]
        if isinstance(values, dict) and isinstance(structure, dict) and not whole:
            if unknown := sorted(set(map(str, values)) - set(names)):
                raise InputError(f"{whose}: {suggest(unknown[0], names)} {received(unknown[0])}")
            flat = [values.get(name) for name in names]
        elif isinstance(structure, (dict, list, tuple)) and isinstance(values, (dict, list, tuple)):
            flat = keras.tree.flatten(values) if whole else list(values)
        if len(flat) == 1 and len(self.parts) == 1:
            return [(flat[0], self.parts[0])]
        if len(flat) != len(names) or whole and any(flat[p.input] is None for p in self.parts):
            raise InputError(
                f"{whose}: expected an array for each input ({', '.join(names)}), in the structure of x. Received: "
                f"{len(flat)}. A map of a layer does not say which of them it is of: hold the others with fixed=."
            )
        return [(flat[p.input], p) for p in self.parts]

    def _flat(self, array: Any, part: Part, whose: str, sizes: bool) -> np.ndarray:
        array = np.asarray(array)
        thin = tuple(1 if a in part.channels else s for a, s in enumerate(part.shape))
        if array.shape in (part.shape, thin):
            array = np.abs(array) if sizes else array
            array = array.sum(axis=part.channels, dtype=np.float64)
        elif array.shape != (part.shape[0], *part.grid):
            raise InputError(
                f"{whose}: expected shape {part.shape}, as input {part.name!r} has, or {(part.shape[0], *part.grid)}, "
                f"one for each place. Received: {array.shape}."
            )
        array = np.abs(array) if sizes else array
        return array.reshape(part.shape[0], -1).astype(np.float64)

    # --- From (.., F) to the tensors that are explained

    @functools.cached_property
    def numbers(self) -> list[np.ndarray]:
        """For each explained tensor the feature of each of its elements (1, ...), with 1 for channels; -1: of none."""
        model, own = self.run.model, {p.input: p.numbers() for p in self.parts}
        if model.direct:
            return [own[k] for k in model.input_of]
        _, x = self.run.scorer(slice(0, min(1 if model.rows is None else model.rows, self.run.inputs.n)))
        themselves = [e == model.graph.inputs[o] for e, o in zip(model.explained, model.input_of, strict=True)]
        return [own[o] if direct else self._looked_up(k, tuple(t.shape[1:]), own[o])
                for k, (t, o, direct) in enumerate(zip(x, model.input_of, themselves, strict=True))]  # fmt: skip

    def _looked_up(self, k: int, shape: tuple[int, ...], own: np.ndarray) -> np.ndarray:
        """The same for what was looked up of an input (an embedding): where each of its features was."""
        inputs = self.run.inputs
        place = place_of(self.run.model, inputs, k, shape)
        of_input = np.broadcast_to(own, (1, *inputs.arrays[self.run.model.input_of[k]].shape[1:])).reshape(-1)
        return np.append(of_input, -1)[place]

    def spread(self, flags: np.ndarray) -> list[np.ndarray]:
        """Flags of features (rows, F) -> for each explained tensor (rows, ...), with 1 for channels."""
        found = []
        for numbers in self.numbers:
            flat = numbers.reshape(-1)
            if len(flat) and np.array_equal(flat, np.arange(flat[0], flat[0] + len(flat))) and flat[0] >= 0:
                one = flags[:, flat[0] : flat[0] + len(flat)]
            else:
                one = flags[:, flat] & (flat >= 0)
            found.append(one.reshape(len(flags), *numbers.shape[1:]))
        return found


def hidden(x: list[tf.Tensor], reference: list[tf.Tensor], flags: list[np.ndarray]) -> list[tf.Tensor]:
    """x with the reference where the flags are."""
    return [tf.where(f, r, t) for t, r, f in zip(x, reference, flags, strict=True)]
