"""Makes the pictures of the README: `python tutorials/pictures.py`, with the extras demo, test and dna installed."""

from pathlib import Path

import keras
import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_wine

import tfxai
from tfxai.cli import main

HERE = Path(__file__).parent
MOTIF = [2, 0, 3, 0, 0, 2, 2, 0]  # GATAAGGA


def methods() -> None:
    """Eight methods on four photographs: what `tfxai demo` draws."""
    from PIL import Image

    main(["demo", "--network", "imagenet", "-o", str(HERE)])
    made = HERE / "explanations.png"
    picture = Image.open(made).convert("RGB")
    picture.resize((1600, 1600 * picture.height // picture.width)).save(HERE / "explanations.jpg", quality=85)
    made.unlink()


def layers() -> None:
    """Grad-CAM from shallow to deep."""
    demo = tfxai.demo.imagenet()
    figure = tfxai.figures.cam_layers(demo.model, demo.examples[:2], labels=demo.labels)
    figure.savefig(HERE / "layers.jpg", dpi=80, pil_kwargs={"quality": 85})


def kinds() -> None:
    """A table of real measurements, and sequences with a planted motif."""
    figure = Figure(figsize=(12, 6.6), layout="constrained")
    above, below = figure.subfigures(2, height_ratios=[1.5, 1])
    _wine(above)
    _sequence(below)
    figure.savefig(HERE / "kinds.jpg", dpi=80, pil_kwargs={"quality": 88})


def _wine(figure) -> None:
    keras.utils.set_random_seed(0)
    data = load_wine()
    x = ((data.data - data.data.mean(0)) / data.data.std(0)).astype("float32")
    model = keras.Sequential(
        [keras.Input((13,)), keras.layers.Dense(16, activation="gelu"), keras.layers.Dense(3, activation="softmax")]
    )
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    model.fit(x, data.target, epochs=60, verbose=0)
    names = [
        name.replace("_", " ").replace("od280/od315 of diluted wines", "OD280/OD315") for name in data.feature_names
    ]
    e = tfxai.explain(model, x, target=0, verbose=0)
    left, right = figure.subplots(1, 2)
    tfxai.plot.summary(e.values, data.data, names, top=8, ax=left, title="178 wines, real measurements",
                       unit="contribution to cultivar 0")  # fmt: skip
    tfxai.plot.bars(e.values[0], names, top=8, ax=right, title="the first of them", unit="contribution to cultivar 0")


def _sequence(figure) -> None:
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    bases, label = rng.integers(0, 4, (1500, 80)), rng.integers(0, 2, 1500)
    for row in np.flatnonzero(label):
        start = rng.integers(0, 72)
        bases[row, start : start + 8] = MOTIF
    x = np.eye(4, dtype="float32")[bases]
    model = keras.Sequential(
        [
            keras.Input((80, 4)),
            keras.layers.Conv1D(16, 9, activation="relu"),
            keras.layers.GlobalMaxPooling1D(),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy")
    model.fit(x, label, epochs=15, verbose=0)
    first = int(np.flatnonzero(label)[0])
    e = tfxai.explain(model, x[first : first + 1], baseline=np.full((1, 80, 4), 0.25, "float32"), verbose=0)
    own = e.values[0].sum(axis=-1, keepdims=True) * x[first]  # of each place, at the letter that is there
    tfxai.plot.logo(own, ax=figure.subplots(), title="a sequence with GATAAGGA planted", unit="contribution")


if __name__ == "__main__":
    methods()
    layers()
    kinds()
