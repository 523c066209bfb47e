"""Slow: small networks made with other packages' layers. `pytest -m slow -n 1 tests/test_package_zoo.py`.

Each is complete, the same in single and double precision, has the gradient of the tape and, where it has convolutions,
a map of the layer in the table.
"""

import contextlib
import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfxai
from tests.test_zoo import alive
from tfxai.errors import LayerError

# These packages warn of what Keras deprecates; of an explanation nothing is to be said.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.filterwarnings("error::tfxai.CompletenessWarning"),
]


class Network(NamedTuple):
    """The package, the shapes of the inputs, the package and its inputs -> features; the default layer of its maps."""

    package: str
    shapes: list[tuple[int | None, ...]]
    features: Callable[..., Any]
    layer: str | None = None
    double: bool = True  # whether its layers exist in double precision


def unet(build: str, **more: Any) -> Callable:
    sizes = {"filter_num": [4, 8], "n_labels": 3, "stack_num_down": 1, "stack_num_up": 1, "activation": "GELU"}

    def features(package, picture):
        made = getattr(package, build)((32, 32, 3), **sizes, output_activation=None, batch_norm=True, **more)
        return layers.GlobalAveragePooling2D()(keras.Model(made.inputs, made.outputs[0])(picture))

    return features


def volumes(package, x):
    build, _ = package.Classifiers.get("mobilenet")
    return layers.GlobalAveragePooling3D()(build((32, 32, 32, 1), weights=None, include_top=False, alpha=0.25)(x))


NETWORKS = {
    "temporal convolutions": Network(
        "tcn", [(20, 3)],
        lambda p, x: p.TCN(4, kernel_size=3, dilations=(1, 2, 4), use_layer_norm=True)(x),
        "tcn/residual_block_0/Act_Conv1D_0",
    ),
    "temporal convolutions of open length": Network(
        "tcn", [(None, 3)],
        lambda p, x: p.TCN(4, kernel_size=3, dilations=(1, 2, 4), use_batch_norm=True, activation="gelu")(x),
        "tcn/residual_block_0/Act_Conv1D_0",
    ),
    "liquid time constants": Network("ncps.keras", [(6, 3)], lambda p, x: p.LTC(_wiring())(x), double=False),
    "closed-form continuous time": Network("ncps.keras", [(6, 3)], lambda p, x: p.CfC(8)(x)),
    "Legendre memory": Network(
        "keras_lmu", [(6, 2)], lambda p, x: p.LMU(2, 4, 4.0, layers.SimpleRNNCell(4))(x)
    ),
    "crossed features": Network(
        "keras_rs.layers", [(6,)], lambda p, x: p.FeatureCross()(x, p.FeatureCross()(x, x))
    ),
    "dot products of inputs": Network(
        "keras_rs.layers", [(4,)] * 3, lambda p, *x: p.DotInteraction()(list(x))
    ),
    "U-net": Network(
        "keras_unet_collection.models", [(32, 32, 3)], unet("unet_2d", pool="max", unpool="bilinear"),
        "functional/unet_output",
    ),
    "U-net with attention": Network(
        "keras_unet_collection.models", [(32, 32, 3)],
        unet("att_unet_2d", atten_activation="ReLU", attention="add", pool="max", unpool="nearest"),
        "functional/attunet_output",
    ),
    "MobileNet of volumes": Network(
        "classification_models_3D.tfkeras", [(32, 32, 32, 1)], volumes, "mobilenet_0.25_32/conv_pw_11_relu"
    ),
}  # fmt: skip


def _wiring():
    return importlib.import_module("ncps.wirings").AutoNCP(8, 3, seed=1)


@contextlib.contextmanager
def precision(dtype):
    """Layers of this precision: not all of these take a dtype, and some read it when they are called."""
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    try:
        yield
    finally:
        keras.config.set_floatx(before[0])
        keras.config.set_dtype_policy(before[1])


def network(name):
    """A classifier of three classes; weights of a spread at which every part matters."""
    pytest.importorskip(NETWORKS[name].package.split(".")[0])
    package = importlib.import_module(NETWORKS[name].package)
    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    inputs = [keras.Input(shape) for shape in NETWORKS[name].shapes]
    outputs = layers.Dense(3)(NETWORKS[name].features(package, *inputs))
    model = keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs)
    if any(isinstance(layer, layers.BatchNormalization) for layer in model._flatten_layers()):
        x = examples(name)
        return alive(model, np.concatenate([x, 0 * x]), np.random.default_rng(0))
    for weight in model.trainable_variables:
        if len(weight.shape):
            noise = np.random.default_rng(len(weight.path)).normal(0, 0.1, weight.shape)
            weight.assign(np.asarray(weight) + noise)
    return model


def examples(name):
    rng = np.random.default_rng(1)
    found = [rng.normal(size=(2, *(8 if s is None else s for s in shape))) for shape in NETWORKS[name].shapes]
    found = [f.astype("float32") for f in found]
    return found if len(found) > 1 else found[0]


def flat(values):
    return np.concatenate([np.ravel(v) for v in keras.tree.flatten(values)])


@pytest.mark.parametrize("name", NETWORKS)
def test_network(name):
    model, x = network(name), examples(name)
    e = tfxai.explain(model, x, target=1, verbose=0)
    np.testing.assert_allclose(e.score, np.asarray(model(x, training=False))[:, 1], rtol=1e-4, atol=1e-5)
    assert e.residual.max() < 1e-4
    with precision("float64" if NETWORKS[name].double else "float32"):
        double = network(name)
        double.set_weights(model.get_weights())
        exact = flat(tfxai.explain(double, keras.tree.map_structure(np.float64, x), target=1, verbose=0).values)
    assert np.abs(exact).max() > 1e-4 and np.abs(flat(e.values) - exact).max() < 5e-4 * np.abs(exact).max()
    tensors = keras.tree.map_structure(tf.constant, x)
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        y = model(tensors, training=False)[:, 1]
    slopes = flat(tape.gradient(y, tensors))
    got = flat(tfxai.explain(model, x, "gradient", target=1, verbose=0).values)
    np.testing.assert_allclose(got, slopes, atol=1e-4 * np.abs(slopes).max())
    if NETWORKS[name].layer is None:
        with pytest.raises(LayerError, match="no convolution with a spatial map"):
            tfxai.explain(model, x, "gradcam", target=1, verbose=0)
    else:
        chosen = tfxai.explain(model, x, "gradcam", target=1, verbose=0)
        assert chosen.layer == NETWORKS[name].layer and chosen.values.shape == (*x.shape[:-1], 1)
