"""Small models of every kind users bring: name -> function(rng) -> (model, x)."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops


def randomised(model, rng):
    """Gives batch normalisation statistics that do something."""
    for layer in model._flatten_layers():
        if isinstance(layer, layers.BatchNormalization):
            layer.moving_mean.assign(rng.normal(0, 0.2, layer.moving_mean.shape))
            layer.moving_variance.assign(rng.uniform(0.5, 1.5, layer.moving_variance.shape))
            if layer.gamma is not None:
                layer.gamma.assign(rng.uniform(-1.2, 1.5, layer.gamma.shape))
            if layer.beta is not None:
                layer.beta.assign(rng.normal(0, 0.3, layer.beta.shape))
    return model


def images(rng, n=4, side=12):
    return rng.normal(size=(n, side, side, 3)).astype("float32")


def series(rng, n=4, steps=6, channels=5):
    return rng.normal(size=(n, steps, channels)).astype("float32")


def sequential_cnn(rng):
    return keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            layers.Conv2D(6, 3, activation="relu"),
            layers.MaxPooling2D(3, 2, padding="same"),
            layers.Conv2D(8, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(4, activation="softmax"),
        ]
    ), images(rng)


def functional_bn(rng):
    i = keras.Input((12, 12, 3))
    x = layers.Conv2D(6, 3, use_bias=False)(i)
    x = layers.Activation("relu")(layers.BatchNormalization()(x))
    x = layers.DepthwiseConv2D(3, padding="same")(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    y = layers.SeparableConv2D(6, 3, padding="same")(x)
    x = layers.Add()([x, layers.BatchNormalization()(y)])
    gate = layers.Dense(6, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    x = layers.GlobalMaxPooling2D()(layers.Multiply()([x, gate]))
    return randomised(keras.Model(i, layers.Dense(4, activation="softmax")(x)), rng), images(rng)


def keras_ops(rng):
    i = keras.Input((8,))
    x = ops.relu(layers.Dense(16)(i))
    x = ops.concatenate([ops.clip(x, 0.1, 0.9), ops.where(x > 0.5, x, 0.2 * x)], axis=1)
    x = x / ops.norm(x, axis=1, keepdims=True) + ops.logsumexp(x, axis=(1,), keepdims=True)
    x = ops.cumsum(x, axis=1) + ops.prod(x[:, :3], axis=1, keepdims=True) + ops.max(x, axis=1, keepdims=True)
    values, _ = ops.top_k(x, 5)
    return keras.Model(i, layers.Dense(3)(values)), rng.normal(size=(5, 8)).astype("float32")


def nested_transfer(rng):
    base = keras.Sequential(
        [keras.Input((12, 12, 3)), layers.Conv2D(5, 3), layers.BatchNormalization(), layers.ReLU(name="features")],
        name="base",
    )
    i = keras.Input((12, 12, 3))
    middle = keras.Model(i, layers.Conv2D(6, 3, activation="swish", name="deep")(base(i)), name="middle")
    model = keras.Sequential(
        [keras.Input((12, 12, 3)), layers.Rescaling(0.5), middle, layers.GlobalAveragePooling2D(), layers.Dense(3)]
    )
    return randomised(model, rng), images(rng)


def shared_layers(rng):
    a, b = keras.Input((6,), name="left"), keras.Input((6,), name="right")
    twin = keras.Sequential([keras.Input((6,)), layers.Dense(5, activation="tanh"), layers.Dense(4, activation="relu")])
    x = layers.Concatenate()([twin(a), twin(b), ops.abs(twin(a) - twin(b))])
    return keras.Model([a, b], layers.Dense(2, activation="softmax")(x)), [
        rng.normal(size=(4, 6)).astype("float32") for _ in "ab"
    ]


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.out = layers.Dense(8), layers.Dense(8), layers.Dense(3)
        self.norm = layers.LayerNormalization()

    def call(self, x):
        h = ops.relu(self.first(x)) * tf.cast(self.second(x) > 0, x.dtype)
        h = tf.cond(tf.shape(x)[0] > 99, lambda: 2 * h, lambda: tf.abs(h) * h)
        return self.out(tf.nn.softplus(self.norm(h) + tf.sin(h)))


def subclassed(rng):
    model, x = Subclassed(), rng.normal(size=(5, 6)).astype("float32")
    model(x)
    return model, x


def dict_inputs(rng):
    image, table = keras.Input((8, 8, 1), name="image"), keras.Input((3,), name="table")
    x = layers.Flatten()(layers.Conv2D(3, 3, activation="elu")(image))
    x = layers.Concatenate()([x, layers.Dense(4, activation="selu")(table)])
    model = keras.Model({"image": image, "table": table}, layers.Dense(2)(x))
    return model, {
        "image": rng.normal(size=(4, 8, 8, 1)).astype("float32"),
        "table": rng.normal(size=(4, 3)).astype("float32"),
    }


def recurrent(cell, stacked=False, steps=6, **options):
    def build(rng):
        below = [cell(4, return_sequences=True)] if stacked else []
        model = keras.Sequential([keras.Input((steps, 5)), *below, cell(3, **options), layers.Dense(2)])
        return model, series(rng, steps=steps)

    return build


def masked_gru(rng):
    model = keras.Sequential(
        [keras.Input((None, 5)), layers.Masking(-1.0), layers.Bidirectional(layers.GRU(4)), layers.Dense(3, "softmax")]
    )
    x = series(rng)
    x[0, 4:] = x[2, 3:] = -1
    return model, x


def conv_lstm(rng):
    return keras.Sequential(
        [keras.Input((3, 6, 6, 2)), layers.ConvLSTM2D(3, 3), layers.Flatten(), layers.Dense(2)]
    ), rng.normal(size=(2, 3, 6, 6, 2)).astype("float32")


def attention(rng):
    i = keras.Input((6, 8))
    x = layers.LayerNormalization()(i + layers.MultiHeadAttention(2, 4)(i, i))
    x = layers.GroupNormalization(2)(x + layers.Dense(8, activation="gelu")(x))
    return keras.Model(i, layers.Dense(3, activation="softmax")(layers.GlobalMaxPooling1D()(x))), series(
        rng, channels=8
    )


def text(rng):
    i = keras.Input((7,), dtype="int32")
    x = layers.Embedding(20, 6, mask_zero=True)(i)
    return keras.Model(i, layers.Dense(3, activation="softmax")(layers.LSTM(5)(x))), rng.integers(0, 20, (4, 7))


def dna(rng):
    model = keras.Sequential(
        [
            keras.Input((20, 4)),
            layers.Conv1D(6, 5, activation="relu"),
            layers.MaxPooling1D(4),
            layers.Flatten(),
            layers.Dense(8, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    return model, np.eye(4, dtype="float32")[rng.integers(0, 4, (4, 20))]


def tabular(rng):
    return keras.Sequential(
        [keras.Input((9,)), layers.Normalization(mean=0.5, variance=2.0), layers.Dense(16, activation="mish"),
         layers.PReLU(), layers.Dense(1)]
    ), rng.normal(size=(6, 9)).astype("float32")  # fmt: skip


def volumes(rng):
    return keras.Sequential(
        [
            keras.Input((6, 6, 6, 2)),
            layers.Conv3D(3, 3, activation="leaky_relu"),
            layers.Conv3DTranspose(2, 2, 2),
            layers.UpSampling3D(2),
            layers.MaxPooling3D(2),
            layers.Flatten(),
            layers.Dense(2),
        ]
    ), rng.normal(size=(2, 6, 6, 6, 2)).astype("float32")


def upsampling(rng):
    return keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            layers.Conv2DTranspose(4, 3, 2, padding="same"),
            layers.ReLU(max_value=1.0, negative_slope=0.1, threshold=0.2),
            layers.UpSampling2D(2, interpolation="bilinear"),
            layers.ZeroPadding2D(1),
            layers.AveragePooling2D(3, 2),
            layers.SpatialDropout2D(0.5),
            layers.Flatten(),
            layers.Dense(2),
        ]
    ), images(rng, side=6)


def maxout(rng):
    i = keras.Input((8,))
    x = layers.Maximum()([layers.Dense(6)(i), layers.Dense(6)(i)])
    x = layers.Minimum()([x, layers.Dense(6)(i)])
    return keras.Model(i, layers.Dense(2)(x * tf_step(x))), rng.normal(size=(4, 8)).astype("float32")


def tf_step(x):
    return ops.cast(x > 0, "float32")


def time_distributed(rng):
    return keras.Sequential(
        [
            keras.Input((3, 8, 8, 1)),
            layers.TimeDistributed(layers.Conv2D(4, 3, activation="relu")),
            layers.TimeDistributed(layers.Flatten()),
            layers.GlobalAveragePooling1D(),
            layers.Dense(2),
        ]
    ), rng.normal(size=(2, 3, 8, 8, 1)).astype("float32")


def merged_batch(rng):
    """Folds the batch into another axis and back, as window attention does."""
    i = keras.Input((6, 4))
    x = ops.reshape(ops.relu(layers.Dense(5)(ops.reshape(i, (-1, 4)))), (-1, 30))
    return keras.Model(i, layers.Dense(2)(x)), series(rng, channels=4)


MODELS = {
    "sequential_cnn": sequential_cnn,
    "functional_bn": functional_bn,
    "keras_ops": keras_ops,
    "nested_transfer": nested_transfer,
    "shared_layers": shared_layers,
    "subclassed": subclassed,
    "dict_inputs": dict_inputs,
    "lstm": recurrent(layers.LSTM, stacked=True),
    "gru": recurrent(layers.GRU),
    "gru_reset_before": recurrent(layers.GRU, reset_after=False),
    "rnn_unrolled": recurrent(layers.SimpleRNN, stacked=True, steps=4, unroll=True),
    "masked_gru": masked_gru,
    "conv_lstm": conv_lstm,
    "attention": attention,
    "text": text,
    "dna": dna,
    "tabular": tabular,
    "volumes": volumes,
    "upsampling": upsampling,
    "maxout": maxout,
    "time_distributed": time_distributed,
    "merged_batch": merged_batch,
}
