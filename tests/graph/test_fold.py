"""Folding: a kernel, its bias and its normalisation are one kernel op and one BiasAdd, and the function is the same."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tests.graph.captured import captured, folded, prepared, run, slopes, spec, types, varying
from tests.models import randomised

IMAGE = spec(None, 6, 6, 3)
NORMALISATIONS = {"FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"}


@pytest.fixture
def x(rng):
    return rng.normal(size=(2, 6, 6, 3)).astype("float32")


@pytest.fixture
def network(rng):
    """The blocks of MobileNet: convolutions without a bias, each with its normalisation and ReLU6."""
    blocks = []
    for kernel in (
        layers.Conv2D(4, 3, use_bias=False),
        layers.DepthwiseConv2D(3, padding="same", use_bias=False),
        layers.Conv2D(5, 1, use_bias=False),
    ):
        blocks += [kernel, layers.BatchNormalization(), layers.ReLU(6.0)]
    ends = [layers.GlobalAveragePooling2D(), layers.Dense(3, activation="softmax")]
    return randomised(keras.Sequential([keras.Input((6, 6, 3)), *blocks, *ends]), rng)


def agree(graph, other, x):
    np.testing.assert_allclose(run(other, x)[0], run(graph, x)[0], rtol=1e-5, atol=1e-6)
    expected = slopes(graph, x)
    np.testing.assert_allclose(slopes(other, x), expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def kernel(op_type, rng):
    """An op with a kernel that has 6 output channels, as a function of its input."""
    shape = {"Conv2D": (3, 3, 3, 6), "DepthwiseConv2dNative": (3, 3, 3, 2), "MatMul": (3, 6)}[op_type]
    weights = tf.Variable(rng.normal(size=shape).astype("float32"))
    return {
        "Conv2D": lambda z: tf.nn.conv2d(z, weights, 1, "SAME"),
        "DepthwiseConv2dNative": lambda z: tf.nn.depthwise_conv2d(z, weights, [1, 1, 1, 1], "SAME"),
        "MatMul": lambda z: tf.matmul(z, weights),
    }[op_type]


LEFT = {"Conv2D", "DepthwiseConv2dNative", "MatMul", "BiasAdd", "Relu6", "Mean", "Softmax"}


def test_a_mobile_net_has_one_bias_per_kernel_and_no_normalisation(network, x):
    graph = captured(lambda z: network(z, training=False), IMAGE)
    assert {"Mul", "AddV2"} <= varying(graph, x) - LEFT  # as Keras writes it
    found = folded(graph)
    kernels = [t for t in types(found) if t in ("Conv2D", "DepthwiseConv2dNative", "MatMul")]
    assert kernels == ["Conv2D", "DepthwiseConv2dNative", "Conv2D", "MatMul"]
    assert varying(found, x) == LEFT and types(found).count("BiasAdd") == 4
    agree(graph, found, x)


def test_what_an_explainer_runs_is_folded(network, x):
    ran = prepared(network, x)  # of the logit
    assert varying(ran, x) == LEFT - {"Softmax"} and types(ran).count("BiasAdd") == 4


@pytest.mark.parametrize("op_type", sorted(NORMALISATIONS))
@pytest.mark.parametrize("bias", [True, False])
def test_the_fused_op_is_folded_too(op_type, bias, rng, x):
    apply = kernel("DepthwiseConv2dNative", rng)
    scale, offset, mean, variance = (tf.Variable(rng.uniform(0.5, 2, 6).astype("float32")) for _ in range(4))

    def function(z):
        z = apply(z) + offset if bias else apply(z)
        more = {"mean": mean, "variance": variance, "epsilon": 1e-3, "is_training": False}
        return getattr(tf.raw_ops, op_type)(x=z, scale=scale, offset=offset, **more)[0]

    graph = captured(function, IMAGE)
    assert op_type in types(graph)
    found = folded(graph)
    assert varying(found, x) == {"DepthwiseConv2dNative", "BiasAdd"} and types(found).count("BiasAdd") == 1
    agree(graph, found, x)


def test_weights_are_folded_as_they_are_when_the_graph_runs(network, x, rng):
    graph = captured(lambda z: network(z, training=False), IMAGE)
    found = folded(graph)
    before = run(found, x)[0].numpy()
    randomised(network, rng)
    assert np.abs(run(found, x)[0] - before).max() > 1e-3
    agree(graph, found, x)


@pytest.mark.parametrize("op_type", ["Conv2D", "DepthwiseConv2dNative", "MatMul"])
@pytest.mark.parametrize(
    "after",
    [
        lambda z, v: z + v,
        lambda z, v: v + z,
        lambda z, v: z - v,
        lambda z, v: tf.nn.bias_add(z, v),
        lambda z, v: v * z,
        lambda z, v: z * v + v,
        lambda z, v: (z + v) * v,
        lambda z, v: ((z - 0.5) * 3.0 + v) * v[None],
    ],
    ids=["plus", "plus from the left", "minus", "bias", "times", "scale, shift", "shift, scale", "chain"],
)
def test_shifts_and_scales_of_channels_are_folded(op_type, after, rng, x):
    apply, vector = kernel(op_type, rng), tf.Variable(rng.normal(size=6).astype("float32"))
    x = x[:, 0, 0] if op_type == "MatMul" else x
    graph = captured(lambda z: after(apply(z), vector), spec(None, *x.shape[1:]))
    found = folded(graph)
    assert op_type in varying(found, x) <= {op_type, "BiasAdd"}
    agree(graph, found, x)


def test_a_constant_minus_the_result_is_left_alone(rng, x):
    apply = kernel("Conv2D", rng)
    graph = captured(lambda z: tf.range(6.0) - apply(z), IMAGE)
    assert types(folded(graph)) == types(graph)
    agree(graph, folded(graph), x)


@pytest.mark.parametrize(
    "after",
    [
        lambda z: z * tf.reshape(tf.range(6.0), (1, 6, 1, 1)),
        lambda z: z * tf.reduce_mean(z, (1, 2, 3), keepdims=True),
        lambda z: z + tf.sin(z),
        lambda z: tf.nn.relu(z) * 2.0,
    ],
    ids=["by place", "by the example", "used twice", "behind a rectifier"],
)
def test_what_is_no_shift_or_scale_of_channels_is_left_alone(after, rng, x):
    apply = kernel("Conv2D", rng)
    graph = captured(lambda z: after(apply(z)), IMAGE)
    assert types(folded(graph)) == types(graph)
    agree(graph, folded(graph), x)


def test_a_value_that_must_go_on_existing_is_not_folded_away(rng, x):
    apply = kernel("Conv2D", rng)
    graph = captured(lambda z: tf.nn.bias_add(apply(z), tf.range(6.0)) * 2.0, IMAGE)
    (raw,) = [op.outputs[0] for op in graph.ops if op.type == "Conv2D"]
    (biased,) = [op.outputs[0] for op in graph.ops if op.type == "BiasAdd"]
    assert varying(folded(graph), x) == {"Conv2D", "BiasAdd"}
    for keep in ([raw], [biased], [raw, biased]):
        found = folded(graph, keep)
        assert "Mul" in varying(found, x) and {*keep} <= {o for op in found.ops for o in op.outputs}
        agree(graph, found, x)


def test_an_output_that_is_read_twice_is_not_folded_away(rng, x):
    apply = kernel("Conv2D", rng)

    def both(z):
        y = apply(z)
        return y * 2.0 + 1.0, tf.sin(y)

    graph = captured(both, IMAGE)
    found = folded(graph)
    assert types(found).count("Conv2D") == 1 and "Mul" in varying(found, x)
    for a, b in zip(run(found, x), run(graph, x), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_channels_first_is_left_alone():
    """(It runs on accelerators only, so it is looked at and not run.)"""
    weights, vector = tf.ones((3, 3, 3, 4)), tf.ones(4)

    def function(z):
        z = tf.nn.conv2d(z, weights, 1, "SAME", data_format="NCHW")
        z = tf.nn.bias_add(z, vector, data_format="NCHW")
        more = {"epsilon": 1e-3, "data_format": "NCHW", "is_training": False}
        return tf.raw_ops.FusedBatchNormV3(x=z, scale=vector, offset=vector, mean=vector, variance=vector, **more)[0]

    graph = captured(function, spec(None, 3, 6, 6))
    assert NORMALISATIONS & set(types(graph)) and types(folded(graph)) == types(graph)


def test_a_normalisation_by_the_batch_is_left_alone(rng, x):
    apply, one = kernel("Conv2D", rng), tf.ones(6)

    def function(z):
        nothing = tf.constant([])
        return tf.raw_ops.FusedBatchNormV3(x=apply(z), scale=one, offset=one, mean=nothing, variance=nothing)[0]

    graph = captured(function, IMAGE)
    assert NORMALISATIONS & set(types(graph)) and types(folded(graph)) == types(graph)
    np.testing.assert_allclose(run(folded(graph), x)[0], run(graph, x)[0])


def test_products_with_one_are_dropped(x):
    """As silu has them, for its beta; but not where the one gives the result its shape."""
    graph = captured(lambda z: tf.sin(z * 1.0) * tf.ones((6, 6, 3)) * 2.0, IMAGE)
    found = folded(graph)
    assert types(graph).count("Mul") == 3 and types(found).count("Mul") == 1
    agree(graph, found, x)
    wider = captured(lambda z: z * tf.ones((5, 1, 1, 1, 1)), IMAGE)
    assert types(folded(wider)) == types(wider)
