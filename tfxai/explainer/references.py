"""Baselines of all inputs -> the explained tensors at each reference."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

from tfxai.baselines.factories import Blur
from tfxai.baselines.fitted import fitted
from tfxai.errors import BaselineError, received
from tfxai.explainer.inputs import Inputs
from tfxai.model.traced import TracedModel, repeated


@dataclasses.dataclass(frozen=True, eq=False)
class References:
    """The references of all inputs.

    Attributes:
        arrays: One (1 or n, R, ...) per input; None where a token input starts from the zero embedding.
        words: What the user gave, for people.
    """

    arrays: list[np.ndarray | None]
    words: str

    @property
    def count(self) -> int:
        """How many references there are for each example: R."""
        return max((r.shape[1] for r in self.arrays if r is not None), default=1)

    def at(self, k: int, rows: Any, model: TracedModel, inputs: list[tf.Tensor]) -> list[tf.Tensor]:
        """The explained tensors at reference number k.

        Args:
            k: Which; an input with a single reference has it for all k.
            rows: The chunk's examples: a slice, or their numbers.
            model: The traced model.
            inputs: The chunk's raw inputs: where there is no reference, they stay as they are.

        Returns:
            Per explained tensor one of batch 1 (the same reference for all examples, so that it is run once) or of
            the chunk's.
        """
        embedded = self.entering(k, rows, model, inputs)
        return embedded if model.direct else model.explained_at(inputs, embedded)

    def entering(self, k: int, rows: slice, model: TracedModel, inputs: list[tf.Tensor]) -> list[tf.Tensor]:
        """The same of what stands for the inputs, from which a layer's output is made."""
        raw = []
        for x, r in zip(inputs, self.arrays, strict=False):  # random draws stand behind the inputs
            own = r if r is None or len(r) == 1 else r[rows]
            raw.append(x if own is None else tf.constant(own[:, min(k, own.shape[1] - 1)]))
        drawn = inputs[len(self.arrays) :]
        embedded = raw if model.embeds_nothing else self._embedded(raw, drawn, model)
        if len({len(e) for e in embedded}) > 1:
            embedded = repeated(embedded, len(inputs[0]))
        return embedded

    @property
    def shared(self) -> bool:
        """Whether all examples have the same references."""
        return all(r is None or len(r) == 1 for r in self.arrays)

    def together(self, part: range, rows: Any, model: TracedModel, inputs: list[tf.Tensor]) -> list[tf.Tensor]:
        """The explained tensors at several references that all examples share: one (len(part), ...) each."""
        if model.direct:
            numbers = np.array(part)
            return [tf.constant(r[0, np.minimum(numbers, r.shape[1] - 1)]) for r in self.arrays if r is not None]
        return [tf.concat(ends, axis=0) for ends in zip(*[self.at(k, rows, model, inputs) for k in part], strict=True)]

    def tiled(self, part: range, rows: Any, model: TracedModel, inputs: list[tf.Tensor]) -> list[tf.Tensor]:
        """The same for every example: one (n * len(part), ...) each, all references of an example after each other."""
        n = len(inputs[0])
        ends = [repeated(self.at(k, rows, model, inputs), n) for k in part]
        stacked = [tf.stack(of_each, axis=1) for of_each in zip(*ends, strict=True)]
        return [tf.reshape(t, tf.concat([[-1], tf.shape(t)[2:]], 0)) for t in stacked]

    def _embedded(self, raw: list[tf.Tensor], drawn: list[tf.Tensor], model: TracedModel) -> list[tf.Tensor]:
        """What stands for the inputs at the reference: embeddings are looked up, or are zero."""
        n = max(len(t) for t in raw)
        found = model.embedded_at([*repeated(raw, n), *(d[:n] for d in drawn)])
        given = [self.arrays[i] is not None for i in model.input_of]
        found = [e if known else tf.zeros_like(e[:1]) for e, known in zip(found, given, strict=True)]
        single = all(len(r) == 1 for r in self.arrays if r is not None)
        return [e[:1] for e in found] if single else found


def resolve(baseline: Any, inputs: Inputs, model: TracedModel) -> References:
    """The references that a baseline means for these inputs.

    Raises:
        BaselineError: It does not fit them.
    """
    found: list[np.ndarray | None] = []
    for k, (part, array) in enumerate(zip(_parts(baseline, inputs), inputs.arrays, strict=True)):
        part = part if inputs.coding is None else inputs.coding.baseline(k, part)
        looked_up = model.graph.inputs[k] not in model.embedded
        if isinstance(part, Blur):
            part = part(array, model.layouts[k].places)
        found.append(None if part is None and looked_up else fitted(part, array))
    counts = {r.shape[1] for r in found if r is not None} - {1}
    if len(counts) > 1:
        raise BaselineError(
            f"All inputs have the same number of references, or one. Received: {sorted(counts)} references."
        )
    return References(found, described(baseline))


def described(baseline: Any) -> str:
    """A baseline in words."""
    if baseline is None:
        return "zeros"
    if isinstance(baseline, Blur):
        return f"blur(sigma={baseline.sigma:g})"
    if callable(baseline):
        return str(getattr(baseline, "__qualname__", type(baseline).__name__))
    if isinstance(baseline, (list, tuple, dict)):
        return f"one per input ({len(baseline)})"
    return repr(baseline) if np.ndim(baseline) == 0 else f"array of shape {np.shape(baseline)}"


def _parts(baseline: Any, inputs: Inputs) -> list[Any]:
    """One baseline per input."""
    count = len(inputs.arrays)
    if callable(baseline) and count > 1 and not isinstance(baseline, Blur):
        baseline = baseline(inputs.pack(inputs.arrays))
    if isinstance(baseline, dict):
        unknown = set(map(str, baseline)) - set(inputs.names)
        if unknown:
            raise BaselineError(
                f"A dict baseline has one entry per input ({', '.join(inputs.names)}). Received: {', '.join(unknown)}."
            )
        return [baseline.get(name) for name in inputs.names]
    if count > 1 and isinstance(baseline, (list, tuple)):
        if isinstance(inputs.structure, dict):
            raise BaselineError(
                f"x is a dict, which has no order: pass the baselines as one too, by name ({', '.join(inputs.names)}). "
                f"Received: a {type(baseline).__name__} of {len(baseline)}."
            )
        if len(baseline) != count:
            raise BaselineError(f"Expected one baseline per input, {count}. Received: {len(baseline)}.")
        return list(baseline)
    if count > 1 and baseline is not None and np.ndim(baseline) > 0:
        raise BaselineError(
            f"The model has {count} inputs: pass a list or dict of baselines, or a scalar for all. {received(baseline)}"
        )
    return [baseline] * count
