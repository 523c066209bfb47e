"""What may stand for a model: a file, a SavedModel and its signature, a model of the older Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfxai
from tests.models import MODELS
from tfxai.errors import FileFormatError
from tfxai.model.function import open_model


@pytest.mark.long
def test_saved_model_and_its_signature(rng, tmp_path):
    model, x = MODELS["sequential_cnn"](rng)
    expected = tfxai.explain(model, x, target=2)
    model.export(str(tmp_path / "exported"), verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "exported"))
    for served in (loaded, loaded.signatures["serving_default"], str(tmp_path / "exported")):
        e = tfxai.explain(served, x, target=2)
        values = e.values if isinstance(e.values, np.ndarray) else next(iter(e.values.values()))
        np.testing.assert_allclose(values, expected.values, rtol=1e-4, atol=1e-6)


def test_keras_file(rng, tmp_path):
    model, x = MODELS["dna"](rng)
    model.save(tmp_path / "m.keras")
    np.testing.assert_allclose(
        tfxai.explain(tmp_path / "m.keras", x).values, tfxai.explain(model, x).values, rtol=1e-5, atol=1e-7
    )


@pytest.mark.long
def test_legacy_tf_keras(rng):
    tf_keras = pytest.importorskip("tf_keras")

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
        explainer = tfxai.Explainer(model)
        for rule in ("rescale", "reveal_cancel"):
            e = explainer.using("deeplift", rule=rule)(data, target=1)
            np.testing.assert_allclose(e.delta, 0, atol=1e-5)
            assert np.abs(e.score - e.baseline_score).max() > 1e-3
    assert tfxai.explain(image, x, layer="conv").values.shape == (3, 6, 6, 4)


def test_a_file_that_needs_more_than_keras(tmp_path):
    class Own(keras.layers.Layer):
        def call(self, x):
            return x

    def act(x):
        return x

    for name, layer in (("Own", Own()), ("act", keras.layers.Dense(2, activation=act))):
        for suffix in (".keras", ".h5"):
            keras.Sequential([keras.Input((3,)), layer]).save(tmp_path / f"m{suffix}")
            with pytest.raises(FileFormatError, match=f"it needs '{name}', which Keras does not have") as error:
                open_model(tmp_path / f"m{suffix}")
            assert len(str(error.value)) < 500 and "Lambda" not in str(error.value)


def test_a_file_that_is_none(tmp_path):
    for suffix in (".keras", ".h5"):
        (tmp_path / f"m{suffix}").write_text("hello")
        with pytest.raises(FileFormatError, match="Expected a .keras or .h5 file, or a SavedModel folder") as error:
            open_model(tmp_path / f"m{suffix}")
        assert len(str(error.value)) < 500 and "Lambda" not in str(error.value)
