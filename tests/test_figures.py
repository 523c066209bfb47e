"""The lecture's figures: what each column is, from the numbers of the methods themselves."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers

import tfxai
from tfxai import figures
from tfxai.errors import EmptyMapWarning, OptionError

pytestmark = pytest.mark.filterwarnings("ignore::tfxai.errors.EmptyMapWarning")


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [keras.Input((16, 16, 3)), layers.Conv2D(6, 3, activation="relu", name="first"),
         layers.Conv2D(8, 3, activation="relu", name="second"), layers.GlobalAveragePooling2D(), layers.Dense(4)]
    )  # fmt: skip
    for layer in model.layers:  # without biases a rectifier network is straight on every path from zero
        if hasattr(layer, "bias"):
            layer.bias.assign(np.random.default_rng(2).normal(0, 0.3, layer.bias.shape))
    return model, np.random.default_rng(0).uniform(size=(2, 16, 16, 3)).astype("float32")


def drawn(figure, column, row=0, columns=0):
    return figure.axes[row * columns + column].images[-1].get_array()


def test_noise_levels(network):
    model, x = network
    figure = figures.noise_levels(model, x, levels=(0, 0.2), samples=4, labels=list("abcd"))
    assert [a.get_title() for a in figure.axes[:3]] == ["", "noise 0%", "noise 20%"]
    plain = np.abs(tfxai.explain(model, x, "gradient").values[0].sum(-1))
    np.testing.assert_allclose(drawn(figure, 1), plain, rtol=1e-5, atol=1e-7)
    smooth = tfxai.explain(model, x, "smoothgrad", samples=4, noise=0.2, seed=0).values[1].sum(-1)
    np.testing.assert_allclose(drawn(figure, 2, 1, 3), np.abs(smooth), rtol=1e-5, atol=1e-7)


def test_sample_sizes(network):
    model, x = network
    figure = figures.sample_sizes(model, x[:1], sizes=(1, 3), seed=5)
    assert [a.get_title() for a in figure.axes[1:3]] == ["1 sample", "3 samples"]
    three = tfxai.explain(model, x[:1], "smoothgrad", samples=3, seed=5).values[0].sum(-1)
    np.testing.assert_allclose(drawn(figure, 2), np.abs(three), rtol=1e-5, atol=1e-7)
    with pytest.raises(OptionError, match="sizes needs at least one entry"):
        figures.sample_sizes(model, x, sizes=())


def test_cam_layers(network):
    model, x = network
    figure = figures.cam_layers(model, x, "layercam")
    assert [a.get_title() for a in figure.axes[1:3]] == ["first", "second"]
    for column, layer in ((1, "first"), (2, "second")):
        alone = tfxai.explain(model, x, "layercam", layer=layer).values[0, ..., 0]
        np.testing.assert_allclose(drawn(figure, column), alone, rtol=1e-4, atol=1e-6)
    alone = figures.cam_layers(model, x, most=1)
    assert len(alone.axes) == 2 * 2 + 1 and alone.axes[1].get_title() == "second"  # the deepest


@pytest.mark.filterwarnings("error::tfxai.errors.EmptyMapWarning")
def test_cam_layers_warns_of_the_empty_maps_that_it_draws():
    """More of the first layer means less of the second, and of the score: what is left after the ReLU is nothing."""
    first = layers.Conv2D(1, 1, activation="relu", kernel_initializer="ones", name="first")
    less = {
        "kernel_initializer": keras.initializers.Constant(-1.0),
        "bias_initializer": keras.initializers.Constant(9.0),
    }
    second = layers.Conv2D(1, 1, activation="relu", name="second", **less)
    model = keras.Sequential([keras.Input((4, 4, 1)), first, second, layers.GlobalAveragePooling2D()])
    x = np.ones((1, 4, 4, 1), "float32")
    with pytest.warns(EmptyMapWarning, match="at 'first' is zero"):
        figure = figures.cam_layers(model, x)
    assert drawn(figure, 1).max() == 0 < drawn(figure, 2).min()
    figures.cam_layers(model, x, most=1)  # warnings are errors here, and the first layer is not drawn


def test_guided_gradcam_is_the_product_of_its_neighbours(network):
    model, x = network
    figure = figures.guided_gradcam(model, x[:1], target=1)
    assert [a.get_title() for a in figure.axes[1:4]] == ["guided_backprop", "gradcam", "guided_gradcam"]
    guided, cam, both = (drawn(figure, k) for k in (1, 2, 3))
    np.testing.assert_allclose(both, guided * cam, rtol=1e-4, atol=1e-8)


def test_convergence(network):
    model, x = network
    ax = figures.convergence(model, x, steps=(2, 64), quadratures=("gauss_legendre", "right"), target=0)
    assert [line.get_label() for line in ax.lines] == ["gauss_legendre", "right"]
    coarse, fine = ax.lines[1].get_ydata()
    assert fine < coarse / 5
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tfxai.CompletenessWarning)
        e = tfxai.explain(model, x, "integrated_gradients", target=0, steps=2, quadrature="right")
    size = np.maximum(np.abs(e.score - e.baseline_score), np.abs(e.score).mean())  # where the change is far below it
    assert coarse == pytest.approx(np.median(np.abs(e.delta) / size), rel=1e-5)
