"""Every layer that the README names as supported, in a table made of CASES: DeepLIFT adds up on it, by both rules."""

import keras
import numpy as np
import pytest
from keras import layers

import tfxai

IMAGE, STEPS, VOLUME, ROW = (8, 8, 4), (8, 4), (4, 6, 6, 2), (6,)


def chain(make):
    """The output of these layers behind each other."""

    def build(tensor):
        made = make()
        for layer in made if isinstance(made, list) else [made]:
            tensor = layer(tensor)
        return tensor

    return build


def merged(make):
    """The output of a layer that merges two tensors."""
    return lambda tensor: make()([layers.Dense(5)(tensor), layers.Dense(5, activation="tanh")(tensor)])


CASES = {  # layer -> shape of one example, and the layer or layers behind each other, made when they are asked for
    "Dense": (ROW, chain(lambda: layers.Dense(3))),
    "EinsumDense": (STEPS, chain(lambda: layers.EinsumDense("abc,cd->abd", (8, 3)))),
    "Conv1D": (STEPS, chain(lambda: layers.Conv1D(3, 3, padding="causal"))),
    "Conv2D": (IMAGE, chain(lambda: layers.Conv2D(3, 3, strides=2, padding="same"))),
    "Conv3D": (VOLUME, chain(lambda: layers.Conv3D(3, 2))),
    "Conv1DTranspose": (STEPS, chain(lambda: layers.Conv1DTranspose(3, 3, strides=2))),
    "Conv2DTranspose": (IMAGE, chain(lambda: layers.Conv2DTranspose(3, 3, strides=2))),
    "Conv3DTranspose": (VOLUME, chain(lambda: layers.Conv3DTranspose(3, 2))),
    "SeparableConv1D": (STEPS, chain(lambda: layers.SeparableConv1D(3, 3))),
    "SeparableConv2D": (IMAGE, chain(lambda: layers.SeparableConv2D(3, 3))),
    "DepthwiseConv1D": (STEPS, chain(lambda: layers.DepthwiseConv1D(3))),
    "DepthwiseConv2D": (IMAGE, chain(lambda: layers.DepthwiseConv2D(3, dilation_rate=2))),
    "BatchNormalization": (IMAGE, chain(lambda: [layers.Conv2D(3, 3), layers.BatchNormalization()])),
    "LayerNormalization": (STEPS, chain(lambda: layers.LayerNormalization())),
    "GroupNormalization": (IMAGE, chain(lambda: layers.GroupNormalization(2))),
    "RMSNormalization": (STEPS, chain(lambda: layers.RMSNormalization())),
    "UnitNormalization": (STEPS, chain(lambda: layers.UnitNormalization())),
    "SpectralNormalization": (ROW, chain(lambda: layers.SpectralNormalization(layers.Dense(3)))),
    "Normalization": (ROW, chain(lambda: layers.Normalization(mean=np.arange(6.0), variance=np.ones(6)))),
    "Rescaling": (ROW, chain(lambda: layers.Rescaling(0.5, -1))),
    "ReLU": (ROW, chain(lambda: layers.ReLU(max_value=1.0, negative_slope=0.1, threshold=0.2))),
    "LeakyReLU": (ROW, chain(lambda: layers.LeakyReLU(0.2))),
    "PReLU": (ROW, chain(lambda: layers.PReLU("uniform"))),
    "ELU": (ROW, chain(lambda: layers.ELU())),
    "Softmax": (ROW, chain(lambda: layers.Softmax())),
    "Activation": (ROW, chain(lambda: layers.Activation("mish"))),
    "MaxPooling1D": (STEPS, chain(lambda: layers.MaxPooling1D())),
    "MaxPooling2D": (IMAGE, chain(lambda: layers.MaxPooling2D(3, 2))),
    "MaxPooling3D": (VOLUME, chain(lambda: layers.MaxPooling3D())),
    "AveragePooling1D": (STEPS, chain(lambda: layers.AveragePooling1D(2))),
    "AveragePooling2D": (IMAGE, chain(lambda: layers.AveragePooling2D(2))),
    "AveragePooling3D": (VOLUME, chain(lambda: layers.AveragePooling3D(2))),
    "GlobalMaxPooling1D": (STEPS, chain(lambda: layers.GlobalMaxPooling1D())),
    "GlobalMaxPooling2D": (IMAGE, chain(lambda: layers.GlobalMaxPooling2D())),
    "GlobalMaxPooling3D": (VOLUME, chain(lambda: layers.GlobalMaxPooling3D())),
    "GlobalAveragePooling1D": (STEPS, chain(lambda: layers.GlobalAveragePooling1D())),
    "GlobalAveragePooling2D": (IMAGE, chain(lambda: layers.GlobalAveragePooling2D())),
    "GlobalAveragePooling3D": (VOLUME, chain(lambda: layers.GlobalAveragePooling3D())),
    "SimpleRNN": (STEPS, chain(lambda: layers.SimpleRNN(4))),
    "LSTM": (STEPS, chain(lambda: layers.LSTM(4, return_sequences=True))),
    "GRU": (STEPS, chain(lambda: layers.GRU(4))),
    "Bidirectional": (STEPS, chain(lambda: layers.Bidirectional(layers.SimpleRNN(3)))),
    "RNN": (STEPS, chain(lambda: layers.RNN([layers.LSTMCell(3), layers.GRUCell(3)]))),
    "ConvLSTM1D": ((3, 6, 2), chain(lambda: layers.ConvLSTM1D(2, 3))),
    "ConvLSTM2D": ((3, 6, 6, 2), chain(lambda: layers.ConvLSTM2D(2, 3))),
    "TimeDistributed": ((3, 6, 6, 2), chain(lambda: layers.TimeDistributed(layers.Conv2D(2, 3)))),
    "Masking": (STEPS, chain(lambda: [layers.Masking(), layers.GRU(4)])),
    "MultiHeadAttention": (STEPS, lambda t: layers.MultiHeadAttention(2, 3)(t, t)),
    "GroupQueryAttention": (STEPS, lambda t: layers.GroupQueryAttention(3, 4, 2)(t, t)),
    "Attention": (STEPS, lambda t: layers.Attention(use_scale=True)([t, layers.Dense(4)(t)])),
    "AdditiveAttention": (STEPS, lambda t: layers.AdditiveAttention()([t, layers.Dense(4)(t)])),
    "Add": (ROW, merged(lambda: layers.Add())),
    "Subtract": (ROW, merged(lambda: layers.Subtract())),
    "Multiply": (ROW, merged(lambda: layers.Multiply())),
    "Average": (ROW, merged(lambda: layers.Average())),
    "Maximum": (ROW, merged(lambda: layers.Maximum())),
    "Minimum": (ROW, merged(lambda: layers.Minimum())),
    "Concatenate": (ROW, merged(lambda: layers.Concatenate())),
    "Dot": (ROW, merged(lambda: layers.Dot(axes=1))),
    "Flatten": (IMAGE, chain(lambda: layers.Flatten())),
    "Reshape": (ROW, chain(lambda: layers.Reshape((2, 3)))),
    "Permute": (STEPS, chain(lambda: layers.Permute((2, 1)))),
    "RepeatVector": (ROW, chain(lambda: layers.RepeatVector(3))),
    "Cropping1D": (STEPS, chain(lambda: layers.Cropping1D(1))),
    "Cropping2D": (IMAGE, chain(lambda: layers.Cropping2D(1))),
    "Cropping3D": (VOLUME, chain(lambda: layers.Cropping3D(1))),
    "ZeroPadding1D": (STEPS, chain(lambda: layers.ZeroPadding1D(1))),
    "ZeroPadding2D": (IMAGE, chain(lambda: layers.ZeroPadding2D(1))),
    "ZeroPadding3D": (VOLUME, chain(lambda: layers.ZeroPadding3D(1))),
    "UpSampling1D": (STEPS, chain(lambda: layers.UpSampling1D())),
    "UpSampling2D": (IMAGE, chain(lambda: layers.UpSampling2D(interpolation="bilinear"))),
    "UpSampling3D": (VOLUME, chain(lambda: layers.UpSampling3D())),
    "Resizing": (IMAGE, chain(lambda: layers.Resizing(5, 11))),
    "CenterCrop": (IMAGE, chain(lambda: layers.CenterCrop(4, 4))),
    "Dropout": (ROW, chain(lambda: layers.Dropout(0.5))),
    "GaussianNoise": (ROW, chain(lambda: layers.GaussianNoise(1.0))),
    "RandomFlip": (IMAGE, chain(lambda: layers.RandomFlip())),
    "Identity": (ROW, chain(lambda: layers.Identity())),
}
TOKENS = {"Embedding"}  # takes whole numbers: tested below


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in CASES if hasattr(layers, name)])  # old Keras lacks the newest
def test_contributions_add_up(name, rng):
    shape, build = CASES[name]
    i = keras.Input(shape)
    middle = build(layers.Dense(shape[-1], activation="gelu")(i))
    model = keras.Model(i, layers.Dense(2)(layers.Flatten()(middle)))
    x, x0 = rng.normal(size=(2, 3, *shape)).astype("float32")
    explainer = tfxai.Explainer(model)
    for rule in ("rescale", "reveal_cancel"):
        e = explainer.using("deeplift", rule=rule)(x, target=1, baseline=x0)
        assert np.abs(e.score - e.baseline_score).min() > 1e-4
        assert np.abs(e.delta).max() <= 1e-4 * max(np.abs(e.score).max(), 1.0), rule


def test_embedding(rng):
    ids = rng.integers(0, 9, (3, 5))
    model = keras.Sequential(
        [keras.Input((5,), dtype="int32"), layers.Embedding(9, 4), layers.Flatten(), layers.Dense(2)]
    )
    e = tfxai.explain(model, ids, target=1)
    assert e.values.shape == ids.shape and np.abs(e.delta).max() < 1e-5
