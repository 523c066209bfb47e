"""NaN in x, in models that are made for it: what is missing has its own effect, however the model looks for it.

f = g(x0) + x1 + 2 x2 is additive: leaving one feature out is exact, whatever the order. Against 0 that is
g(NaN) - g(0).
"""

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

import tfxai
from tfxai.errors import InputError

NAN = np.nan
X = np.array([[NAN, 7, 1], [2, 3, -1], [NAN, 0, 0], [-1, -2, 4]], "float32")


def indicator(c):
    return tf.cast(tf.math.is_nan(c), tf.float32)


def scaled(c):
    z = (c - 3.0) / 2.0
    return tf.where(tf.math.is_nan(z), -1.0, z) + 3 * indicator(z)


def sums(c):
    both = tf.stack([2 * c, c + 1], axis=1)
    return 3 * indicator(tf.reduce_sum(both, 1)) + tf.where(tf.math.is_nan(c), 0.0, c)


LOOKED_FOR = {
    "a choice and an indicator": lambda c: 2 * tf.where(tf.math.is_nan(c), 5.0, c) + 3 * indicator(c),
    "the other way round": lambda c: tf.where(tf.math.is_finite(c), c, -4.0) + indicator(c),
    "by what is not itself": lambda c: tf.where(c != c, 5.0, c) + 2 * tf.cast(c == c, tf.float32),
    "by Keras": lambda c: ops.nan_to_num(c, 1.5) + 3 * ops.cast(ops.isnan(c), "float32"),
    "by a product without NaN": lambda c: tf.math.multiply_no_nan(c, 1 - indicator(c)) - indicator(c),
    "behind a scale": scaled,
    "behind a sum": sums,
    "behind a rectifier": lambda c: tf.where(tf.math.is_nan(tf.nn.elu(c)), 2.0, tf.nn.elu(c)),
    "by a comparison": lambda c: 3 * tf.cast(c <= 1, tf.float32),
    "in a loop": lambda c: tf.while_loop(
        lambda k, _: k < 2, lambda k, s: (k + 1, s + tf.where(tf.math.is_nan(c), 5.0, c)), (0, tf.zeros_like(c))
    )[1],
    "by buckets": lambda c: layers.Discretization([0.5, 3.0], output_mode="one_hot")(c[:, None])[:, 0],
}


def additive(g):
    return lambda x: (g(x[:, 0]) + x[:, 1] + 2 * x[:, 2])[:, None]


def left_out(f, x):
    return np.stack([f(x) - f(np.where(np.arange(x.shape[1]) == k, 0, x).astype("float32"))
                     for k in range(x.shape[1])], axis=1)  # fmt: skip


def score(f):
    return lambda x: np.asarray(f(tf.constant(x)))[:, 0]


@pytest.mark.long
@pytest.mark.parametrize("name", LOOKED_FOR)
def test_what_is_missing_has_its_own_effect(name):
    f = additive(LOOKED_FOR[name])
    want = left_out(score(f), X)
    assert np.abs(want[0, 0]) > 0.5
    for method in ("deeplift", "occlusion"):
        e = tfxai.explain(f, X, method, allow_nan=True)
        np.testing.assert_allclose(e.values, want, atol=1e-5)
        one = tfxai.explain(f, X[:1], method, allow_nan=True)
        np.testing.assert_allclose(one.values, want[:1], atol=1e-5)


def test_by_hand():
    """f = x1 + 2 where(isnan(x0), 5, x0) + 3 isnan(x0): 2 * 5 + 3 = 13; against 1 it is 13 - 2."""

    def f(x):
        return x[:, 1:] + 2 * tf.where(tf.math.is_nan(x[:, :1]), 5.0, x[:, :1]) + 3 * indicator(x[:, :1])

    x = np.array([[NAN, 7.0]], "float32")
    for baseline, want in ((None, 13.0), (1.0, 11.0)):
        e = tfxai.explain(f, x, baseline=baseline, allow_nan=True)
        np.testing.assert_allclose(e.values, [[want, 7.0 - (baseline or 0)]], rtol=1e-6)
        np.testing.assert_allclose(e.delta, 0, atol=1e-5)


def test_two_that_make_one_element_missing_share_it():
    """6 isnan(x0 + x1) - x2: half of it each where both are missing, all of it where one is."""

    def f(x):
        return 6 * indicator(tf.reduce_sum(x[:, :2], 1)) - x[:, 2]

    x = np.array([[NAN, NAN, 1], [NAN, 2, 1], [1, NAN, 1], [1, 2, 1]], "float32")
    e = tfxai.explain(f, x, allow_nan=True)
    np.testing.assert_allclose(e.values, [[3, 3, -1], [6, 0, -1], [0, 6, -1], [0, 0, -1]], atol=1e-6)

    def added(x):
        return 6 * indicator(x[:, 0] + x[:, 1]) - x[:, 2]

    np.testing.assert_allclose(tfxai.explain(added, x, allow_nan=True).values, e.values, atol=1e-6)


@contextlib.contextmanager
def floats(dtype):
    before = keras.config.floatx()
    keras.config.set_floatx(dtype)
    yield
    keras.config.set_floatx(before)


