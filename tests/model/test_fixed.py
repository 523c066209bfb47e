"""What does not depend on the input is read at every call, op by op or compiled: the same numbers, of now.

The weights are changed between calls, and the model itself says what its score is then.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfxai
from tfxai.model import traced


class Iterated(layers.Layer):
    """Weights that are made in a loop, as spectral normalisation makes them."""

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], 2), initializer="glorot_uniform")

    def call(self, x):
        w = tf.convert_to_tensor(self.w)
        return x @ tf.while_loop(lambda k, w: k < 3, lambda k, w: [k + 1, tf.tanh(w)], [0, w])[1]


def plain():
    return keras.Sequential([keras.Input((6,)), layers.Dense(8), layers.BatchNormalization(), layers.Dense(2)])


def looped():
    return keras.Sequential([keras.Input((6,)), layers.Dense(8, activation="relu"), Iterated()])


def drawn(model, rng):
    model.set_weights([rng.uniform(0.1, 1, w.shape).astype("float32") for w in model.get_weights()])


@pytest.mark.parametrize("method", ["deeplift", "gradient"])
@pytest.mark.parametrize("few", [0, 200])
def test_weights_of_now_whether_compiled_or_not(few, method, rng, monkeypatch):
    monkeypatch.setattr(traced, "FEW", few)
    model, x = plain(), rng.normal(size=(3, 6)).astype("float32")
    drawn(model, rng)
    explainer, counts = tfxai.Explainer(model, method), []
    first = explainer(x, target=0)
    for _ in range(traced.OFTEN + 1):
        np.testing.assert_array_equal(explainer(x, target=0).values, first.values)
        counts.append(explainer.traces)
    assert counts[-3] == counts[0] and counts[-1] - counts[0] == (few == 0)
    for _ in range(2):
        drawn(model, rng)
        np.testing.assert_allclose(explainer(x, target=0).score, np.asarray(model(x))[:, 0], rtol=1e-5)
    assert explainer.traces == counts[-1]


def test_a_loop_is_compiled_at_once(rng):
    model, x = looped(), rng.normal(size=(3, 6)).astype("float32")
    explainer = tfxai.Explainer(model)
    e = explainer(x, target=0)
    np.testing.assert_allclose(e.score, np.asarray(model(x))[:, 0], rtol=1e-5)
    np.testing.assert_allclose(e.values.sum(1), e.score - e.baseline_score, atol=1e-5)
    assert "weights" in {key[0] for key in explainer.trace(x)[1].compiled.functions}
