"""Units inside of a model, against the model that ends there."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfxai
from tfxai import targets
from tfxai.errors import LayerError, TargetError


@pytest.fixture(scope="module")
def cnn():
    """A nested network, its picture, and the model that ends at the inner one's second convolution."""
    keras.utils.set_random_seed(3)
    inner = keras.Sequential(
        [
            keras.Input((9, 9, 3)),
            layers.Conv2D(4, 3, activation="relu", name="first"),
            layers.MaxPooling2D(2, 1),
            layers.Conv2D(5, 3, activation="gelu", name="second"),
        ],
        name="base",
    )
    i = keras.Input((9, 9, 3))
    maps = inner(i)
    y = layers.Dense(6, activation="relu", name="hidden")(layers.GlobalAveragePooling2D()(maps))
    model = keras.Model(i, layers.Dense(3, activation="softmax", name="scores")(y))
    return model, np.random.default_rng(0).normal(size=(2, 9, 9, 3)).astype("float32"), keras.Model(i, maps)


def same(e, own):
    np.testing.assert_allclose(e.values, own.values, atol=1e-6)
    np.testing.assert_allclose(e.score, own.score, rtol=1e-6)


METHODS = [
    "deeplift",
    "gradient",
    "integrated_gradients",
    "guided_backprop",
    "lrp",
    "occlusion",
    "smoothgrad",
    "gradcam",
]


@pytest.mark.long
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.filterwarnings("ignore::tfxai.CompletenessWarning")
def test_a_number_of_a_map(cnn, method):
    model, x, until = cnn
    e = tfxai.explain(model, x, method, target=targets.neuron("base/second", (1, 2, 3)), seed=0)
    same(e, tfxai.explain(until, x, method, target=(1, 2, 3), seed=0))
    assert e.target == "base/second[1, 2, 3]" and "classes" not in e.meta
    np.testing.assert_allclose(e.score, np.asarray(until(x))[:, 1, 2, 3], rtol=1e-5)


def test_channels_and_places_are_added_up(cnn):
    model, x, until = cnn
    maps = np.asarray(until(x))
    for index, score, said in (
        (4, maps[..., 4].sum((1, 2)), "[:, :, 4]"),
        ((None, None, 4), maps[..., 4].sum((1, 2)), "[:, :, 4]"),
        ((1, 2, None), maps[:, 1, 2].sum(1), "[1, 2, :]"),
    ):
        e = tfxai.explain(model, x, target=targets.neuron("second", index))
        np.testing.assert_allclose(e.score, score, rtol=1e-5)
        assert e.target == f"base/second{said}"
    parts = [tfxai.explain(until, x, target=(r, c, 4)).values for r in range(4) for c in range(4)]
    np.testing.assert_allclose(
        tfxai.explain(model, x, target=targets.neuron("second", 4)).values, np.sum(parts, 0), atol=1e-5
    )


def test_the_contribution_of_a_layer_to_a_unit(cnn):
    """The original target layer: from the first convolution's map to one number of the second's."""
    model, x, until = cnn
    e = tfxai.explain(model, x, layer="first", target=targets.neuron("second", (0, 0, 1)))
    own = tfxai.explain(until, x, layer="first", target=(0, 0, 1))
    assert e.values.shape == (2, 7, 7, 4)
    same(e, own)
    np.testing.assert_allclose(e.delta, 0, atol=1e-5)
    assert not e.values[:, 4:].any() and not e.values[:, :, 4:].any()  # its window reads four rows and columns


@pytest.mark.long
def test_a_unit_of_a_dense_layer_and_the_kinds_of_index(cnn):
    model, x, _ = cnn
    hidden = keras.Model(model.inputs, model.get_layer("hidden").output)
    values = [tfxai.explain(hidden, x, target=k).values for k in range(6)]
    for index, expected in (
        (5, values[5]),
        (np.int64(5), values[5]),
        ((5,), values[5]),
        ((None,), np.sum(values, 0)),
        ([(5,), (1,)], np.stack([values[5][0], values[1][1]])),
        (lambda y: y[:, 5] - y[:, 1], values[5] - values[1]),
        (targets.difference(5, 1), values[5] - values[1]),
    ):
        e = tfxai.explain(model, x, target=targets.neuron("hidden", index))
        np.testing.assert_allclose(e.values, expected, atol=1e-5)
    for layer in (model.get_layer("hidden"), 3, ("hidden", 0)):
        np.testing.assert_allclose(
            tfxai.explain(model, x, target=targets.neuron(layer, 5)).values, values[5], atol=1e-6
        )
    found = tfxai.explain(model, x, target=targets.neuron("hidden", targets.each([5, 1])))
    assert [e.target for e in found] == ["hidden[5]", "hidden[1]"]
    np.testing.assert_allclose(found[1].values, values[1], atol=1e-6)


def test_the_number_is_the_layers_own(cnn):
    """After its activation, whatever `on` says of the model's outputs; class names are not names of units."""
    model, x, _ = cnn
    for on in ("logit", "probability"):
        e = tfxai.explain(model, x, target=targets.neuron("scores", 2), on=on, labels=["a", "b", "c"])
        np.testing.assert_allclose(e.score, np.asarray(model(x))[:, 2], rtol=1e-5)
        assert e.target == "scores[2]" and "labels" not in e.meta


