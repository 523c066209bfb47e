"""Precision: half floats keep a usable sum, double floats an exact one."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfxai


@pytest.mark.long
@pytest.mark.parametrize("policy, limit", [("mixed_float16", 3e-2), ("mixed_bfloat16", 0.2)])
@pytest.mark.parametrize("rule", ["rescale", "reveal_cancel"])
def test_mixed_precision(policy, limit, rule, rng):
    def build(dtype):
        keras.utils.set_random_seed(3)
        return keras.Sequential(
            [
                keras.Input((10, 10, 3)),
                layers.Conv2D(6, 3, activation="relu", dtype=dtype),
                layers.BatchNormalization(dtype=dtype),
                layers.Conv2D(6, 3, activation="silu", dtype=dtype),
                layers.GlobalAveragePooling2D(dtype=dtype),
                layers.Dense(3, dtype=dtype),
                layers.Activation("softmax", dtype="float32"),
            ]
        )

    x = rng.normal(size=(3, 10, 10, 3)).astype("float32")
    e = tfxai.explain(build(policy), x, target=1, rule=rule)
    exact = tfxai.explain(build("float32"), x, target=1, rule=rule)
    assert e.values.dtype == np.float32
    scale = np.abs(exact.values).sum((1, 2, 3)).max()
    assert np.abs(e.values - exact.values).sum((1, 2, 3)).max() < limit * scale
    assert np.abs(e.delta).max() < limit * np.abs(exact.score).max()


def test_float64_is_exact_to_rounding(rng):
    x = rng.normal(size=(2, 5))
    e = tfxai.explain(lambda z: tf.reduce_sum(tf.nn.softmax(tf.sinh(z) / (1 + z * z)) * tf.math.erf(z), 1), x)
    assert e.values.dtype == np.float64 and np.abs(e.delta).max() < 1e-13
