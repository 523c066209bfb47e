"""Small models of every make, trained for a moment with callbacks."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.net = keras.Sequential([layers.Conv2D(4, 3, activation="relu"), layers.Dropout(0.3), layers.Flatten()])
        self.head = layers.Dense(3)

    def call(self, inputs, training=False):
        return self.head(self.net(inputs, training=training))


def stack(t, regularizer="l2"):
    t = layers.Conv2D(4, 3, activation="relu", name="conv", activity_regularizer=regularizer)(t)
    t = layers.BatchNormalization()(t)
    return layers.Dense(3, dtype="float32")(layers.Flatten()(layers.Dropout(0.3)(t)))


def functional(regularizer="l2"):
    t = keras.Input((12, 12, 1))
    return keras.Model(t, stack(t, regularizer))


def sequential():
    return keras.Sequential([layers.Conv2D(4, 3, activation="relu"), layers.GaussianNoise(0.1), layers.Flatten(),
                             layers.Dense(3)])  # fmt: skip


def mixed():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        return functional(None)  # Keras cannot add a float16 regularizer to a float32 loss
    finally:
        keras.config.set_dtype_policy("float32")


def trained(build, data, callbacks, epochs=2, **options):
    keras.utils.set_random_seed(3)
    model = build()
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), **options)
    history = model.fit(*data, epochs=epochs, batch_size=8, verbose=0, callbacks=callbacks)
    return model, history.history["loss"], (np.random.get_state()[1].copy(), float(tf.random.uniform([])))
