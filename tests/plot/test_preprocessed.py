"""Pictures in other colours than the photographs: one warning that says display=, and none where it is given."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers
from matplotlib.figure import Figure

import tfxai
from tfxai import plot
from tfxai.callbacks import ExplanationSnapshot, directory
from tfxai.errors import InputError
from tfxai.explanation import Explanation

MEANS = np.array([103.939, 116.779, 123.68])
BYTES = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3)).astype("float32")
CENTRED = (BYTES - MEANS).astype("float32")
WAYS = {
    "plot": lambda e, folder, **more: e.plot(0, ax=Figure().subplots(), **more),
    "compare": lambda e, folder, **more: plot.compare([e, e], **more),
    "report": lambda e, folder, **more: tfxai.report([e, e], folder / "r.html", **more),
}


def explained(x, values=None):
    values = np.ones(x.shape) if values is None else values
    return Explanation(values=values, inputs=x, score=np.ones(len(x)), method="deeplift")


def said(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [str(w.message) for w in caught if "display=" in str(w.message)]


@pytest.mark.parametrize("way", WAYS)
def test_means_that_were_taken_away_are_said_once(way, tmp_path):
    (text,) = said(lambda: WAYS[way](explained(CENTRED), tmp_path))
    assert f"from {CENTRED.min():.4g} to {CENTRED.max():.4g}" in text and len(text) < 500
    first = explained(np.moveaxis(CENTRED, 3, 1))
    first.meta["channels"] = {"inputs": [1], "values": [1]}
    assert len(said(lambda: WAYS[way](first, tmp_path))) == 1
    for display in (BYTES, lambda x: x + MEANS):
        assert not said(lambda d=display: WAYS[way](explained(CENTRED), tmp_path, display=d))


@pytest.mark.parametrize("x", [BYTES, BYTES / 255, BYTES / 127.5 - 1, (BYTES / 255 - 0.45) / 0.22, 1e4 * CENTRED,
                               CENTRED[..., :1], CENTRED[..., :2], np.abs(CENTRED)])  # fmt: skip
def test_other_ranges_are_not(x, tmp_path):
    assert not said(lambda: WAYS["report"](explained(x), tmp_path))


def test_nor_what_is_no_picture(tmp_path):
    table = explained(CENTRED.reshape(3, -1))
    assert not said(lambda: WAYS["compare"](table, tmp_path))


class Kept:
    def __init__(self):
        self.figures, self.inputs = [], []

    def __call__(self, e, figure, step):
        self.figures.append(figure)
        self.inputs.append(e.inputs)


def fitted(**more):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(2)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    snapshot = ExplanationSnapshot(CENTRED, "gradient", target=0, max_samples=2, **more)
    model.fit(CENTRED / 100, np.zeros(3), epochs=2, verbose=0, callbacks=[snapshot])


@pytest.mark.long
def test_snapshots_say_it_once_and_show_what_is_passed(tmp_path):
    kept = Kept()
    assert len(said(lambda: fitted(sinks=[directory(tmp_path / "a"), kept]))) == 1
    red = np.zeros((3, 8, 8, 3))
    red[..., 0] = 204
    for name, display in (("b", red), ("c", list(red)), ("d", lambda x: red[: len(x)])):
        kept = Kept()
        assert not said(lambda d=display, n=name, k=kept: fitted(sinks=[directory(tmp_path / n), k], display=d))
        np.testing.assert_array_equal(kept.inputs[-1], CENTRED[:2])  # what was explained stays what it is
        np.testing.assert_allclose(kept.figures[-1].axes[0].images[0].get_array()[3, 3], [0.8, 0, 0])
        shown = keras.utils.img_to_array(keras.utils.load_img(tmp_path / name / "input_1_0.png"))
        assert (shown[5, 5] == [204, 0, 0]).all()
    own = directory(tmp_path / "e", display=np.zeros((2, 8, 8, 3)))
    fitted(sinks=own, display=red)
    assert not keras.utils.img_to_array(keras.utils.load_img(tmp_path / "e" / "input_0_0.png")).any()


def test_a_display_that_does_not_fit_is_refused_before_training():
    with pytest.raises(InputError, match="display= has a picture for each of the 2 examples"):
        fitted(sinks=lambda *a: None, display=BYTES[:1])
