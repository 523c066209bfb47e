"""Norms, deviations and moduli: 0 at both ends they contribute 0; elsewhere what follows from their squares."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import tfxai

RULES = pytest.mark.parametrize("rule", ["rescale", "reveal_cancel"])


def _pairs(t):
    return tf.reshape(t, [-1, 2, 4])


# of the difference d (n, 4) of both halves of x
DISTANCES = {
    "root of a sum": lambda d: tf.sqrt(tf.reduce_sum(d**2, 1)),
    "power of a sum": lambda d: tf.pow(tf.reduce_sum(d * d, 1), 0.5),
    "keras.ops.norm": lambda d: ops.norm(d, axis=-1),
    "euclidean norm": lambda d: tf.math.reduce_euclidean_norm(d, axis=-1),
    "deviation": lambda d: tf.math.reduce_std(d, axis=-1),
    "modulus": lambda d: tf.reduce_sum(tf.abs(tf.complex(d[:, :2], d[:, 2:])), 1),
    "angle": lambda d: tf.reduce_sum(tf.math.angle(tf.complex(d[:, :2], d[:, 2:])), 1),
}


@pytest.mark.long
@RULES
@pytest.mark.parametrize("name", DISTANCES)
def test_zero_at_both_ends(name, rule, rng):
    """The distance of two equal vectors and a sum: the sum's terms alone are left. Another example is not touched."""
    x = rng.normal(size=(2, 8)).astype("float32")
    x[1, 4:] = x[1, :4]
    f = lambda t: DISTANCES[name](t[:, :4] - t[:, 4:]) + tf.reduce_sum(t[:, :4], 1)  # noqa: E731
    e = tfxai.explain(f, x, rule=rule, verbose=0)
    np.testing.assert_allclose(e.values[1], [*x[1, :4], 0, 0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(e.values[0].sum(), f(x)[0], rtol=1e-5)


@RULES
def test_closed_forms(rule, rng):
    """(x + x0)(x - x0) / (y + y0), with and without the axis that is summed."""
    x, x0 = rng.normal(size=(2, 3, 2, 4)).astype("float32")
    weights = np.array([1.0, -2.0], "float32")
    size = lambda t: np.sqrt((t.astype(float) ** 2).sum(2, keepdims=True))  # noqa: E731
    wanted = weights[:, None] * (x + x0) * (x - x0) / (size(x) + size(x0))
    for keepdims in (True, False):
        norms = lambda t, k=keepdims: tf.math.reduce_euclidean_norm(t, 2, keepdims=k)  # noqa: E731
        f = lambda t, n=norms: tf.reduce_sum(tf.reshape(n(t), [-1, 2]) * weights, 1)  # noqa: E731
        np.testing.assert_allclose(tfxai.explain(f, x, baseline=x0, rule=rule, verbose=0).values, wanted, atol=1e-5)


def test_deviation_of_a_dead_channel():
    layers = [keras.Input((6, 2)), keras.layers.ReLU(), keras.layers.Lambda(lambda t: ops.std(t, 1))]
    model = keras.Sequential([*layers, keras.layers.Dense(1, kernel_initializer="ones")])
    x = np.stack([np.arange(6.0), -np.ones(6)], 1)[None].astype("float32")
    e = tfxai.explain(model, x, target=0, verbose=0)
    assert (e.values[0, :, 1] == 0).all()
    np.testing.assert_allclose(e.values.sum(), np.arange(6.0).std(), rtol=1e-5)


@pytest.mark.long
@pytest.mark.parametrize("method", ["gradient", "smoothgrad", "integrated_gradients"])
def test_where_the_gradient_is_no_number_the_op_is_named(method):
    f = lambda t: tf.sqrt(tf.reduce_sum((t[:, :2] - t[:, 2:]) ** 2, 1), name="distance")  # noqa: E731
    x = np.array([[1, 2, 3, 4], [1, 2, 1, 2]], "float32")
    options = {"noise": 0.0} if method == "smoothgrad" else {}
    said = r"\(first: example 1\)\. They begin at the op distance \(Sqrt\), whose slope is not finite there"
    with pytest.warns(tfxai.CompletenessWarning, match=said):
        tfxai.explain(f, x, method, verbose=0, **options)


def test_a_score_that_is_no_number_blames_no_op():
    with pytest.warns(
        tfxai.CompletenessWarning,
        match=r"score of 1 examples is -inf \(first: example 0\), which nothing can explain\.$",
    ):
        tfxai.explain(lambda t: tf.math.log(tf.reduce_sum(t, 1)), np.zeros((1, 2), "float32"), "gradient", verbose=0)
