"""Which layer a map is of when none is asked for, and where its places lie in the input.

Oracle: the formula of Grad-CAM on slopes of tf.GradientTape at the tensor that a person would choose.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfxai
from tests.maps import CONV, close, explained, first, gradcam, positive
from tfxai.errors import LayerError


def sequence(tail, rng):
    i = keras.Input((12, 3))
    h = layers.Conv1D(4, 3, dilation_rate=2, **CONV)(i)
    y = h
    for layer in tail:
        y = layer(y)
    model = keras.Model(i, layers.Dense(2)(y))
    return model, rng.normal(size=(2, 12, 3)).astype("float32"), h


@pytest.mark.parametrize("kind", ["one state", "all states"])
def test_a_recurrent_layer_behind_a_dilated_convolution(kind, rng):
    tail = (
        [layers.SimpleRNN(5)] if kind == "one state" else [layers.SimpleRNN(5, return_sequences=True), layers.Flatten()]
    )
    model, x, h = sequence(tail, rng)
    positive(model.layers[-1])
    close(explained(model, x, resize=False), gradcam(model, x, h, first))


class Flip(layers.Layer):
    def call(self, x):
        return tf.reverse(x, [1])


def test_axes_in_another_order_and_direction(rng):
    i = keras.Input((8, 12, 2))
    h = layers.Conv2D(3, 3, **CONV)(i)
    y = Flip()(layers.Permute((2, 1, 3))(h))
    model = keras.Model(i, layers.Dense(2)(layers.Flatten()(y)))
    x = rng.normal(size=(2, 8, 12, 2)).astype("float32")
    e = explained(model, x)
    close(e, gradcam(model, x, h, first))
    close(explained(model, x, layer="flip"), gradcam(model, x, h, first))
    assert e.meta["channels"] == {"inputs": [3], "values": [3]}


def test_a_crop_keeps_its_place(rng):
    i = keras.Input((8, 8, 1))
    h = layers.Conv2D(3, 1, activation="relu")(layers.Cropping2D(((1, 3), (2, 2)))(i))
    model = keras.Model(i, layers.Dense(2)(layers.GlobalAveragePooling2D()(h)))
    positive(model.layers[-1])
    x = rng.normal(size=(2, 8, 8, 1)).astype("float32")
    want = np.zeros((2, 8, 8, 1))
    want[:, 1:5, 2:6] = gradcam(model, x, h, first)
    close(explained(model, x), want)


def test_pictures_without_a_channel_axis_and_repeated_places(rng):
    i = keras.Input((6, 8))
    h = layers.Conv2D(3, 3, **CONV)(layers.UpSampling2D(2)(layers.Reshape((6, 8, 1))(i)))
    model = keras.Model(i, layers.Dense(2)(layers.Flatten()(h)))
    x = rng.normal(size=(2, 6, 8)).astype("float32")
    want = gradcam(model, x, h, first)
    close(explained(model, x, resize=False), want)
    heat = tf.image.resize(want, (6, 8)).numpy()
    close(explained(model, x), heat)
    guided = explained(model, x, "guided_backprop").values
    close(explained(model, x, "guided_gradcam"), guided * heat[..., 0])


def test_columns_are_steps(rng):
    """As readers of text do: a picture's columns become the steps of a sequence, and each has its own classes."""
    i = keras.Input((8, 12, 1))
    h = layers.MaxPooling2D((2, 1))(layers.Conv2D(4, 3, **CONV)(i))
    steps = layers.Reshape((12, 16))(layers.Permute((2, 1, 3))(h))
    y = layers.Dense(3)(layers.Dense(5, activation="relu", name="columns")(steps))
    model = keras.Model(i, y)
    x = rng.normal(size=(2, 8, 12, 1)).astype("float32")
    e = explained(model, x, target=(4, 1))
    assert e.values.shape == (2, 8, 12, 1) and "columns" not in e.layer
    one = explained(model, x, target=(4, 1), layer="columns", resize=False)
    assert one.values.shape == (2, 12, 1)  # places along the columns alone


def test_convolutions_over_three_axes_then_two(rng):
    i = keras.Input((6, 8, 4, 1))
    h = layers.Conv3D(2, 3, **CONV)(i)
    flat = layers.Conv2D(3, 3, name="flat", **CONV)(layers.Reshape((6, 8, 8))(h))
    model = keras.Model(i, layers.Dense(2)(layers.Flatten()(flat)))
    x = rng.normal(size=(2, 6, 8, 4, 1)).astype("float32")
    e = explained(model, x)
    close(e, gradcam(model, x, flat, first))
    guided = explained(model, x, "guided_backprop").values
    close(explained(model, x, "guided_gradcam"), guided * e.values[:, :, :, None])


