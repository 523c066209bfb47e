"""Sizes of vectors and of complex numbers: y = sqrt(sum x^2), whose square is a sum of products.

From y^2 - y0^2 = sum (x + x0) (x - x0) follows dy = sum m dx with m = (x + x0) / (y + y0): exact, without a root of
something small, and 0 where both sizes are 0: there nothing changed, although the slope of the root is infinite.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from tfxai.graph.table import Call
from tfxai.support.numerics import cast_real


def modulus(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """|z| of a complex number: (z + z0) / (|z| + |z0|), 0 where both are 0."""
    shared = tf.math.divide_no_nan(upstream[0], call.y[0] + call.y0[0])
    return [cast_real(shared, call.x[0].dtype) * (call.x[0] + call.x0[0])]


def euclidean(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """The norm of a vector: (x + x0) / (y + y0), 0 where both norms are 0."""
    x, axis = call.x
    shared = tf.math.divide_no_nan(upstream[0], call.y[0] + call.y0[0])
    if not call.op.attrs["keep_dims"]:
        shared = tf.reshape(shared, tf.shape(tf.reduce_sum(x, axis, keepdims=True)))
    return [shared * (x + call.x0[0])]
