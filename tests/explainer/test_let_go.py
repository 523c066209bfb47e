"""What is compiled of a model goes with the model, is bounded, and can be dropped."""

import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfxai
from tests.keeping import dense, kept_of
from tests.living import Living
from tfxai.explainer import kept
from tfxai.model.compiled import TABLES


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


@pytest.mark.long
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


@pytest.mark.long
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


@pytest.mark.long
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


def stops(model):
    def stopping(t):
        model(t)
        raise ValueError("on purpose")

    return stopping


@pytest.mark.long
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
