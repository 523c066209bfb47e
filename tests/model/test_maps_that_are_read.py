"""Which map is explained where some are no maps of the input, or are read in part."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfxai
from tests.maps import CONV, close, explained, first, gradcam, positive
from tfxai.errors import LayerError, ModelError


def test_a_matrix_of_scores_is_no_map(rng):
    class Scores(layers.Layer):
        def call(self, t):
            return tf.matmul(t, t, transpose_b=True)

    i = keras.Input((8, 8, 1))
    h = layers.Reshape((64, 3))(layers.Conv2D(3, 3, **CONV)(i))
    model = keras.Model(i, layers.Dense(2)(layers.Flatten()(Scores(name="scores")(h))))
    x = rng.normal(size=(1, 8, 8, 1)).astype("float32")
    assert explained(model, x).layer.startswith("reshape")
    with pytest.raises(LayerError, match="'scores' has the same places twice"):
        explained(model, x, layer="scores")


def test_a_layer_behind_an_op_that_cannot_be_followed(rng):
    class Rolled(layers.Layer):
        def call(self, t):
            return tf.roll(t, 1, axis=1)

    i = keras.Input((6, 6, 1))
    h = layers.Conv2D(3, 3, name="conv", **CONV)(i)
    model = keras.Model(i, layers.Dense(2)(layers.Flatten()(Rolled(name="rolled")(h))))
    x = rng.normal(size=(1, 6, 6, 1)).astype("float32")
    assert explained(model, x).layer == "conv"
    with pytest.raises(LayerError, match="'rolled' are places.*op Roll. Choose a layer before it"):
        explained(model, x, layer="rolled")


def test_places_of_no_input(rng):
    i = keras.Input((5,))
    h = layers.Conv2D(2, 3, name="conv", **CONV)(layers.Reshape((3, 3, 4))(layers.Dense(36)(i)))
    model = keras.Model(i, layers.Dense(2)(layers.Flatten()(h)))
    x = rng.normal(size=(2, 5)).astype("float32")
    assert explained(model, x, "hirescam", resize=False).values.shape == (2, 3, 3, 1)
    with pytest.raises(LayerError, match="none of an input's.*resize=False"):
        explained(model, x, "hirescam")


def test_pictures_of_two_sizes_and_calls_of_one_layer(rng):
    conv, top = layers.Conv2D(3, 3, name="shared", **CONV), layers.Dense(2)
    a, b = keras.Input((6, 8, 1), name="a"), keras.Input((10, 4, 1), name="b")
    maps = [conv(a), conv(b)]
    model = keras.Model([a, b], top(layers.Concatenate()([layers.GlobalMaxPooling2D()(m) for m in maps])))
    positive(top)
    x = [rng.normal(size=(2, *t.shape[1:])).astype("float32") for t in (a, b)]
    both = explained(model, x, layer=[("shared", 0), ("shared", 1)])
    assert list(both.values) == ["shared#0", "shared#1"] == both.layer.split(", ")
    # calls are numbered as they run
    order = sorted(range(2), key=lambda k: both.values["shared#0"].shape != (2, *maps[k].shape[1:3], 1))
    for k, m in enumerate(maps[n] for n in order):
        want = gradcam(model, x, m, first)
        close(explained(model, x, layer=f"shared#{k}"), want)
        np.testing.assert_allclose(both.values[f"shared#{k}"], want, atol=1e-4)
        guided = explained(model, x, "guided_backprop").values
        product = explained(model, x, "guided_gradcam", layer=("shared", k)).values
        np.testing.assert_allclose(product[order[k]], guided[order[k]] * want, atol=1e-4)
        assert not product[order[1 - k]].any()
    with pytest.raises(LayerError, match="called 2 times: pass the name of one call .shared#0, shared#1."):
        explained(model, x, layer="shared")


def test_channels_first_is_the_twin_of_channels_last(rng):
    first_, last_ = (
        keras.Sequential([
            keras.Input((2, 8, 6) if order == "channels_first" else (8, 6, 2)),
            layers.Conv2D(3, 3, data_format=order),
            layers.GlobalAveragePooling2D(data_format=order),
            layers.Dense(2),
        ])
        for order in ("channels_first", "channels_last")
    )  # fmt: skip
    last_.set_weights(first_.get_weights())
    x = rng.normal(size=(2, 2, 8, 6)).astype("float32")
    turned = np.moveaxis(x, 1, -1)
    runs = [("occlusion", {"window": 3, "stride": 3}), ("rise", {"samples": 8, "seed": 0})]
    runs += [("deeplift", {"baseline": tfxai.baselines.blur(1.0)})]
    for method, options in runs:
        e, twin = explained(first_, x, method, **options), explained(last_, turned, method, **options)
        np.testing.assert_allclose(np.moveaxis(e.values, 1, -1), twin.values, atol=1e-5)
    smooth = [explained(m, a, "gradient").smooth(1.0).values for m, a in ((first_, x), (last_, turned))]
    np.testing.assert_allclose(np.moveaxis(smooth[0], 1, -1), smooth[1], atol=1e-6)


def test_a_bag_with_one_prediction(rng):
    w = tf.constant(rng.normal(size=(3, 2)).astype("float32"))

    def bag(t):
        return tf.reduce_mean(tf.nn.relu(t) @ w, axis=0, keepdims=True)

    def steps(t):
        return t[1:] @ w - t[:-1] @ w

    x = rng.normal(size=(4, 3)).astype("float32")
    for size in (None, 1, 2):
        with pytest.raises(ModelError, match="one row per example.*4 examples.*instances"):
            explained(bag, x, "gradient", batch_size=size)
        with pytest.raises(ModelError, match="does not return one row per example"):
            explained(steps, x, "gradient", batch_size=size)
    one = explained(bag, x[:1], "occlusion", window=1).values
    want = [[float(bag(x[:1])[0, 0] - bag(np.where(np.arange(3) == k, 0, x[:1]))[0, 0]) for k in range(3)]]
    np.testing.assert_allclose(one, want, atol=1e-5)


def causal(name, dilation, length=3):
    return layers.Conv1D(4, length, padding="causal", dilation_rate=dilation, activation="relu", name=name)


def stack(steps, tail, dilations=(1, 2, 4)):
    """Causal convolutions, then `tail`; maps "c0", "c1"..."""
    i = keras.Input((steps, 3))
    h, maps = i, []
    for k, dilation in enumerate(dilations):
        h = causal(f"c{k}", dilation)(h)
        maps.append(h)
    model = keras.Model(i, layers.Dense(2)(layers.Flatten()(layers.Lambda(tail)(h))))
    for layer in model.layers:
        positive(layer)
    return model, maps


def read_places(model, x, features):
    """How many steps of a map the first score has a slope at."""
    probe = keras.Model(model.input, [features, model.output])
    with tf.GradientTape() as tape:
        a, y = probe(x)
        total = tf.reduce_sum(y[:, 0])
    return int((np.abs(tape.gradient(total, a).numpy()) > 0).any((0, -1)).sum())


@pytest.mark.long
@pytest.mark.parametrize(
    "steps, tail, wanted, counts",
    [
        (20, lambda t: t[:, -1], "c0", [7, 3, 1]),  # none is whole: the most steps
        (12, lambda t: t[:, 2:], "c1", [12, 12, 10]),  # the deepest whole one
        (12, lambda t: t[:, 1:9:4], "c0", [3, 2, 2]),
        (6, lambda t: t[:, 1::2], "c2", [3, 3, 3]),  # as many of each: the deepest
        (6, lambda t: tf.reduce_mean(t, 1), "c2", [6, 6, 6]),
    ],
)
def test_the_steps_that_causal_convolutions_reach(steps, tail, wanted, counts, rng):
    model, maps = stack(steps, tail)
    x = np.abs(rng.normal(size=(2, steps, 3))).astype("float32")
    assert [read_places(model, x, m) for m in maps] == counts
    e = explained(model, x, resize=False)
    assert e.layer == wanted
    close(e, gradcam(model, x, maps[int(wanted[1])], first))


def test_the_first_map_where_the_last_step_of_an_open_length_is_read(rng):
    x = np.abs(rng.normal(size=(1, 9, 3))).astype("float32")
    for tail, wanted in ((lambda t: t[:, -1], "c0"), (lambda t: tf.reduce_max(t, 1), "c2")):
        assert explained(stack(None, tail)[0], x).layer == wanted


def test_a_pooling_with_a_rest_leaves_its_map_whole(rng):
    """Of 7 places a pooling of 2 reads 6."""
    i = keras.Input((9, 9, 1))
    h = layers.Conv2D(3, 3, activation="relu", name="last")(layers.Conv2D(2, 3, name="first", **CONV)(i))
    model = keras.Model(i, layers.Dense(2)(layers.Flatten()(layers.MaxPooling2D(2)(h))))
    positive(model.layers[-1])
    x = rng.normal(size=(2, 9, 9, 1)).astype("float32")
    e = explained(model, x, resize=False)
    assert e.layer == "last"
    close(e, gradcam(model, x, h, first))


def test_one_pixel_is_explained_by_the_map_that_it_reads_most_of(rng):
    """Segmentation: of the map before its last convolution one pixel reads only a window; of the bottleneck all."""
    i = keras.Input((8, 8, 1))
    down = layers.Conv2D(3, 3, strides=2, name="down", **CONV)(i)
    low = layers.Conv2D(3, 3, strides=2, name="low", **CONV)(down)
    up = layers.UpSampling2D(4, interpolation="bilinear")(low)
    both = layers.Concatenate()([up, layers.Conv2D(2, 3, name="skip", **CONV)(i)])
    fine = layers.Conv2D(3, 3, name="fine", **CONV)(both)
    model = keras.Model(i, layers.Conv2D(2, 1, name="classes")(fine))
    for layer in model.layers:
        positive(layer)
    x = np.abs(rng.normal(size=(1, 8, 8, 1))).astype("float32")
    assert explained(model, x, target=tfxai.targets.mask(np.ones((1, 8, 8, 2)))).layer == "fine"
    assert explained(model, x, target=(3, 4, 1)).layer == "low"
    assert explained(model, x, target=(0, 0, 1)).layer == "down"


def test_scores_of_tokens_with_steps_are_no_map(rng):
    """A decoder's cross attention: weights are of pairs, the map is the encoder's."""
    sound, text = keras.Input((12, 3)), keras.Input((5, 6))
    h = layers.Conv1D(6, 3, name="steps", **CONV)(sound)
    y = layers.MultiHeadAttention(1, 6)(text, h)
    model = keras.Model([sound, text], layers.Dense(2)(layers.Flatten()(y)))
    for layer in model.layers:
        positive(layer)
    x = [np.abs(rng.normal(size=(2, *t.shape[1:]))).astype("float32") for t in model.inputs]
    e = explained(model, x, resize=False)
    assert e.layer == "steps"
    probe = keras.Model(model.input, [h, model.output])
    with tf.GradientTape() as tape:
        a, out = probe(x)
        total = tf.reduce_sum(out[:, 0])
    g = tape.gradient(total, a).numpy()
    close(e, np.maximum(np.einsum("ntk,nk->nt", a, g.mean(1)), 0)[..., None])
