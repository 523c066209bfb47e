"""A kernel with its bias and normalisation as one op: W x + b, whatever lies between."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tests.models import randomised
from tfxai.explainer import Explainer
from tfxai.graph.ops import AFFINE_STEP, KERNELS
from tfxai.graph.table import Program, RuleTable
from tfxai.graph.value import Value


class AffineAsOne(RuleTable):
    """Keeps every step it meets."""

    program = Program(affine_as_one=True)

    def __init__(self):
        self.calls = []

    def apply(self, call, values):
        if call.op.type == AFFINE_STEP or call.op.type in KERNELS:
            self.calls.append(call)
        return [Value(t) for t in call.run(call.x)]


def replayed(model, x):
    """The outputs of a replay with affine steps as one, and the calls of steps and kernels."""
    _, traced = Explainer(model, "gradient").trace(x)
    table = AffineAsOne()
    graph, _ = traced.program(table)
    env = traced.environment([tf.constant(x)]) | {graph.inputs[0]: Value(tf.constant(x))}
    env = traced.replay(table)(graph.ops, env)
    return env[traced.outputs[0]].x.numpy(), table.calls


def at(call, x):
    (position,) = call.active
    inputs = list(call.x)
    inputs[position] = tf.constant(x, tf.float32)
    return call.run(inputs)[0].numpy()


NETWORKS = {
    "dense": ((5,), lambda: [layers.Dense(3, bias_initializer="normal")]),
    "dense on steps": ((4, 5), lambda: [layers.Dense(3, bias_initializer="normal")]),
    "einsum": ((4, 5), lambda: [layers.EinsumDense("abc,cd->abd", (4, 3), bias_axes="d", bias_initializer="normal")]),
    "convolution": ((6, 6, 2), lambda: [layers.Conv2D(3, 3, bias_initializer="normal")]),
    "normalised": ((6, 6, 2), lambda: [layers.Conv2D(3, 3, use_bias=False), layers.BatchNormalization()]),
    "depthwise": ((6, 6, 2), lambda: [layers.DepthwiseConv2D(3, bias_initializer="normal")]),
    "dilated": ((9, 2), lambda: [layers.Conv1D(3, 3, dilation_rate=2, bias_initializer="normal")]),
    "transposed": ((4, 4, 2), lambda: [layers.Conv2DTranspose(3, 3, bias_initializer="normal")]),
    "volume": ((4, 4, 4, 2), lambda: [layers.Conv3D(3, 3, bias_initializer="normal")]),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_step_is_its_kernel_and_its_bias(name, rng):
    shape, made = NETWORKS[name]
    first = randomised(keras.Sequential([keras.Input(shape), *made()]), rng)
    model = keras.Sequential([keras.Input(shape), first, layers.Activation("relu")])
    x, other = (rng.normal(size=(2, *shape)).astype("float32") for _ in range(2))
    outputs, calls = replayed(model, x)
    np.testing.assert_allclose(outputs, model(x), rtol=1e-5, atol=1e-6)
    (step,) = calls
    assert step.op.type == AFFINE_STEP
    bias = np.asarray(first(np.zeros_like(x)))
    assert np.abs(bias).max() > 1e-3
    for point in (x, other):  # the whole of W x + b, also at points that this step was not run at
        _, (there,) = replayed(model, point)
        inside = at(step, there.x[there.active[0]])
        np.testing.assert_allclose(inside.reshape(bias.shape), first(point), rtol=1e-4, atol=1e-5)
    at_zero = at(step, np.zeros(step.x[step.active[0]].shape))
    np.testing.assert_allclose(at_zero.reshape(bias.shape), bias, rtol=1e-4, atol=1e-6)


def test_what_others_read_stays_apart(rng):
    i = keras.Input((4,))
    sums = layers.Dense(3, use_bias=False)(i)
    model = keras.Model(i, layers.Add()([keras.ops.add(sums, np.float32([1, 2, 3])), layers.ReLU()(sums)]))
    outputs, calls = replayed(model, x := rng.normal(size=(2, 4)).astype("float32"))
    assert [c.op.type for c in calls] == ["MatMul"]
    np.testing.assert_allclose(outputs, model(x), rtol=1e-5)


def test_a_sum_of_two_that_vary_is_no_bias(rng):
    i = keras.Input((4,))
    model = keras.Model(i, layers.Add()([layers.Dense(4, use_bias=False)(i), i]))
    _, calls = replayed(model, rng.normal(size=(2, 4)).astype("float32"))
    assert [c.op.type for c in calls] == ["MatMul"]


def test_attention_keeps_its_products_of_two_that_vary(rng):
    i = keras.Input((5, 8))
    model = keras.Model(i, layers.MultiHeadAttention(2, 4, bias_initializer="normal")(i, i))
    outputs, calls = replayed(model, x := rng.normal(size=(2, 5, 8)).astype("float32"))
    assert sorted(c.op.type for c in calls) == [AFFINE_STEP] * 4 + ["Einsum"] * 2
    np.testing.assert_allclose(outputs, model(x), rtol=1e-4, atol=1e-5)
