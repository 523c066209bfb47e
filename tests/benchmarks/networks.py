"""The networks that costs are measured on, beside those of keras.applications."""

import keras
from keras import layers


def table(classes=3):
    """30 columns, three dense layers."""
    hidden = [layers.Dense(64, activation="relu") for _ in range(2)]
    return keras.Sequential([keras.Input((30,)), *hidden, layers.Dense(classes)])


def dna():
    """1,000 bases, dilated convolutions that are added up, as BPNet has them."""
    i = keras.Input((1000, 4))
    h = layers.Conv1D(64, 25, padding="same", activation="relu")(i)
    for k in range(1, 7):
        h = h + layers.Conv1D(64, 3, padding="same", dilation_rate=2**k, activation="relu")(h)
    return keras.Model(i, layers.Dense(2)(layers.GlobalAveragePooling1D()(h)))


def transformer():
    """Four blocks on 64 steps of 64 channels."""
    i = h = keras.Input((64, 64))
    for _ in range(4):
        h = layers.LayerNormalization()(h + layers.MultiHeadAttention(4, 16)(h, h))
        h = layers.LayerNormalization()(h + layers.Dense(64)(layers.Dense(256, activation="gelu")(h)))
    return keras.Model(i, layers.Dense(2)(layers.GlobalAveragePooling1D()(h)))


def lstm():
    """64 units on 64 steps."""
    return keras.Sequential([keras.Input((64, 64)), layers.LSTM(64), layers.Dense(2)])


def resnet():
    return keras.applications.ResNet50(weights=None, classifier_activation=None)
