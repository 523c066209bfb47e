"""Evidence against, and a map for each channel: against numpy, on every kind of model that has feature maps."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfxai
from tests.models import MODELS
from tests.recorded import recorded
from tests.test_contract import NO_MAP

FOUR = ["gradcam", "gradcam++", "layercam", "hirescam"]


def terms(name, features, slopes):
    """The papers' formulas before the sum, in numpy: (n, places..., channels) each."""
    places = tuple(range(1, features.ndim - 1))
    if name == "gradcam":
        return features * slopes.mean(places, keepdims=True)
    if name == "layercam":
        return features * np.maximum(slopes, 0)
    if name == "hirescam":
        return features * slopes
    alpha = np.zeros_like(slopes)
    below = 2 * slopes**2 + slopes**3 * features.sum(places, keepdims=True)
    alpha[below != 0] = (slopes**2)[below != 0] / below[below != 0]
    return features * (alpha * np.maximum(slopes, 0)).sum(places, keepdims=True)


def layer_of(model):
    """The convolution, where it is not the last map as it is."""
    return next(layer.name for layer in model.layers if isinstance(layer, layers.Conv2D))


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::tfxai.errors.EmptyMapWarning")  # some have nothing that speaks for class 0
@pytest.mark.parametrize("kind", [kind for kind in MODELS if kind not in NO_MAP])
def test_formulas_on_every_kind_of_model(kind):
    keras.utils.set_random_seed(1)
    model, x = MODELS[kind](np.random.default_rng(0))
    explainer = tfxai.Explainer(model, on="probability", layer=layer_of(model) if kind == "dict_inputs" else None)

    def explained(name, **options):
        return explainer.using(name, resize=False, **options)(x, target=0, verbose=0)

    name = explained("gradcam", relu=False).layer.split("/")[-1]
    features, slopes = recorded(model, x, name)
    for method in FOUR:
        expected = terms(method, features, slopes)
        scale = np.abs(expected).max()
        whole, each = explained(method, relu=False), explained(method, relu=False, channels="each")
        assert each.values.shape == features.shape and whole.values.shape == (*features.shape[:-1], 1)
        np.testing.assert_allclose(each.values, expected, rtol=1e-3, atol=1e-5 * scale)
        np.testing.assert_allclose(whole.values[..., 0], expected.sum(-1), rtol=1e-3, atol=1e-5 * scale)
        rectified = explained(method).values[..., 0], explained(method, channels="each").values
        np.testing.assert_allclose(rectified[0], np.maximum(expected.sum(-1), 0), rtol=1e-3, atol=1e-5 * scale)
        np.testing.assert_allclose(rectified[1], np.maximum(expected, 0), rtol=1e-3, atol=1e-5 * scale)


def test_scorecam_leaves_what_is_below_zero_in_its_features(rng):
    conv = layers.Conv2D(3, 3, name="conv")
    model = keras.Sequential([keras.Input((6, 6, 1)), conv, layers.GlobalAveragePooling2D(), layers.Dense(2)])
    x = rng.normal(size=(2, 6, 6, 1)).astype("float32")
    features = np.asarray(conv(x))
    e = tfxai.explain(model, x, "scorecam", target=1, resize=False, relu=False)
    for k in range(2):
        large = [tf.image.resize(c[..., None], (6, 6)).numpy() for c in np.moveaxis(features[k], -1, 0)]
        shown = np.stack([x[k] * (c - c.min()) / np.ptp(c) for c in large])
        scores = np.asarray(model(shown))[:, 1] - np.asarray(model(0 * x[:1]))[0, 1]
        weights = np.exp(scores) / np.exp(scores).sum()
        np.testing.assert_allclose(e.values[k, ..., 0], features[k] @ weights, rtol=1e-4, atol=1e-6)
    assert e.values.min() < 0 and tfxai.explain(model, x, "scorecam", target=1).values.min() == 0


def test_channels_stand_where_the_input_has_them(rng):
    conv = layers.Conv2D(4, 3, data_format="channels_first", name="conv")
    model = keras.Sequential([keras.Input((3, 8, 7)), conv, layers.Flatten(), layers.Dense(2)])
    x = rng.normal(size=(2, 3, 8, 7)).astype("float32")
    e = tfxai.explain(model, x, "hirescam", target=0, resize=False, relu=False, channels="each")
    assert e.values.shape == (2, 4, 6, 5) and e.meta["channels"]["values"] == [1]
    weights = model.layers[-1].kernel.numpy()[:, 0].reshape(4, 6, 5)
    np.testing.assert_allclose(e.values, np.asarray(conv(x)) * weights, rtol=1e-4, atol=1e-6)


