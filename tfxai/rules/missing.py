"""Missing numbers: NaN at x, a number at the reference, in models that are made for it.

A difference of them is none, and nothing can be divided by it. That a number is missing is a decision: what the score
changes by it is its credit. It travels back as the multiplier of a step of 1 (`change`), from where the NaN ends (a
choice, a comparison, a test for it) by u (y - y0), through what hands it on (a slice, a scale) as it is.

Who shares it: in an element that is missing, or made of numbers that are, those have all of the change, in equal parts,
and the others none, whose own change would be seen where nothing is missing. An op that mixes elements hands NaN to all
that it makes; of a sum the missing ones share. Others are left as they are: what they lose shows in `delta`.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence

import tensorflow as tf

from tfxai.graph import moves, ops
from tfxai.graph.table import Call, Rule
from tfxai.graph.value import change, went
from tfxai.support.numerics import unbroadcast

Parts = list[tf.Tensor]
BY_ELEMENT = (moves.BY_ELEMENT | ops.NORMALISATIONS | {"AddN", "BiasAdd", "BiasAddV1", "Cast"}) - {"Select"}


def aware(call: Call, rule: Rule) -> Rule:
    """The rule of an op, where some of its inputs may be missing."""
    if call.op.type in BY_ELEMENT:
        return functools.partial(by_element, rule=rule)
    return summed if call.op.type in ("Sum", "Mean") and not call.discrete else rule


def by_element(call: Call, upstream: Sequence[tf.Tensor], rule: Rule) -> Parts:
    """As the op's own rule, and in elements that are missing all of the change for what is."""
    credit = upstream[0] * change(call.y[0], tf.broadcast_to(call.y0[0], tf.shape(call.y[0])))
    return _shared(call, credit, lambda present, hidden: rule(present, [hidden(upstream[0]), *upstream[1:]]))


def entering(enter: Callable[[Call, tf.Tensor], Parts]) -> Callable[[Call, tf.Tensor], Parts]:
    """The same where numbers decide, element by element."""

    def entered(call: Call, credit: tf.Tensor) -> Parts:
        return _shared(call, credit, lambda present, hidden: enter(present, hidden(credit)))

    return entered


def summed(call: Call, upstream: Sequence[tf.Tensor]) -> Parts:
    """Of a sum that is missing, those of its terms that are: in equal parts."""
    x, x0 = call.x[0], call.x0[0]
    gone = tf.cast(went(x, x0), x.dtype)
    count = tf.reduce_sum(gone, call.x[1], keepdims=True)
    whole = tf.reshape(upstream[0], tf.shape(count))
    (own,) = call.vjp(call.x, upstream)
    return [tf.where(count > 0, tf.math.divide_no_nan(gone, count) * whole, own)]


def _shared(call: Call, credit: tf.Tensor, otherwise: Callable[[Call, Callable], Parts]) -> Parts:
    """The credit of the elements in which a number is missing, and for the others what is `otherwise` done.

    That sees the op as if each missing number were as at the reference, and through `hidden` no upstream of them.
    """
    shape = tf.shape(call.y[0])
    gone = [tf.broadcast_to(went(call.x[i], call.x0[i]), shape) for i in call.active]
    some = functools.reduce(tf.logical_or, gone)
    count = tf.add_n([tf.cast(g, credit.dtype) for g in gone])
    share = tf.math.divide_no_nan(tf.where(some, credit, tf.zeros_like(credit)), count)
    parts = otherwise(_present(call), lambda t: tf.where(some, tf.zeros_like(t), t))
    own = zip(parts, gone, call.active, strict=True)
    return [part + unbroadcast(tf.where(g, tf.cast(share, part.dtype), 0), call.x[i]) for part, g, i in own]


def _present(call: Call) -> Call:
    """The op as if what is missing at x were as at the reference."""
    x = list(call.x)
    for i in call.active:
        x[i] = tf.where(went(x[i], call.x0[i]), call.x0[i], x[i])
    return dataclasses.replace(call, x=x, y=call.run(x))
