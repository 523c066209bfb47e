"""Every layer that the README names as supported: DeepLIFT adds up on it, alone and by both rules."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

import tfxai

README = (Path(__file__).parents[1] / "README.md").read_text()
TABLE = README.split("## Layers")[1].split("\n## ")[0]
NAMED = re.findall(r"`(\w+)`", TABLE)
IMAGE, STEPS, VOLUME, TABLE_ROW = (8, 8, 4), (8, 4), (4, 6, 6, 2), (6,)


def one(shape, *made):
    return shape, lambda t: _through(t, made)


def _through(tensor, made):
    for layer in made:
        tensor = layer(tensor)
    return tensor


def merged(layer, shape=TABLE_ROW):
    return shape, lambda t: layer([layers.Dense(5)(t), layers.Dense(5, activation="tanh")(t)])


CASES = {
    "Dense": one(TABLE_ROW, layers.Dense(3)),
    "EinsumDense": one(STEPS, layers.EinsumDense("abc,cd->abd", (8, 3))),
    "Conv1D": one(STEPS, layers.Conv1D(3, 3, padding="causal")),
    "Conv2D": one(IMAGE, layers.Conv2D(3, 3, strides=2, padding="same")),
    "Conv3D": one(VOLUME, layers.Conv3D(3, 2)),
    "Conv1DTranspose": one(STEPS, layers.Conv1DTranspose(3, 3, strides=2)),
    "Conv2DTranspose": one(IMAGE, layers.Conv2DTranspose(3, 3, strides=2)),
    "Conv3DTranspose": one(VOLUME, layers.Conv3DTranspose(3, 2)),
    "SeparableConv1D": one(STEPS, layers.SeparableConv1D(3, 3)),
    "SeparableConv2D": one(IMAGE, layers.SeparableConv2D(3, 3)),
    "DepthwiseConv1D": one(STEPS, layers.DepthwiseConv1D(3)),
    "DepthwiseConv2D": one(IMAGE, layers.DepthwiseConv2D(3, dilation_rate=2)),
    "BatchNormalization": one(IMAGE, layers.Conv2D(3, 3), layers.BatchNormalization()),
    "LayerNormalization": one(STEPS, layers.LayerNormalization()),
    "GroupNormalization": one(IMAGE, layers.GroupNormalization(2)),
    "RMSNormalization": one(STEPS, layers.RMSNormalization()),
    "UnitNormalization": one(STEPS, layers.UnitNormalization()),
    "SpectralNormalization": one(TABLE_ROW, layers.SpectralNormalization(layers.Dense(3))),
    "Normalization": one(TABLE_ROW, layers.Normalization(mean=np.arange(6.0), variance=np.ones(6))),
    "Rescaling": one(TABLE_ROW, layers.Rescaling(0.5, -1)),
    "ReLU": one(TABLE_ROW, layers.ReLU(max_value=1.0, negative_slope=0.1, threshold=0.2)),
    "LeakyReLU": one(TABLE_ROW, layers.LeakyReLU(0.2)),
    "PReLU": one(TABLE_ROW, layers.PReLU("uniform")),
    "ELU": one(TABLE_ROW, layers.ELU()),
    "Softmax": one(TABLE_ROW, layers.Softmax()),
    "Activation": one(TABLE_ROW, layers.Activation("mish")),
    "MaxPooling1D": one(STEPS, layers.MaxPooling1D()),
    "MaxPooling2D": one(IMAGE, layers.MaxPooling2D(3, 2)),
    "MaxPooling3D": one(VOLUME, layers.MaxPooling3D()),
    "AveragePooling1D": one(STEPS, layers.AveragePooling1D(2)),
    "AveragePooling2D": one(IMAGE, layers.AveragePooling2D(2)),
    "AveragePooling3D": one(VOLUME, layers.AveragePooling3D(2)),
    "GlobalMaxPooling1D": one(STEPS, layers.GlobalMaxPooling1D()),
    "GlobalMaxPooling2D": one(IMAGE, layers.GlobalMaxPooling2D()),
    "GlobalMaxPooling3D": one(VOLUME, layers.GlobalMaxPooling3D()),
    "GlobalAveragePooling1D": one(STEPS, layers.GlobalAveragePooling1D()),
    "GlobalAveragePooling2D": one(IMAGE, layers.GlobalAveragePooling2D()),
    "GlobalAveragePooling3D": one(VOLUME, layers.GlobalAveragePooling3D()),
    "SimpleRNN": one(STEPS, layers.SimpleRNN(4)),
    "LSTM": one(STEPS, layers.LSTM(4, return_sequences=True)),
    "GRU": one(STEPS, layers.GRU(4)),
    "Bidirectional": one(STEPS, layers.Bidirectional(layers.LSTM(3))),
    "RNN": one(STEPS, layers.RNN([layers.LSTMCell(3), layers.GRUCell(3)])),
    "ConvLSTM1D": one((3, 6, 2), layers.ConvLSTM1D(2, 3)),
    "ConvLSTM2D": one((3, 6, 6, 2), layers.ConvLSTM2D(2, 3)),
    "TimeDistributed": one((3, 6, 6, 2), layers.TimeDistributed(layers.Conv2D(2, 3))),
    "Masking": one(STEPS, layers.Masking(), layers.GRU(4)),
    "MultiHeadAttention": (STEPS, lambda t: layers.MultiHeadAttention(2, 3)(t, t)),
    "GroupQueryAttention": (STEPS, lambda t: layers.GroupQueryAttention(3, 4, 2)(t, t)),
    "Attention": (STEPS, lambda t: layers.Attention(use_scale=True)([t, layers.Dense(4)(t)])),
    "AdditiveAttention": (STEPS, lambda t: layers.AdditiveAttention()([t, layers.Dense(4)(t)])),
    "Add": merged(layers.Add()),
    "Subtract": merged(layers.Subtract()),
    "Multiply": merged(layers.Multiply()),
    "Average": merged(layers.Average()),
    "Maximum": merged(layers.Maximum()),
    "Minimum": merged(layers.Minimum()),
    "Concatenate": merged(layers.Concatenate()),
    "Dot": merged(layers.Dot(axes=1)),
    "Flatten": one(IMAGE, layers.Flatten()),
    "Reshape": one(TABLE_ROW, layers.Reshape((2, 3))),
    "Permute": one(STEPS, layers.Permute((2, 1))),
    "RepeatVector": one(TABLE_ROW, layers.RepeatVector(3)),
    "Cropping1D": one(STEPS, layers.Cropping1D(1)),
    "Cropping2D": one(IMAGE, layers.Cropping2D(1)),
    "Cropping3D": one(VOLUME, layers.Cropping3D(1)),
    "ZeroPadding1D": one(STEPS, layers.ZeroPadding1D(1)),
    "ZeroPadding2D": one(IMAGE, layers.ZeroPadding2D(1)),
    "ZeroPadding3D": one(VOLUME, layers.ZeroPadding3D(1)),
    "UpSampling1D": one(STEPS, layers.UpSampling1D()),
    "UpSampling2D": one(IMAGE, layers.UpSampling2D(interpolation="bilinear")),
    "UpSampling3D": one(VOLUME, layers.UpSampling3D()),
    "Resizing": one(IMAGE, layers.Resizing(5, 11)),
    "CenterCrop": one(IMAGE, layers.CenterCrop(4, 4)),
    "Dropout": one(TABLE_ROW, layers.Dropout(0.5)),
    "GaussianNoise": one(TABLE_ROW, layers.GaussianNoise(1.0)),
    "RandomFlip": one(IMAGE, layers.RandomFlip()),
    "Identity": one(TABLE_ROW, layers.Identity()),
}
TOKENS = {"Embedding"}  # takes whole numbers


def test_the_table_is_what_is_tested():
    assert set(NAMED) == set(CASES) | TOKENS


@pytest.mark.parametrize("name", CASES)
def test_contributions_add_up(name, rng):
    keras.utils.set_random_seed(1)
    shape, build = CASES[name]
    i = keras.Input(shape)
    middle = build(layers.Dense(shape[-1], activation="gelu")(i))
    model = keras.Model(i, layers.Dense(2)(layers.Flatten()(middle)))
    x, x0 = rng.normal(size=(2, 3, *shape)).astype("float32")
    for rule in ("rescale", "reveal_cancel"):
        e = tfxai.explain(model, x, target=1, baseline=x0, rule=rule)
        assert np.abs(e.score - e.baseline_score).min() > 1e-4
        assert np.abs(e.delta).max() <= 1e-4 * max(np.abs(e.score).max(), 1.0), rule


def test_embedding(rng):
    ids = rng.integers(0, 9, (3, 5))
    model = keras.Sequential(
        [keras.Input((5,), dtype="int32"), layers.Embedding(9, 4), layers.Flatten(), layers.Dense(2)]
    )
    e = tfxai.explain(model, ids, target=1)
    assert e.values.shape == ids.shape and np.abs(e.delta).max() < 1e-5
