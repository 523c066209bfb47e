"""Networks and examples of every kind whose true attributions are known: only planted features count."""

import keras
import numpy as np
from keras import layers

from tfxai.metrics import Case

PLANTED = 4  # features that count for class 0, the last ones in the middle of x; four others count for class 1


def linear(rng, shapes, tokens=False):
    """A model that is linear in its (embedded) inputs, x, and the contributions to class 0: one array per input."""
    inputs = [keras.Input(s[:1] if tokens else s, dtype="int32" if tokens else "float32", name=f"in{k}")
              for k, s in enumerate(shapes)]  # fmt: skip
    lookup = layers.Embedding(30, shapes[0][1]) if tokens else None
    flat = [layers.Flatten()(lookup(i) if tokens else i) for i in inputs]
    dense = layers.Dense(2)
    model = keras.Model(inputs, dense(layers.Concatenate()(flat) if len(flat) > 1 else flat[0]))
    places = [where(s) for s in shapes]
    weights = [np.zeros((*s, 2)) for s in shapes]
    for w, (own, other) in zip(weights, places, strict=True):
        w[..., 0][own], w[..., 1][other] = rng.uniform(0.5, 1, w[..., 0][own].shape), 0.4
    dense.set_weights([np.concatenate([w.reshape(-1, 2) for w in weights]), np.zeros(2)])
    if tokens:
        table = rng.uniform(0.5, 1.5, (30, shapes[0][1])).astype("float32")
        lookup.set_weights([table])
        x = [rng.integers(1, 30, (6, shapes[0][0])).astype("int32")]
        seen = [table[x[0]]]
    else:
        x = [rng.uniform(0, 0.3, (6, *s)).astype("float32") for s in shapes]
        for array, (own, _) in zip(x, places, strict=True):
            array[(slice(None), *own)] += rng.uniform(1, 2, array[(slice(None), *own)].shape)
        seen = x
    truth = [s * w[..., 0] for s, w in zip(seen, weights, strict=True)]
    truth = [t.sum(-1) if tokens else t for t in truth]
    masks = [(t.sum(-1) if len(s) > 1 and not tokens else t) > 0 for t, s in zip(truth, shapes, strict=True)]
    one = len(shapes) == 1
    return model, *((part[0] if one else list(part)) for part in (x, truth, masks))


def where(shape):
    """The planted features of class 0 and of class 1, as indices of an example."""
    if len(shape) == 3:  # a square in the middle, and one in a corner
        return (slice(3, 5), slice(3, 5)), (slice(0, 2), slice(0, 2))
    return (slice(4, 4 + PLANTED),), (slice(0, PLANTED),)


KINDS = {
    "images": lambda rng: linear(rng, [(8, 8, 2)]),
    "sequences": lambda rng: linear(rng, [(12, 3)]),
    "tables": lambda rng: linear(rng, [(12,)]),
    "tokens": lambda rng: linear(rng, [(12, 3)], tokens=True),
    "two inputs": lambda rng: linear(rng, [(8, 8, 2), (12,)]),
}


def case_of(model, x, values, **options):
    """Class 0 of a model, with values as they are."""
    return Case.of(model, x, values, target=0, **options)


SHAPES = [
    np.array([[0, 0, 1, 0, 0], [0, 0, 1, 0, 0], [1, 1, 1, 1, 1], [0, 0, 1, 0, 0], [0, 0, 1, 0, 0]]),
    np.array([[1, 0, 0, 0, 1], [0, 1, 0, 1, 0], [0, 0, 1, 0, 0], [0, 1, 0, 1, 0], [1, 0, 0, 0, 1]]),
    np.array([[1, 1, 1, 1, 1], [1, 0, 0, 0, 1], [1, 0, 0, 0, 1], [1, 0, 0, 0, 1], [1, 1, 1, 1, 1]]),
]


def drawings(n, seed):
    """A plus, a cross or a box somewhere in noise: x, which of them, and the pixels that are drawn."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0, 0.4, (n, 16, 16, 1)).astype("float32"), rng.integers(0, 3, n)
    drawn = np.zeros((n, 16, 16), bool)
    for i in range(n):
        r, c = rng.integers(0, 12, 2)
        x[i, r : r + 5, c : c + 5, 0] += 0.6 * SHAPES[y[i]]
        drawn[i, r : r + 5, c : c + 5] = SHAPES[y[i]] > 0
    return x, y, drawn


def trained_on_drawings():
    """A small network that tells them apart."""
    keras.utils.set_random_seed(0)
    conv = {"activation": "relu", "padding": "same"}
    model = keras.Sequential([
        keras.Input((16, 16, 1)), layers.Conv2D(8, 3, **conv), layers.Conv2D(16, 3, **conv), layers.MaxPooling2D(2),
        layers.Conv2D(16, 3, **conv), layers.GlobalMaxPooling2D(), layers.Dense(3, activation="softmax"),
    ])  # fmt: skip
    model.compile(keras.optimizers.Adam(5e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    x, y, _ = drawings(2000, 0)
    model.fit(x, y, batch_size=64, epochs=4, verbose=0)
    return model
