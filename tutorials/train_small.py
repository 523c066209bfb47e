"""Trains the networks for sentences, DNA and flats that tfxai ships, and measures them: python train_small.py

Their data are made up by `tfxai/demo/sentences.py`, `sequences.py` and `flats.py`. It takes about a minute.
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
    for name, made, build, epochs in (
        ("text", sentences.made, sentences.build, 25),
        ("dna", sequences.made, sequences.build, 25),
        ("table", lambda n, rng: (x := flats.made(n, rng), flats.rent(x)), flats.build, 60),
    ):
        keras.utils.set_random_seed(0)
        x, y = made(TRAINED + HELD_OUT, np.random.default_rng(0))
        model = build()
        rate = keras.optimizers.schedules.CosineDecay(5e-3, epochs * -(-TRAINED // 64))
        loss = "mean_absolute_error" if name == "table" else "binary_crossentropy"
        model.compile(keras.optimizers.Adam(rate), loss)
        model.fit(x[:TRAINED], y[:TRAINED].astype("float32"), batch_size=64, epochs=epochs, verbose=0)
        model.set_weights([w.astype("float16").astype("float32") for w in model.get_weights()])
        said, true = model.predict(x[TRAINED:], verbose=0)[:, 0], y[TRAINED:]
        if name == "table":
            print(
                f"{name}: mean error on {HELD_OUT} others {np.abs(said - true).mean():.1f} of {true.mean():.0f} euros"
            )
        else:
            print(f"{name}: accuracy on {HELD_OUT} others {np.mean((said > 0.5) == true):.3f}")
        stored |= {f"{name}{i}": w.astype("float16") for i, w in enumerate(model.get_weights())}
    np.savez_compressed(Path(demo.__file__).with_name("small.npz"), **stored)


if __name__ == "__main__":
    main()
