"""A reference that all examples share goes through the model once, also where the batch is folded into another axis."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import tfxai

AFTER = [layers.GlobalAveragePooling1D, lambda: layers.Dense(2)]


def network(*inside):
    i = h = keras.Input((6, 4))
    for layer in [*inside, *(make() for make in AFTER)]:
        h = layer(h)
    return keras.Model(i, h)


def dense_at_every_step():
    return network(layers.Dense(7, "gelu"), layers.LayerNormalization(), layers.Dense(5, "relu"))


def dilated():
    return network(*(layers.Conv1D(5, 3, padding="same", dilation_rate=2**k, activation="relu") for k in (1, 2)))


def folded_for_a_dense_layer():
    folded = [layers.Lambda(lambda x: ops.reshape(x, (-1, 4))), layers.Dense(5)]
    return network(*folded, layers.Lambda(lambda x: ops.reshape(x, (-1, 6, 5))), layers.Activation("tanh"))


def attended():
    i = keras.Input((6, 4))
    h = i + layers.MultiHeadAttention(2, 3)(i, i)
    h = h + layers.Dense(4)(layers.Dense(8, "silu")(h))
    return keras.Model(i, layers.Dense(2)(layers.GlobalMaxPooling1D()(h)))


def rectified_while_it_is_folded():
    folded = [layers.Lambda(lambda x: ops.reshape(x, (-1, 4))), layers.Dense(5, "relu")]
    return network(*folded, layers.Lambda(lambda x: ops.reshape(x, (-1, 6, 5))))


def times_itself_while_it_is_folded():
    folded = layers.Lambda(lambda x: ops.reshape(x, (-1, 4)) * ops.reshape(x, (-1, 4))[:, ::-1])
    return network(folded, layers.Lambda(lambda x: ops.reshape(x, (-1, 6, 4))))


ONCE = [dense_at_every_step, dilated, folded_for_a_dense_layer, attended]
FOR_EACH = [rectified_while_it_is_folded, times_itself_while_it_is_folded]  # where both ends meet, rows must too


@pytest.mark.long
@pytest.mark.parametrize("make", [*ONCE, *FOR_EACH])
def test_as_with_a_copy_for_each_example(make, rng):
    model = make()
    x, reference = rng.normal(size=(5, 6, 4)).astype("float32"), rng.normal(size=(1, 6, 4)).astype("float32")
    explainer = tfxai.Explainer(model, "deeplift")
    e = explainer(x, target=1, baseline=reference)
    assert explainer.trace(x)[1].whole_reference == (make in FOR_EACH)
    copies = tfxai.explain(model, x, "deeplift", target=1, baseline=np.repeat(reference, 5, axis=0))
    assert np.abs(copies.values).max() > 1e-3
    np.testing.assert_allclose(e.values, copies.values, atol=1e-5 * np.abs(copies.values).max())
    np.testing.assert_allclose(e.baseline_score, copies.baseline_score, rtol=1e-5)
    np.testing.assert_allclose(e.values.sum((1, 2)), e.score - e.baseline_score, atol=1e-5)
    alone = tfxai.explain(model, x[3:4], "deeplift", target=1, baseline=reference)
    np.testing.assert_allclose(e.values[3:4], alone.values, atol=1e-5 * np.abs(copies.values).max())


@pytest.mark.long
def test_an_audit_looks_at_both_ends_and_changes_nothing(rng):
    model, x = dense_at_every_step(), rng.normal(size=(2, 6, 4)).astype("float32")
    explainer = tfxai.Explainer(model, "deeplift")
    leaks = explainer.leaks(x, target=1, example=1)
    assert any("MatMul" in name for name in leaks) and np.abs(list(leaks.values())).max() < 1e-5
    explainer(x, target=1)
    assert not explainer.trace(x)[1].whole_reference
