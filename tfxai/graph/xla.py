"""Ops of XLA that `tf.raw_ops` leaves out and TensorFlow cannot differentiate, written with ops that it can.

`keras.ops.slice_update` is one of them. Their arguments have the names of the op's definition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import tensorflow as tf


def dynamic_slice(input: tf.Tensor, start_indices: tf.Tensor, size_indices: tf.Tensor) -> tf.Tensor:
    """A block of `input`; one that would reach over the end begins earlier."""
    return tf.slice(input, _start(input, start_indices, size_indices), size_indices)


def dynamic_update_slice(input: tf.Tensor, update: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
    """`input` with a block of it replaced; one that would reach over the end begins earlier."""
    size = tf.shape(update, out_type=indices.dtype)
    start = _start(input, indices, size)
    around = tf.stack([start, tf.shape(input, out_type=indices.dtype) - start - size], 1)
    inside = tf.pad(tf.ones_like(update, tf.bool), around)
    return tf.ensure_shape(tf.where(inside, tf.pad(update, around), input), input.shape)


def _start(whole: tf.Tensor, start: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Where a block of this size begins, inside of the whole."""
    return tf.clip_by_value(start, 0, tf.shape(whole, out_type=size.dtype) - size)


WRITTEN: Mapping[str, Callable] = {
    "XlaDynamicSlice": dynamic_slice,
    "XlaDynamicUpdateSlice": dynamic_update_slice,
}
