"""Models whose examples change each other: said, with the way out."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfxai
from tfxai import errors

SOUND = np.random.default_rng(0).normal(size=(3, 2000)).astype("float32")


class Centred(layers.Layer):
    """Takes the mean of the batch off, as normalisation by batch statistics does."""

    def call(self, x):
        return x - keras.ops.mean(x, axis=0, keepdims=True)


@pytest.mark.parametrize("method", ["deeplift", "integrated_gradients"])
def test_examples_that_change_each_other_are_named_as_the_reason(method):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6,)), layers.Dense(4), Centred(), layers.Dense(8, "tanh"), layers.Dense(3)])
    x = np.random.default_rng(1).normal(size=(4, 6)).astype("float32")
    with pytest.warns(errors.CompletenessWarning, match=r"Alone it adds up: .* change each other.* batch_size=1"):
        tfxai.explain(model, x, method, target=0)
    e = tfxai.explain(model, x, method, target=0, batch_size=1)  # no warning: they are errors here
    assert np.abs(e.delta).max() < 1e-5


@pytest.mark.long
def test_sound_through_a_mel_spectrogram():
    """Its dynamic range is cut below the loudest place of the whole batch."""
    keras.utils.set_random_seed(0)
    mel = layers.MelSpectrogram(sampling_rate=8000, fft_length=256, num_mel_bins=16)
    model = keras.Sequential([keras.Input((2000,)), mel, layers.Flatten(), layers.Dense(2)])
    with pytest.warns(errors.CompletenessWarning, match="change each other"):
        tfxai.explain(model, SOUND, target=0)
    e = tfxai.explain(model, SOUND, target=0, batch_size=1)
    assert (np.abs(e.delta) < 1e-4 * np.abs(e.score - e.baseline_score)).all()


def test_no_op_of_a_spectrum_leaks():
    """Complex numbers included: an op's residual counts Re(conj(multiplier) * change)."""

    def model(x):
        z = tf.signal.rfft(x)
        return tf.reduce_sum(tf.square(tf.math.real(z)) + 2 * tf.square(tf.math.imag(z)), 1)

    leaks = tfxai.Explainer(model).leaks(SOUND[:, :64])
    assert {"RFFT", "Real", "Imag"} <= {op.split("(")[1].rstrip(")") for op in leaks}
    assert max(map(abs, leaks.values())) < 1e-5 * float(model(SOUND[:1, :64])[0])


@pytest.mark.long
@pytest.mark.parametrize("method", ["deeplift", "gradient"])
def test_stateful_layers_get_their_number_of_examples(method):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input(batch_shape=(4, 6, 3)), layers.LSTM(5, stateful=True), layers.Dense(2)])
    x = np.random.default_rng(0).normal(size=(4, 6, 3)).astype("float32")
    model(x)
    state = [np.array(v) for v in model.variables]
    assert tfxai.explain(model, x, method, target=0).values.shape == x.shape
    for before, after in zip(state, model.variables, strict=True):
        np.testing.assert_array_equal(before, after)
    free = keras.Sequential([keras.Input((6, 3)), layers.LSTM(5), layers.Dense(2)])
    free.set_weights(model.get_weights())
    model.layers[0].reset_states()
    for n in (1, 3, 4):  # the last pass is filled up
        wanted = tfxai.explain(free, x[:n], method, target=0).values
        np.testing.assert_allclose(tfxai.explain(model, x[:n], method, target=0).values, wanted, atol=1e-6)
