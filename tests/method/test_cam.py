"""Class activation maps: worked numbers, the layer found by itself, maps of every form."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

import tfxai
from tests.networks import c1

CAMS = ["gradcam", "gradcam++", "layercam", "hirescam", "scorecam"]


def test_worked_numbers():
    model, x = c1()
    e = tfxai.explain(model, x, "gradcam", target=0, layer="relu", resize=False)
    np.testing.assert_allclose(e.values[0, ..., 0], [[0, 4], [28, 32.5]])
    guided = tfxai.explain(model, x, "guided_gradcam", target=0, layer="relu", upsampling="nearest")
    expected = [[0, 0, 4, 4], [0, 0, 12, 8], [28, 84, 97.5, 65], [28, 56, 65, 32.5]]
    np.testing.assert_allclose(guided.values[0, ..., 0], expected)
    for name, expected in (
        ("guided_backprop", [[0, 1, 1, 1], [1, 3, 3, 2], [1, 3, 3, 2], [1, 2, 2, 1]]),
        ("deconvnet", [[2, 3, 3, 1], [3, 5, 5, 2], [3, 5, 5, 2], [1, 2, 2, 1]]),
        ("input_x_gradient", [[0, 1, 2, 3], [0, 5, 6, 7], [0, 9, 10, 11], [0, 0, 0, 0]]),
    ):
        np.testing.assert_allclose(tfxai.explain(model, x, name, target=0).values[0, ..., 0], expected)


def oracle(name, features, slopes):
    """The papers' formulas in numpy; features and slopes of one example, (height, width, channels)."""
    if name == "gradcam":
        heat = (features * slopes.mean((0, 1))).sum(-1)
    elif name == "layercam":
        heat = (np.maximum(slopes, 0) * features).sum(-1)
    elif name == "hirescam":
        heat = (slopes * features).sum(-1)
    else:
        alpha = np.zeros_like(slopes)
        below = 2 * slopes**2 + slopes**3 * features.sum((0, 1))
        alpha[below != 0] = (slopes**2)[below != 0] / below[below != 0]
        heat = (features * (alpha * np.maximum(slopes, 0)).sum((0, 1))).sum(-1)
    return np.maximum(heat, 0)


@pytest.fixture
def network(rng):
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((12, 10, 3)),
            layers.Conv2D(4, 3, name="a"),
            layers.BatchNormalization(name="b"),
            layers.Activation("swish", name="c"),
            layers.Conv2D(5, 3, activation="relu", name="d"),
            layers.MaxPooling2D(name="pool"),
            layers.Flatten(),
            layers.Dense(6, "tanh"),
            layers.Dense(3, "softmax"),
        ]
    )
    return model, rng.normal(size=(3, 12, 10, 3)).astype("float32")


@pytest.mark.long
@pytest.mark.parametrize("name", CAMS[:4])
@pytest.mark.parametrize("layer", ["a", "c", "d", "pool"])
def test_formulas(name, layer, network):
    model, x = network
    index = [la.name for la in model.layers].index(layer)
    features = x
    for la in model.layers[: index + 1]:
        features = la(features)
    with tf.GradientTape() as tape:
        tape.watch(features)
        top = features
        for la in model.layers[index + 1 : -1]:
            top = la(top)
        logit = (top @ model.layers[-1].kernel + model.layers[-1].bias)[:, 1]
    slopes = tape.gradient(logit, features).numpy()
    e = tfxai.explain(model, x, name, layer=layer, target=1, resize=False)
    expected = [oracle(name, a, g) for a, g in zip(features.numpy(), slopes, strict=True)]
    np.testing.assert_allclose(e.values[..., 0], expected, rtol=2e-4, atol=1e-6)
    wide = tfxai.explain(model, x, name, layer=layer, target=1)
    np.testing.assert_allclose(wide.values, tf.image.resize(e.values, (12, 10)), rtol=1e-5, atol=1e-7)


