"""What rules share about numbers and shapes: how exact a dtype is, what broadcasting does, sums by example."""

from __future__ import annotations

import tensorflow as tf


def widened(dtype: tf.DType) -> tf.DType:
    return tf.float32 if dtype in (tf.float16, tf.bfloat16) else dtype


def rounding(dtype: tf.DType) -> float:
    """The spacing of numbers around 1."""
    return {tf.float16: 2.0**-10, tf.bfloat16: 2.0**-7, tf.float64: 2.0**-52}.get(dtype, 2.0**-23)


def tolerance_of(dtype: tf.DType) -> float:
    """Where the rounding error of the quotient meets the curvature error of the mean slope."""
    return {tf.float16: 5e-2, tf.bfloat16: 0.12, tf.float64: 1.6e-7}.get(dtype, 1e-3)


def unbroadcast(gradient: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """The gradient of a tensor that was broadcast, in the tensor's own shape."""
    if None not in like.shape.as_list()[1:] and like.shape.as_list() == gradient.shape.as_list():
        return gradient
    target, source = tf.shape(like), tf.shape(gradient)
    axes, _ = tf.raw_ops.BroadcastGradientArgs(s0=target, s1=source)
    return tf.reshape(tf.reduce_sum(gradient, axes), target)


def per_example(tensor: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tensor, axis=list(range(1, tensor.shape.rank)))


def column_like(column: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """With trailing axes of length 1, as many as `like` has."""
    while column.shape.rank < like.shape.rank:
        column = column[..., None]
    return column


def empty(tensor: tf.Tensor) -> bool:
    """Such as the vectors of a singular value decomposition that was asked for values only."""
    return tensor.shape.rank is not None and 0 in tensor.shape.as_list()
