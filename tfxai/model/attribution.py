"""What a pass gives and a method returns, for one chunk of examples and one reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfxai.support.numerics import widened


class Attribution(NamedTuple):
    """Values and scores of n examples; tensors while they are computed, numpy after `numpy()`.

    Attributes:
        values: One (n, ...) per explained tensor: what the user sees.
        score: (n,) f(x).
        baseline_score: (n,) or (1,) f at the reference, where there is one.
        target: (n,) the class that was explained, if it is one.
        multipliers: As `values`: what the contributions are the product of, with x - reference.
        total: As `values`: what must add up to the change of the score, where that is not `values`.
        error: As `values`: their standard error, where they are a mean of draws.
        steps: (n,) how many gradients each example took, where that varies.
        account: Op -> (n,) what arrived at it, and what it handed on; by layer when the method has looked at it.
        measures: What else is measured of each example, by name: (n,) each.
        notes: What else is to be said of the whole.
    """

    values: list[Any]
    score: Any
    baseline_score: Any = None
    target: Any = None
    multipliers: list[Any] | None = None
    total: list[Any] | None = None
    error: list[Any] | None = None
    steps: Any = None
    account: dict[str, Any] | None = None
    measures: dict[str, Any] | None = None
    notes: dict[str, Any] | None = None

    def numpy(self) -> Attribution:
        """All tensors as arrays; half precision becomes float32, and every example gets its baseline score."""
        made = Attribution(*[_mapped(_array, part) for part in self[:-1]])._replace(notes=self.notes)
        if made.baseline_score is not None and len(made.baseline_score) != len(made.score):
            made = made._replace(baseline_score=np.repeat(made.baseline_score, len(made.score)))
        return made

    def delta(self) -> np.ndarray:
        """(n,) what the values lack of the change of the score, summed in double precision."""
        # einsum: where rows are short, at half the time of a sum over an axis
        total = sum(np.einsum("ij->i", t.reshape(len(t), -1), dtype=np.float64) for t in self.total or self.values)
        with np.errstate(invalid="ignore"):  # of infinite scores
            return (self.score - self.baseline_score - total).astype(self.score.dtype)

    @staticmethod
    def concatenated(parts: Sequence[Attribution]) -> Attribution:
        """Chunks after each other."""
        if len(parts) == 1:
            return parts[0]
        columns = list(zip(*parts, strict=True))[:-1]
        return Attribution(*map(_concatenated, columns))._replace(notes=parts[0].notes)

    def every(self, step: int) -> list[Attribution]:
        """Of arrays with `step` rows per example, the rows of each kind."""
        if step == 1:
            return [self]

        def kind(k: int) -> Attribution:
            return Attribution(*[_mapped(lambda a: a[k::step], part) for part in self[:-1]])._replace(notes=self.notes)

        return [kind(k) for k in range(step)]

    def plus(self, other: Attribution) -> Attribution:
        """The sum with that of another reference; of independent errors the root of the sum of squares."""
        sums = Attribution(*[_sum(p, q) for p, q in zip(self[:-1], other[:-1], strict=True)])
        if self.error is not None and other.error is not None:
            both = zip(self.error, other.error, strict=True)
            sums = sums._replace(error=[tf.sqrt(s * s + t * t) for s, t in both])
        return sums._replace(target=self.target, notes=self.notes)

    def mean_of(self, count: int) -> Attribution:
        """Of n * count examples the means of each `count` that follow each other; steps are counted, not averaged."""

        def gathered(tensor: tf.Tensor) -> tf.Tensor:
            return tf.reshape(wide(tensor), tf.concat([[-1, count], tf.shape(tensor)[1:]], 0))

        means = Attribution(*[_mapped(lambda t: tf.reduce_mean(gathered(t), axis=1), part) for part in self[:-1]])
        error = self.error and [tf.sqrt(tf.reduce_sum(tf.square(gathered(t)), axis=1)) / count for t in self.error]
        target = None if self.target is None else self.target[::count]
        steps = None if self.steps is None else tf.reduce_sum(gathered(self.steps), axis=1)
        return means._replace(error=error, target=target, steps=steps, notes=self.notes)

    def times(self, share: float) -> Attribution:
        """The share in a mean over several references; steps are counted, not averaged."""
        if share == 1:
            return self
        parts = [_mapped(lambda t: wide(t) * tf.cast(share, wide(t).dtype), part) for part in self[:-1]]
        return Attribution(*parts)._replace(target=self.target, steps=self.steps, notes=self.notes)


def _array(tensor: tf.Tensor) -> np.ndarray:
    array = tensor.numpy()
    return array.astype(np.float32) if array.dtype.name in ("float16", "bfloat16") else array


def wide(tensor: tf.Tensor) -> tf.Tensor:
    """Half precision as float32: sums of many would lose what is small."""
    return tf.cast(tensor, widened(tensor.dtype))


def _mapped(function: Callable[[Any], Any], part: Any) -> Any:
    """A field with every tensor of it replaced."""
    if isinstance(part, dict):
        return {k: _mapped(function, v) for k, v in part.items()}
    if part is None or isinstance(part, (list, tuple)):
        return part and [_mapped(function, t) for t in part]
    return function(part)


def _concatenated(column: Sequence[Any]) -> Any:
    """One field of several attributions, after each other."""
    if column[0] is None:
        return None
    if isinstance(column[0], dict):
        return {k: _concatenated([part[k] for part in column]) for k in column[0]}
    if isinstance(column[0], list):
        return [np.concatenate(parts) for parts in zip(*column, strict=True)]
    return np.concatenate(column)


def _sum(a: Any, b: Any) -> Any:
    if a is None:
        return None
    if isinstance(a, dict):
        return {k: _sum(v, b[k]) for k, v in a.items()}
    return [s + t for s, t in zip(a, b, strict=True)] if isinstance(a, list) else a + b
