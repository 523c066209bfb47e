"""A model that can be changed in many ways, and what is kept of a model."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from tfxai.explainer import kept

FACTOR = 1.0


class Reads(layers.Layer):
    """Reads an attribute, a list, a large array and a global number, and has a gradient of its own."""

    def __init__(self):
        super().__init__()
        self.rate, self.numbers, self.slope = 1.0, [1.0], 1.0
        self.table = np.ones(2**19, "float32")

    def call(self, x):
        @tf.custom_gradient
        def sloped(t):
            return tf.identity(t), lambda g: g * self.slope

        return sloped(FACTOR * self.rate * self.numbers[0] * self.table[-1] * x)


def dense():
    return keras.Sequential(
        [
            keras.Input((6,)),
            Reads(),
            layers.Dense(8, activation="relu", name="a"),
            layers.Dense(5, activation="silu", name="b"),
            layers.Dense(2, name="c"),
        ]
    )


def kept_of(model):
    return kept._kept.get(id(model), (None, []))[1]


def traced(model):
    """How many functions were traced for what is kept of a model, and how many captures there are."""
    made = {id(t): t for k in kept_of(model) for t in k.made.values()}
    return sum(t.compiled.traces for t in made.values()), len(kept_of(model))
