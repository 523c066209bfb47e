"""Networks whose explanations are worked out by hand in papers, the lecture and public test suites."""

import keras
import numpy as np
import pytest
from keras import layers

DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


def tolerance(dtype):
    return {"rtol": 1e-5, "atol": 1e-5} if dtype == "float32" else {"rtol": 1e-10, "atol": 1e-10}


def dense(*steps, dtype="float32"):
    """A Sequential of Dense layers and activations from (kernel, bias) pairs and names."""
    first = np.asarray(steps[0][0])
    model = keras.Sequential([keras.Input((len(first),), dtype=dtype)])
    for step in steps:
        if isinstance(step, str):
            model.add(layers.Activation(step, dtype=dtype))
            continue
        kernel, bias = np.asarray(step[0], float), step[1]
        model.add(layers.Dense(kernel.shape[1], use_bias=bias is not None, dtype=dtype))
        model.layers[-1].set_weights([kernel] + ([np.asarray(bias, float)] if bias is not None else []))
    return model


# Steps for `dense`.
R2 = ([[1, 0], [0, 1]], [0, -1.5]), "relu", ([[2], [2]], None)
T2 = ([[1, 0], [0, 1]], [0, -1.5]), "tanh", ([[2], [2]], None)
MIN = ([[1, 1], [0, -1]], None), "relu", ([[1], [-1]], None)  # min(a, b)
P2 = ([[1, 0], [0, 1]], None), "relu", ([[1], [-1]], [-1]), "relu"  # relu(relu(a) - relu(b) - 1)
P3 = ([[1, 0], [0, 1]], [-1, 0]), "relu", ([[1], [-1]], None), "relu"  # relu(relu(a - 1) - relu(b)): the same
F = ([[1]], [-10]), "relu"
ML = (
    ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], [0, 0, 0]),
    (np.ones((3, 4)), [-10, 1, 1, 1]),
    "relu",
    (np.ones((4, 2)), [-1, 1]),
)


def c1():
    """Convolution, ReLU, dense, ReLU on 4 x 4, with its input 0..15."""
    column = [1, 1, 1, -1, 1, -1, 1, -1]
    model = keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            layers.Conv2D(2, 3, name="conv"),
            layers.ReLU(name="relu"),
            layers.Flatten(),
            layers.Dense(4),
            layers.ReLU(),
        ]
    )
    model.layers[0].set_weights([np.ones((3, 3, 1, 2)), np.array([-50.0, -75.0])])
    model.layers[3].set_weights([np.repeat(np.array(column, float)[:, None], 4, 1), np.zeros(4)])
    return model, np.arange(16, dtype="float32").reshape(1, 4, 4, 1)
