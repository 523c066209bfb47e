"""Rectifiers of every make become one op each, and nothing else does."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from tests.graph.captured import captured, rectified, run, slopes, spec, types, varying

X = np.array([[-2.0, -0.3, 0.2, 1.0, 2.0, 7.0], [-4.0, 0.1, 0.7, 3.0, 8.0, -1.0]], "float32")
ONE = {"Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Softplus", "RectifierStep"}
MADE = {
    "relu": ops.relu,
    "relu6": lambda z: keras.activations.relu(z, max_value=6.0),
    "threshold": lambda z: keras.activations.relu(z, threshold=0.5),
    "all options": lambda z: keras.activations.relu(z, 0.1, 3.0, 0.5),
    "gelu": ops.gelu,
    "silu": ops.silu,
    "mish": keras.activations.mish,
    "hard_swish": keras.activations.hard_silu,
    "celu": keras.activations.celu,
    "maximum": lambda z: ops.maximum(z, 0.0),
    "leaky maximum": lambda z: ops.maximum(z, 0.2 * z),
    "clip": lambda z: ops.clip(z, 0, 6),
    "gate": lambda z: z * ops.cast(z > 0, "float32"),
    "where": lambda z: ops.where(z > 0, z, 0.1 * z),
}


@pytest.mark.parametrize("name", MADE)
def test_each_make_is_one_op(name):
    graph = captured(lambda z: tf.sin(MADE[name](tf.sin(z))), spec(None, 6))
    found = rectified(graph)
    ops = [op for op in found.ops if op.type in varying(found, X)]
    assert [op.type for op in ops if op.type not in ONE] == ["Sin", "Sin"] and len(ops) == 3
    np.testing.assert_allclose(run(found, X)[0], run(graph, X)[0], rtol=1e-6)
    np.testing.assert_allclose(slopes(found, X), slopes(graph, X), rtol=1e-5, atol=1e-7)


def test_prelu_reads_its_slopes_when_it_runs():
    layer = layers.PReLU(alpha_initializer="ones")
    layer.build((None, 6))
    found = rectified(captured(layer, spec(None, 6)))
    assert types(found).count("RectifierStep") == 1
    layer.alpha.assign(np.linspace(0, 1, 6))
    np.testing.assert_allclose(run(found, X)[0], np.where(X > 0, X, np.linspace(0, 1, 6) * X), rtol=1e-6)


@pytest.mark.parametrize(
    "function",
    [
        lambda z: z * ops.sigmoid(z[:, ::-1]),
        lambda z: z * ops.mean(ops.sigmoid(z), axis=1, keepdims=True),
        lambda z: z * z,
        lambda z: z - ops.tanh(z),
        lambda z: ops.maximum(z, z[:, ::-1]),
        lambda z: ops.clip(z, -1, 1),
        lambda z: ops.exp(z) + ops.sin(z),
    ],
    ids=["gated by another", "squeeze and excite", "square", "shrinking", "maximum of two", "clipped", "no rectifier"],
)
def test_gates_and_products_are_left_alone(function):
    graph = captured(function, spec(None, 6))
    assert not ONE & set(types(rectified(graph)))


def test_two_in_a_row_are_two():
    graph = captured(lambda z: ops.silu(ops.gelu(z) - 1), spec(None, 6))
    found = rectified(graph)
    assert types(found).count("RectifierStep") == 2
    np.testing.assert_allclose(run(found, X)[0], run(graph, X)[0], rtol=1e-6)
