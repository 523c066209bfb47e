"""Where gradients pass is where the tape finds one: through ops, loops, branches and custom gradients."""

import numpy as np
import pytest
import tensorflow as tf

from tfxai.graph.capture import capture
from tfxai.graph.slopes import sloped, stops


def looped(body):
    return lambda t: tf.while_loop(lambda k, _: k < 3, lambda k, v: (k + 1, body(v)), (0, t))[1]


def branch(yes, no):
    return lambda t: tf.cond(tf.reduce_sum(t) > -1e9, lambda: yes(t), lambda: no(t))


def custom(backward):
    @tf.custom_gradient
    def function(t):
        return tf.round(t), backward

    return function


PASS = {
    "a smooth op": tf.tanh,
    "a dead rectifier": lambda t: tf.nn.relu(t - 100),
    "a loop": looped(tf.sin),
    "one branch": branch(tf.sin, tf.round),
    "straight through": custom(lambda g: g),
    "one of two ways": lambda t: tf.round(t) + t,
    "a gather": lambda t: tf.gather(t, [0, 0], axis=1),
}
STOP = {
    "StopGradient": tf.stop_gradient,
    "Round": tf.round,
    "FloorDiv": lambda t: t // 0.5,
    "Cast": lambda t: tf.cast(tf.cast(t, tf.int32), tf.float32),
    "Less": lambda t: tf.where(t < 0, 1.0, 2.0),
    "ArgMax": lambda t: tf.cast(tf.argmax(t, axis=1), tf.float32),
    "Rint": looped(lambda v: tf.math.rint(v) + 0.25),
    "Floor": branch(tf.floor, tf.floor),
    "IdentityN": custom(tf.zeros_like),
}


def both(function, rng):
    """The tape's gradient, the graph, and the values of it that are found to have one."""
    x = tf.constant(rng.normal(size=(2, 3)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    graph = capture(function, [tf.TensorSpec([None, 3])])
    return tape.gradient(y, x), graph, sloped(graph, graph.inputs)


@pytest.mark.parametrize("name", PASS)
def test_a_gradient_arrives(name, rng):
    gradient, graph, found = both(PASS[name], rng)
    assert gradient is not None
    assert found.intersection(graph.outputs)


@pytest.mark.parametrize("name", STOP)
def test_none_arrives_and_the_op_is_found(name, rng):
    gradient, graph, found = both(STOP[name], rng)
    assert gradient is None or not np.any(gradient)
    assert not found.intersection(graph.outputs)
    assert name in [op.type for op in stops(graph, found, graph.outputs)]
