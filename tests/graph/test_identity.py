"""Captures of the same function have one key; another op, name, number, variable, order or gradient has another."""

import gc
import weakref

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
    "a name": (lambda t: tf.sin(t, name="a"), lambda t: tf.sin(t, name="b")),
    "the order": (lambda t: t - V, lambda t: V - t),
    "an axis": (lambda t: tf.reverse(t, [0]), lambda t: tf.reverse(t, [1])),
    "a custom gradient": (backward(1.0), backward(2.0)),
    "a custom gradient with a variable": (backward(V), backward(W)),
    "a branch": tuple(
        lambda t, k=k: tf.cond(tf.reduce_sum(t) > 0, lambda: t * k, lambda: t) for k in (2.0, 3.0)
    ),
}  # fmt: skip


SMALL = tf.constant([1.0, 2.0, 3.0])


def around(outer):
    return lambda t: tf.cond(tf.reduce_sum(t) > 0, lambda: t * SMALL * outer, lambda: t)


FUNCTIONS["a branch around what is outside"] = around(V), around(W)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_keys(name):
    first, other = FUNCTIONS[name]
    graph, again, another = of(first), of(first), of(other)  # all alive: variables are told by their identity
    assert key(graph) == key(again) != key(another)


def test_what_calls_back_into_python_has_none():
    def function(t):
        return t + tf.ensure_shape(tf.numpy_function(lambda: 1.0, [], tf.float32), [])

    assert key(of(function)) is None
    assert key(of(lambda t: tf.cond(tf.reduce_sum(t) > 0, lambda: function(t), lambda: t))) is None


@pytest.mark.long
def test_gradients_are_released_of_what_they_hold():
    """TensorFlow's own, which hold tensors alone, are not traced for a key."""

    class Owner:
        factor = 2.0

    owner = Owner()
    gone = weakref.ref(owner)

    def held(factor_of):
        @tf.custom_gradient
        def function(t):
            return tf.sin(t), lambda g: g * factor_of.factor

        return function

    graph = of(held(owner))
    del owner
    assert key(graph) is not None
    gc.collect()
    assert gone() is None
    swish = of(tf.nn.silu)
    assert key(swish) == key(of(tf.nn.silu)) != key(of(lambda t: tf.nn.silu(t, 2.0)))
    assert [vars(op.author).get("backward") for op in swish.ops if op.author is not None] == [None]
