"""What several tests of relevance are written with."""

import keras
import numpy as np
from keras import layers, ops

EPSILON = 1e-6


def randomised(model, seed=0):
    rng = np.random.default_rng(seed)
    model.set_weights([np.abs(w) if v.name == "moving_variance" else rng.normal(size=w.shape)
                       for v, w in zip(model.weights, model.get_weights(), strict=True)])  # fmt: skip
    return model


def double(inputs, outputs):
    return randomised(keras.Model(inputs, outputs))


def over(r, z, epsilon=EPSILON):
    return r / (z + epsilon * np.where(z < 0, -1, 1))


# --- Attention ------------------------------------------------------------------------------------------------------


def attention_model():
    i = keras.Input((3, 4), dtype="float64")
    q, k, v = (layers.Dense(5, use_bias=False, dtype="float64", name=name)(i) for name in ("q", "k", "v"))
    a = ops.softmax(ops.matmul(q, ops.transpose(k, (0, 2, 1))) * 0.5)
    return double(i, layers.Flatten(dtype="float64")(ops.matmul(a, v)))
