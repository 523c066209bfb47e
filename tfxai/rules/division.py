"""Division, above all by a norm, as layer, group, root-mean-square and unit normalisation do.

Near a reference without variance (zeros) the norm r is tiny and 1 / r huge. The Shapley value of the product
v * (1 / r) looks at v * (1 / r0), so it makes contributions as huge as that, which cancel. Therefore y = v / r is read
as the product it comes from, y * r = v: its Shapley value, dv = mean(r) dy + mean(y) dr, solved for dy, is

    dy = (dv - mean(y) dr) / mean(r)

as exact, the same for small changes, and never far above y.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import tensorflow as tf

from tfxai.graph.table import Call
from tfxai.rules.annotations import Norm, norms
from tfxai.support.numerics import unbroadcast, widened

CORNER_RATIO = 16.0  # denominators farther apart are solved: corners at 1 / b0 beyond this overshadow what they explain
LEAST_SQUARE = 1e-24  # a squared norm that is none; 1e12, its inverse root, is what keras.ops.normalize allows


def normalises(call: Call) -> bool:
    """Whether this op divides what is explained by a norm of it."""
    found = call.input_notes(norms)
    if len(call.active) != 2:
        return False
    return Norm.INVERSE in found if call.op.type == "Mul" else found == (None, Norm.NORM)


def bounds_a_norm(call: Call) -> bool:
    """Whether this op makes an inverse norm, which may be infinite, or bounds it."""
    if len(call.active) != 1:
        return False
    return call.op.type == "Rsqrt" or Norm.INVERSE in call.input_notes(norms)


def normalised(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Division by a norm, y = v / r or v * s with s = 1 / r: solved from the product y * r = v."""
    by = 1 if call.op.type == "RealDiv" else call.input_notes(norms).index(Norm.INVERSE)
    norm, norm0 = (tf.math.real(ends[by]) for ends in (call.x, call.x0))
    same = tf.sign(norm) * tf.sign(norm0) > 0  # else it is 0 times a norm, or a norm less a number
    return _divided(call, upstream, by, same)


def division(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """a / b: the Shapley value. a gets the mean of 1/b, and b the mean of a times the change of 1/b.

    As by a norm where b and its reference are so far apart that a corner, a / b0 or a0 / b, is out of all proportion.
    """
    ratio = call.x[1] / call.x0[1]
    if ratio.dtype.is_complex:
        ratio = tf.abs(ratio)
    return _divided(call, upstream, 1, (ratio > CORNER_RATIO) | (ratio > 0) & (ratio < 1 / CORNER_RATIO))


def normalisation(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Division by a norm, y = v / r: solved from the product y * r = v, all of a normalisation at once.

    Layer, group, root-mean-square: y = g v / r + b with r^2 = mean(d d) + epsilon, where v and d are x or
    c = x - mean(x). With bars for the means of both ends, an upstream u comes to v as u g / bar r, and to r as
    - u g bar(v / r) / bar r. From r^2 - r0^2 follows dr = mean(bar d dd) / bar r, exactly; and multipliers of c are
    those of x when their mean is taken off. Together,

        m = (u g - mean(u g)) / bar r - bar d mean(u g bar(v / r)) / bar r^2

    with the mean of u g taken off where v is c (that of bar c is 0). For a sum of squares the last mean is a sum.
    """
    norm, gains = call.op.attrs["norm"], call.op.attrs["gains"]
    dtype, wide = call.x[0].dtype, widened(call.x[0].dtype)
    centred = call.op.attrs["centred"]
    ends = []
    for x, y in ((call.x[0], call.y), (call.x0[0], call.y0)):
        x, root, *mean = [tf.cast(t, wide) for t in (x, *y[1:])]
        c = x - mean[0] if mean else x
        ends.append((1 / root if norm.power > 0 else root, c if centred else x, c))
    (r, v, d), (r0, v0, d0) = ends
    u = tf.cast(upstream[0], wide)
    for gain in gains:
        u *= tf.cast(call.x[gain], wide)
    total = r + r0
    over = tf.reduce_mean if norm.kind == "Mean" else tf.reduce_sum
    turned = over(u * v, norm.axes, keepdims=True) / r + over(u * (v0 / r0), norm.axes, keepdims=True)
    direct = u - tf.reduce_mean(u, norm.axes, keepdims=True) if centred else u
    return [tf.cast(direct * (2 / total) - (d + d0) * (turned / (total * total)), dtype)]


def _divided(call: Call, upstream: Sequence[tf.Tensor], by: int, solved: tf.Tensor) -> list[tf.Tensor]:
    """Input `by` is r, or s of a product; where it is `solved` from y * r = v, and the Shapley value elsewhere."""
    (v, s), (v0, s0) = [(pair[1 - by], pair[by]) for pair in (call.x, call.x0)]
    y, total = call.y[0] + call.y0[0], s + s0
    if call.op.type == "Mul":
        parts, shapley = (2 / (1 / s + 1 / s0), y / total), (total / 2, (v + v0) / 2)
    else:
        parts, shapley = (2 / total, -y / total), ((1 / s + 1 / s0) / 2, -(v + v0) / (2 * s * s0))
    chosen = [tf.where(solved, p, q) for p, q in zip(parts, shapley, strict=True)]
    return [unbroadcast(upstream[0] * tf.math.conj(chosen[i == by]), call.x[i]) for i in call.active]


def bounded(call: Call) -> Call:
    """The same op as if a norm of 0 were the least one: then its inverse is finite, and so is the change of it."""
    (i,) = call.active
    ends = []
    for inputs in (call.x, call.x0):
        limit = tf.maximum(inputs[i], LEAST_SQUARE) if call.op.type == "Rsqrt" else limited(inputs[i])
        ends.append([limit if k == i else t for k, t in enumerate(inputs)])
    x, x0 = ends
    return dataclasses.replace(call, x=x, x0=x0, y=call.run(x), y0=call.run(x0))


def limited(inverse: tf.Tensor) -> tf.Tensor:
    return tf.minimum(inverse, LEAST_SQUARE**-0.5)
