"""Groups hidden together: the model itself says what its score does then."""

import dataclasses

import keras
import numpy as np
import pytest
from keras import layers

import tfxai
from tests.models import MODELS
from tests.networks import dense
from tfxai.errors import OptionError

EMBEDDED = {"text"}


@pytest.mark.long
@pytest.mark.parametrize("kind", sorted(set(MODELS) - EMBEDDED - {"masked_gru"}))
def test_the_drop_is_that_of_the_model(kind):
    rng = np.random.default_rng(0)
    keras.utils.set_random_seed(1)
    model, x = MODELS[kind](rng)
    flat = keras.tree.flatten(x)
    labels = [rng.integers(0, 3, a.shape[1:]) for a in flat]
    groups = keras.tree.pack_sequence_as(x, labels)
    e = tfxai.explain(model, x, "occlusion", target=0, on="probability", groups=groups)
    sums = e.grouped(groups)
    assert sums.names == ["0", "1", "2"]
    outputs = np.asarray(model(x), "float64")[:, 0]
    for k in range(3):
        without = [np.where(own == k, np.float32(0), a).astype(a.dtype) for a, own in zip(flat, labels, strict=True)]
        drop = outputs - np.asarray(model(keras.tree.pack_sequence_as(x, without)), "float64")[:, 0]
        np.testing.assert_allclose(sums.values[:, k], drop, rtol=1e-4, atol=2e-6)
    one = np.concatenate([v.reshape(len(v), -1) for v in keras.tree.flatten(e.values)], axis=1)
    where = np.concatenate([own.reshape(-1) for own in labels])
    for k in range(3):  # shared evenly
        np.testing.assert_allclose(np.ptp(one[:, where == k], axis=1), 0, atol=1e-7 * np.abs(one).max())


def embedding_model(tokens=7):
    i = keras.Input((tokens,), dtype="int32")
    h = layers.Embedding(9, 4)(i)
    h = layers.Conv1D(5, 3, activation="tanh")(h)
    return keras.Model(i, layers.Dense(2)(layers.GlobalAveragePooling1D()(h)))


def test_words_of_several_tokens(rng):
    model = embedding_model()
    x = rng.integers(0, 9, (3, 7))
    words = tfxai.segments.words(
        [[None, 0, 0, 1, 2, 2, None], [None, 0, 1, 1, 1, 2, None], [None, 0, 1, 2, 3, 4, None]]
    )
    e = tfxai.explain(model, x, "occlusion", target=1, groups=words)
    sums = e.grouped(words)
    embedded = model.layers[1].embeddings.numpy()[x]

    def f(values):
        h = layers.Activation("linear")(values)
        for layer in model.layers[2:]:
            h = layer(h)
        return np.asarray(h)[:, 1]

    for k in range(words.max() + 1):
        drop = f(embedded) - f(np.where((words == k)[..., None], 0, embedded).astype("float32"))
        np.testing.assert_allclose(sums.values[:, k], drop, atol=1e-6)
    pieces = e.values[0, 1:3]
    assert pieces[0] == pytest.approx(pieces[1]) and e.values.shape == (3, 7)


def test_tokens_and_numbers_in_one_group_share_by_features(rng):
    ids, numbers = keras.Input((2,), dtype="int32", name="ids"), keras.Input((3,), name="numbers")
    h = layers.Concatenate()([layers.Flatten()(layers.Embedding(5, 8)(ids)), numbers])
    model = keras.Model({"ids": ids, "numbers": numbers}, layers.Dense(1)(h))
    x = {"ids": np.array([[1, 2]]), "numbers": np.ones((1, 3), "float32")}
    groups = {"ids": [0, 1], "numbers": [0, 0, 2]}
    e = tfxai.explain(model, x, "occlusion", target=0, groups=groups)
    assert e.values["ids"][0, 0] == pytest.approx(e.values["numbers"][0, 0])  # a third each
    kernel = model.layers[-1].kernel.numpy()[:, 0]
    first = model.get_layer(index=1).embeddings.numpy()[1] @ kernel[:8] + kernel[16:18].sum()
    np.testing.assert_allclose(e.grouped(groups).values[0, 0], first, rtol=1e-5)


def additive(z):
    return keras.ops.sum(z * z, axis=(1, 2, 3))


