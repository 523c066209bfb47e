"""What is compiled of a model stays for the next explanation: never of a changed model, never longer than the model."""

import concurrent.futures
import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfxai
from tests.living import Living
from tfxai.explainer import kept
from tfxai.model.compiled import TABLES

FACTOR = 1.0


class Reads(layers.Layer):
    """Reads an attribute, a list, a large array and a global number, and has a gradient of its own."""

    def __init__(self):
        super().__init__()
        self.rate, self.numbers, self.slope = 1.0, [1.0], 1.0
        self.table = np.ones(2**19, "float32")

    def call(self, x):
        @tf.custom_gradient
        def sloped(t):
            return tf.identity(t), lambda g: g * self.slope

        return sloped(FACTOR * self.rate * self.numbers[0] * self.table[-1] * x)


def dense():
    return keras.Sequential(
        [
            keras.Input((6,)),
            Reads(),
            layers.Dense(8, activation="relu", name="a"),
            layers.Dense(5, activation="silu", name="b"),
            layers.Dense(2, name="c"),
        ]
    )


def kept_of(model):
    return kept._kept.get(id(model), (None, []))[1]


def traced(model):
    """How many functions were traced for what is kept of a model, and how many captures there are."""
    made = {id(t): t for k in kept_of(model) for t in k.made.values()}
    return sum(t.compiled.traces for t in made.values()), len(kept_of(model))


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
    globals()["FACTOR"] += 1.0


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


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.inner = dense()

    def call(self, x):
        return self.inner(x)


class Module(tf.Module):
    def __init__(self):
        super().__init__()
        self.w = tf.Variable(np.ones((6, 2), "float32"))

    def __call__(self, x):
        return tf.nn.silu(x @ self.w)


def subclassed():
    model = Subclassed()
    model(np.ones((1, 6)))
    return model


def functional():
    i = keras.Input((6,))
    return keras.Model(i, layers.Dense(2)(layers.Dense(4, activation="relu")(i)))


def function():
    w = tf.Variable(np.ones((6, 2), "float32"))
    return lambda t: t @ w


def a_tf_function():
    model = functional()
    return tf.function(lambda t: model(t) * 2)


def recurrent():
    cells = layers.GRU(3, activation="silu")
    return keras.Sequential([keras.Input((6,)), layers.Reshape((2, 3)), cells, layers.Dense(2)])


KINDS = [dense, functional, subclassed, function, a_tf_function, Module, recurrent]


@pytest.mark.parametrize("make", KINDS)
def test_a_model_that_is_dropped_is_freed(make, rng):
    model, x = make(), rng.normal(size=(2, 6)).astype("float32")
    for options in ({}, {"rule": "reveal_cancel"}):
        tfxai.explain(model, x, target=0, **options)
    tfxai.explain(model, x, "gradient", target=0)
    held = lambda outputs, of=model: outputs[:, 0] * len([of])  # noqa: E731  # it holds the model
    tfxai.explain(model, x, target=held)
    if isinstance(model, keras.Model):
        tfxai.explain(model, x, target=0, layer=model.layers[-1])
    number, gone = id(model), weakref.ref(model)
    assert kept_of(model)
    del model, held
    gc.collect()
    assert gone() is None and number not in kept._kept


class Slotted:
    """Takes no weak reference."""

    __slots__ = ("inner",)

    def __init__(self):
        self.inner = functional()

    def __call__(self, x):
        return self.inner(x)


class Equal:
    """Takes no hash, and is equal to all others."""

    def __init__(self, factor):
        self.factor = factor

    def __eq__(self, other):
        return True

    def __call__(self, x):
        return self.factor * x


def test_models_that_cannot_be_keys(rng):
    model, x = Slotted(), rng.normal(size=(2, 6)).astype("float32")
    a, b = (tfxai.explain(model, x, target=0).values for _ in range(2))
    np.testing.assert_array_equal(a, b)
    gone = weakref.ref(model.inner)
    assert not kept_of(model)
    del model
    gc.collect()
    assert gone() is None
    two, three = Equal(2.0), Equal(3.0)
    for model in (two, three, two):
        np.testing.assert_allclose(tfxai.explain(model, x, target=0).values[:, 0], model.factor * x[:, 0], rtol=1e-6)
    owner = functional()
    for _ in range(2):  # a new object at every call
        tfxai.explain(owner.call, x, target=0)
    gc.collect()
    assert all(reference() is not None for reference, _ in kept._kept.values())


def test_what_calls_back_into_python_is_not_kept(rng):
    factor = [1.0]

    def model(t):
        return t * tf.ensure_shape(tf.numpy_function(lambda: np.float32(factor[0]), [], tf.float32), [])

    x = rng.normal(size=(2, 6)).astype("float32")
    for k in (1.0, 2.0):
        factor[0] = k
        np.testing.assert_allclose(tfxai.explain(model, x, "gradient", target=0).values[:, 0], k, rtol=1e-6)
    assert not kept_of(model)


def test_forget(rng):
    one, two, x = functional(), functional(), rng.normal(size=(2, 6)).astype("float32")
    explainer = tfxai.Explainer(one)
    wanted, _ = explainer(x, target=0), tfxai.explain(two, x, target=0)
    traces = explainer.traces
    tfxai.forget(one)
    assert not kept_of(one) and kept_of(two)
    tfxai.forget(one)  # nothing to forget
    np.testing.assert_array_equal(explainer(x, target=0).values, wanted.values)
    assert explainer.traces == traces
    tfxai.forget()
    assert not kept._kept


def test_it_is_bounded(rng):
    def model(t):  # of any length
        return tf.reduce_sum(tf.stack([t[:, k] for k in range(t.shape[1])], axis=1), axis=1)

    for length in range(2, kept.CAPTURES + 4):
        tfxai.explain(model, rng.normal(size=(2, length, 3)).astype("float32"), "gradient", target=0)
    assert len(kept_of(model)) == kept.CAPTURES
    plain, x = functional(), rng.normal(size=(2, 6)).astype("float32")
    sizes = []
    for k in range(TABLES + 4):
        tfxai.explain(plain, x, "lrp", target=0, epsilon=0.01 * (k + 1), rule="epsilon")
        (traced,) = kept_of(plain)[0].made.values()
        sizes.append(len(traced.compiled.functions))
    assert sum(owner.kind == "table" for owner in traced.compiled.owners) == TABLES
    assert sizes[-1] == sizes[TABLES - 1] > sizes[TABLES - 2]  # one comes, one goes


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


def stops(model):
    def stopping(t):
        model(t)
        raise ValueError("on purpose")

    return stopping


@pytest.mark.parametrize("make", [recurrent, dense])
def test_calls_add_nothing(make, rng):
    """Entries of the registry, living graphs and functions, after every kind of call, those that fail included."""
    model, x = make(), rng.normal(size=(2, 6)).astype("float32")

    def calls(k):
        tfxai.explain(model, x, target=k % 2)
        tfxai.explain(model, x, target=0, rule="reveal_cancel")
        tfxai.explain(model, x, "gradient", target=0)
        tfxai.explain(model, x, "gradient", target=lambda outputs: outputs[:, 0] * (k + 1.0))
        with pytest.raises(tfxai.errors.ModelError, match="on purpose"):
            tfxai.explain(stops(model), x, target=0)

    calls(0)  # what TensorFlow and Keras set up once
    tfxai.forget()
    living, added = Living(), []
    for k in range(5):
        calls(k)
        added.append(living.added())
    assert added[-1] == added[-2] == added[-3]  # the last three target functions, and no more
    assert added[-1][0] == 0
    tfxai.forget()
    assert living.added() == (0, 0, 0)


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
