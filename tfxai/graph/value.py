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


def change(x: tf.Tensor, x0: tf.Tensor) -> tf.Tensor:
    """x - x0. A number that is missing at x alone (NaN) is a step of 1 away: its multiplier is its contribution."""
    if not x.dtype.is_floating:
        return x - x0
    return tf.where(went(x, x0), tf.ones([], x.dtype), x - x0)


def went(x: tf.Tensor, x0: tf.Tensor) -> tf.Tensor:
    """Where a number is missing at x, and there at the reference."""
    return tf.math.is_nan(x) & ~tf.math.is_nan(x0)