def test_scorecam_formula(network):
    model, x = network
    e = tfxai.explain(model, x, "scorecam", layer="d", target=1, on="probability", resize=False)
    features = keras.Model(model.inputs[0], model.get_layer("d").output)(x).numpy()
    for k in range(3):
        scores = []
        for channel in np.moveaxis(features[k], -1, 0):
            large = tf.image.resize(channel[..., None], (12, 10)).numpy()
            mask = (large - large.min()) / (np.ptp(large) or 1)  # after it is enlarged: equations 6 to 8 of the paper
            scores.append(float(model(x[k : k + 1] * mask)[0, 1] - model(0 * x[:1])[0, 1]))
        weights = np.exp(scores) / np.exp(scores).sum()
        np.testing.assert_allclose(e.values[k, ..., 0], np.maximum(features[k] @ weights, 0), rtol=1e-4)


def flat_and_nested():
    rows = [layers.Conv2D(4, 3), layers.BatchNormalization(), layers.ReLU(), layers.Conv2D(5, 3, activation="swish")]
    flat = keras.Sequential([keras.Input((12, 12, 3)), *rows, layers.GlobalAveragePooling2D(), layers.Dense(3)])
    inner = keras.Sequential([keras.Input((12, 12, 3)), *rows[:3]], name="inner")
    i = keras.Input((12, 12, 3))
    middle = keras.Model(i, rows[3](inner(i)), name="middle")

    class Wrapped(keras.Model):
        def __init__(self):
            super().__init__()
            self.base, self.pool, self.top = middle, flat.layers[-2], flat.layers[-1]

        def call(self, x):
            return self.top(self.pool(self.base(x)))

    nested = keras.Sequential([keras.Input((12, 12, 3)), middle, flat.layers[-2], flat.layers[-1]])
    return flat, nested, Wrapped()


@pytest.mark.long
@pytest.mark.parametrize("name", [*CAMS, "guided_gradcam"])
def test_nested_and_subclassed_twins_agree_bit_by_bit(name, rng):
    keras.utils.set_random_seed(1)
    flat, nested, wrapped = flat_and_nested()
    x = rng.normal(size=(2, 12, 12, 3)).astype("float32")
    wrapped(x)
    maps = [tfxai.explain(m, x, name, target=1) for m in (flat, nested, wrapped)]
    last = flat.layers[3].name
    assert [e.layer.split("/")[-1] for e in maps] == [last] * 3 and maps[1].layer == f"middle/{last}"
    for e in maps[1:]:
        np.testing.assert_array_equal(e.values, maps[0].values)
    assert np.abs(maps[0].values).max() > 0


APPLICATIONS = {
    "VGG16": "block5_conv3",
    "MobileNetV2": "out_relu",
    "ResNet50V2": "post_relu",
    "DenseNet121": "relu",
    "Xception": "block14_sepconv2_act",
}


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) for n in APPLICATIONS])
def test_the_layer_that_people_use(name):
    model = getattr(keras.applications, name)(weights=None, input_shape=(96, 96, 3), classes=4)
    e = tfxai.explain(model, np.random.default_rng(0).normal(size=(1, 96, 96, 3)).astype("float32"), "gradcam")
    assert e.layer == APPLICATIONS[name] and e.values.shape == (1, 96, 96, 1)


@pytest.mark.long
def test_several_layers_in_one_pass(network):
    model, x = network
    e = tfxai.explain(model, x, "gradcam", layer=["a", "d"], target=1)
    assert list(e.values) == ["a", "d"] and e.layer == "a, d"
    for layer in ("a", "d"):
        alone = tfxai.explain(model, x, "gradcam", layer=layer, target=1).values
        np.testing.assert_allclose(e.values[layer], alone, rtol=1e-4, atol=1e-6 * alone.max())
    every = tfxai.explain(model, x, "gradcam", layer="all", target=1)
    assert list(every.values) == ["c", "d"]  # each convolution after its normalisation and activation
    np.testing.assert_allclose(every.values["d"], e.values["d"], rtol=1e-4, atol=1e-6 * e.values["d"].max())
    assert every[1].values["c"].shape == (1, 12, 10, 1)


