"""Bits in the place of floats: the same numbers, of which TensorFlow builds no gradient."""

import numpy as np
import pytest
import tensorflow as tf

from tests.graph.captured import captured, pulled, spec
from tfxai.graph.sealed import opened, sealed
from tfxai.rules.deeplift import RescaleRules


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float32, tf.float64])
def test_floats_are_the_same_when_opened(dtype):
    numbers = tf.cast([0.1, -0.0, 3e4, np.inf], dtype)
    bits = sealed(numbers)
    assert not bits.dtype.is_floating and bits.shape == numbers.shape
    assert opened(bits, dtype).dtype == dtype
    np.testing.assert_array_equal(tf.cast(opened(bits, dtype), tf.float64), tf.cast(numbers, tf.float64))


@pytest.mark.parametrize("dtype", [tf.int32, tf.bool, tf.complex64])
def test_others_stay_as_they_are(dtype):
    numbers = tf.cast([0, 1], dtype)
    assert sealed(numbers) is numbers and opened(numbers, dtype) is numbers


def test_no_gradient_goes_through():
    x = tf.constant([1.0, 2.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x * opened(sealed(x), x.dtype)
    np.testing.assert_array_equal(tape.gradient(y, x), x)  # not 2 x


def test_a_loop_builds_no_gradient_of_the_reference():
    """Of tanh the rule has no slope at one end: an op TanhGrad could only be that of the reference's own tanh."""
    kernel = np.array([[0.5, -0.3], [0.2, 0.8]], "float32")

    def recurrent(z):
        step = lambda k, h: (k + 1, tf.tanh(h @ kernel + z[:, k]))  # noqa: E731
        return tf.while_loop(lambda k, _: k < 3, step, (0, tf.zeros_like(z[:, 0])))[1]

    graph = captured(recurrent, spec(4, 3, 2))
    made = pulled(graph, RescaleRules(), spec(None, 3, 2), spec(None, 3, 2))
    types = [node.op for function in made.library.function for node in function.node_def]
    assert "Tanh" in types and "TensorListPopBack" in types and "TanhGrad" not in types
