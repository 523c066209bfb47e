"""Shapes: what broadcasting does to gradients, and sums that belong to one example."""

from __future__ import annotations

import tensorflow as tf


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