def tabular():
    """Scaled first, then filled in, with an indicator of each column beside; and a nonlinear head."""
    keras.utils.set_random_seed(0)
    i = keras.Input((4,))
    z = layers.Normalization(mean=[1.0, 2, 3, 4], variance=[4.0, 1, 1, 9])(i)
    gone = ops.cast(ops.isnan(z), "float32")
    joined = ops.concatenate([ops.where(ops.isnan(z), 0.0, z), gone], -1)
    return keras.Model(i, layers.Dense(2)(layers.Dense(8, "relu")(joined)))


@pytest.mark.long
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_of_a_network_add_up_to_the_change_of_the_score(dtype):
    with floats(dtype):
        model = tabular()
    x = np.random.default_rng(0).normal(2, 2, (32, 4)).astype(dtype)
    x[np.random.default_rng(1).random(x.shape) < 0.3] = NAN
    e = tfxai.explain(model, x, target=1, allow_nan=True)
    change = model(x).numpy()[:, 1] - model(np.zeros((1, 4), dtype)).numpy()[:, 1]
    np.testing.assert_allclose(e.values.sum(1), change, atol=1e-5)
    assert np.isnan(e.inputs).any() and np.isfinite(e.values).all()
    alone = np.concatenate([tfxai.explain(model, row[None], target=1, allow_nan=True).values for row in x[:4]])
    np.testing.assert_allclose(e.values[:4], alone, atol=1e-6)
    present = ~np.isnan(x).any(1)
    same = tfxai.explain(model, x[present], target=1)
    np.testing.assert_allclose(e.values[present], same.values, atol=1e-6)


def test_places_of_a_picture_that_are_missing():
    """A linear convolution of the pixels that are there: each has what the score changes without it."""
    keras.utils.set_random_seed(1)
    i = keras.Input((5, 5, 1))
    seen = ops.where(ops.isnan(i), 0.5, i)
    model = keras.Model(i, layers.Dense(1)(layers.Flatten()(layers.Conv2D(3, 3)(seen))))
    x = np.random.default_rng(2).normal(size=(1, 5, 5, 1)).astype("float32")
    x[0, 1:3, 2] = NAN
    e = tfxai.explain(model, x, allow_nan=True)
    copies = np.repeat(x, 25, 0)
    copies.reshape(25, 25)[np.arange(25), np.arange(25)] = 0
    want = model(x).numpy()[0, 0] - model(copies).numpy()[:, 0]
    np.testing.assert_allclose(e.values.reshape(-1), want, atol=1e-5)


def test_an_op_that_leaks_is_named():
    """A dense layer makes all of NaN; which column it was is lost, and said."""
    kernel = tf.constant([[1.0], [2.0]])

    def f(x):
        return 6 * indicator(tf.linalg.matmul(x, kernel)) + x[:, 1:]

    with pytest.warns(tfxai.errors.CompletenessWarning, match=r"leaks most is MatMul"):
        tfxai.explain(f, np.array([[NAN, 1.0]], "float32"), allow_nan=True)


REFUSING = ("gradient", "input_x_gradient", "integrated_gradients", "expected_gradients", "smoothgrad", "vargrad")


@pytest.mark.long
def test_methods_that_cannot_say_name_those_that_can():
    f = additive(LOOKED_FOR["a choice and an indicator"])
    cases = [(m, {}) for m in REFUSING] + [("deeplift", {"rule": "reveal_cancel"}), ("deeplift", {"rule": "genomics"})]
    for method, options in cases:
        with pytest.raises(InputError, match=f"NaN, and {method}.*'deeplift'.*'occlusion'") as caught:
            tfxai.explain(f, X, method, allow_nan=True, **options)
        assert len(str(caught.value)) < 500
        there = tfxai.explain(f, X[1:2], method, allow_nan=True, seed=0, **options)
        np.testing.assert_array_equal(there.values, tfxai.explain(f, X[1:2], method, seed=0, **options).values)


def test_an_input_that_is_not_explained_may_be_missing_in_any_method():
    model = keras.Model(
        (pair := {"a": keras.Input((2,), name="a"), "b": keras.Input((2,), name="b")}),
        layers.Dense(1, kernel_initializer="ones")(pair["a"] + ops.where(ops.isnan(pair["b"]), 3.0, pair["b"])),
    )
    x = {"a": np.array([[1.0, 2.0]], "float32"), "b": np.array([[NAN, 1.0]], "float32")}
    for method in ("gradient", "integrated_gradients"):
        e = tfxai.explain(model, x, method, allow_nan=True, fixed=["b"])
        assert np.isfinite(e.values["a"]).all() and not e.values["b"].any()
        with pytest.raises(InputError, match="'b' has NaN"):
            tfxai.explain(model, x, method, allow_nan=True)
    e = tfxai.explain(model, x, allow_nan=True)
    np.testing.assert_allclose(e.values["b"], [[3, 1]], rtol=1e-6)


def test_unless_it_is_allowed_it_is_refused_and_infinity_always_is():
    f = additive(LOOKED_FOR["a choice and an indicator"])
    with pytest.raises(InputError, match="NaN or Inf in 2 of 4 examples.*allow_nan=True"):
        tfxai.explain(f, X)
    for bad in (np.inf, -np.inf):
        with pytest.raises(InputError, match="Inf in 1 of 1 examples"):
            tfxai.explain(f, np.array([[1, bad, NAN]], "float32"), allow_nan=True)
    with pytest.raises(tfxai.errors.BaselineError, match="finite"):
        tfxai.explain(f, X, allow_nan=True, baseline=NAN)
