"""A model is explained as it is at the call, and at x's own shape where it needs one; what is kept is bounded."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfxai
from tfxai.errors import ModelError, UnsupportedOpError
from tfxai.explainer.prepared import KEPT
from tfxai.model.compiled import TARGETS


def dense():
    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(8, activation="relu", name="a"),
            layers.Dense(5, activation="relu"),
            layers.Dense(2, name="c"),
        ]
    )


class Scaled(layers.Layer):
    """Reads a number of Python."""

    rate = 1.0

    def call(self, x):
        return self.rate * x


def scaled():
    return keras.Sequential([keras.Input((6,)), Scaled(), layers.Dense(2)])


def adapters(model):
    model.get_layer("a").enable_lora(2)
    model.get_layer("a").lora_kernel_b.assign(np.ones((2, 8), "float32"))


def activation(model):
    model.get_layer("a").activation = keras.activations.tanh


def another_layer(model):
    model.pop()
    model.add(layers.Dense(2, kernel_initializer="ones"))


def number(model):
    model.layers[0].rate = 3.0


CHANGES = {
    "low-rank adapters": (dense, adapters),
    "another activation": (dense, activation),
    "another layer": (dense, another_layer),
    "a number that call reads": (scaled, number),
}


@pytest.mark.long
@pytest.mark.parametrize("name", CHANGES)
def test_a_model_that_was_changed_is_explained_as_it_is_now(name, rng):
    make, change = CHANGES[name]
    model, x = make(), rng.normal(size=(3, 6)).astype("float32")
    explainer = tfxai.Explainer(model, "deeplift")
    before = explainer(x, target=0)
    change(model)
    after = explainer(x, target=0)
    assert np.abs(after.score - before.score).max() > 1e-3
    np.testing.assert_allclose(after.score, np.asarray(model(x))[:, 0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(after.values, tfxai.explain(model, x, target=0).values, rtol=1e-4, atol=1e-5)


@pytest.mark.long
def test_a_model_that_was_quantised_is_refused_as_a_new_explainer_does(rng):
    model, x = dense(), rng.normal(size=(3, 6)).astype("float32")
    explainer = tfxai.Explainer(model, "deeplift")
    explainer(x, target=0)
    for layer in model.layers:
        layer.quantize("int8")
    with pytest.raises(UnsupportedOpError, match="a quantised layer"):
        explainer(x, target=0)


def test_what_training_notes_in_a_model_compiles_nothing_again(rng):
    model, x = dense(), rng.normal(size=(4, 6)).astype("float32")
    explainer = tfxai.Explainer(model, "deeplift")
    explainer(x, target=0)
    traces = explainer.traces
    model.compile("sgd", "mse")
    model.fit(x, np.zeros((4, 2)), verbose=0)
    model.predict(x, verbose=0)
    e = explainer(x, target=0)
    np.testing.assert_allclose(e.score, np.asarray(model(x))[:, 0], rtol=1e-4, atol=1e-5)
    assert explainer.traces == traces


def reads_rows(t):
    """As many rows as examples, in Python; of x's two steps a square."""
    rows = [tf.reduce_sum(t[k] ** 2, axis=0) for k in range(t.shape[0])]
    return tf.stack(rows)


@pytest.mark.long
@pytest.mark.parametrize("method", ["gradient", "deeplift", "smoothgrad", "occlusion"])
@pytest.mark.parametrize("batch_size", [None, 2, 1])
def test_a_model_that_reads_how_many_examples_it_gets(method, batch_size, rng):
    x = rng.normal(size=(5, 2, 3)).astype("float32")
    e = tfxai.explain(reads_rows, x, method, target=1, batch_size=batch_size, seed=0)
    np.testing.assert_allclose(e.score, (x**2).sum(axis=1)[:, 1], rtol=1e-5)
    want = np.zeros_like(x)
    want[:, :, 1] = (2 * x if "grad" in method else x**2)[:, :, 1]
    if method == "occlusion":  # hides steps, whose channels share the drop
        want = want.mean(axis=2, keepdims=True) + 0 * x
    tolerance = 1e-4 if method != "smoothgrad" else 1e-3  # antithetic noise cancels in an odd gradient
    np.testing.assert_allclose(e.values, want, atol=tolerance)


def bag(t):
    """One prediction of three classes for the whole bag, by a loop over its instances."""
    rows = tf.stack([tf.reduce_sum(t[k] ** 2, axis=0) for k in range(t.shape[0])])
    return tf.reduce_max(rows, axis=0)


def turned(t):
    """The rows in another order than the examples."""
    return tf.stack([tf.reduce_sum(t[k], axis=0) for k in reversed(range(t.shape[0]))])


@pytest.mark.long
@pytest.mark.parametrize("method", ["gradient", "deeplift", "occlusion"])
def test_sizes_that_happen_to_fit_are_no_rows(method, rng):
    x = rng.normal(size=(3, 2, 3)).astype("float32")
    for model in (lambda t: bag(t)[:, None], turned):
        with pytest.raises(ModelError, match="does not return one row per example"):
            tfxai.explain(model, x, method, target=0)
        with pytest.raises(ModelError, match="does not return one row per example"):
            tfxai.explain(model, x, method, target=0, batch_size=1)


def test_one_number_for_each_example_is_enough_to_see_it():
    def sums(t):  # of all examples, as often as there are
        return tf.reshape(tf.add_n([t[k] for k in range(t.shape[0])]) * tf.ones(t.shape[0]), [-1, 1])

    for x in (np.ones((3, 1), "float32"), np.array([[1.0], [2.0], [3.0]], "float32")):
        with pytest.raises(ModelError, match="does not return one row per example"):
            tfxai.explain(sums, x, target=0)


def test_leaks_of_a_model_that_reads_how_many_examples_it_gets(rng):
    x = rng.normal(size=(5, 2, 3)).astype("float32")
    leaks = tfxai.Explainer(reads_rows, "deeplift").leaks(x, target=1, example=4)
    assert max(map(abs, leaks.values())) < 1e-5


@pytest.mark.long
def test_lengths_that_come_and_go_do_not_add_up(rng):
    def model(t):  # reads its length in Python
        return tf.stack([tf.reduce_sum(t[:, k], axis=-1) for k in range(t.shape[1])], axis=1)

    explainer = tfxai.Explainer(model, "gradient")
    for length in range(2, KEPT + 5):
        e = explainer(rng.normal(size=(2, length, 3)).astype("float32"), target=0)
        np.testing.assert_array_equal(e.values[:, 0], 1)
    assert len(explainer._prepared._captured) == KEPT


def test_target_functions_that_are_new_at_every_call_do_not_add_up(rng):
    model, x = dense(), rng.normal(size=(3, 6)).astype("float32")
    explainer = tfxai.Explainer(model, "deeplift")
    kept = []
    for k in range(2 * TARGETS):
        factor = float(k + 1)
        e = explainer(x, target=lambda outputs, factor=factor: factor * outputs[:, 0])
        np.testing.assert_allclose(e.score, factor * np.asarray(model(x))[:, 0], rtol=1e-4, atol=1e-5)
        kept.append(len(explainer.trace(x)[1].compiled.functions))
    assert kept[-1] == kept[TARGETS]  # full after so many, and no more
    assert explainer.traces > kept[-1]  # which counts what was dropped too