@pytest.mark.long
@pytest.mark.parametrize("axes", [1, 3])
def test_one_and_three_dimensions(axes, rng):
    keras.utils.set_random_seed(0)
    conv, pool = {1: (layers.Conv1D, layers.GlobalAveragePooling1D), 3: (layers.Conv3D, layers.GlobalAveragePooling3D)}[
        axes
    ]
    size = (10, 8, 6)[:axes]
    model = keras.Sequential([keras.Input((*size, 2)), conv(5, 3, activation="relu"), pool(), layers.Dense(3)])
    x = rng.normal(size=(2, *size, 2)).astype("float32")
    for name in CAMS:
        raw = tfxai.explain(model, x, name, target=1, resize=False).values
        assert raw.shape == (2, *[s - 2 for s in size], 1)
        assert tfxai.explain(model, x, name, target=1).values.shape == (2, *size, 1)
    features = model.layers[0](x).numpy()
    weights = model.layers[-1].kernel.numpy()[:, 1] / np.prod([s - 2 for s in size])
    raw = tfxai.explain(model, x, "gradcam", target=1, resize=False).values
    np.testing.assert_allclose(raw[..., 0], np.maximum(features @ weights, 0), rtol=1e-4, atol=1e-7)
    up = tfxai.explain(model, x, "gradcam", target=1, upsampling="nearest").values
    assert set(np.unique(up)) <= set(np.unique(raw))


def test_channels_first(rng):
    model = keras.Sequential(
        [
            keras.Input((3, 12, 10)),
            layers.Conv2D(4, 3, data_format="channels_first", name="conv"),
            layers.BatchNormalization(axis=1),
            layers.ReLU(name="relu"),
            layers.GlobalAveragePooling2D(data_format="channels_first"),
            layers.Dense(2),
        ]
    )
    x = rng.normal(size=(2, 3, 12, 10)).astype("float32")
    e = tfxai.explain(model, x, "gradcam", target=0)
    raw = tfxai.explain(model, x, "gradcam", target=0, resize=False)
    features = keras.Model(model.inputs[0], model.get_layer("relu").output)(x).numpy()
    weights = model.layers[-1].kernel.numpy()[:, 0] / 80
    assert e.layer == "relu" and e.values.shape == (2, 1, 12, 10)
    np.testing.assert_allclose(
        raw.values[:, 0], np.maximum(np.tensordot(features, weights, (1, 0)), 0), rtol=1e-4, atol=1e-7
    )


@pytest.mark.parametrize("class_token", [True, False])
def test_tokens_of_a_vision_transformer(class_token, rng):
    i = keras.Input((16, 24, 3))
    tokens = layers.Reshape((24, 8))(layers.Conv2D(8, 4, 4)(i))
    if class_token:
        tokens = ops.concatenate([0 * tokens[:, :1] + 1, tokens], axis=1)
    tokens = layers.LayerNormalization(name="norm")(tokens + layers.MultiHeadAttention(2, 4)(tokens, tokens))
    model = keras.Model(i, layers.Dense(3)(ops.mean(tokens, axis=1)))
    x = rng.normal(size=(2, 16, 24, 3)).astype("float32")
    raw = tfxai.explain(model, x, "gradcam", layer="norm", target=0, resize=False)
    assert raw.values.shape == (2, 4, 6, 1)
    features = keras.Model(i, model.get_layer("norm").output)(x).numpy()[:, int(class_token) :].reshape(2, 4, 6, 8)
    weights = model.layers[-1].kernel.numpy()[:, 0] / (24 + class_token)
    np.testing.assert_allclose(raw.values[..., 0], np.maximum(features @ weights, 0), rtol=1e-3, atol=1e-6)
    assert tfxai.explain(model, x, "gradcam", layer="norm", target=0).values.shape == (2, 16, 24, 1)


def test_segmentation_network_is_read_before_its_last_convolution(rng):
    i = keras.Input((8, 8, 1))
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="features")(i)
    model = keras.Model(i, layers.Conv2D(2, 1, activation="softmax", name="pixels")(x))
    weights = np.zeros((8, 8, 2))
    weights[2:5, 3:6, 1] = 1
    e = tfxai.explain(
        model, rng.normal(size=(1, 8, 8, 1)).astype("float32"), "gradcam", target=tfxai.targets.mask(weights)
    )
    assert e.layer == "features" and e.values.shape == (1, 8, 8, 1)


def test_zero_maps_are_zero_and_announced(rng):
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(2, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(1),
        ]
    )
    model.layers[-1].set_weights([-np.ones((2, 1)), np.zeros(1)])
    x = rng.normal(size=(2, 6, 6, 1)).astype("float32")
    for name in ("gradcam", "gradcam++", "layercam"):
        with pytest.warns(
            tfxai.errors.EmptyMapWarning, match="the map of 2 examples .* is zero: after its ReLU nothing"
        ):
            e = tfxai.explain(model, x, name)
        assert not e.values.any() and np.isfinite(e.values).all()


