"""The lecture's networks: a saturated one, and two that are the same function."""

from __future__ import annotations

import keras
import numpy as np


def saturated() -> keras.Model:
    """f(x) = 1 - ReLU(1 - x), which is flat from x = 1 on.

    Example:
        >>> saturated()(np.array([[0.0], [2.0]], "float32")).numpy().tolist()
        [[0.0], [1.0]]
    """
    return _network(([[-1]], [1]), "relu", ([[-1]], [1]))


def equal_pair() -> tuple[keras.Model, keras.Model]:
    """ReLU(ReLU(x1) - 1 - ReLU(x2)) and ReLU(ReLU(x1 - 1) - ReLU(x2)): one function.

    Example:
        >>> [float(model(np.array([[3.0, 1.0]], "float32"))[0, 0]) for model in equal_pair()]
        [1.0, 1.0]
    """
    identity, difference = [[1, 0], [0, 1]], [[1], [-1]]
    return (
        _network((identity, [0, 0]), "relu", (difference, [-1]), "relu"),
        _network((identity, [-1, 0]), "relu", (difference, [0]), "relu"),
    )


def _network(*steps) -> keras.Model:
    """Dense layers (weights, bias) and activations (names), in order."""
    model = keras.Sequential([keras.Input((len(steps[0][0]),))])
    for step in steps:
        if isinstance(step, str):
            model.add(keras.layers.Activation(step))
        else:
            model.add(keras.layers.Dense(len(step[1])))
            model.layers[-1].set_weights([np.asarray(part, float) for part in step])
    return model
