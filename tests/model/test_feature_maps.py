"""Which layer a map is of when none is asked for, and where its places lie in the input.

Oracle: the formula of Grad-CAM on slopes of tf.GradientTape at the tensor that a person would choose.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfxai
from tfxai.errors import LayerError, ModelError

CONV = {"padding": "same", "activation": "relu"}


def gradcam(model, x, features, score):
    """(n, places..., channels) -> (n, places..., 1)."""
    probe = keras.Model(model.input, [features, model.output])
    with tf.GradientTape() as tape:
        a, y = probe(x)
        total = tf.reduce_sum(score(y))
    a, g = a.numpy().astype(float), tape.gradient(total, a).numpy().astype(float)
    heat = np.einsum("n...k,nk->n...", a, g.mean(tuple(range(1, a.ndim - 1))))
    assert heat.max() > 0, "an empty map shows nothing"
    return np.maximum(heat, 0)[..., None]


def first(y):
    return y[:, 0]


def explained(model, x, method="gradcam", **options):
    return tfxai.explain(model, x, method, verbose=0, **{"target": 0, **options})


def close(e, want):
    np.testing.assert_allclose(e.values, want, atol=1e-4 * np.abs(want).max())


def positive(layer):
    """Weights above 0, so that no map is empty."""
    layer.set_weights([np.abs(w) for w in layer.get_weights()])


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
