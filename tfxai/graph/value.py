"""A value of the graph while it is replayed: the same number at x, at the reference, and what is carried beside."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias, Union

import tensorflow as tf


class Value(NamedTuple):
    """One value of the graph at x and at the reference; for RevealCancel also how far apart the two parts are.

    `x - reference = positive + negative`, `spread = positive - negative`. What is not carried is None. `decided` stands
    beside a decision: a 0 in its shape, whose gradient is the credit of those who decide.
    """

    x: tf.Tensor
    reference: tf.Tensor | None = None
    spread: tf.Tensor | None = None
    decided: tf.Tensor | None = None

    @property
    def positive(self) -> tf.Tensor:
        return (self.x - self.reference + self.spread) / 2

    @property
    def negative(self) -> tf.Tensor:
        return (self.x - self.reference - self.spread) / 2


Carried: TypeAlias = Union[Value, tf.Tensor]  # noqa: UP007  # a plain tensor is the same at x and at the reference: it does not depend on the input


def lift(tensor: tf.Tensor, streams: int) -> Value:
    """A value that is the same at x and at the reference, in so many streams."""
    return Value(tensor, tensor if streams > 1 else None, tf.raw_ops.ZerosLike(x=tensor) if streams > 2 else None)


def at_x(value: Carried) -> tf.Tensor:
    return value.x if isinstance(value, Value) else value


def at_reference(value: Carried) -> tf.Tensor:
    return value.reference if isinstance(value, Value) else value
