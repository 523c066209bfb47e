"""What a trace may read is seen when it changes; what training and saving note is not."""

import keras
import numpy as np
import pytest
from keras import layers

from tfxai.model.watch import Watch

FACTOR = 1.0


class Reads(layers.Layer):
    """Reads a list, a dict, an array and a global number."""

    def __init__(self):
        super().__init__()
        self.numbers, self.named, self.array = [1.0, 2.0], {"a": 1.0}, np.ones(3, "float32")

    def call(self, x):
        return FACTOR * x * self.numbers[0] * self.named["a"] * self.array


def model():
    inner = keras.Sequential([keras.Input((3,)), Reads(), layers.Dense(2, name="inner")])
    return keras.Sequential([keras.Input((3,)), inner, layers.Dense(2, name="outer", activation="relu")])


def reads(m):
    return m.layers[0].layers[0]


def set_global(m):
    globals()["FACTOR"] += 1.0


SEEN = {
    "an item of a list": lambda m: reads(m).numbers.__setitem__(0, 5.0),
    "an item of a dict": lambda m: reads(m).named.__setitem__("a", 5.0),
    "an array in place": lambda m: reads(m).array.__imul__(2),
    "a global number": set_global,
    "an activation": lambda m: setattr(m.get_layer("outer"), "activation", keras.activations.tanh),
    "a new attribute": lambda m: setattr(reads(m), "another", 1),
    "adapters inside": lambda m: m.layers[0].get_layer("inner").enable_lora(1),
}


def train(m):
    m.compile("adam", "mse")
    m.fit(np.ones((4, 3)), np.ones((4, 2)), epochs=2, verbose=0)


@pytest.mark.parametrize("name", SEEN)
def test_a_change_is_seen_once(name):
    m = model()
    watch = Watch(m)
    watch.look()
    assert not watch.changed()
    SEEN[name](m)
    assert watch.changed()
    watch.look()
    assert not watch.changed()


def test_weights_that_train_are_no_change():
    m = model()
    train(m)  # the first time notes that it was compiled
    watch = Watch(m)
    watch.look()
    m.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)
    m.layers[0].get_layer("inner").kernel.assign(np.zeros((3, 2)))
    assert not watch.changed()
