"""Attribution to a layer, found by whatever the user has at hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfxai
from tests.models import KINDS


def test_layer_values_are_those_of_the_network_above_it(rng):
    model, x = KINDS["sequential_cnn"](rng)
    features = keras.Model(model.inputs, model.layers[1].output)
    above = keras.Sequential([keras.Input(features.output_shape[1:]), *model.layers[2:]])
    for method in ("deeplift", "gradient"):
        e = tfxai.explain(model, x, method, target=2, layer=model.layers[1])
        expected = tfxai.explain(above, features(x), method, target=2, baseline=features(np.zeros_like(x[:1])))
        np.testing.assert_allclose(e.values, expected.values, rtol=1e-4, atol=1e-6)
        assert e.layer == model.layers[1].name
    assert np.abs(e.values).max() > 0


@pytest.mark.parametrize("layer", ["deep", "middle/deep", "middle/base/features", "base/features", "features", 1, 2])
def test_names_paths_and_indices_through_nesting(layer, rng):
    model, x = KINDS["nested_transfer"](rng)
    e = tfxai.explain(model, x, target=0, layer=layer)
    np.testing.assert_allclose(e.delta, 0, atol=1e-5)
    if isinstance(layer, str):
        assert e.layer.split("/")[-1] == layer.split("/")[-1]
        assert e.layer == {"deep": "middle/deep", "features": "middle/base/features"}[e.layer.split("/")[-1]]
    else:
        assert e.layer == model.layers[layer].name


def test_layer_of_a_subclassed_model(rng):
    model, x = KINDS["subclassed"](rng)
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
    model, x = KINDS["text"](rng)
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


def test_mixin_and_explainable_survive_saving(rng, tmp_path):
    model, x = KINDS["sequential_cnn"](rng)
    expected = tfxai.explain(model, x, target=1)
    wrapped = tfxai.explainable(model)
    assert wrapped.weights[0] is model.weights[0]
    wrapped.save(tmp_path / "w.keras")
    loaded = keras.saving.load_model(tmp_path / "w.keras")
    for m in (wrapped, loaded):
        np.testing.assert_allclose(m.explain(x, target=1).values, expected.values, rtol=1e-4, atol=1e-6)
    plain = keras.saving.load_model(tmp_path / "w.keras", custom_objects={"tfxai>ExplainableModel": keras.Model})
    np.testing.assert_allclose(plain(x), model(x), rtol=1e-5)
    assert not hasattr(keras.Model, "explain")
    with pytest.raises(TypeError, match="ExplainMixin among its base classes"):
        tfxai.explainable(KINDS["subclassed"](rng)[0])


def test_legacy_tf_keras(rng):
    import tf_keras

    old = tf_keras.layers
    x = rng.normal(size=(3, 8, 8, 3)).astype("float32")
    image = tf_keras.Sequential(
        [
            old.Input((8, 8, 3)),
            old.Conv2D(4, 3, activation="relu", name="conv"),
            old.BatchNormalization(),
            old.MaxPooling2D(),
            old.Flatten(),
            old.Dense(3, activation="softmax"),
        ]
    )
    image.layers[1].set_weights([rng.uniform(0.5, 2, 4) for _ in range(4)])
    series = tf_keras.Sequential([old.Input((5, 3)), old.LSTM(4, return_sequences=True), old.GRU(3), old.Dense(2)])
    for model, data in ((image, x), (series, x[:, :5, 0])):
        for rule in ("rescale", "reveal_cancel"):
            e = tfxai.explain(model, data, target=1, rule=rule)
            np.testing.assert_allclose(e.delta, 0, atol=1e-5)
            assert np.abs(e.score - e.baseline_score).max() > 1e-3
    assert tfxai.explain(image, x, layer="conv").values.shape == (3, 6, 6, 4)


@pytest.mark.parametrize("cell", ["LSTM", "GRU", "SimpleRNN"])
def test_masked_steps_get_nothing(cell, rng):
    model = keras.Sequential(
        [keras.Input((6, 3)), layers.Masking(), layers.Bidirectional(getattr(layers, cell)(4)), layers.Dense(2)]
    )
    x = rng.normal(size=(3, 6, 3)).astype("float32")
    x[1, 3:] = 0
    e = tfxai.explain(model, x, target=0, baseline=rng.normal(size=(6, 3)))
    np.testing.assert_allclose(e.delta, 0, atol=1e-5)
    assert np.abs(e.values[1, 3:]).max() == 0 and np.abs(e.values[1, :3]).min() > 0


def test_random_ops_are_drawn_once_for_both_streams(rng):
    """A model that adds noise at inference: the noise cancels in the difference."""
    noisy = lambda z: tf.reduce_sum(tf.nn.relu(z + tf.random.normal(tf.shape(z), dtype=z.dtype)), 1)  # noqa: E731
    e = tfxai.explain(noisy, rng.normal(size=(4, 6)))
    assert np.abs(e.delta).max() < 1e-12
