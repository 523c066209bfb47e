"""Trains the networks for sentences, DNA and flats that tfxai ships, and measures them: python train_small.py

Their data are made up by `tfxai/demo/sentences.py`, `sequences.py` and `flats.py`. It takes two minutes.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from tfxai import demo
from tfxai.demo import flats, sentences, sequences

TRAINED, HELD_OUT = 6000, 1000


def main() -> None:
    stored = {}
    for name, made, build, loss, epochs in (
        ("text", sentences.made, sentences.build, "mean_squared_error", 40),
        ("dna", sequences.made, sequences.build, "binary_crossentropy", 60),
        ("table", lambda n, rng: (x := flats.made(n, rng), flats.rent(x)), flats.build, "mean_absolute_error", 60),
    ):
        keras.utils.set_random_seed(0)
        x, y = made(TRAINED + HELD_OUT, np.random.default_rng(0))
        model = build()
        learner = keras.Model(model.inputs, model.get_layer("sum").output) if name == "text" else model
        rate = keras.optimizers.schedules.CosineDecay(5e-3, epochs * -(-TRAINED // 64))
        learner.compile(keras.optimizers.Adam(rate), loss)
        learner.fit(x[:TRAINED], y[:TRAINED].astype("float32"), batch_size=64, epochs=epochs, verbose=0)
        model.set_weights([w.astype("float16").astype("float32") for w in model.get_weights()])
        said, true = learner.predict(x[TRAINED:], verbose=0)[:, 0], y[TRAINED:]
        print(f"{name}: of {HELD_OUT} others mean error {np.abs(said - true).mean():.3f}, mean {true.mean():.2f}")
        if true.dtype == bool:
            print(f"{name}: accuracy {np.mean((said > 0.5) == true):.3f}")
        stored |= {f"{name}{i}": w.astype("float16") for i, w in enumerate(model.get_weights())}
    np.savez_compressed(Path(demo.__file__).with_name("small.npz"), **stored)


if __name__ == "__main__":
    main()
