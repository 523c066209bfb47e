"""Quantised models: exact where the numbers can be followed, an error where they cannot."""

import keras
import numpy as np
import pytest
from keras import layers

import tfxai
from tfxai import errors

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have a `quantize` method:UserWarning")
TOKENS = np.array([[4, 8, 15, 16, 23, 42, 0], [1, 2, 3, 4, 5, 6, 7]])


def reader():
    ids = keras.Input((7,), dtype="int32")
    x = layers.Embedding(50, 16, name="table")(ids)
    normal = layers.LayerNormalization()(x)
    x = x + layers.MultiHeadAttention(2, 8)(normal, normal)
    return keras.Model(ids, layers.Dense(3)(layers.GlobalAveragePooling1D()(x)))


def dense(mode=None):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6,)), layers.Dense(8, activation="relu"), layers.Dense(3)])
    if mode:
        model.quantize(mode)
    return model


@pytest.fixture(scope="module", params=["int8", "int4"])
def readers(request):
    """A model with a quantised table, and the same model with the table that this one stands for."""
    keras.utils.set_random_seed(0)
    plain, quantised = reader(), reader()
    quantised.set_weights(plain.get_weights())
    quantised.get_layer("table").quantize(request.param)
    plain.get_layer("table").set_weights([np.asarray(quantised.get_layer("table")(np.arange(50)))])
    return tfxai.Explainer(plain), tfxai.Explainer(quantised)


@pytest.mark.long
@pytest.mark.parametrize("method", ["deeplift", "integrated_gradients", "input_x_gradient", "gradient", "occlusion"])
def test_a_quantised_embedding_is_one_table(readers, method):
    """Values, scales and offsets of the table are not explained apart: the numbers are those of the table they make."""
    expected, e = (explainer.using(method)(TOKENS, target=0) for explainer in readers)
    assert e.values.shape == TOKENS.shape and np.abs(e.values).max() > 1e-3
    np.testing.assert_allclose(e.values, expected.values, atol=1e-6)
    np.testing.assert_allclose(e.score, expected.score, atol=1e-6)


def test_two_tables_of_the_same_ids_keep_their_sum():
    keras.utils.set_random_seed(0)
    ids = keras.Input((7,), dtype="int32")
    first, second = layers.Embedding(50, 8)(ids), layers.Embedding(50, 8)(ids)
    gated = first * keras.ops.sigmoid(second) + second
    model = keras.Model(ids, layers.Dense(1)(layers.Flatten()(gated)))
    e = tfxai.explain(model, TOKENS)
    assert np.abs(e.delta).max() < 1e-6
    kernel = model.layers[-1].get_weights()[0].reshape(7, 8)
    each = (np.asarray(keras.Model(ids, gated)(TOKENS)) * kernel).sum(-1)
    np.testing.assert_allclose(e.values, each, atol=1e-6)  # zero embeddings give zero, tokens do not mix


@pytest.mark.long
@pytest.mark.parametrize("rule", ["rescale", "reveal_cancel"])
def test_deeplift_refuses_products_of_rounded_numbers(rule):
    """Else all credit goes to the one feature that the scale of the rounding is taken from, and even adds up."""
    x = np.random.default_rng(0).normal(size=(2, 6)).astype("float32")
    message = r"op BatchMatMul\w* at '.*dense.*' multiplies integers \(int32\) .* before quantize\(\)"
    with pytest.raises(errors.UnsupportedOpError, match=message):
        tfxai.explain(dense("int8"), x, rule=rule)


@pytest.mark.long
def test_gradients_of_int8_are_those_that_keras_defines():
    x = np.random.default_rng(0).normal(size=(2, 6)).astype("float32")
    for method in ("gradient", "integrated_gradients"):
        expected = tfxai.explain(dense(), x, method, target=0).values
        e = tfxai.explain(dense("int8"), x, method, target=0)
        np.testing.assert_allclose(e.values, expected, atol=0.02 * np.abs(expected).max())


@pytest.mark.long
def test_weights_alone_quantised_are_followed_exactly():
    x = np.random.default_rng(0).normal(size=(2, 6)).astype("float32")
    e = tfxai.explain(dense("int4"), x, target=0)
    assert np.abs(e.delta).max() < 1e-6 and (np.abs(e.values) > 1e-4).all()


def test_float8_has_no_gradient():
    with pytest.raises(errors.NoGradientError, match="rounding"):
        tfxai.explain(dense("float8"), np.ones((2, 6), "float32"))
