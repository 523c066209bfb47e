"""The logarithm of a sum of exponentials is one op, and nothing else is."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.graph.captured import captured, logs_of_sums, run, spec

X = np.random.default_rng(0).normal(size=(3, 4, 5)).astype("float32") * 4
STEP = "LogSumExpStep"


def _by_hand(z, top=tf.reduce_max, axis=-1, kept=True):
    m = top(z, axis, keepdims=True)
    return tf.math.log(tf.reduce_sum(tf.exp(z - m), axis, keepdims=kept)) + (m if kept else tf.squeeze(m, axis))


MADE = {
    "tf": (lambda z: tf.reduce_logsumexp(z, -1), (2,), False),
    "tf, two axes, kept": (lambda z: tf.reduce_logsumexp(z, [1, 2], keepdims=True), (1, 2), True),
    "keras": (lambda z: keras.ops.logsumexp(z, axis=1), (1,), False),
    "keras, kept": (lambda z: keras.ops.logsumexp(z, axis=2, keepdims=True), (2,), True),
    "by hand": (_by_hand, (2,), True),
    "by hand, squeezed": (lambda z: _by_hand(z, axis=1, kept=False), (1,), False),
}


@pytest.mark.parametrize("name", MADE)
def test_each_make_is_one_op(name):
    function, axes, kept = MADE[name]
    graph = captured(lambda z: tf.sin(function(tf.sin(z))), spec(None, 4, 5))
    found = logs_of_sums(graph)
    (step,) = [op for op in found.ops if op.type == STEP]
    assert (step.attrs["axes"], step.attrs["kept"]) == (axes, kept)
    assert not {op.type for op in found.ops} & {"Max", "Exp", "Log", "Sum", "Sub"}
    np.testing.assert_allclose(run(found, X)[0], run(graph, X)[0], rtol=1e-6)


NOT = {
    "nothing taken off": lambda z: tf.math.log(tf.reduce_sum(tf.exp(z), -1)) + tf.reduce_max(z, -1),
    "another number": lambda z: _by_hand(z, lambda *a, **k: tf.reduce_max(tf.abs(z), *a[1:], **k)),
    "the least": lambda z: _by_hand(z, tf.reduce_min),
    "of other axes": lambda z: _by_hand(z, lambda z, _, keepdims: tf.reduce_max(z, [1, 2], keepdims=True)),
    "over the batch": lambda z: tf.reduce_logsumexp(z, 0, keepdims=True),
    "another number put on": lambda z: tf.math.log(
        tf.reduce_sum(tf.exp(z - tf.reduce_max(z, -1, keepdims=True)), -1)) + tf.reduce_min(z, -1),
    "broadcast": lambda z: tf.math.log(
        tf.reduce_sum(tf.exp(z - (m := tf.reduce_max(z, -1, keepdims=True))), -1)[:, None]) + m,
    "the sum is read": lambda z: (lambda m, s: tf.math.log(s) + m + s)(
        m := tf.reduce_max(z, -1, keepdims=True), tf.reduce_sum(tf.exp(z - m), -1, keepdims=True)),
    "a mean": lambda z: (lambda m: tf.math.log(tf.reduce_mean(tf.exp(z - m), -1, keepdims=True)) + m)(
        tf.reduce_max(z, -1, keepdims=True)),
}  # fmt: skip


@pytest.mark.parametrize("name", NOT)
def test_what_is_not_certain_is_left_alone(name):
    graph = captured(lambda z: tf.sin(NOT[name](tf.sin(z[:, :, :4]))), spec(None, 4, 5))
    found = logs_of_sums(graph)
    assert STEP not in {op.type for op in found.ops}
    np.testing.assert_array_equal(run(found, X)[0], run(graph, X)[0])
