"""Captures of the same function have one key; another op, number, variable, order or gradient has another."""

import pytest
import tensorflow as tf

from tfxai.graph.capture import capture
from tfxai.graph.identity import key

V, W = tf.Variable([1.0, 2.0, 3.0]), tf.Variable([1.0, 2.0, 3.0])


def backward(factor):
    @tf.custom_gradient
    def function(t):
        return tf.sin(t), lambda g: factor * g

    return function


def of(function):
    return capture(function, [tf.TensorSpec([None, 3])])


FUNCTIONS = {
    "an op": (lambda t: tf.sin(t), lambda t: tf.cos(t)),
    "a number": (lambda t: t * 2, lambda t: t * 3),
    "a number in a large constant": (
        lambda t: t @ tf.constant([[float(k % 7)] * 900 for k in range(3)]),
        lambda t: t @ tf.constant([[float(k % 7)] * 899 + [9.0] for k in range(3)]),
    ),
    "a variable": (lambda t: t * V, lambda t: t * W),
    "the order": (lambda t: t - V, lambda t: V - t),
    "an axis": (lambda t: tf.reverse(t, [0]), lambda t: tf.reverse(t, [1])),
    "a custom gradient": (backward(1.0), backward(2.0)),
    "a branch": tuple(
        lambda t, k=k: tf.cond(tf.reduce_sum(t) > 0, lambda: t * k, lambda: t) for k in (2.0, 3.0)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_keys(name):
    first, other = FUNCTIONS[name]
    graph, again, another = of(first), of(first), of(other)  # all alive: variables are told by their identity
    assert key(graph) == key(again) != key(another)
