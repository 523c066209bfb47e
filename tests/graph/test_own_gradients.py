"""A gradient that is not its function's is found by measuring it; one that is right is not."""

import pytest
import tensorflow as tf

from tfxai.graph.capture import capture
from tfxai.graph.own_gradients import own_gradients
from tfxai.graph.slopes import sloped


def given(forward, backward):
    @tf.custom_gradient
    def function(t):
        return forward(t), lambda g: backward(t, g)

    return function


RIGHT = {
    "a softplus that does not overflow": given(tf.nn.softplus, lambda t, g: g * tf.sigmoid(t)),
    "a rectifier": given(tf.nn.relu, lambda t, g: g * tf.cast(t > 0, g.dtype)),
    "a product with a constant": given(lambda t: 3.0 * t, lambda t, g: 3.0 * g),
    "of no author": tf.tanh,
}
OTHER = {
    "reversed": given(tf.identity, lambda t, g: -g),
    "scaled": given(tf.tanh, lambda t, g: 0.1 * g * (1 - tf.tanh(t) ** 2)),
    "clipped": given(lambda t: 5 * t, lambda t, g: tf.clip_by_value(5 * g, -0.1, 0.1)),
    "straight through": given(tf.sign, lambda t, g: g),
    "in a loop": lambda t: tf.while_loop(
        lambda k, _: k < 2, lambda k, v: (k + 1, given(tf.sin, lambda u, g: -g)(v)), (0, t)
    )[1],
}


def found(function):
    graph = capture(function, [tf.TensorSpec([None, 4])])
    return own_gradients(graph, sloped(graph, graph.inputs), graph.outputs)


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_gradient_is_not_mentioned(name):
    assert found(RIGHT[name]) == []


@pytest.mark.long
@pytest.mark.parametrize("name", OTHER)
def test_another_gradient_is_found(name):
    assert found(OTHER[name])


def test_only_on_the_way_to_what_is_explained():
    def beside(t):
        return tf.tanh(t), OTHER["reversed"](t)

    graph = capture(beside, [tf.TensorSpec([None, 4])])
    ways = [own_gradients(graph, sloped(graph, graph.inputs), [end]) for end in graph.outputs]
    assert [bool(ops) for ops in ways] == [False, True]
