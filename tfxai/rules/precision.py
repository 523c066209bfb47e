"""How exact the numbers of each dtype are."""

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