def test_superpixels_differ_by_example_whatever_stands_beside_and_however_many_share_a_pass(rng):
    x = rng.normal(size=(3, 6, 6, 2))
    labels = np.stack([rng.integers(0, count, (6, 6)) for count in (2, 5, 9)])
    e = tfxai.explain(additive, x, "occlusion", groups=labels)
    for i in range(3):
        for k in range(labels[i].max() + 1):
            np.testing.assert_allclose(e.values[i][labels[i] == k].sum(), (x[i][labels[i] == k] ** 2).sum())
        alone = tfxai.explain(additive, x[i : i + 1], "occlusion", groups=labels[i], batch_size=1)
        np.testing.assert_allclose(alone.values[0], e.values[i], rtol=1e-12)
    assert e.meta["groups"]["count"] == [2, 9]
    noisy = tfxai.SmoothGrad(tfxai.Occlusion(groups=labels), samples=4, noise_std=1e-9)
    np.testing.assert_allclose(tfxai.explain(additive, x, noisy, seed=0).values, e.values, rtol=1e-5, atol=1e-6)


def test_many_references_and_a_fill(rng):
    x, data = rng.normal(size=(2, 4, 4, 1)), rng.normal(size=(1, 5, 4, 4, 1))
    grid = tfxai.segments.grid(2)
    e = tfxai.explain(additive, x, "occlusion", groups=grid, baseline=data)
    change = (x**2)[:, :2, :2].sum((1, 2, 3)) - (data[0] ** 2)[:, :2, :2].sum((1, 2, 3)).mean()
    np.testing.assert_allclose(e.grouped(grid).values[:, 0], change)
    filled = tfxai.explain(additive, x, "occlusion", groups=grid, fill=2.0)
    np.testing.assert_allclose(filled.grouped(grid).values[:, 0], ((x**2) - 4)[:, :2, :2].sum((1, 2, 3)))


def test_channels_may_be_in_different_groups(rng):
    x = rng.normal(size=(1, 3, 3, 2))
    labels = np.broadcast_to([0, 1], (3, 3, 2))
    e = tfxai.explain(additive, x, "occlusion", groups=labels)
    np.testing.assert_allclose(e.values[0, ..., 1].sum(), (x[..., 1] ** 2).sum())


def test_columns_of_a_data_frame(rng):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(rng.normal(size=(4, 3)), columns=["red", "green", "income"])
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    groups = {"colour": ["red", "green"], "money": ["income"]}
    e = tfxai.explain(model, frame, "occlusion", target=0, groups=groups)
    w = model.get_weights()[0][:, 0]
    np.testing.assert_allclose(e.grouped(groups).values[:, 0], frame.to_numpy()[:, :2] @ w[:2], rtol=1e-4, atol=1e-6)
    assert e.options["groups"] == repr(groups)


def test_at_a_layer(rng):
    model = keras.Sequential(
        [keras.Input((6, 6, 1)), layers.Conv2D(3, 3, name="conv"), layers.Flatten(), layers.Dense(1)]
    )
    x = rng.normal(size=(2, 6, 6, 1)).astype("float32")
    e = tfxai.explain(model, x, "occlusion", target=0, layer="conv", groups=tfxai.segments.grid(2))
    maps, kernel = np.asarray(model.layers[0](x)), model.layers[-1].kernel.numpy().reshape(4, 4, 3)
    zero = model.layers[0](np.zeros_like(x)).numpy()
    expected = ((maps - zero) * kernel)[:, :2, :2].sum((1, 2, 3))
    np.testing.assert_allclose(e.grouped(tfxai.segments.grid(2)).values[:, 0], expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(OptionError, match="is made of the input"):
        tfxai.explain(model, x, "occlusion", target=0, layer="conv", groups=tfxai.segments.slic(4))


def test_options_are_plain_and_the_fingerprint_sees_every_label(tmp_path, rng):
    x = rng.normal(size=(1, 64, 64, 1))
    labels = rng.integers(0, 4, (64, 64))
    e = tfxai.explain(additive, x, "occlusion", groups=labels)
    changed = labels.copy()
    changed[32, 32] = 3 - changed[32, 32]
    other = tfxai.explain(additive, x, "occlusion", groups=changed)
    assert (
        other.fingerprint != e.fingerprint == tfxai.explain(additive, x, "occlusion", groups=labels.copy()).fingerprint
    )
    read = tfxai.load(e.save(tmp_path / "e.npz"))
    assert read.options == e.options and read.meta == e.meta
    assert "groups=4" in e.options["groups"] and len(repr(tfxai.Occlusion(groups=labels))) < 200
    method = tfxai.Occlusion(groups=labels)
    assert dataclasses.replace(method, fill=1.0).groups == method.groups and method == tfxai.Occlusion(groups=labels)
    assert method != tfxai.Occlusion(groups=changed) and hash(method) == hash(tfxai.Occlusion(groups=labels))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"groups": np.zeros((4, 4), int), "window": 2}, "window= or stride= beside it"),
        ({"groups": np.zeros((4, 5), int)}, r"expected labels of shape \(4, 4\) \(its places\)"),
        ({"groups": np.full((4, 4), 0.5)}, "whole numbers"),
        ({"groups": lambda x: np.zeros(3, int)}, r"Received: shape \(3,\)"),
    ],
)
def test_bad_groups(options, message):
    with pytest.raises(OptionError, match=message):
        tfxai.explain(additive, np.ones((2, 4, 4, 1)), "occlusion", **options)


