"""RevealCancel: what is positive and what is negative in a change, as deeplift's own tests have it."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

import tfxai
from tests.graph.captured import activities, captured, replayed, spec
from tfxai.rules import reveal_cancel
from tfxai.rules.annotations import kernel_before, norms, parts_unread
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


KERNEL = np.array([[0.5, -0.3], [0.2, 0.8]], "float32")


def _pictures(rng):
    i = keras.Input((6, 6, 4), dtype=F64)
    h = layers.Flatten(dtype=F64)(_block(_block(i)))
    model = keras.Model(i, layers.Dense(2, dtype=F64)(layers.Dense(5, activation="relu", dtype=F64)(h)))
    return model, rng.normal(size=(3, 6, 6, 4))


def _recurrent(rng):
    """The state of the last layer is read by kernels alone, the other's by the nonlinearity between them."""
    i = keras.Input((4, 3), dtype=F64)
    h = ops.silu(layers.LSTM(3, return_sequences=True, dtype=F64)(layers.Masking(dtype=F64)(i)))
    return keras.Model(i, layers.Dense(2, dtype=F64)(layers.GRU(2, dtype=F64)(h))), rng.normal(size=(3, 4, 3))


@pytest.mark.long
@pytest.mark.parametrize("make", [_pictures, _recurrent])
def test_parts_are_made_only_where_they_are_read(make, monkeypatch, rng):
    """The numbers are those of carrying the parts everywhere."""
    model, x = make(rng)
    options = {"target": 1, "baseline": rng.normal(size=(1, *x.shape[1:])), "rule": "reveal_cancel", "verbose": 0}
    got = tfxai.explain(model, x, **options)

    def nowhere(graph, activity):
        return {}

    monkeypatch.setattr(reveal_cancel, "parts_unread", nowhere)
    monkeypatch.setattr(reveal_cancel.RevealCancelRules, "annotations", (norms, kernel_before, nowhere))
    monkeypatch.setattr(reveal_cancel.RevealCancelRules, "narrow", (nowhere,))
    tfxai.forget()
    wanted = tfxai.explain(model, x, **options)
    np.testing.assert_allclose(got.values, wanted.values, atol=1e-11 * np.abs(wanted.values).max())
    np.testing.assert_allclose(got.delta, 0, atol=1e-11)


@pytest.mark.parametrize(
    "end, unread",
    [(lambda h, c: h @ KERNEL, [True, False]), (lambda h, c: tf.tanh(h), [False, False]),
     (lambda h, c: c, [True, False])],
    ids=["kernel", "nonlinearity", "result"],
)  # fmt: skip
def test_a_loop_carries_parts_that_a_step_or_who_comes_after_it_reads(end, unread):
    """h goes into a kernel, and c into tanh, from which h is made."""

    def function(z):
        step = lambda k, h, c: (k + 1, c * tf.tanh(c), c + h @ KERNEL)  # noqa: E731
        _, h, c = tf.while_loop(lambda k, *_: k < 3, step, (0, z, z))
        return end(h, c)

    graph = captured(function, spec(None, 2))
    notes = parts_unread(graph, activities(graph))
    (loop,) = [op for op in graph.ops if op.bodies]
    moving = [k for k, o in enumerate(loop.outputs) if graph.values[o].dtype.is_floating and graph.values[o].shape.rank]
    assert [notes.get(loop.outputs[k], False) for k in moving] == unread
    assert [notes.get(loop.bodies[1].inputs[k], False) for k in moving] == unread
