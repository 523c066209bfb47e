"""What an explanation registers with TensorFlow is gone when it is over; what belongs to others stays."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from tensorflow.python.framework.ops import gradient_registry

import tfxai
from tests.living import Living
from tfxai.errors import ModelError
from tfxai.graph.capture import capture


def registered():
    return set(gradient_registry.list())


def recurrent():
    return keras.Sequential([keras.Input((4, 3)), layers.GRU(4), layers.Dense(4, activation="silu"), layers.Dense(2)])


@pytest.mark.long
@pytest.mark.parametrize("method", ["deeplift", "reveal", "gradient", "guided_backprop", "smoothgrad"])
def test_an_explanation_leaves_the_registry_as_it_was(method, rng):
    model, x = recurrent(), rng.normal(size=(2, 4, 3)).astype("float32")
    model(x)
    before = registered()
    options = {"rule": "reveal_cancel"} if method == "reveal" else {}
    name = "deeplift" if options else method
    explainer = tfxai.Explainer(model, name, **options)
    first = explainer(x, target=0, seed=0).values
    assert registered() == before
    np.testing.assert_array_equal(explainer(x, target=0, seed=0).values, first)  # what was traced still runs
    np.testing.assert_allclose(tfxai.explain(model, x, name, target=0, seed=0, **options).values, first, atol=1e-6)


def test_it_does_so_after_an_error_too(rng):
    def wrong(outputs):
        raise ValueError("no such thing")

    model, x = recurrent(), rng.normal(size=(2, 4, 3)).astype("float32")
    before = registered()
    with pytest.raises(ValueError, match="no such thing"):
        tfxai.explain(model, x, target=wrong)
    assert registered() == before


def in_a_loop():
    """A custom gradient in the body of a loop."""
    return keras.Sequential([keras.Input((4, 3)), layers.GRU(4, activation="silu"), layers.Dense(2)])


def breaks_off(t):
    """Stops inside of a loop, behind a custom gradient."""

    def body(k, t):
        t = tf.nn.silu(t)
        raise ValueError("in the middle")

    return tf.while_loop(lambda k, t: k < 3, body, [0, tf.nn.silu(t)])


@pytest.mark.long
@pytest.mark.parametrize("make", [recurrent, in_a_loop])
def test_a_capture_leaves_nothing(make, rng):
    model, spec = make(), tf.TensorSpec([None, 4, 3])
    model(np.zeros((1, 4, 3)))
    living = Living()
    graph = capture(model, [spec])
    assert living.added()[0] == 0 and any(op.author is not None for op in [*graph.ops, *bodies(graph)])
    del graph
    assert living.added() == (0, 0, 0)


def bodies(graph):
    return [op for outer in graph.ops for body in outer.bodies for op in body.ops]


@pytest.mark.long
def test_a_capture_that_fails_leaves_nothing(rng):
    x = rng.normal(size=(2, 4, 3)).astype("float32")
    living = Living()
    with pytest.raises(ModelError, match="ValueError: in the middle"):
        tfxai.explain(breaks_off, x, target=0)
    assert living.added() == (0, 0, 0)


def test_a_users_own_function_is_still_differentiable(rng):
    @tf.custom_gradient
    def reversed_gradient(t):
        return tf.identity(t), lambda g: -g

    @tf.function
    def model(t):
        return reversed_gradient(t) * 2.0

    x = tf.constant(rng.normal(size=(2, 3)), tf.float32)

    def slope():
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = model(x)
        return tape.gradient(y, x).numpy()

    np.testing.assert_array_equal(slope(), -2)
    with pytest.warns(UserWarning, match="custom gradient"):
        e = tfxai.explain(model, x, "gradient", target=0)
    np.testing.assert_array_equal(e.values[:, 0], -2)
    np.testing.assert_array_equal(slope(), -2)
    with tf.GradientTape() as tape:  # traced anew around it
        tape.watch(x)
        y = tf.function(lambda t: model(t))(x)
    np.testing.assert_array_equal(tape.gradient(y, x), -2)