def test_channels_first():
    i = keras.Input((7, 4))
    steps_last = layers.Permute((2, 1), name="turned")(layers.Conv1D(3, 3, name="conv")(i))
    model = keras.Model(i, layers.Dense(2)(layers.Flatten()(steps_last)))
    x = np.random.default_rng(0).normal(size=(2, 7, 4)).astype("float32")
    turned = np.asarray(keras.Model(i, steps_last)(x))
    assert turned.shape == (2, 3, 5)
    e = tfxai.explain(model, x, target=targets.neuron("turned", 2))
    np.testing.assert_allclose(e.score, turned[:, 2].sum(1), rtol=1e-5)
    assert e.target == "turned[2, :]"


def test_a_subclassed_model_and_a_layer_that_is_called_twice():
    class Twice(keras.Model):
        def __init__(self):
            super().__init__()
            self.own = layers.Dense(3, activation="tanh", name="own")
            self.last = layers.Dense(2)

        def call(self, x):
            return self.last(self.own(self.own(x)))

    model, x = Twice(), np.random.default_rng(0).normal(size=(2, 3)).astype("float32")
    model(x)
    first = np.asarray(model.own(x))
    second = np.asarray(model.own(first))
    for call, expected in ((("own", 0), first), ("own#1", second)):
        e = tfxai.explain(model, x, target=targets.neuron(call, 1))
        np.testing.assert_allclose(e.score, expected[:, 1], rtol=1e-5)
        np.testing.assert_allclose(e.delta, 0, atol=1e-5)
    with pytest.raises(LayerError, match="is called 2 times"):
        tfxai.explain(model, x, target=targets.neuron("own", 1))


@pytest.mark.long
def test_a_layer_of_several_tensors():
    i = keras.Input((4, 3))
    y, h, c = layers.LSTM(5, return_sequences=True, return_state=True, name="lstm")(i)
    model = keras.Model(i, layers.Dense(2)(layers.Concatenate()([layers.Flatten()(y), h, c])))
    x = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
    states = keras.Model(i, [y, h, c])(x)
    e = tfxai.explain(model, x, target=targets.neuron("lstm", targets.output(2, (4,))))
    np.testing.assert_allclose(e.score, np.asarray(states[2])[:, 4], rtol=1e-5)
    np.testing.assert_allclose(e.delta, 0, atol=1e-5)
    with pytest.raises(TargetError, match="returns 3 tensors: say which"):
        tfxai.explain(model, x, target=targets.neuron("lstm", 4))


def test_an_axis_that_is_not_known():
    i = keras.Input((4, 3))
    mixed = layers.Lambda(lambda t: tf.matmul(t, t, transpose_b=True), name="mixed")(i)
    model = keras.Model(i, layers.Dense(2)(layers.Flatten()(mixed)))
    x = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
    with pytest.raises(TargetError, match="cannot be known which axis holds its channels. Pass a tuple"):
        tfxai.explain(model, x, target=targets.neuron("mixed", 1))
    e = tfxai.explain(model, x, target=targets.neuron("mixed", (0, 1)))
    np.testing.assert_allclose(e.score, np.sum(x[:, 0] * x[:, 1], 1), rtol=1e-5)


def test_what_is_not_there(cnn):
    model, x, _ = cnn
    for index, words in (
        (6, r"Of the layer 'hidden': Index 6 on axis 0 is outside 0 to 5"),
        ((1, 2), "indexes one number of an output of shape"),
        ([1, 2], "is a number, a tuple, a list of tuples or a function"),
        ([(1,)], "Expected one place per example, 2 in all. Received: 1"),
        ("dog", "Of the layer 'hidden'"),
    ):
        with pytest.raises(TargetError, match=words):
            tfxai.explain(model, x, target=targets.neuron("hidden", index))
    with pytest.raises(TargetError, match="asks which unit"):
        targets.neuron("hidden", None)
    with pytest.raises(LayerError, match="calls no layer 'hiden'.*hidden"):
        tfxai.explain(model, x, target=targets.neuron("hiden", 0))
    with pytest.raises(
        LayerError, match="The unit of the layer 'base/first' does not depend on the layer 'base/second'"
    ):
        tfxai.explain(model, x, layer="second", target=targets.neuron("first", (0, 0, 0)))


def test_a_layer_that_nothing_explained_reaches():
    a, b = keras.Input((2,), name="a"), keras.Input((2,), name="b")
    model = keras.Model({"a": a, "b": b}, layers.Add()([layers.Dense(2, name="of_a")(a), layers.Dense(2)(b)]))
    x = {"a": np.ones((1, 2), "float32"), "b": np.ones((1, 2), "float32")}
    with pytest.raises(LayerError, match="the layer 'of_a' returns does not depend differentiably on the inputs"):
        tfxai.explain(model, x, fixed=["a"], target=targets.neuron("of_a", 0))
    e = tfxai.explain(model, x, target=targets.neuron("of_a", 0))
    assert e.values["a"].any() and not e.values["b"].any()


@pytest.mark.filterwarnings("ignore::tfxai.EmptyMapWarning")
def test_classes_and_units_in_turn(cnn):
    """One explainer, asked for a class, then for units: each time what a model of its own gives."""
    model, x, until = cnn
    explainer = tfxai.Explainer(model, "gradcam", layer="first")
    of_class = explainer(x, 0)
    unit = explainer(x, targets.neuron("second", (0, 1, 1)))
    same(unit, tfxai.explain(until, x, "gradcam", layer="first", target=(0, 1, 1)))
    other = explainer(x, targets.neuron("second", (3, 3, 2)))
    same(other, tfxai.explain(until, x, "gradcam", layer="first", target=(3, 3, 2)))
    same(explainer(x, 0), of_class)
