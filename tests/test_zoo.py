"""Slow: every constructor of keras.applications. `pytest -m slow -n 2 tests/test_zoo.py`."""

import inspect

import keras
import numpy as np
import pytest
from keras import layers

import tfxai

pytestmark = pytest.mark.slow
CONSTRUCTORS = sorted(
    name
    for name, f in vars(keras.applications).items()
    if inspect.isfunction(f) and "include_top" in inspect.signature(f).parameters
)
SIDE = 96


def alive(model, x, rng):
    """Random networks carry no signal: batch statistics from a batch, scales and shifts that do something."""
    normalisations = [la for la in model._flatten_layers() if isinstance(la, layers.BatchNormalization)]
    for layer in normalisations:
        layer.momentum = 0.0
        if layer.gamma is not None:
            layer.gamma.assign(rng.uniform(0.7, 1.3, layer.gamma.shape))
        if layer.beta is not None:
            layer.beta.assign(rng.normal(0, 0.2, layer.beta.shape))
    if normalisations:
        model(x, training=True)
    elif not any(isinstance(la, layers.LayerNormalization) for la in model._flatten_layers()):
        for layer in model._flatten_layers():  # VGG: keep the signal alive through its rectifiers
            if hasattr(layer, "kernel"):
                layer.kernel.assign(layer.kernel * np.sqrt(2))
    for layer in model._flatten_layers():
        if type(layer).__name__ == "LayerScale":
            layer.gamma.assign(rng.uniform(0.2, 0.6, layer.gamma.shape))
    return model


def test_every_constructor_is_found():
    assert len(CONSTRUCTORS) >= 38 and "MobileNetV3Small" in CONSTRUCTORS and "ConvNeXtXLarge" in CONSTRUCTORS


@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_rescale_adds_up_on_every_application(name):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    build = getattr(keras.applications, name)
    x = rng.normal(size=(8, SIDE, SIDE, 3)).astype("float32")
    if "include_preprocessing" in inspect.signature(build).parameters or name.startswith("EfficientNetB"):
        x = 127 + 60 * x  # these scale their input themselves
    # A network trained on pictures gives a black one ordinary activations too: so must the batch statistics.
    model = alive(build(weights=None, input_shape=(SIDE, SIDE, 3), classes=10), np.concatenate([x, 0 * x]), rng)
    x = x[:2]
    for on in ("logit", "probability"):
        e = tfxai.explain(model, x, target=[1, 2], on=on, verbose=0)
        change = np.abs(e.score - e.baseline_score)
        assert change.max() > 1e-4, "no signal: the test would show nothing"
        assert np.abs(e.delta).max() <= 1e-4 * max(change.max(), np.abs(e.score).mean())
    keras.backend.clear_session()


# One of each kind of keras.applications whose ops are linear between its kinks.
PIECEWISE = ["DenseNet121", "InceptionV3", "MobileNet", "MobileNetV2", "NASNetMobile", "ResNet50", "ResNet50V2",
             "VGG16", "Xception"]  # fmt: skip
RELEVANCE = [{"rule": "epsilon"}, {"rule": "epsilon_plus_flat"}, {"rule": "epsilon_alpha2_beta1"}]


@pytest.mark.parametrize("name", PIECEWISE)
def test_relevance_is_accounted_for_on_piecewise_linear_applications(name):
    """What does not arrive at the input is what the layers kept."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, SIDE, SIDE, 3)).astype("float32")
    build = getattr(keras.applications, name)
    model = alive(build(weights=None, input_shape=(SIDE, SIDE, 3), classes=10), np.concatenate([x, 0 * x]), rng)
    explainer = tfxai.Explainer(model)
    for options in RELEVANCE:
        e = explainer.using("lrp", **options)(x[:2], target=[1, 2], verbose=0)
        total = e.values.sum((1, 2, 3), dtype="float64")
        kept = sum(p["bias"] + p["other"] for layer, p in e.layer_sums.items() if layer != "elsewhere")
        size = np.abs(e.score).max()
        assert size > 1e-4, "no signal: the test would show nothing"
        # In single precision: of the score, or of what it grew to on its way (InceptionV3, epsilon: 500 times).
        largest = max(np.abs(p["arrived"]).max() for p in e.layer_sums.values())
        assert np.abs(e.score - total - kept).max() <= 1e-4 * size + 1e-6 * largest, options
    keras.backend.clear_session()
