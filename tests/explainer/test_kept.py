"""What is compiled of a model stays for the next explanation, and is never that of a model as it was before."""

import concurrent.futures

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfxai
from tests import keeping
from tests.keeping import dense, kept_of, traced


@pytest.mark.long
@pytest.mark.parametrize("method", ["deeplift", "gradient", "integrated_gradients", "occlusion", "lrp"])
def test_again_nothing_is_traced_but_the_model_itself(method, rng):
    model, x = dense(), rng.normal(size=(3, 6)).astype("float32")
    first = tfxai.explain(model, x, method, target=0)
    before = traced(model)
    again = tfxai.explain(model, x[:2], method, target=1)
    np.testing.assert_allclose(again.score, np.asarray(model(x))[:2, 1], rtol=1e-4, atol=1e-6)
    again = tfxai.explain(model, x[:2], method, target=0)
    np.testing.assert_allclose(again.values, first.values[:2], rtol=1e-5, atol=1e-7)
    explainer = tfxai.Explainer(model, method)
    np.testing.assert_allclose(explainer(x, target=0).values, first.values, rtol=1e-5, atol=1e-7)
    assert explainer.traces == 1  # the capture
    assert traced(model) == before and before[1] == 1


@pytest.mark.long
def test_the_mixin_callbacks_and_checks_share_it(rng):
    plain, x = dense(), rng.normal(size=(4, 6)).astype("float32")
    model = tfxai.explainable(plain)
    model.explain(x, target=0)
    before = traced(model)
    model.explain(x, target=0)
    tfxai.explain(model, x, target=0)
    model.compile("sgd", "mse")
    snapshot = tfxai.callbacks.ExplanationSnapshot(x, "deeplift", target=0, sinks=[])
    model.fit(x, np.zeros((4, 2)), verbose=0, callbacks=[snapshot])
    assert traced(model) == before
    tfxai.metrics.check(model, x, target=0)
    after = traced(model)
    assert after[1] == 1 and tfxai.metrics.check(model, x, target=0) and traced(model) == after


def activation(model):
    model.get_layer("a").activation = keras.activations.tanh


def another_function(model):
    """In the place of the last one, which is gone: it may get its id."""
    for k in (2.0, 3.0, 4.0):
        model.get_layer("a").activation = lambda t, k=k: t * k


def attribute(model):
    model.layers[0].rate = 3.0


def an_item(model):
    model.layers[0].numbers[0] = 5.0


def a_large_array(model):
    model.layers[0].table[-1] = 7.0


def a_global(model):
    keeping.FACTOR += 1.0


def adapters(model):
    model.get_layer("a").enable_lora(2)
    model.get_layer("a").lora_kernel_b.assign(np.ones((2, 8), "float32"))


def another_layer(model):
    model.pop()
    model.add(layers.Dense(2, kernel_initializer="ones"))


def a_longer_model(model):
    model.add(layers.Dense(2, kernel_initializer="ones", activation="tanh"))


def weights(model):
    model.set_weights([np.full(w.shape, 0.3, "float32") for w in model.get_weights()])


def frozen_and_trained(model):
    model.get_layer("a").trainable = False
    model.compile(keras.optimizers.SGD(1.0), "mse")
    model.fit(np.ones((4, 6)), np.ones((4, 2)), verbose=0)


def half(model):
    model.get_layer("a").dtype_policy = keras.DTypePolicy("mixed_float16")