def test_saturated_and_constant_maps_stay_finite():
    model = keras.Sequential(
        [keras.Input((6, 6, 1)), layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(2, "softmax")]
    )
    with pytest.warns(tfxai.errors.EmptyMapWarning):
        for name in CAMS:
            assert np.isfinite(tfxai.explain(model, np.zeros((1, 6, 6, 1), "float32"), name).values).all()


def test_bad_layers(network):
    model, x = network
    table = keras.Sequential([keras.Input((4,)), layers.Dense(3, "relu", name="hidden"), layers.Dense(2)])
    rows = np.ones((1, 4), "float32")
    with pytest.raises(tfxai.errors.LayerError, match="no convolution with a spatial map.*deeplift.*layer=.*hidden"):
        tfxai.explain(table, rows, "gradcam")
    with pytest.raises(tfxai.errors.LayerError, match="needs feature maps.*'hidden' with axes .examples, made 3."):
        tfxai.explain(table, rows, "gradcam", layer="hidden")
    with pytest.raises(tfxai.errors.LayerError, match="Did you mean"):
        tfxai.explain(model, x, "gradcam", layer="poool")
    with pytest.raises(tfxai.errors.OptionError, match="upsampling is one of 'bilinear', 'nearest'. Received: 'cubic'"):
        tfxai.explain(model, x, "gradcam", upsampling="cubic")
    with pytest.raises(tfxai.errors.OptionError, match="resize=False has no meaning"):
        tfxai.explain(model, x, "guided_gradcam", resize=False)
    i = keras.Input((6, 6, 1))
    conv = layers.Conv2D(1, 3, padding="same", name="twice")
    shared = keras.Model(i, layers.Flatten()(conv(conv(i))))
    with pytest.raises(tfxai.errors.LayerError, match=r"called 2 times.*layer=\('twice', k\)"):
        tfxai.explain(shared, np.ones((1, 6, 6, 1), "float32"), "gradcam", target=0, layer="twice")
    first = tfxai.explain(
        shared, np.ones((1, 6, 6, 1), "float32"), "layercam", target=0, layer=("twice", 0), resize=False
    )
    assert first.layer == "twice#0"


def test_hirescam_is_what_each_place_adds_before_one_dense_layer(rng):
    conv, dense = layers.Conv2D(4, 3, activation="relu"), layers.Dense(2)
    model = keras.Sequential([keras.Input((6, 6, 2)), conv, layers.Flatten(), dense])
    x = rng.normal(size=(3, 6, 6, 2)).astype("float32")
    weights = dense.kernel.numpy()[:, 1].reshape(4, 4, 4)
    added = (np.asarray(conv(x)) * weights).sum(-1)
    np.testing.assert_allclose(added.sum((1, 2)) + dense.bias.numpy()[1], np.asarray(model(x))[:, 1], rtol=1e-4)
    e = tfxai.explain(model, x, "hirescam", target=1, resize=False)
    np.testing.assert_allclose(e.values[..., 0], np.maximum(added, 0), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("name", ["gradcam", "gradcam++", "layercam", "hirescam"])
def test_formulas_are_computed_in_single_precision(name, policy, rng):
    """Features of pictures from 0 to 255 are in the hundreds; their sums and powers do not fit into half precision."""
    conv = layers.Conv2D(16, 3, padding="same", activation="relu", dtype=policy)
    tail = [layers.MaxPooling2D(4, dtype=policy), layers.Flatten(), layers.Dense(3, dtype="float32")]
    model = keras.Sequential([keras.Input((32, 32, 3)), conv, *tail])
    x = rng.uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    features = conv(x)
    with tf.GradientTape() as tape:
        tape.watch(features)
        top = features
        for layer in tail:
            top = layer(top)
        score = top[:, 1]
    slopes = np.asarray(tape.gradient(score, features)).astype("float64")
    features = np.asarray(features).astype("float64")
    expected = [oracle(name, f, g) for f, g in zip(features, slopes, strict=True)]
    e = tfxai.explain(model, x, name, target=1, layer=conv.name, resize=False)
    np.testing.assert_allclose(e.values[..., 0], expected, rtol=0.02, atol=0.02 * np.max(expected))
