"""RevealCancel: what is positive and what is negative in a change, as deeplift's own tests have it."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

import tfxai
from tests.graph.captured import captured, replayed, spec
from tfxai.rules import reveal_cancel
from tfxai.rules.annotations import kernel_before, norms
from tfxai.rules.reveal_cancel import RevealCancelRules


def test_sign_split_of_a_convolution():
    """deeplift's tests/layers/test_conv1d.py: positive and negative part of a convolution's output."""
    first = np.array([[-2, -1], [0, 1]], "float32").T  # (position, channel)
    kernel = np.stack([first, -first], axis=-1)
    graph = captured(lambda z: tf.nn.conv1d(z, kernel, 1, "VALID") + [-1.0, 1.0], spec(2, 4, 2))
    x = np.stack([np.arange(-8, 0), np.arange(0, 8)]).reshape(2, 2, 4).transpose(0, 2, 1).astype("float32")
    reference = np.ones_like(x)
    (out,) = replayed(graph, RevealCancelRules(), map(tf.constant, (x, reference, np.abs(x - reference))))
    positive, negative = (np.transpose(t, (0, 2, 1)) for t in (out.positive, out.negative))
    np.testing.assert_allclose(positive, [[[26, 23, 20], [4, 3, 2]], [[6, 5, 6], [0, 1, 4]]], atol=1e-5)
    np.testing.assert_allclose(negative, [[[-4, -3, -2], [-26, -23, -20]], [[0, -1, -4], [-6, -5, -6]]], atol=1e-5)


F64 = "float64"


def _block(t):
    """Squeeze and excite, a normalisation, a product of two that vary, a sum of both ways."""
    h = layers.Conv2D(6, 3, padding="same", activation="silu", dtype=F64)(t)
    gate = layers.Dense(6, activation="sigmoid", dtype=F64)(
        layers.Dense(2, activation="silu", dtype=F64)(ops.mean(h, (1, 2), keepdims=True))
    )
    h = layers.Conv2D(4, 1, dtype=F64)(h * gate)
    return layers.LayerNormalization(dtype=F64)(t + h) + layers.Dense(4, dtype=F64)(ops.maximum(h, -0.1) * ops.abs(t))


def test_parts_are_made_only_where_they_are_read(monkeypatch, rng):
    """The numbers are those of carrying the parts everywhere."""
    i = keras.Input((6, 6, 4), dtype=F64)
    h = layers.Flatten(dtype=F64)(_block(_block(i)))
    model = keras.Model(i, layers.Dense(2, dtype=F64)(layers.Dense(5, activation="relu", dtype=F64)(h)))
    x, x0 = rng.normal(size=(3, 6, 6, 4)), rng.normal(size=(1, 6, 6, 4))
    options = {"target": 1, "baseline": x0, "rule": "reveal_cancel", "verbose": 0}
    got = tfxai.explain(model, x, **options)

    def nowhere(graph, activity):
        return {}

    monkeypatch.setattr(reveal_cancel, "parts_unread", nowhere)
    monkeypatch.setattr(reveal_cancel.RevealCancelRules, "annotations", (norms, kernel_before, nowhere))
    wanted = tfxai.explain(model, x, **options)
    np.testing.assert_allclose(got.values, wanted.values, atol=1e-11 * np.abs(wanted.values).max())
    np.testing.assert_allclose(got.delta, 0, atol=1e-11)
