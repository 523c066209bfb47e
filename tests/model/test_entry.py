"""What whole numbers and flags stand for: embeddings of their own, selections, masks."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

import tfxai
from tfxai.errors import InputError, OptionError


def explained(model, x, method="deeplift", **options):
    return tfxai.explain(model, x, method, verbose=0, **{"target": 0, **options})


@pytest.mark.long
@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("cut", ["x[:, k]", "x[:, k:k+1]"])
def test_one_embedding_per_column(cut, size, rng):
    """With a linear head the value of a column is its row of the table times its part of the weights."""
    ids, head = keras.Input((3,), dtype="int32"), layers.Dense(1)
    tables = [layers.Embedding(6, size, embeddings_initializer="normal") for _ in range(3)]
    columns = [ids[:, k] if cut == "x[:, k]" else ids[:, k : k + 1] for k in range(3)]
    y = head(layers.Concatenate()([layers.Flatten()(t(c)) for t, c in zip(tables, columns, strict=True)]))
    model = keras.Model(ids, y)
    x = rng.integers(0, 6, (4, 3)).astype("int32")
    rows = np.stack([t.embeddings.numpy()[x[:, k]] for k, t in enumerate(tables)], 1)
    want = (rows * head.kernel.numpy()[:, 0].reshape(3, size)).sum(-1)
    for method in ("deeplift", "input_x_gradient"):
        np.testing.assert_allclose(explained(model, x, method).values, want, atol=1e-6)


def test_only_some_columns_are_embedded(rng):
    ids, table, head = keras.Input((5,), dtype="int32"), layers.Embedding(9, 4), layers.Dense(1)
    model = keras.Model(ids, head(layers.Flatten()(table(ids[:, 1:3]))))
    x = rng.integers(0, 9, (2, 5)).astype("int32")
    want = np.zeros((2, 5))
    want[:, 1:3] = (table.embeddings.numpy()[x[:, 1:3]] * head.kernel.numpy()[:, 0].reshape(2, 4)).sum(-1)
    np.testing.assert_allclose(explained(model, x).values, want, atol=1e-6)


def test_slopes_of_an_embedding_have_a_size(rng):
    ids = keras.Input((4,), dtype="int32")
    table, norm = layers.Embedding(9, 5, embeddings_initializer="normal"), layers.LayerNormalization()
    above = keras.Sequential([keras.Input((4, 5)), norm, layers.Flatten(), layers.Dense(2)])
    model = keras.Model(ids, above(table(ids)))
    x = rng.integers(0, 9, (3, 4)).astype("int32")
    embedded = tf.constant(table(x))
    with tf.GradientTape() as tape:
        tape.watch(embedded)
        score = tf.reduce_sum(above(embedded)[:, 0])
    slope = tape.gradient(score, embedded).numpy()
    want = np.sqrt((slope**2).sum(-1))
    np.testing.assert_allclose(explained(model, x, "gradient").values, want, rtol=1e-3)
    summed = explained(model, x, "gradient", reduction="sum").values
    assert np.abs(summed).max() < 1e-4 * want.max()  # behind a normalisation the sum says nothing
    deeplift = [explained(model, x, reduction=r).values for r in ("sum", None, "norm")]
    np.testing.assert_array_equal(deeplift[0], deeplift[1])
    assert (deeplift[2] >= 0).all() and not np.allclose(deeplift[0], deeplift[2])
    with pytest.raises(OptionError, match="reduction"):
        explained(model, x, reduction="mean")


def chosen(how):
    """Q(s)[a] of a network without biases."""
    state, action = keras.Input((4,), name="state"), keras.Input((), dtype="int32", name="action")
    q = keras.Sequential([keras.Input((4,)), layers.Dense(8, "relu", use_bias=False), layers.Dense(3, use_bias=False)])
    pick = {
        "gather": lambda t: tf.gather(t[0], t[1], batch_dims=1)[:, None],
        "take_along_axis": lambda t: ops.take_along_axis(t[0], t[1][:, None], axis=1),
    }[how]
    return keras.Model([state, action], layers.Lambda(pick, output_shape=(1,))([q(state), action])), q


@pytest.mark.long
@pytest.mark.parametrize("how", ["gather", "take_along_axis"])
def test_an_index_into_what_was_computed_is_no_embedding(how, rng):
    model, q = chosen(how)
    s, a = rng.normal(size=(3, 4)).astype("float32"), np.array([0, 1, 2], "int32")
    t = tf.constant(s)
    with tf.GradientTape() as tape:
        tape.watch(t)
        y = tf.reduce_sum(tf.gather(q(t), a, batch_dims=1))
    slope = tape.gradient(y, t).numpy()
    for method, want in (("gradient", slope), ("deeplift", slope * s), ("integrated_gradients", slope * s)):
        e = explained(model, [s, a], method)
        np.testing.assert_allclose(e.values[0], want, atol=1e-5)
        assert not e.values[1].any() and e.meta["fixed"] == ["1"]


def masked(how, dtype):
    ids, mask = keras.Input((5,), dtype="int32", name="ids"), keras.Input((5,), dtype=dtype, name="mask")
    h = layers.Embedding(9, 4, embeddings_initializer="normal")(ids)
    if how == "mean":
        weight = ops.cast(mask, "float32")[..., None]
        top = ops.sum(h * weight, 1) / ops.sum(weight, 1)
    else:
        scores = ops.matmul(h, ops.swapaxes(h, 1, 2))
        if how == "added":
            scores += (1.0 - ops.cast(mask[:, None, :], "float32")) * -1e9
        else:
            scores = ops.where(ops.cast(mask[:, None, :], "bool"), scores, -1e9)
        top = ops.matmul(ops.softmax(scores), h)[:, 0]
    return keras.Model({"ids": ids, "mask": mask}, layers.Dense(2)(top))


@pytest.mark.parametrize("how, dtype", [("added", "int32"), ("added", "bool"), ("where", "int32"), ("mean", "int32")])
def test_masks_stay_as_they_are(how, dtype, rng):
    model = masked(how, dtype)
    x = {"ids": rng.integers(1, 9, (2, 5)).astype("int32"), "mask": np.array([[1] * 5, [1, 1, 1, 0, 0]]).astype(dtype)}
    e = explained(model, x)
    assert e.meta["fixed"] == ["mask"] and not e.values["mask"].any()
    np.testing.assert_allclose(e.delta, 0, atol=1e-5)
    assert np.abs(e.values["ids"]).max() > 1e-3 and np.abs(e.values["ids"][1, 3:]).max() < 1e-6


def test_a_whole_number_that_is_multiplied_is_a_quantity():
    price, count = keras.Input((2,), name="price"), keras.Input((2,), dtype="int32", name="count")
    model = keras.Model([price, count], ops.sum(price * ops.cast(count, "float32"), -1, keepdims=True))
    x = [np.array([[2.0, 3.0]], "float32"), np.array([[4, 1]], "int32")]
    e = explained(model, x)
    np.testing.assert_allclose(e.values[1], [[4.0, 1.5]], atol=1e-6)  # half of each product
    held = explained(model, x, fixed=["count"])
    np.testing.assert_allclose(held.values[0], [[8.0, 3.0]], atol=1e-6)
    assert not held.values[1].any() and held.meta["fixed"] == ["1"]
    with pytest.raises(InputError, match="fixed= names inputs.*counts"):
        explained(model, x, fixed=["counts"])


def test_several_layers_at_once(rng):
    i = keras.Input((4,))
    parts = [layers.Dense(3, activation="relu", name=n)(i) for n in ("left", "right")]
    model = keras.Model(i, layers.Dense(1)(layers.Concatenate()(parts)))
    x = rng.normal(size=(2, 4)).astype("float32")
    e = explained(model, x, layer=["left", "right"])
    assert list(e.values) == ["left", "right"] and e.values["left"].shape == (2, 3)
    np.testing.assert_allclose(e.delta, 0, atol=1e-6)
