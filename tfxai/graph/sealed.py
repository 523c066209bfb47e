"""Numbers to which no gradient belongs, as their bits.

Of every float on its way, inside a loop or out of an op, TensorFlow builds the gradient, and keeps from step to step
what that needs, whether or not anybody asks for it. Bits have none, and cost nothing.
"""

from __future__ import annotations

import tensorflow as tf

BITS = {tf.float16: tf.uint16, tf.bfloat16: tf.uint16, tf.float32: tf.uint32, tf.float64: tf.uint64}


def sealed(tensor: tf.Tensor) -> tf.Tensor:
    """Floats as their bits; other tensors as they are."""
    return tf.bitcast(tensor, BITS[tensor.dtype]) if tensor.dtype in BITS else tensor


def opened(tensor: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """What was sealed, in its own type."""
    return tensor if tensor.dtype == dtype else tf.bitcast(tensor, dtype)
