"""What rules share about numbers and shapes: how exact a dtype is, what broadcasting does, sums by example."""

from __future__ import annotations

import tensorflow as tf


def widened(dtype: tf.DType) -> tf.DType:
    return tf.float32 if dtype in (tf.float16, tf.bfloat16) else dtype


def rounding(dtype: tf.DType) -> float:
    """The spacing of numbers around 1."""
    return {tf.float16: 2.0**-10, tf.bfloat16: 2.0**-7, tf.float64: 2.0**-52}.get(dtype.real_dtype, 2.0**-23)


def continuous(tensor: tf.Tensor) -> bool:
    """Whether these are real or complex numbers, which change by small steps."""
    return bool(tensor.dtype.is_floating or tensor.dtype.is_complex)


def inner(multiplier: tf.Tensor, change: tf.Tensor) -> tf.Tensor:
    """What a change contributes, a real number. The gradient by z = a + ib is d/da + i d/db, hence the conjugate."""
    return tf.math.real(tf.math.conj(multiplier) * change) if change.dtype.is_complex else multiplier * change


def cast_real(tensor: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Real numbers in a real or complex dtype. The gradient of an ordinary cast to complex warns of what it drops."""
    if not dtype.is_complex:
        return tf.cast(tensor, dtype)
    real = tf.cast(tensor, dtype.real_dtype)
    return tf.complex(real, tf.zeros_like(real))


def finite_or_none(slope: tf.Tensor) -> tf.Tensor:
    """The slope, and 0 where it is infinite or no number."""
    return tf.where(tf.math.is_finite(tf.abs(slope)), slope, tf.zeros_like(slope))


def same_shape(a: tf.Tensor, b: tf.Tensor) -> bool:
    """Whether two static shapes are known to be alike, open axes at the same places."""
    return a.shape.rank is not None and b.shape.rank is not None and a.shape.as_list() == b.shape.as_list()


def unbroadcast(gradient: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """The gradient of a tensor that was broadcast, in the tensor's own shape."""
    if same_shape(gradient, like) and None not in like.shape.as_list()[1:]:
        return gradient
    target, source = tf.shape(like), tf.shape(gradient)
    axes, _ = tf.raw_ops.BroadcastGradientArgs(s0=target, s1=source)
    return tf.reshape(tf.reduce_sum(gradient, axes), target)


def per_example(tensor: tf.Tensor) -> tf.Tensor:
    """The sum over all axes but the first."""
    rank = tensor.shape.rank
    return tf.reduce_sum(tensor, axis=tf.range(1, tf.rank(tensor)) if rank is None else list(range(1, rank)))


def column_like(column: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """With trailing axes of length 1, as many as `like` has."""
    if like.shape.rank is None or column.shape.rank is None:
        ones = tf.ones([tf.rank(like) - tf.rank(column)], tf.int32)
        return tf.reshape(column, tf.concat([tf.shape(column), ones], 0))
    while column.shape.rank < like.shape.rank:
        column = column[..., None]
    return column


def empty(tensor: tf.Tensor) -> bool:
    """Such as the vectors of a singular value decomposition that was asked for values only."""
    return tensor.shape.rank is not None and 0 in tensor.shape.as_list()
