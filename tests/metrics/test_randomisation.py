"""Randomisation: what was learnt is taken away and put back bit for bit, and what changes is measured."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfxai
from tfxai.errors import MethodError, ModelError, OptionError, TargetError
from tfxai.metrics import Case, cascading_randomisation, independent_randomisation, random_logit
from tfxai.metrics.randomisation import cascading_curve
from tfxai.metrics.weights import Weights

pytestmark = pytest.mark.usefixtures("seeded_tensorflow")


def network():
    """Every kind of weight: with an initialiser of its own, with a state, in a cell, below a nested model."""
    below = [layers.SeparableConv2D(3, 3, name="separable"), layers.BatchNormalization(name="norm")]
    base = keras.Sequential([keras.Input((8, 8, 2)), *below, layers.PReLU(name="prelu")], name="base")
    i = keras.Input((8, 8, 2))
    x = layers.Reshape((2, 54))(base(i))
    x = layers.LSTM(4, recurrent_initializer="orthogonal", unroll=True, name="lstm")(x)
    model = keras.Model(i, layers.Dense(3, name="head")(layers.RMSNormalization(name="scale")(x)))
    for layer in base.layers:
        layer.set_weights([w + 0.1 * np.arange(w.size).reshape(w.shape) / w.size for w in layer.get_weights()])
    return model


@pytest.fixture
def x(rng):
    return rng.normal(size=(3, 8, 8, 2)).astype("float32")


def bits(model):
    return [np.array(v).tobytes() for v in model.variables]


def traced(model, x):
    return tfxai.Explainer(model, "gradient").trace(x)[1]


def test_layers_are_taken_from_the_top_down(x):
    model = network()
    weights = Weights(model, traced(model, x))
    names = [layer[0].layer.name for layer in weights.layers]
    assert names[:2] == ["head", "scale"] and names[-3:] == ["prelu", "norm", "separable"] and len(names) == 6
    assert sum(len(layer) for layer in weights.layers) == len(model.weights)


def test_weights_are_drawn_by_their_own_initialisers(x):
    model = network()
    was = model.get_weights()
    with Weights(model, traced(model, x), seed=1) as weights:
        for k in range(len(weights)):
            weights.initialise(k)
        norm = model.get_layer("base").get_layer("norm")
        assert [np.array(v).tolist() for v in norm.variables] == [[1] * 3, [0] * 3, [0] * 3, [1] * 3]
        kernel = next(np.array(v) for v in model.get_layer("lstm").variables if "recurrent" in v.name)
        assert np.allclose(kernel @ kernel.T, np.eye(4), atol=1e-5)  # orthogonal
        head = np.array(model.get_layer("head").kernel)
        assert np.abs(head).max() <= np.sqrt(6 / (4 + 3)) and len(np.unique(head)) == 12  # Glorot's uniform numbers
        assert not np.allclose(head, was[-2])
        scale = model.get_layer("scale").get_weights()[
            0
        ]  # Keras does not keep how it was made: alike in mean and spread
        assert np.allclose(scale, 1)
        first = [np.array(v) for v in model.variables]
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), was, strict=True))
    with Weights(model, traced(model, x), seed=1) as weights:
        for k in range(len(weights)):
            weights.initialise(k)
        assert all(np.array_equal(a, np.array(v)) for a, v in zip(first, model.variables, strict=True))


@pytest.mark.long
def test_everything_is_left_as_it_was(x):
    model = network()
    model.compile("adam", "mse")
    model.fit(x, np.zeros((3, 3)), verbose=0)
    before, optimizer = bits(model), [np.array(v).tobytes() for v in model.optimizer.variables]
    for metric in (cascading_randomisation, independent_randomisation):
        case = Case.of(model, x, "gradient")
        tf.random.set_seed(5)
        states = random.getstate(), np.random.get_state()[1].tolist()
        values = metric(case, steps=3)
        assert (random.getstate(), np.random.get_state()[1].tolist()) == states
        drawn = float(tf.random.uniform([]))
        tf.random.set_seed(5)
        assert float(tf.random.uniform([])) == drawn
        assert bits(model) == before and [np.array(v).tobytes() for v in model.optimizer.variables] == optimizer
        case.kept.clear()
        assert (values < 0.999).all() and np.array_equal(values, metric(case, steps=3))


def test_also_after_an_error(x, monkeypatch):
    model = network()
    before, case, calls = bits(model), Case.of(model, x, "gradient"), []

    def stops(self, *arguments, **options):
        calls.append(bits(model) != before)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return case.relevance

    monkeypatch.setattr(type(case.attributor), "__call__", stops)
    with pytest.raises(KeyboardInterrupt):
        cascading_randomisation(case)
    assert calls == [True] * 3 and bits(model) == before


def test_what_is_randomised_at_each_step(x, monkeypatch):
    model = network()
    was = {v.path: np.array(v) for v in model.variables}
    case, changed = Case.of(model, x, "gradient"), []

    def noted(self, *arguments, **options):
        changed.append({path.split("/")[-2] for path, v in ((v.path, v) for v in model.variables)
                        if not np.array_equal(was[path], np.array(v))})  # fmt: skip
        return case.relevance

    monkeypatch.setattr(type(case.attributor), "__call__", noted)
    curve = cascading_curve(case, steps=6)
    assert np.allclose(curve.shares, np.arange(1, 7) / 6) and (curve.scores == 1).all()
    assert all(one <= two for one, two in zip(changed, changed[1:], strict=False)) and changed[0] == {"head"}
    changed.clear()
    independent_randomisation(case, steps=6)
    assert changed[0] == {"head"} and "head" not in set().union(*changed[1:]) and changed[-1] == {"separable"}


def test_a_linear_layer_by_itself(rng):
    """Of one layer's slopes: the correlation of old and new weights' sizes."""
    model = keras.Sequential([keras.Input((50,)), layers.Dense(1, kernel_initializer="random_normal")])
    case = Case.of(model, np.ones((1, 50), "float32"), "gradient")
    old, new = model.get_weights()[0][:, 0], None
    with Weights(model, traced(model, np.ones((1, 50), "float32"))) as weights:
        weights.initialise(0)
        new = model.get_weights()[0][:, 0]
    place = [np.argsort(np.argsort(np.abs(w))) for w in (old, new)]
    assert np.allclose(cascading_randomisation(case), np.corrcoef(*place)[0, 1], atol=1e-6)
    assert np.array_equal(cascading_randomisation(case), independent_randomisation(case))


def test_an_edge_detector_does_not_look_at_the_model(x):
    case = Case.of(network(), x, "edges", target=0)
    assert cascading_randomisation(case).tolist() == independent_randomisation(case).tolist() == [1, 1, 1]
    assert random_logit(case).tolist() == [1, 1, 1]


def test_another_class_by_hand(rng):
    model = keras.Sequential([keras.Input((6,)), layers.Dense(2)])
    kernel = rng.normal(size=(6, 2))
    model.layers[0].set_weights([kernel, np.zeros(2)])
    x = rng.normal(size=(4, 6)).astype("float32")
    target = np.array([0, 1, 1, 0])
    ranks = [np.argsort(np.argsort(x * kernel[:, c][None], axis=1), axis=1) for c in (0, 1)]
    expected = [np.corrcoef(a, b)[0, 1] for a, b in zip(*ranks, strict=True)]
    assert np.allclose(random_logit(Case.of(model, x, "deeplift", target=target)), expected, atol=1e-6)
    assert np.allclose(random_logit(Case.of(model, x, "deeplift", target=0)), expected, atol=1e-6)


def test_the_class_of_one_of_several_outputs(rng):
    i = keras.Input((6,))
    model = keras.Model(i, {"a": layers.Dense(3, name="a")(i), "b": layers.Dense(2, name="b")(i)})
    x = rng.normal(size=(4, 6)).astype("float32")
    case = Case.of(model, x, "deeplift", target=tfxai.targets.output("b"))
    assert case.probe.target.inner.tolist() == model.predict(x, verbose=0)["b"].argmax(1).tolist()
    ranks = [np.argsort(np.argsort(x * w[None], axis=1), axis=1) for w in model.get_layer("b").get_weights()[0].T]
    expected = [np.corrcoef(a, b)[0, 1] for a, b in zip(*ranks, strict=True)]
    assert np.allclose(random_logit(case), expected, atol=1e-6)


def test_the_other_of_two_classes_with_names(rng):
    """One output is the score of the second class, and less it that of the first: the values turn round."""
    model = keras.Sequential([keras.Input((6,)), layers.Dense(1, activation="sigmoid")])
    x = rng.normal(size=(4, 6)).astype("float32")
    case = Case.of(model, x, "deeplift", target="dog", labels=["cat", "dog"])
    assert np.allclose(random_logit(case), -1)
    named = keras.Sequential([keras.Input((6,)), layers.Dense(3)])
    by_name, by_number = (Case.of(named, x, "deeplift", target=t, labels=list("abc")) for t in ("b", 1))
    assert np.array_equal(random_logit(by_name), random_logit(by_number))


def test_weights_of_tf_keras():
    tf_keras = pytest.importorskip("tf_keras")
    model = tf_keras.Sequential([tf_keras.layers.Dense(4, input_shape=(6,)), tf_keras.layers.Dense(2)])
    before, x = model.get_weights(), np.ones((2, 6), "float32")
    case = Case.of(model, x, "gradient")
    weights = Weights(case.probe.explainer.model, case.probe.run.model)
    assert [len(layer) for layer in weights.layers] == [2, 2] and weights.layers[0][0].was.shape == (4, 2)
    assert (cascading_randomisation(case) < 0.99).all()
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


@pytest.mark.long
def test_what_cannot_be_randomised(x, rng):
    model = network()
    with pytest.raises(MethodError, match="it needs a method, not the given values, which are numbers already"):
        cascading_randomisation(Case.of(model, x, np.zeros_like(x)))
    function = Case.of(lambda z: model(z), x, "gradient", target=0)
    with pytest.raises(ModelError, match="Pass the Keras model itself, not a function"):
        cascading_randomisation(function)
    with pytest.raises(OptionError, match="steps is a whole number from 1"):
        independent_randomisation(Case.of(model, x, "gradient"), steps=0)
    single = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    with pytest.raises(TargetError, match="The output has 1 classes"):
        random_logit(Case.of(single, np.ones((1, 3), "float32"), "gradient"))
    with pytest.raises(TargetError, match="Another class is explained"):
        random_logit(Case.of(model, x, "gradient", target=tfxai.targets.difference(0, 1)))
