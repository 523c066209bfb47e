"""Grad-CAM by hand, of a function of the scores."""

import keras
import numpy as np
import tensorflow as tf

import tfxai

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