@pytest.mark.parametrize("method", ["occlusion", "kernel_shap"])
def test_superpixels_of_scikit_image(method, rng):
    pytest.importorskip("skimage")
    x = np.zeros((2, 12, 12, 3))
    x[0, :, 5:], x[1, 7:] = 1, -2
    x += rng.normal(size=x.shape) * 0.01
    superpixels = tfxai.segments.slic(5)
    e = tfxai.explain(additive, x, method, groups=superpixels, seed=0)
    labels = superpixels(x)
    sums = e.grouped(superpixels)
    for i in range(2):
        for k in np.unique(labels[i]):
            np.testing.assert_allclose(sums.values[i, k], (x[i][labels[i] == k] ** 2).sum(), rtol=1e-6)
    assert e.meta["groups"]["made_by"] == repr(superpixels) == e.options["groups"]


def test_labels_of_the_only_input_that_is_not_held_fixed(rng):
    x = {"picture": rng.normal(size=(2, 4, 4, 1)), "scale": np.array([[2.0], [3.0]])}

    def f(z):
        return z["scale"][:, 0] * keras.ops.sum(z["picture"], axis=(1, 2, 3))

    labels = np.repeat([[0, 0, 1, 1]], 4, axis=0)
    e = tfxai.explain(f, x, "occlusion", groups=labels, fixed="scale")
    np.testing.assert_allclose(
        e.values["picture"][:, :, :2].sum((1, 2, 3)), x["picture"][:, :, :2].sum((1, 2, 3)) * [2, 3]
    )
    assert not e.values["scale"].any()


@pytest.mark.parametrize(
    "method, options", [("occlusion", {}), ("kernel_shap", {}), ("shapley_sampling", {"samples": 2})]
)
def test_as_many_groups_of_every_example_at_other_places(method, options, rng):
    x = rng.normal(size=(5, 4, 4, 1))
    labels = rng.permuted(np.tile(np.arange(16) % 5, (5, 1)), axis=1).reshape(5, 4, 4)
    for size in (None, 1, 3):
        e = tfxai.explain(additive, x, method, groups=labels, batch_size=size, seed=0, **options)
        for i in range(5):
            for k in range(5):
                inside = labels[i] == k
                np.testing.assert_allclose(e.values[i, inside, 0], (x[i][inside] ** 2).sum() / inside.sum(), rtol=1e-9)


@pytest.mark.parametrize("method", ["occlusion", "shapley_sampling", "kernel_shap", "lime", "rise"])
def test_units_of_a_dense_layer_are_hidden_one_by_one(method, rng):
    """Of an output that is linear in them: a unit's value is what it adds, of RISE beside the half of the others."""
    kernel, x = rng.normal(size=(4, 1)), rng.normal(size=(2, 3))
    model = dense((rng.normal(size=(3, 4)), None), "tanh", (kernel, None), dtype="float64")
    options = {"ridge": 0.0} if method == "lime" else {"samples": 4000} if method == "rise" else {}
    e = tfxai.explain(model, x, method, 0, layer=model.layers[1].name, seed=0, **options)
    each = model.layers[1](model.layers[0](x)).numpy() * kernel[:, 0]
    if method == "rise":
        each = each + (each.sum(1, keepdims=True) - each) / 2
        np.testing.assert_allclose(e.values, each, atol=5 * e.standard_error.max())
        assert np.ptp(e.values) > 10 * e.standard_error.max()
    else:
        np.testing.assert_allclose(e.values, each, atol=1e-9)
    if method in ("shapley_sampling", "kernel_shap", "lime"):
        assert e.meta["groups"] == {"made_by": "each feature", "count": 4}