def test_one_map_per_frame(rng):
    cnn = keras.Sequential([keras.Input((6, 8, 1)), layers.Conv2D(3, 3, name="c", **CONV), layers.GlobalMaxPooling2D()])
    i = keras.Input((3, 6, 8, 1))
    model = keras.Model(i, layers.Dense(2)(layers.Flatten()(layers.TimeDistributed(cnn, name="each")(i))))
    positive(model.layers[-1])
    x = rng.normal(size=(2, 3, 6, 8, 1)).astype("float32")
    e = explained(model, x)
    assert e.values.shape == (2, 3, 6, 8, 1) and e.layer.endswith("c")
    frames = [explained(model, x, layer=("c", k)).values for k in range(3)]
    np.testing.assert_allclose(e.values, np.stack(frames, 1), atol=1e-6)
    np.testing.assert_allclose(explained(model, x, layer="c").values, e.values, atol=1e-6)


def heads(order, rng):
    i = keras.Input((8, 8, 1))
    base = layers.Conv2D(3, 3, name="base", **CONV)(i)
    maps = {n: layers.Conv2D(3, 3, name=f"{n}_conv", **CONV)(base) for n in ("age", "gender")}
    outs = {n: layers.Dense(2, name=n)(layers.GlobalAveragePooling2D()(maps[n])) for n in maps}
    model = keras.Model(i, {n: outs[n] for n in order})
    for n in outs:
        positive(model.get_layer(n))
    return model, rng.normal(size=(2, 8, 8, 1)).astype("float32"), maps


@pytest.mark.parametrize("order", [("age", "gender"), ("gender", "age")])
def test_the_head_that_is_explained(order, rng):
    model, x, maps = heads(order, rng)
    for name in order:
        target = tfxai.targets.output(name, 0)
        e = explained(model, x, target=target)
        close(e, gradcam(model, x, maps[name], lambda y, name=name: y[name][:, 0]))
        assert e.layer == f"{name}_conv"
    with pytest.raises(LayerError, match="does not depend on the layer 'age_conv', but another output does"):
        explained(model, x, target=tfxai.targets.output("gender", 0), layer="age_conv")


def test_a_target_function_reads_its_head(rng):
    model, x, maps = heads(("age", "gender"), rng)
    for name in maps:
        e = explained(model, x, target=lambda y, name=name: y[name][:, 0])
        close(e, gradcam(model, x, maps[name], lambda y, name=name: y[name][:, 0]))


def test_the_last_state_of_a_recurrent_convolution(rng):
    i = keras.Input((3, 6, 6, 1))
    h = layers.ConvLSTM2D(3, 3, padding="same")(i)
    model = keras.Model(i, layers.Dense(2)(layers.Flatten()(h)))
    x = rng.normal(size=(2, 3, 6, 6, 1)).astype("float32")
    close(explained(model, x), gradcam(model, x, h, first))


def test_one_explainer_follows_its_target(rng):
    model, x, _ = heads(("age", "gender"), rng)
    explainer = tfxai.Explainer(model, "gradcam")
    found = [explainer(x, tfxai.targets.output(n, k)).layer for n in ("age", "gender", "age") for k in (0, 1)]
    assert found == ["age_conv"] * 2 + ["gender_conv"] * 2 + ["age_conv"] * 2
    before = explainer.traces
    explainer(x, tfxai.targets.output("gender", 1))
    assert explainer.traces == before


def test_parts_of_one_output(rng):
    i = keras.Input((8, 8, 1))
    maps = [layers.Conv2D(2, 3, name=f"c{k}", **CONV)(i) for k in range(2)]
    y = layers.Concatenate()([layers.Dense(2)(layers.GlobalAveragePooling2D()(m)) for m in maps])
    model = keras.Model(i, y)
    x = rng.normal(size=(1, 8, 8, 1)).astype("float32")
    for layer in model.layers:
        positive(layer)
    found = [explained(model, np.abs(x), target=k).layer for k in range(4)]
    assert found == ["c0", "c0", "c1", "c1"]


def transformer(rng, blocks=2):
    i = keras.Input((8, 8, 1))
    h = layers.Reshape((16, 6))(layers.Conv2D(6, 2, 2, name="patches")(i))
    h = layers.Concatenate(axis=1)([layers.Lambda(lambda t: t[:, :1] * 0 + 1.0)(h), h])
    inner = []
    for k in range(blocks):
        norm = layers.LayerNormalization()(h)
        h = layers.Add(name=f"block{k}")([h, layers.MultiHeadAttention(2, 3)(norm, norm)])
        inner.append(h)
    model = keras.Model(i, layers.Dense(3)(layers.LayerNormalization()(h)[:, 0]))
    return model, rng.normal(size=(2, 8, 8, 1)).astype("float32"), inner


def test_tokens_that_still_reach_a_class_token(rng):
    model, x, (before, after) = transformer(rng)
    e = explained(model, x, target=1, resize=False)
    assert e.layer == "block0"
    probe = keras.Model(model.input, [before, model.output])
    with tf.GradientTape() as tape:
        a, y = probe(x)
        total = tf.reduce_sum(y[:, 1])
    a, g = a.numpy()[:, 1:], tape.gradient(total, a).numpy()[:, 1:]
    heat = np.maximum(np.einsum("ntk,nk->nt", a, g.mean(1)), 0).reshape(2, 4, 4, 1)
    assert heat.max() > 0
    close(e, heat)