CHANGES = [activation, another_function, attribute, an_item, a_large_array, a_global, adapters, another_layer,
           a_longer_model, weights, frozen_and_trained, half]  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("method", ["deeplift", "gradient"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_model_is_explained_as_it_is_now(change, method, rng):
    model, x = dense(), rng.normal(size=(3, 6)).astype("float32")
    before = tfxai.explain(model, x, method, target=0)
    change(model)
    after = tfxai.explain(model, x, method, target=0)
    score = np.asarray(model(x))[:, 0]
    assert np.abs(score - before.score).max() > (1e-7 if change is half else 1e-3)
    np.testing.assert_allclose(after.score, score, rtol=1e-4, atol=1e-5)
    tfxai.forget(model)
    np.testing.assert_allclose(after.values, tfxai.explain(model, x, method, target=0).values, rtol=1e-4, atol=1e-5)


@pytest.mark.long
def test_a_quantised_model_is_refused_as_at_first(rng):
    model, x = keras.Sequential([keras.Input((6,)), layers.Dense(8, "relu"), layers.Dense(2)]), np.ones((2, 6))
    tfxai.explain(model, x, target=0)
    for layer in model.layers:
        layer.quantize("int8")
    with pytest.raises(tfxai.UnsupportedOpError, match="a quantised layer"):
        tfxai.explain(model, x, target=0)


def test_another_gradient_of_the_same_function(rng):
    model, x = dense(), rng.normal(size=(3, 6)).astype("float32")
    before = tfxai.explain(model, x, "gradient", target=0)
    model.layers[0].slope = 3.0
    with pytest.warns(UserWarning, match="custom gradient"):
        after = tfxai.explain(model, x, "gradient", target=0)
    np.testing.assert_allclose(after.values, 3 * before.values, rtol=1e-5)


def test_a_change_that_is_taken_back_finds_what_was_compiled(rng):
    model, x = dense(), rng.normal(size=(3, 6)).astype("float32")
    first = tfxai.explain(model, x, target=0)
    activation(model)
    tfxai.explain(model, x, target=0)
    before = traced(model)
    model.get_layer("a").activation = keras.activations.relu
    np.testing.assert_allclose(tfxai.explain(model, x, target=0).values, first.values, rtol=1e-6)
    assert traced(model) == before and before[1] == 2


def test_names_are_those_of_now(rng):
    i = keras.Input((6,))
    model = keras.Model(i, [layers.Dense(2, name="one")(i), layers.Dense(2, name="two")(i)])
    x = rng.normal(size=(2, 6)).astype("float32")
    tfxai.explain(model, x, "lrp", target=tfxai.targets.output("one", 0), rule="epsilon")
    model.get_layer("one").name = "other"
    e = tfxai.explain(model, x, "lrp", target=tfxai.targets.output(0, 0), rule="epsilon")
    assert "other" in e.layer_sums and "one" not in e.layer_sums


@pytest.mark.long
def test_what_is_asked_for_tells_apart(rng):
    """Options that decide what is traced: a score or a probability, the layer, inputs that stay, XLA."""
    i, j = keras.Input((3,), name="i"), keras.Input((3,), name="j")
    hidden = layers.Dense(4, activation="relu", name="hidden")(layers.Concatenate(name="both")([i, j]))
    model = keras.Model([i, j], layers.Dense(2, activation="softmax")(hidden))
    x = {"i": rng.normal(size=(2, 3)).astype("float32"), "j": rng.normal(size=(2, 3)).astype("float32")}
    asked = [{}, {"on": "probability"}, {"layer": "hidden"}, {"layer": "both"}, {"layer": model.get_layer("hidden")},
             {"fixed": "i"}, {"fixed": "j"}, {"jit_compile": True}]  # fmt: skip

    def values(options, again):
        if not again:
            tfxai.forget(model)
        return keras.tree.flatten(tfxai.explain(model, x, target=0, **options).values)

    wanted = [values(options, False) for options in asked]
    tfxai.forget(model)
    for _ in range(2):
        for options, want in zip(asked, wanted, strict=True):
            for a, b in zip(values(options, True), want, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    assert len(kept_of(model)) == 2  # with the calls of layers and without


@pytest.mark.long
def test_threads(rng):
    """Several models and several methods at once: the values of each alone."""
    models = [dense() for _ in range(3)]
    x = rng.normal(size=(4, 6)).astype("float32")
    jobs = [(m, method) for m in models for method in ("deeplift", "gradient", "integrated_gradients")]

    def values(job):
        model, method = job
        return tfxai.explain(model, x, method, target=0).values

    wanted = [values(job) for job in jobs]
    tfxai.forget()
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        for _ in range(2):
            for got, want in zip(pool.map(values, jobs), wanted, strict=True):
                np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-7)
    assert [len(kept_of(m)) for m in models] == [1, 1, 1]


def test_rows_of_different_length(rng):
    """They are explained by way of a wrapper, which is new at every call."""
    w = tf.constant(rng.normal(size=(3, 2)), tf.float32)

    def model(rows):
        return tf.stack([tf.reduce_sum(rows, axis=1), tf.reduce_sum(rows**2, axis=1)], axis=1) @ w[:2]

    x = tf.ragged.constant([[1.0, 2.0, 3.0], [4.0]])
    first = tfxai.explain(model, x, "gradient", target=0)
    before = traced(model)
    again = tfxai.explain(model, x, "gradient", target=0)
    np.testing.assert_array_equal(again.values, first.values)
    assert traced(model) == before and before[1] == 1
