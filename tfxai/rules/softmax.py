"""Softmax, its logarithm and the logarithm of its sum in closed form: no quadrature, complete row by row.

With y = softmax(z), log y_i = z_i - s, where s = logsumexp(z). Between x and the reference (z0, y0, s0), therefore,

    dy_i = L_i (dz_i - ds)      L_i = dy_i / d(log y_i), the logarithmic mean of y_i and y0_i

exactly. A row of probabilities sums to 1 at both ends, sum_i dy_i = 0, and that says what ds is:

    ds = sum_i L_i dz_i / sum_i L_i

All three changes are sums of multiples of the dz_j. What comes in as u leaves as the multipliers

    softmax     L_j (u_j - sum_i u_i L_i / sum_i L_i)
    its log     u_j - L_j sum_i u_i / sum_i L_i
    logsumexp   L_j u / sum_i L_i

which are the gradients with L in the place of y: L is y where nothing changed. They are the same when x and the
reference change places, and when a constant is added to the logits of either end.

A logit that is -inf, or so low that its probability is 0, at both ends has L = 0: masked, it gets and takes nothing.
Where it is masked by a finite number at one end alone, the probability that it lost is what it contributes.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from tfxai.graph.table import Call
from tfxai.support.numerics import widened


def softmax(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """The gradient with the logarithmic mean of y and y0 in the place of y: complete row by row."""
    u, z, z0, y, y0 = _wide(upstream[0], call.x[0], call.x0[0], call.y[0], call.y0[0])
    (top, p), (top0, p0) = [[tf.reduce_max(t, -1, keepdims=True) for t in end] for end in ((z, y), (z0, y0))]
    ds = (top - top0) - (tf.math.log(p) - tf.math.log(p0))  # of the likeliest class log p = z - s, which never is -inf
    mean = logarithmic_mean(y, y0, (z - z0) - ds)
    return [tf.cast(mean * (u - _shared(u * mean, mean)), call.x[0].dtype)]


def log_softmax(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """The gradient with the logarithmic mean of exp y and exp y0 in the place of exp y: complete row by row."""
    u, y, y0 = _wide(upstream[0], call.y[0], call.y0[0])
    mean = logarithmic_mean(tf.exp(y), tf.exp(y0), y - y0)
    return [tf.cast(u - mean * _shared(u, mean), call.x[0].dtype)]


def logsumexp(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Shared as the logarithmic means of the probabilities at both ends: complete, symmetric."""
    axes = call.op.attrs["axes"]
    u, y, y0 = _wide(upstream[0], call.y[0], call.y0[0])
    if not call.op.attrs["kept"]:
        for axis in axes:
            u, y, y0 = (tf.expand_dims(t, axis) for t in (u, y, y0))
    x, x0 = _wide(call.x[0], call.x0[0])
    log_p, log_p0 = x - y, x0 - y0
    mean = logarithmic_mean(tf.exp(log_p), tf.exp(log_p0), log_p - log_p0)
    return [tf.cast(mean * tf.math.divide_no_nan(u, tf.reduce_sum(mean, axes, keepdims=True)), call.x[0].dtype)]


def logarithmic_mean(a: tf.Tensor, b: tf.Tensor, way: tf.Tensor) -> tf.Tensor:
    """(a - b) / way with way = log(a / b), without a difference of near numbers; 0 where both are 0.

    a - b = (a + b) tanh(way / 2). As tanh(t) / t has no slope at 0, what rounding does to a short way does nothing.
    """
    half = way / 2
    ratio = tf.where(half == 0, tf.ones([], way.dtype), tf.tanh(half) / half)
    return tf.math.multiply_no_nan(ratio, (a + b) / 2)


def _shared(parts: tf.Tensor, mean: tf.Tensor) -> tf.Tensor:
    """The sum of each row, in units of that of its means; these are all 0 where every logit is infinite at an end."""
    sums = [tf.reduce_sum(t, -1, keepdims=True) for t in (parts, mean)]
    return tf.math.divide_no_nan(*sums)


def _wide(*tensors: tf.Tensor) -> list[tf.Tensor]:
    return [tf.cast(t, widened(t.dtype)) for t in tensors]
