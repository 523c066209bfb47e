"""Where snapshots go: film strip, TensorBoard, functions; and where they cannot."""

import json
import os
import stat

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from PIL import Image

import tfxai
from tests import browser
from tests.training import functional, trained
from tfxai.callbacks import ExplanationSnapshot, directory, tensorboard
from tfxai.errors import (
    FileFormatError,
    MissingExtraError,
    SnapshotWarning,
)

pytestmark = pytest.mark.filterwarnings("ignore::tfxai.errors.EmptyMapWarning", "ignore::tfxai.CompletenessWarning")


@pytest.mark.long
def test_folder_and_film_strip(data, tmp_path):
    callback = ExplanationSnapshot(
        data[0][:2], "deeplift", sinks=[directory(tmp_path / "strip", ["<b>a</b>", "b", "c"])]
    )
    model, *_ = trained(functional, data, [callback])
    folder = tmp_path / "strip"
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    assert "epoch_0002/sample_1.png" in names and "index.html" in names and "input_0_0.png" in names
    picture = Image.open(folder / "epoch_0002" / "sample_1.png")
    assert min(picture.size) >= 192 and len(picture.getcolors(1 << 24)) > 20
    last = tfxai.load(folder / "epoch_0002" / "explanation.npz")
    np.testing.assert_allclose(last.values, tfxai.explain(model, data[0][:2]).values, atol=1e-6)
    assert last.meta["snapshot"]["step"] == 2
    page = (folder / "index.html").read_text()
    assert page.count('loading="lazy"') == 2 * (1 + 3) and "epoch 2" in page and "drift" in page
    assert "<b>a</b>" not in page and "<script" not in page
    model.fit(*data, verbose=0, callbacks=[ExplanationSnapshot(data[0][:2], "deeplift", sinks=[directory(folder)])],
              initial_epoch=2, epochs=3)  # fmt: skip
    steps = [s["step"] for s in json.loads((folder / "index.json").read_text())["snapshots"]]
    assert steps == [0, 1, 2, 3]  # resumed: the strip goes on


@pytest.mark.long
@browser.needed
def test_film_strip_in_a_browser(data, tmp_path):
    trained(functional, data, [ExplanationSnapshot(data[0][:2], "deeplift", sinks=[directory(tmp_path / "strip")])])
    shot = np.asarray(browser.screenshot(tmp_path / "strip" / "index.html", tmp_path))
    assert ((shot.astype(int).max(-1) - shot.astype(int).min(-1)) > 60).sum() > 1000  # coloured maps were loaded


@pytest.mark.long
def test_tensorboard_reads_it_back(data, tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")

    callback = ExplanationSnapshot(data[0][:2], "deeplift", sinks=[tensorboard(tmp_path / "logs")])
    assert not (tmp_path / "logs").exists()  # nothing before training
    trained(functional, data, [keras.callbacks.TensorBoard(tmp_path / "logs"), callback])
    assert {"explain", "train"} <= set(os.listdir(tmp_path / "logs"))
    events = events.EventAccumulator(str(tmp_path / "logs" / "explain"), size_guidance={"tensors": 0}).Reload()
    tags = events.Tags()["tensors"]
    assert {"deeplift/sample_0", "deeplift/sample_1", "deeplift/residual", "deeplift/drift"} <= set(tags)
    drifts = [float(tf.make_ndarray(t.tensor_proto)) for t in events.Tensors("deeplift/drift")]
    np.testing.assert_allclose(drifts, [n["drift"] for n in callback.history[1:]], rtol=1e-6)
    assert [t.step for t in events.Tensors("deeplift/sample_0")] == [0, 1, 2]
    encoded = tf.make_ndarray(events.Tensors("deeplift/sample_0")[0].tensor_proto)[2]
    assert tf.io.decode_png(encoded).shape == (192, 192, 3)


def test_tensorboard_without_its_package(without_extras, tmp_path):
    with pytest.raises(MissingExtraError, match=r'pip install "tfxai\[tensorboard\]"'):
        tensorboard(tmp_path)


@pytest.mark.long
def test_figures_for_wandb_and_mlflow(data):
    """The recipes of the module's docstring, with modules that only remember what they were given."""
    seen, before = [], plt.get_fignums()
    trained(
        functional,
        data,
        [ExplanationSnapshot(data[0][:2], sinks=[lambda e, figure, epoch: seen.append((figure, epoch))])],
    )
    assert [epoch for _, epoch in seen] == [0, 1, 2]
    assert all(len(figure.axes) >= 4 and hasattr(figure, "savefig") for figure, _ in seen)
    assert plt.get_fignums() == before


@pytest.mark.long
def test_folders_that_cannot_be_written(data, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.warns(SnapshotWarning, match="Error: "):
        trained(functional, data, [ExplanationSnapshot(data[0][:2], sinks=[directory(tmp_path / "file")])])
    other = tmp_path / "other"
    other.mkdir()
    (other / "index.json").write_text('{"mine": 1}')
    e = tfxai.explain(functional(), data[0][:1], "gradient", target=0)
    with pytest.raises(FileFormatError, match="is not the index of a film strip"):
        directory(other)(e, None, 1)
    assert (other / "index.json").read_text() == '{"mine": 1}'
    assert stat.S_ISDIR(other.stat().st_mode)


def test_names_of_layers_are_made_safe(data, tmp_path):
    inner = keras.Sequential(
        [keras.Input((12, 12, 1)), layers.Conv2D(2, 3, name="a.b>c", activation="relu")], name="base"
    )
    model = keras.Sequential([inner, layers.Conv2D(2, 3, name="x->y"), layers.Flatten(), layers.Dense(3)])
    model.build((None, 12, 12, 1))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    sink = directory(tmp_path / "t")
    model.fit(*data, verbose=0, callbacks=[ExplanationSnapshot(data[0][:1], "layercam", layer="all", sinks=[sink])])
    names = {p.name for p in (tmp_path / "t" / "epoch_0001").glob("*.png")}
    assert names == {"sample_0_0_base_a.b_c.png", "sample_0_1_x-_y.png"}
    assert "x->y" not in (tmp_path / "t" / "index.html").read_text()  # x-&gt;y


@pytest.mark.long
def test_tables_and_several_inputs(tmp_path, rng):
    a, b = keras.Input((3,), name="a"), keras.Input((4,), name="b")
    model = keras.Model({"a": a, "b": b}, layers.Dense(1)(layers.concatenate([a, b])))
    model.compile("sgd", "mse")
    x = {"a": rng.normal(size=(8, 3)), "b": rng.normal(size=(8, 4))}
    sink = directory(tmp_path / "t")
    model.fit(x, np.ones(8), verbose=0, callbacks=[ExplanationSnapshot(x, "deeplift", sinks=[sink], max_samples=2)])
    assert {p.name for p in (tmp_path / "t" / "epoch_0001").glob("*.png")} == {
        "sample_0_0_a.png", "sample_0_1_b.png", "sample_1_0_a.png", "sample_1_1_b.png"}  # fmt: skip
