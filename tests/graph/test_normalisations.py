"""Normalisations of every make become one op each, and nothing else does."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from tests.graph.captured import captured, normalised, run, spec

X = np.array([[[-2.0, -0.3, 0.2, 1.0, 2.0, 7.0], [-4.0, 0.1, 0.7, 3.0, 8.0, -1.0]]], "float32")
STEP = "NormalisationStep"
GAIN, SHIFT = np.array([1.0, -2.0, 0.5, 3.0, 0.0, 1.0], "float32"), np.arange(6, dtype="float32")


def _layer(layer, shape=(2, 6), dtype="float32"):
    layer.build((None, *shape))
    rng = np.random.default_rng(0)
    layer.set_weights([rng.normal(size=w.shape) for w in layer.weights])
    return layer


def _of_squares(z, square, over=ops.mean, epsilon=1e-6):
    return z * ops.rsqrt(over(square(z), axis=-1, keepdims=True) + epsilon)


def _by_moments(z, normal):
    return normal(z, *tf.nn.moments(z, -1, keepdims=True))


def _variance(z):
    return ops.var(z, -1, keepdims=True) + 1e-3


def _mean(z):
    return ops.mean(z, -1, keepdims=True)


def _instance(z, axes=(1,)):
    return (z - ops.mean(z, axes, keepdims=True)) / ops.sqrt(ops.var(z, axes, keepdims=True) + 1e-5)


# name: function, axes of the squares from 0, gains, whether the mean is taken off
MADE = {
    "layer": (lambda: _layer(layers.LayerNormalization()), (2,), 1, True),
    "layer, two axes": (lambda: _layer(layers.LayerNormalization(axis=(1, 2))), (1, 2), 1, True),
    "layer, another axis": (lambda: _layer(layers.LayerNormalization(axis=1)), (1,), 1, True),
    "layer, no center": (lambda: _layer(layers.LayerNormalization(center=False)), (2,), 1, True),
    "layer, no scale": (lambda: _layer(layers.LayerNormalization(scale=False)), (2,), 0, True),
    "layer, neither": (lambda: _layer(layers.LayerNormalization(scale=False, center=False)), (2,), 0, True),
    "group": (lambda: _layer(layers.GroupNormalization(3)), (1, 3), 1, True),
    "root mean square": (lambda: lambda z: _of_squares(z, ops.square) * GAIN, (2,), 1, False),
    "by a power": (lambda: lambda z: GAIN * _of_squares(z, lambda t: ops.power(t, 2)) + SHIFT, (2,), 1, False),
    "by a product": (lambda: lambda z: _of_squares(z, lambda t: t * t, ops.sum), (2,), 0, False),
    "of a variance": (lambda: lambda z: _of_squares(z, lambda t: (t - _mean(t)) ** 2), (2,), 0, False),
    "divided": (lambda: _instance, (1,), 0, True),
    "by a reciprocal": (
        lambda: lambda z: z * ops.reciprocal(ops.sqrt(ops.mean(z * z, -1, keepdims=True) + 1e-3)) * (1 + GAIN),
        (2,), 1, False,
    ),
    "by one over it": (lambda: lambda z: z * (1 / ops.sqrt(ops.sum(z * z, -1, keepdims=True) + 1e-3)), (2,), 1, False),
    "scaled and shifted twice": (lambda: lambda z: (_instance(z) * GAIN * 2 + SHIFT) + 1, (1,), 2, True),
    "by moments": (
        lambda: lambda z: _by_moments(z, lambda t, m, v: (t - m) * (tf.math.rsqrt(v + 1e-3) * GAIN)),
        (2,), 1, True,
    ),
    "tf.nn.batch_normalization": (
        lambda: lambda z: _by_moments(z, lambda t, m, v: tf.nn.batch_normalization(t, m, v, SHIFT, GAIN, 1e-3)),
        (2,), 1, True,
    ),
}  # fmt: skip
if hasattr(layers, "RMSNormalization"):  # which Keras has from 3.9 on
    MADE["Keras' root mean square"] = (lambda: _layer(layers.RMSNormalization()), (2,), 1, False)


def _steps(graph):
    return [op for op in graph.ops if op.type == STEP]


@pytest.mark.parametrize("name", MADE)
def test_each_make_is_one_op(name):
    make, axes, gains, centred = MADE[name]
    function = make()
    graph = captured(lambda z: tf.sin(function(tf.sin(z))), spec(None, 2, 6))
    found = normalised(graph)
    (step,) = _steps(found)
    assert (step.attrs["norm"].axes, len(step.attrs["gains"]), step.attrs["centred"]) == (axes, gains, centred)
    left = {op.type for op in found.ops} & {"Mean", "Rsqrt", "Sqrt", "SquaredDifference", "Mul", "AddV2", "Sub"}
    assert not left - {"Mul"}  # two gains are made one beside it
    np.testing.assert_allclose(run(found, X)[0], run(graph, X)[0], rtol=1e-6)
    y, root, *mean = step.run([run_to(found, i, X) for i in step.inputs])
    d = run_to(found, step.inputs[0], X).numpy()
    if mean:
        np.testing.assert_allclose(mean[0], d.mean(axes, keepdims=True), rtol=1e-5, atol=1e-7)
        d = d - d.mean(axes, keepdims=True)
    r = root.numpy() ** -step.attrs["norm"].power
    squares = (d**2).mean(axes, keepdims=True) if step.attrs["norm"].kind == "Mean" else (d**2).sum(axes, keepdims=True)
    np.testing.assert_allclose(r**2, squares, rtol=2e-2, atol=2e-3)  # and epsilon


def run_to(graph, value, *arrays):
    """A value inside of a graph."""
    env = dict(graph.captured) | dict(zip(graph.inputs, map(tf.convert_to_tensor, arrays), strict=True))
    for op in graph.ops:
        env.update(zip(op.outputs, op.run([env[i] for i in op.inputs]), strict=True))
    return env[value]


def test_parameters_are_read_when_it_runs():
    layer = _layer(layers.LayerNormalization())
    found = normalised(captured(layer, spec(None, 2, 6)))
    layer.gamma.assign(GAIN), layer.beta.assign(SHIFT)
    c = X - X.mean(-1, keepdims=True)
    wanted = c / np.sqrt((c**2).mean(-1, keepdims=True) + 1e-3) * GAIN + SHIFT
    np.testing.assert_allclose(run(found, X)[0], wanted, rtol=1e-5, atol=1e-5)


def test_in_half_precision_between_its_casts():
    layer = _layer(layers.GroupNormalization(2, dtype="float16"))
    graph = captured(layer, spec(None, 2, 6, dtype="float16"))
    found = normalised(graph)
    (step,) = _steps(found)
    assert found.values[step.inputs[0]].dtype == found.values[step.outputs[0]].dtype == tf.float32
    np.testing.assert_array_equal(run(found, X.astype("float16"))[0], run(graph, X.astype("float16"))[0])


def test_an_end_that_must_stay_is_the_end():
    """What a layer gives is asked for, although more is added to it."""
    graph = captured(lambda z: tf.sin(_instance(z) * GAIN) + tf.cos(_instance(z) * GAIN), spec(None, 2, 6))
    assert len(_steps(normalised(graph))) == 2
    graph = captured(lambda z: (lambda y: y * GAIN + tf.sin(y))(_instance(z)), spec(None, 2, 6))
    (step,) = _steps(normalised(graph))
    assert not step.attrs["gains"]
    scaled = captured(lambda z: _instance(z) * GAIN, spec(None, 2, 6))
    middle = next(op.outputs[0] for op in scaled.ops if op.type == "RealDiv")
    (step,) = _steps(normalised(scaled, keep=[middle]))
    assert step.outputs[0] == middle


NOT = {
    "no epsilon": lambda z: z * ops.rsqrt(ops.mean(z * z, -1, keepdims=True)),
    "an epsilon that is none": lambda z: _of_squares(z, ops.square, epsilon=1e-30),
    "an epsilon that varies": lambda z: z * ops.rsqrt(ops.mean(z * z, -1, keepdims=True) + ops.exp(z)),
    "epsilon behind the root": lambda z: z / (ops.sqrt(ops.mean(z * z, -1, keepdims=True)) + 1e-3),
    "a bounded norm": lambda z: tf.math.l2_normalize(z, -1),
    "over the batch": lambda z: z * ops.rsqrt(ops.mean(z * z, 0, keepdims=True) + 1e-3),
    "axes that go": lambda z: z * ops.rsqrt(ops.mean(z * z, -1) + 1e-3)[..., None],
    "the norm is read": lambda z: (lambda s: z * s + s)(ops.rsqrt(ops.mean(z * z, -1, keepdims=True) + 1e-3)),
    "the mean is read": lambda z: (lambda m: (z - m) * ops.rsqrt(ops.mean((z - m) ** 2, -1, keepdims=True) + 1e-3) + m)(
        tf.sin(ops.mean(z, -1, keepdims=True))),
    "another's norm": lambda z: z[:, ::-1] * ops.rsqrt(ops.mean(z * z, -1, keepdims=True) + 1e-3),
    "another's mean": lambda z: (z - _mean(abs(z))) * ops.rsqrt(_variance(z)),
    "a mean over other axes": lambda z: (z - ops.mean(z, 1, keepdims=True)) * ops.rsqrt(_variance(z)),
    "two different": lambda z: z * (z[:, ::-1] * ops.rsqrt(ops.mean(z * z[:, ::-1], -1, keepdims=True) + 50)),
    "an exponent that broadcasts": lambda z: z[..., :1] * ops.rsqrt(
        ops.sum(z[..., :1] ** np.full(6, 2, "float32"), -1, keepdims=True) + 1e-3),
    "an epsilon that broadcasts": lambda z: z * ops.rsqrt(
        ops.mean(z * z, -1, keepdims=True) + np.full((1, 1, 1, 1), 1e-3, "float32")),
    "a third power": lambda z: _of_squares(z, lambda t: abs(t) ** 3),
    "the mean is added": lambda z: (z + _mean(z)) * ops.rsqrt(_variance(z)),
    "multiplied by the norm": lambda z: z * ops.sqrt(ops.mean(z * z, -1, keepdims=True) + 1e-3),
    "complex": lambda z: tf.math.real(tf.complex(z, z) * tf.math.rsqrt(
        tf.reduce_mean(tf.square(tf.complex(z, z)), -1, keepdims=True) + tf.complex(1e-3, 0.0))),
}  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("name", NOT)
def test_what_is_not_certain_is_left_alone(name):
    graph = captured(lambda z: tf.sin(NOT[name](tf.sin(z))), spec(None, 2, 6))
    found = normalised(graph)
    assert not _steps(found)
    np.testing.assert_array_equal(run(found, X)[0], run(graph, X)[0])


@pytest.mark.parametrize("gain", [tf.sin, lambda z: np.ones((2, 6), "float32")], ids=["varies", "broadcasts"])
def test_a_gain_that_is_no_constant_of_its_size_stays_outside(gain):
    graph = captured(lambda z: _of_squares(z[:, :1], ops.square) * gain(z), spec(None, 2, 6))
    (step,) = _steps(normalised(graph))
    assert not step.attrs["gains"]


def test_twelve_blocks_have_as_many_as_they_are_written_with():
    inputs = x = keras.Input((5, 8))
    for _ in range(3):
        h = layers.LayerNormalization()(x)
        x = x + layers.MultiHeadAttention(2, 4)(h, h)
        x = x + layers.Dense(8)(layers.Dense(16, activation="gelu")(layers.LayerNormalization()(x)))
    model = keras.Model(inputs, layers.LayerNormalization()(x))
    assert len(_steps(normalised(captured(model, spec(None, 5, 8))))) == 7
