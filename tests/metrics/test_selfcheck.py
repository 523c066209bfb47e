"""The self-check: finds what was planted, and nothing else."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfxai
from tfxai.errors import ModelError
from tfxai.metrics import check
from tfxai.metrics.selfcheck import random_inputs

pytestmark = pytest.mark.usefixtures("seeded_tensorflow")


@pytest.mark.long
def test_a_good_model(rng):
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(4, 3, activation="gelu", name="conv"),
                              layers.Flatten(), layers.Dense(2, activation="softmax", name="head")])  # fmt: skip
    found = check(model)
    assert found and found.residual < 1e-5 and found.batch < 1e-5 and found.repeats and not found.unsupported
    assert {f"{model.name}/conv", f"{model.name}/head"} <= set(found.layers) and max(
        map(abs, found.layers.values())
    ) < 1e-5
    assert check(model, rng.normal(size=(3, 8, 8, 1)), rule="reveal_cancel")


def test_random_draws_are_found():
    class Noisy(layers.Layer):
        def call(self, x):
            return x * tf.random.uniform(tf.shape(x))

    found = check(keras.Sequential([keras.Input((6,)), Noisy(), layers.Dense(1)]))
    assert not found and not found.repeats


def test_an_op_without_a_rule_is_named_and_the_rest_measured():
    class Odd(layers.Layer):
        def call(self, x):
            return tf.linalg.svd(x[:, :, None], compute_uv=False)

    found = check(keras.Sequential([keras.Input((3,)), Odd(name="odd"), layers.Dense(1)]))
    assert (
        not found
        and len(found.unsupported) == 1
        and "odd" in found.unsupported[0]
        and found.unsupported[0].endswith("(Svd)")
    )
    assert np.isfinite(found.residual)


def test_an_op_without_a_rule_inside_a_loop():
    def model(x):
        def body(i, s):
            return i + 1, s * tf.linalg.svd(s[:, :, None], compute_uv=False)

        return tf.while_loop(lambda i, s: i < 3, body, (0, x))[1]

    found = check(model, np.ones((2, 3), "float32"), target=0)
    assert not found and "Svd" in found.unsupported[0]


def test_leaks_are_per_layer():
    model = keras.Sequential(
        [keras.Input((3,)), layers.Dense(4, activation="tanh", name="a"), layers.Dense(1, name="b")]
    )
    leaks = tfxai.Explainer(model, "deeplift").leaks(np.ones((2, 3), "float32"), example=1)
    assert any(op.endswith("/Tanh (Tanh)") for op in leaks) and max(map(abs, leaks.values())) < 1e-6
    assert tfxai.Explainer(model, "gradient").leaks(np.ones((2, 3), "float32")) == {}


@pytest.mark.long
def test_random_inputs():
    a, b = keras.Input((3,), name="a"), keras.Input((None,), dtype="int32", name="b")
    both = keras.Model(
        {"a": a, "b": b}, layers.concatenate([a, layers.GlobalAveragePooling1D()(layers.Embedding(2, 2)(b))])
    )
    x = random_inputs(both)
    assert x["a"].shape == (4, 3) and x["b"].shape == (4, 16) and x["b"].dtype == np.int32 and x["b"].max() <= 1
    assert check(both, target=0)
    with pytest.raises(ModelError, match="does not say what its inputs look like"):
        check(lambda x: x)
