"""Targets: every form against the combination of class explanations that it stands for."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfxai
from tfxai import targets
from tfxai.errors import TargetError


@pytest.fixture
def net(rng):
    keras.utils.set_random_seed(4)
    model = keras.Sequential([keras.Input((5,)), layers.Dense(8, activation="tanh"), layers.Dense(4), layers.Softmax()])
    return model, rng.normal(size=(3, 5)).astype("float32")


def each_class(model, x):
    return np.stack([tfxai.explain(model, x, target=i).values for i in range(4)])


def test_linear_targets(net):
    model, x = net
    c = each_class(model, x)
    forms = {
        "difference": (targets.difference(2, 0), c[2] - c[0]),
        "per example": ([1, 3, 0], np.stack([c[1][0], c[3][1], c[0][2]])),
        "contrast": (targets.contrast(1), c[1] - (c[0] + c[2] + c[3]) / 3),
        "contrast with some": (targets.contrast(1, [0, 3]), c[1] - (c[0] + c[3]) / 2),
        "adjusted": (targets.adjusted(3), c[3] - c.mean(0)),
        "tuple": ((2,), c[2]),
        "mask": (targets.mask([1, 0, -2, 0.5]), c[0] - 2 * c[2] + 0.5 * c[3]),
        "mask per example": (targets.mask(np.eye(4)[:3]), np.stack([c[k][k] for k in range(3)])),
        "difference per example": (
            targets.difference([1, 2, 3], 0),
            np.stack([c[k + 1][k] - c[0][k] for k in range(3)]),
        ),
        "function": (lambda y: y[:, 1] - y[:, 2], c[1] - c[2]),
        "numpy int": (np.int64(2), c[2]),
    }
    for name, (target, expected) in forms.items():
        e = tfxai.explain(model, x, target=target)
        np.testing.assert_allclose(e.values, expected, atol=1e-5, err_msg=name)
        np.testing.assert_allclose(e.delta, 0, atol=1e-5)


def test_own_arg_max(net):
    model, x = net
    e = tfxai.explain(model, x)
    best = np.asarray(model(x)).argmax(1)
    np.testing.assert_array_equal(e.target, best)
    np.testing.assert_allclose(e.values, tfxai.explain(model, x, target=best).values, atol=1e-6)
    a = tfxai.explain(model, x, target=targets.adjusted())
    np.testing.assert_allclose(a.values, e.values - each_class(model, x).mean(0), atol=1e-5)


def test_logit_and_probability(net):
    model, x = net
    logit, probability = (tfxai.explain(model, x, target=1, on=on) for on in ("logit", "probability"))
    np.testing.assert_allclose(probability.score, np.asarray(model(x))[:, 1], rtol=1e-5)
    inner = keras.Model(model.inputs[0], model.layers[1].output)
    np.testing.assert_allclose(logit.score, np.asarray(inner(x))[:, 1], rtol=1e-5)


@pytest.mark.parametrize("last", ["fused", "layer", "nested", "sigmoid", "subclassed"])
def test_logits_are_found_behind_any_nesting(last, rng):
    class Sub(keras.Model):
        def __init__(self):
            super().__init__()
            self.d = layers.Dense(3)

        def call(self, x):
            return tf.identity(keras.ops.softmax(self.d(x)))

    i = keras.Input((4,))
    x = rng.normal(size=(2, 4)).astype("float32")
    model = {
        "fused": lambda: keras.Model(i, layers.Dense(3, activation="softmax")(i)),
        "layer": lambda: keras.Model(i, layers.Softmax()(layers.Dense(3)(i))),
        "nested": lambda: keras.Sequential(
            [i, keras.Sequential([keras.Sequential([keras.Input((4,)), layers.Dense(3, activation="softmax")])])]
        ),
        "sigmoid": lambda: keras.Model(i, layers.Dense(1, activation="sigmoid")(i)),
        "subclassed": Sub,
    }[last]()
    model(x)
    kernel = model.weights[0].numpy()
    e = tfxai.explain(model, x, target=0)
    np.testing.assert_allclose(e.values, x * kernel[:, 0], atol=1e-5)


def test_higher_rank_outputs(rng):
    model = keras.Sequential([keras.Input((6, 6, 2)), layers.Conv2D(3, 3, padding="same"), layers.Softmax()])
    x = rng.normal(size=(2, 6, 6, 2)).astype("float32")
    e = tfxai.explain(model, x, target=(2, 3, 1))
    assert np.abs(e.values[:, 4:]).max() == 0 and np.abs(e.values[:, 1:4, 2:5]).max() > 0
    region = np.zeros((6, 6, 3))
    region[2, 3, 1] = region[0, 0, 2] = 1
    both = tfxai.explain(model, x, target=targets.mask(region)).values
    np.testing.assert_allclose(both, e.values + tfxai.explain(model, x, target=(0, 0, 2)).values, atol=1e-5)
    with pytest.raises(tfxai.errors.TargetError, match="Pass a tuple index of length 3"):
        tfxai.explain(model, x)


def test_open_time_axis(rng):
    model = keras.Sequential([keras.Input((None, 2)), layers.Conv1D(3, 1)])
    x = rng.normal(size=(2, 5, 2)).astype("float32")
    w = model.layers[0].kernel.numpy()[0]
    e = tfxai.explain(model, x, target=(3, 1))
    expected = np.zeros_like(x)
    expected[:, 3] = x[:, 3] * w[:, 1]
    np.testing.assert_allclose(e.values, expected, atol=1e-6)
    mask = np.zeros((5, 3))
    mask[3, 1] = 1
    np.testing.assert_allclose(tfxai.explain(model, x, target=targets.mask(mask)).values, expected, atol=1e-6)
    with pytest.raises(tfxai.errors.TargetError, match=r"outside the output. Received: target \(5, 1\)"):
        tfxai.explain(model, x, target=(5, 1))


def test_scalar_outputs(rng):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1), layers.Reshape(())])
    e = tfxai.explain(model, rng.normal(size=(2, 3)).astype("float32"))
    np.testing.assert_allclose(e.delta, 0, atol=1e-6)
    assert e.score.shape == (2,)


def test_named_outputs(rng):
    i = keras.Input((4,))
    first, second = layers.Dense(2, name="first")(i), layers.Dense(3, name="second")(i)
    x = rng.normal(size=(2, 4)).astype("float32")
    listed = keras.Model(i, [first, second])
    named = keras.Model(i, {"a": first, "b": second})
    expected = x * listed.get_layer("second").kernel.numpy()[:, 2]
    for model, names in ((listed, ["second", 1]), (named, ["b", 1])):
        for name in names:
            e = tfxai.explain(model, x, target=targets.output(name, 2))
            np.testing.assert_allclose(e.values, expected, atol=1e-5)
    e = tfxai.explain(named, x, target=lambda y: y["a"][:, 0] * y["b"][:, 1])
    np.testing.assert_allclose(e.delta, 0, atol=1e-5)


def test_outputs_that_are_none_are_passed_over(rng):
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(2)

        def call(self, x):
            return {"a": keras.ops.sum(x, 1), "loss": None, "scores": self.dense(x)}

    model, x = Model(), rng.normal(size=(3, 4)).astype("float32")
    model(x)
    kernel = np.asarray(model.dense.kernel)
    e = tfxai.explain(model, x, target=targets.output("scores", 1))
    np.testing.assert_allclose(e.values, x * kernel[:, 1], atol=1e-6)
    np.testing.assert_allclose(tfxai.explain(model, x, target=targets.output("a", 0)).values, x, atol=1e-6)


def test_places_of_their_own_and_whole_axes(rng):
    """Of an output of steps and classes: one place for each example; all of an axis, added up."""
    keras.utils.set_random_seed(2)
    model = keras.Sequential([keras.Input((None, 3)), layers.Conv1D(4, 2, activation="tanh"), layers.Dense(2)])
    x = rng.normal(size=(3, 6, 3)).astype("float32")
    y = np.asarray(model(x))
    own = tfxai.explain(model, x, target=[(0, 1), (4, 0), (2, 1)], batch_size=2)
    np.testing.assert_allclose(own.score, y[[0, 1, 2], [0, 4, 2], [1, 0, 1]], rtol=1e-5)
    for i, place in enumerate([(0, 1), (4, 0), (2, 1)]):
        np.testing.assert_allclose(own.values[i], tfxai.explain(model, x, target=place).values[i], atol=1e-6)
    for place, total in (((None, 1), y[:, :, 1].sum(1)), ((3, None), y[:, 3].sum(1)), ((None, None), y.sum((1, 2)))):
        e = tfxai.explain(model, x, target=place)
        np.testing.assert_allclose(e.score, total, rtol=1e-5)
        np.testing.assert_allclose(e.delta, 0, atol=1e-5)
    steps = sum(tfxai.explain(model, x, target=(k, 1)).values for k in range(5))
    np.testing.assert_allclose(tfxai.explain(model, x, target=(None, 1)).values, steps, atol=1e-5)
    with pytest.raises(TargetError, match="one place per example, 3 in all. Received: 2"):
        tfxai.explain(model, x, target=[(0, 1), (1, 1)])
    with pytest.raises(TargetError, match="Index 2 on axis 1"):
        tfxai.explain(model, x, target=[(0, 1), (1, 2), (0, 0)])
    with pytest.raises(TargetError, match="outside the output"):  # the length is known only now
        tfxai.explain(model, x, target=[(0, 1), (5, 1), (0, 0)])
