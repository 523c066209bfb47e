"""Attribution to a layer, found by whatever the user has at hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfxai
from tests.models import MODELS


def test_layer_values_are_those_of_the_network_above_it(rng):
    model, x = MODELS["sequential_cnn"](rng)
    features = keras.Model(model.inputs[0], model.layers[1].output)
    above = keras.Sequential([keras.Input(features.output_shape[1:]), *model.layers[2:]])
    for method in ("deeplift", "gradient"):
        e = tfxai.explain(model, x, method, target=2, layer=model.layers[1])
        expected = tfxai.explain(above, features(x), method, target=2, baseline=features(np.zeros_like(x[:1])))
        np.testing.assert_allclose(e.values, expected.values, rtol=1e-4, atol=1e-6)
        assert e.layer == model.layers[1].name
    assert np.abs(e.values).max() > 0


@pytest.mark.parametrize("layer", ["deep", "middle/deep", "middle/base/features", "base/features", "features", 1, 2])
def test_names_paths_and_indices_through_nesting(layer, rng):
    model, x = MODELS["nested_transfer"](rng)
    e = tfxai.explain(model, x, target=0, layer=layer)
    np.testing.assert_allclose(e.delta, 0, atol=1e-5)
    if isinstance(layer, str):
        assert e.layer.split("/")[-1] == layer.split("/")[-1]
        assert e.layer == {"deep": "middle/deep", "features": "middle/base/features"}[e.layer.split("/")[-1]]
    else:
        assert e.layer == model.layers[layer].name


def test_layer_of_a_subclassed_model(rng):
    model, x = MODELS["subclassed"](rng)
    e = tfxai.explain(model, x, target=1, layer=model.norm)
    np.testing.assert_allclose(e.delta, 0, atol=1e-5)
    assert e.values.shape == (5, 8) and e.layer == model.norm.name


def test_what_bypasses_the_layer_stays_as_in_x(rng):
    i = keras.Input((4,))
    h = layers.Dense(4, activation="relu", name="hidden")(i)
    model = keras.Model(i, layers.Dense(1)(h * i))
    x = rng.normal(size=(3, 4)).astype("float32")
    e = tfxai.explain(model, x, layer="hidden")
    w = model.layers[-1].kernel.numpy()[:, 0]
    hidden = keras.Model(i, h)
    np.testing.assert_allclose(e.values, (hidden(x) - hidden(0 * x)) * x * w, atol=1e-5)
    np.testing.assert_allclose(e.delta, 0, atol=1e-5)


def test_layer_of_a_token_model(rng):
    model, x = MODELS["text"](rng)
    e = tfxai.explain(model, x, layer="lstm" if "lstm" in {la.name for la in model.layers} else model.layers[-2])
    np.testing.assert_allclose(e.delta, 0, atol=1e-5)
    assert e.values.shape == (4, 5)


def test_layers_with_functions_inside(rng):
    class Jitted(layers.Layer):
        @tf.function
        def call(self, x):
            return tf.nn.relu(x) * 2

    model = keras.Sequential([keras.Input((4,)), layers.Dense(4), Jitted(name="inner"), layers.Dense(2)])
    e = tfxai.explain(model, rng.normal(size=(3, 4)).astype("float32"), target=0, layer="inner")
    np.testing.assert_allclose(e.delta, 0, atol=1e-6)


def test_a_call_is_counted_among_calls_not_layers(rng):
    """Call number 4 of a layer, in a model of three layers."""
    i = keras.Input((3,))
    again, h = layers.Dense(3, activation="tanh", name="again"), i
    for _ in range(5):
        h = again(h)
    model = keras.Model(i, layers.Dense(2)(h))
    x = rng.normal(size=(2, 3)).astype("float32")
    for layer in (("again", 4), (again, 4), (1, 0), ("again", -1)):
        e = tfxai.explain(model, x, target=1, layer=layer)
        np.testing.assert_allclose(e.delta, 0, atol=1e-5)
    np.testing.assert_allclose(e.values, tfxai.explain(model, x, target=1, layer="again#4").values, atol=1e-7)
    assert not np.allclose(e.values, tfxai.explain(model, x, target=1, layer=("again", 0)).values)