def against():
    """A network whose only class speaks against everything that its convolution finds."""
    conv = layers.Conv2D(2, 3, activation="relu", padding="same", name="conv")
    model = keras.Sequential([keras.Input((6, 6, 1)), conv, layers.GlobalAveragePooling2D(), layers.Dense(1)])
    model.layers[-1].set_weights([-np.ones((2, 1)), np.zeros(1)])
    return model, conv


def test_evidence_against_is_below_zero_and_of_the_inputs_size(rng):
    model, conv = against()
    x = rng.normal(size=(2, 6, 6, 1)).astype("float32")
    e = tfxai.explain(model, x, "gradcam", relu=False)  # no warning: it is not empty
    np.testing.assert_allclose(e.values[..., 0], -np.asarray(conv(x)).sum(-1) / 36, rtol=1e-4, atol=1e-7)
    zero = tfxai.Explainer(model, "gradcam", relu=False)
    with pytest.warns(tfxai.errors.EmptyMapWarning, match="is zero: nothing in this layer speaks for or against the"):
        zero(0 * x)


def test_it_is_drawn_for_and_against_whatever_the_examples_hold(rng):
    """Zero has the neutral colour, also where nothing is below it: colours do not depend on the batch."""
    model, _ = against()
    x = rng.normal(size=(1, 6, 6, 1)).astype("float32")
    for sign in (-1, 1):
        model.layers[-1].set_weights([sign * np.ones((2, 1)), np.zeros(1)])
        e = tfxai.explain(model, x, "gradcam", relu=False)
        heat = e.plot(0).images[-1]
        assert e.meta["signed"] and heat.norm.vmin == -heat.norm.vmax < 0
        assert min(heat.cmap(heat.norm(0.0))[:3]) > 0.9  # white
        red, _, blue, _ = heat.cmap(heat.norm(sign * heat.norm.vmax))
        assert (red - blue) * sign > 0.2  # red speaks for, blue against
    rectified = tfxai.explain(model, x, "gradcam")
    assert not rectified.meta["signed"] and rectified.plot(0).images[-1].norm.vmin == 0


def test_maps_of_each_channel_are_drawn_as_their_sum(rng):
    model, _ = against()
    x = rng.normal(size=(1, 6, 6, 1)).astype("float32")
    options = {"relu": False, "resize": False}
    whole = tfxai.explain(model, x, "gradcam", **options).plot(0).images[-1].get_array()
    each = tfxai.explain(model, x, "gradcam", channels="each", **options).plot(0).images[-1].get_array()
    np.testing.assert_allclose(each, whole, rtol=1e-5, atol=1e-7)


def test_several_layers(rng):
    first, second = layers.Conv2D(2, 3, name="first"), layers.Conv2D(3, 3, name="second")
    model = keras.Sequential([keras.Input((8, 8, 1)), first, second, layers.Flatten(), layers.Dense(2)])
    x = rng.normal(size=(2, 8, 8, 1)).astype("float32")
    e = tfxai.explain(model, x, "layercam", layer=["first", "second"], target=0, channels="each", resize=False)
    assert {name: v.shape for name, v in e.values.items()} == {"first": (2, 6, 6, 2), "second": (2, 4, 4, 3)}


def test_options_are_checked():
    error = tfxai.errors.OptionError
    for option, match in (
        ({"relu": 0}, "relu is True or False. Received: 0"),
        ({"channels": "all"}, "channels is 'sum' or 'each'. Received: 'all'"),
        ({"channels": "each"}, "of the size of the layer. Received: resize=True. Pass resize=False"),
    ):
        for method in FOUR:
            with pytest.raises(error, match=match):
                tfxai.Explainer(against()[0], method, **option)
    with pytest.raises(error, match="relu is True or False"):
        tfxai.Explainer(against()[0], "scorecam", relu="no")
    with pytest.raises(tfxai.errors.UnknownOptionError, match="'guided_gradcam' has no option 'relu'"):
        tfxai.Explainer(against()[0], "guided_gradcam", relu=False)
