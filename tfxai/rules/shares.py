"""How relevance is divided: quotients whose denominators may be zero, and complex numbers as two real parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfxai.graph.override import custom_gradient


def divided(relevance: tf.Tensor, by: tf.Tensor, epsilon: float = 0.0) -> tf.Tensor:
    """R / (z + epsilon sign(z)), sign(0) = 1; where the denominator is 0, 0: what arrives there goes nowhere.

    Of complex numbers the real and the imaginary part each get their own quotient.
    """
    if by.dtype.is_complex:
        return parts(lambda r, z: divided(r, z, epsilon), relevance, by)
    if epsilon:
        amount = tf.constant(epsilon, by.dtype)
        by = by + tf.where(by < 0, -amount, amount)
    return tf.math.divide_no_nan(relevance, by)


def product(x: tf.Tensor, slopes: tf.Tensor) -> tf.Tensor:
    """x times what comes back to it; of complex numbers part by part."""
    return parts(tf.multiply, x, slopes) if x.dtype.is_complex else x * slopes


def parts(function: Callable, *tensors: tf.Tensor) -> tf.Tensor:
    """A function of real numbers on the real and the imaginary parts."""
    return tf.complex(*[function(*[part(t) for t in tensors]) for part in (tf.math.real, tf.math.imag)])


def positive(tensor: tf.Tensor) -> tf.Tensor:
    """What is above 0 of it."""
    return tf.maximum(tensor, tf.zeros([], tensor.dtype))


def negative(tensor: tf.Tensor) -> tf.Tensor:
    """What is below 0 of it."""
    return tf.minimum(tensor, tf.zeros([], tensor.dtype))


def as_relevance(output: tf.Tensor) -> tf.Tensor:
    """The output, of which is sent back what it is worth: its slope times itself."""

    @custom_gradient
    def begun(y: tf.Tensor) -> Any:
        return tf.identity(y), lambda weight: weight * y

    return begun(output)
