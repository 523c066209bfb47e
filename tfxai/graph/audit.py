"""Which op leaks: every op's own delta in a DeepLIFT backward pass."""

from __future__ import annotations

import tensorflow as tf

from tfxai.graph.capture import Op
from tfxai.graph.replay import Replay
from tfxai.graph.value import Carried, Value


class Audit:
    """Wraps the step of a replay; after the backward pass `totals` has one number per op.

    An op's delta is what arrives at its outputs, sum(upstream * (y - y0)), minus what it hands on to its
    inputs, sum(multiplier * (x - x0)), over all examples of the chunk. A loop counts as one op.
    """

    def __init__(self) -> None:
        self.totals: dict[str, tf.Tensor] = {}

    def __call__(self, replay: Replay, op: Op, values: list[Carried]) -> list[Carried]:
        inputs = [self._probe(op, v, -1) if self._carries(v) else v for v in values]
        outputs = replay.step(op, inputs)
        return [self._probe(op, v, 1) if self._carries(v) else v for v in outputs]

    def _carries(self, value: Carried) -> bool:
        if not isinstance(value, Value) or value.reference is None:
            return False
        return value.x.dtype.is_floating or value.x.dtype.is_complex

    def _probe(self, op: Op, value: Value, sign: int) -> Value:
        """The same value; notes upstream * change for the op when the gradient comes by."""
        probed, change = [value.x], [_wide(value.x) - _wide(value.reference)]
        if value.spread is not None:
            probed, change = [*probed, value.spread], [*change, _wide(value.spread)]

        @tf.custom_gradient
        def noted(*tensors: tf.Tensor):
            def backward(*upstream: tf.Tensor):
                parts = [tf.math.conj(_wide(u)) * c for u, c in zip(upstream, change, strict=True)]
                name = f"{op.name} ({op.type})"
                self.totals[name] = self.totals.get(name, 0.0) + sign * sum(
                    tf.reduce_sum(tf.math.real(p)) for p in parts
                )
                return list(upstream)

            return [tf.identity(t) for t in tensors], backward

        result = noted(*probed)
        result = list(result) if isinstance(result, (list, tuple)) else [result]
        return value._replace(**dict(zip(("x", "spread"), result, strict=False)))


def _wide(tensor: tf.Tensor) -> tf.Tensor:
    """In double precision: what is looked for is smaller than the rounding of a sum in single; float8 has no minus."""
    return tf.cast(tensor, tf.complex128 if tensor.dtype.is_complex else tf.float64)
