"""An error of one call leaves the Explainer as it was: the next call runs as if there had been none."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfxai
from tfxai.errors import TargetError


def fails(outputs):
    raise ValueError("no such thing")


def reads_beyond(outputs):
    """Class 7 of 3, by an index that is known only when it runs."""
    return tf.gather(outputs, 7 + tf.cast(0 * tf.reduce_sum(outputs), tf.int32), axis=1)


WRONG = {
    "of another rank": (lambda outputs: outputs, TargetError, "returns one number per example"),
    "that raises": (fails, ValueError, "no such thing"),
    "that fails when it runs": (reads_beyond, TargetError, "'reads_beyond' fails when it runs: .*7 is not in"),
}


@pytest.mark.long
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_target_function_changes_nothing_afterwards(name, rng):
    wrong, kind, words = WRONG[name]
    model = keras.Sequential([keras.Input((5,)), layers.Dense(4, activation="relu"), layers.Dense(3)])
    x = rng.normal(size=(4, 5)).astype("float32")
    explainer = tfxai.Explainer(model, "deeplift")
    before = explainer(x, target=1)
    traces = explainer.traces
    with pytest.raises(kind, match=words):
        explainer(x, target=wrong)
    kept = explainer.traces
    after = explainer(x, target=1)
    np.testing.assert_array_equal(after.values, before.values)
    assert explainer.traces == kept  # the passes of before are used, with the reference in batch 1 as before
    assert kept - traces <= 3  # at most the wrong target itself, and its pass against one reference and several


def test_a_place_beyond_the_steps_changes_nothing_afterwards(rng):
    model = keras.Sequential([keras.Input((None, 2)), layers.Dense(3)])
    x = rng.normal(size=(2, 4, 2)).astype("float32")
    explainer = tfxai.Explainer(model, "deeplift")
    before = explainer(x, target=(1, 2))
    traces = explainer.traces
    with pytest.raises(TargetError, match=r"outside the output. Received: target \(9, 0\)"):
        explainer(x, target=(9, 0))
    np.testing.assert_array_equal(explainer(x, target=(1, 2)).values, before.values)
    assert explainer.traces == traces


def test_a_model_that_folds_its_batch_is_learnt_once(rng):
    i = keras.Input((6, 4))
    rows = keras.ops.reshape(layers.Dense(5, activation="relu")(keras.ops.reshape(i, (-1, 4))), (-1, 30))
    model = keras.Model(i, layers.Dense(2)(rows))
    x = rng.normal(size=(3, 6, 4)).astype("float32")
    explainer = tfxai.Explainer(model, "deeplift")
    e = explainer(x, target=0)
    np.testing.assert_allclose(e.delta, 0, atol=1e-5)
    traces = explainer.traces
    np.testing.assert_array_equal(explainer(x, target=0).values, e.values)
    assert explainer.traces == traces
