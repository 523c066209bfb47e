"""What comes to every op in a backward pass, and what it hands on: which op leaks, and at which a gradient breaks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tfxai.graph.capture import Op
from tfxai.graph.override import custom_gradient
from tfxai.graph.replay import Replay
from tfxai.graph.value import Carried, Value, change

Measure = Callable[[Sequence[tf.Tensor], Value, int], tf.Tensor]  # (upstream, value, its number) -> what is summed


def contribution(upstream: Sequence[tf.Tensor], value: Value, number: int) -> tf.Tensor:
    """sum(upstream * (y - y0)), over all examples of the chunk: what an op loses of it, it leaks."""
    moved = [change(_wide(value.x), _wide(value.reference))]
    if value.spread is not None:
        moved.append(_wide(value.spread))
    parts = [tf.math.conj(_wide(u)) * m for u, m in zip(upstream, moved, strict=True)]
    return tf.add_n([tf.reduce_sum(tf.math.real(p)) for p in parts])


def broken(upstream: Sequence[tf.Tensor], value: Value, number: int) -> tf.Tensor:
    """How many multipliers are infinite or no number: at an op that makes some of none, the gradient breaks."""
    return tf.add_n([tf.math.count_nonzero(~tf.math.is_finite(tf.abs(_wide(u)))) for u in upstream])


class Audit:
    """Wraps the step of a replay; after the backward pass it has two numbers per op. A loop counts as one op.

    Attributes:
        watched: Which ops it looks at.
        arrived: What the measure says of the op's outputs.
        left: And of its inputs.
    """

    def __init__(self, measure: Measure, watched: Callable[[Op], bool] = lambda op: True) -> None:
        self.measure = measure
        self.watched = watched
        self.arrived: dict[str, tf.Tensor] = {}
        self.left: dict[str, tf.Tensor] = {}

    def __call__(self, replay: Replay, op: Op, values: list[Carried]) -> list[Carried]:
        if not self.watched(op):
            return replay.step(op, values)
        outputs = replay.step(op, self._measured(op, values, op.inputs, self.left))
        return self._measured(op, outputs, op.outputs, self.arrived)

    def _measured(
        self, op: Op, values: Sequence[Carried], numbers: Sequence[int], found: dict[str, tf.Tensor]
    ) -> list[Carried]:
        return [self._one(op, value, number, found) for value, number in zip(values, numbers, strict=True)]

    def _one(self, op: Op, value: Carried, number: int, found: dict[str, tf.Tensor]) -> Carried:
        if isinstance(value, Value) and value.decided is not None:
            return self._credited(op, value, number, found)
        return self._probe(op, value, number, found) if self._carries(value) else value

    def _add(
        self, op: Op, upstream: Sequence[tf.Tensor], value: Value, number: int, found: dict[str, tf.Tensor]
    ) -> None:
        name = f"{op.name} ({op.said})"
        found[name] = found.get(name, 0) + self.measure(upstream, value, number)

    def _carries(self, value: Carried) -> bool:
        return isinstance(value, Value) and (value.x.dtype.is_floating or value.x.dtype.is_complex)

    def _probe(self, op: Op, value: Value, number: int, found: dict[str, tf.Tensor]) -> Value:
        """The same value; measures what arrives at it when the gradient comes by."""
        probed = [value.x] if value.spread is None else [value.x, value.spread]

        @custom_gradient
        def noted(*tensors: tf.Tensor):
            def backward(*upstream: tf.Tensor):
                self._add(op, upstream, value, number, found)
                return list(upstream)

            return [tf.identity(t) for t in tensors], backward

        result = noted(*probed)
        result = list(result) if isinstance(result, (list, tuple)) else [result]
        return value._replace(**dict(zip(("x", "spread"), result, strict=False)))

    def _credited(self, op: Op, value: Value, number: int, found: dict[str, tf.Tensor]) -> Value:
        """The same decision; measures the credit that comes to it."""

        @custom_gradient
        def noted(zero: tf.Tensor) -> Any:
            def backward(credit: tf.Tensor) -> tf.Tensor:
                self._add(op, [credit], Value(tf.ones_like(zero), zero), number, found)
                return credit

            return tf.identity(zero), backward

        return value._replace(decided=noted(value.decided))


def _wide(tensor: tf.Tensor) -> tf.Tensor:
    """In double precision: what is looked for is smaller than the rounding of a sum in single; float8 has no minus."""
    return tf.cast(tensor, tf.complex128 if tensor.dtype.is_complex else tf.float64)
