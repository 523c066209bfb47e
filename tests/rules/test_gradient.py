"""The plain table honours what authors say about gradients, as the tape does; DeepLIFT explains the function itself."""

import numpy as np
import pytest
import tensorflow as tf

import tfxai


@tf.custom_gradient
def reversed_gradient(z):
    scale = tf.reduce_sum(z * z)  # the backward pass uses a tensor of the forward scope
    return tf.identity(z), lambda upstream: -upstream * scale


def test_custom_and_stopped_gradients(rng):
    x = rng.normal(size=(1, 4))
    function = lambda z: tf.reduce_sum(reversed_gradient(tf.tanh(z)) * 3.0 + tf.stop_gradient(z * z), axis=1)  # noqa: E731
    tensor = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        y = function(tensor)
    with pytest.warns(UserWarning, match="custom gradient, which is not that of its function.*IdentityN"):
        e = tfxai.explain(function, x, "gradient")
    np.testing.assert_allclose(e.values, tape.gradient(y, tensor), rtol=1e-12)
    # DeepLIFT explains the function itself and passes through both
    np.testing.assert_allclose(tfxai.explain(function, x).values, 3 * np.tanh(x) + x * x, rtol=1e-10)


def test_custom_gradient_inside_a_nested_function(rng):
    x = rng.normal(size=(2, 3))
    inner = tf.function(lambda z: reversed_gradient(tf.sin(z)) * 2)
    function = lambda z: tf.reduce_sum(inner(inner(z)), axis=1)  # noqa: E731
    tensor = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        y = function(tensor)
    with pytest.warns(UserWarning, match="custom gradient, which is not that of its function"):
        e = tfxai.explain(function, x, "gradient")
    np.testing.assert_allclose(e.values, tape.gradient(y, tensor), rtol=1e-12)
