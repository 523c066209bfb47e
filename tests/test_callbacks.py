"""Snapshots during training: files, scalars, and a training that is not disturbed."""

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
from tfxai.callbacks import ExplanationSnapshot, directory, samples, tensorboard
from tfxai.errors import (
    FileFormatError,
    LayerError,
    MissingExtraError,
    OptionError,
    SnapshotWarning,
    UnknownOptionError,
)  # fmt: skip

pytestmark = pytest.mark.filterwarnings("ignore::tfxai.errors.EmptyMapWarning", "ignore::tfxai.CompletenessWarning")


@pytest.fixture
def data(rng):
    x = rng.uniform(size=(32, 12, 12, 1)).astype("float32")
    return x, (x[:, :6].mean((1, 2, 3)) > x[:, 6:].mean((1, 2, 3))).astype("int32")


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.net = keras.Sequential([layers.Conv2D(4, 3, activation="relu"), layers.Dropout(0.3), layers.Flatten()])
        self.head = layers.Dense(3)

    def call(self, inputs, training=False):
        return self.head(self.net(inputs, training=training))


def stack(t, regularizer="l2"):
    t = layers.Conv2D(4, 3, activation="relu", name="conv", activity_regularizer=regularizer)(t)
    t = layers.BatchNormalization()(t)
    return layers.Dense(3, dtype="float32")(layers.Flatten()(layers.Dropout(0.3)(t)))


def functional(regularizer="l2"):
    t = keras.Input((12, 12, 1))
    return keras.Model(t, stack(t, regularizer))


def sequential():
    return keras.Sequential([layers.Conv2D(4, 3, activation="relu"), layers.GaussianNoise(0.1), layers.Flatten(),
                             layers.Dense(3)])  # fmt: skip


def mixed():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        return functional(None)  # Keras cannot add a float16 regularizer to a float32 loss
    finally:
        keras.config.set_dtype_policy("float32")


def trained(build, data, callbacks, epochs=2, **options):
    keras.utils.set_random_seed(3)
    model = build()
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), **options)
    history = model.fit(*data, epochs=epochs, batch_size=8, verbose=0, callbacks=callbacks)
    return model, history.history["loss"], (np.random.get_state()[1].copy(), float(tf.random.uniform([])))


@pytest.mark.parametrize("build, options", [(functional, {}), (sequential, {}), (Subclassed, {}), (mixed, {}),
                                            (functional, {"jit_compile": True})])  # fmt: skip
def test_training_is_the_same_bit_for_bit(build, options, data, tmp_path):
    alone, losses, random = trained(build, data, [], **options)
    seen = ExplanationSnapshot(data[0][:4], "smoothgrad", samples=3, sinks=directory(tmp_path / "a"))
    other = ExplanationSnapshot(data[0][:4], sinks=[lambda *_: None], unit="batch", every=3)
    with_it, same_losses, same_random = trained(build, data, [seen, other], **options)
    assert losses == same_losses and same_random[1] == random[1]
    np.testing.assert_array_equal(same_random[0], random[0])
    for a, b in zip(alone.get_weights(), with_it.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    first = [] if build in (sequential, Subclassed) else [0]  # not built before its first batch
    assert [n["step"] for n in seen.history] == [*first, 1, 2] and [n["step"] for n in other.history] == [*first, 3, 6]


def test_under_a_strategy_of_several_devices(data, tmp_path):
    """In a process of its own: logical devices are made before TensorFlow starts."""
    code = """
import sys, numpy as np, tensorflow as tf
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0],
                                           [tf.config.LogicalDeviceConfiguration()] * 2)
import keras, tfxai
from tests import test_callbacks as t
x = np.random.default_rng(0).uniform(size=(32, 12, 12, 1)).astype("float32")
data = x, (x[:, 0, 0, 0] > 0.5).astype("int32")
seen = []
def run(callbacks):
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        return t.trained(t.functional, data, callbacks)
a = run([])
b = run([tfxai.callbacks.ExplanationSnapshot(x[:4], "deeplift", sinks=[lambda e, f, s: seen.append(e)])])
assert a[1] == b[1], (a[1], b[1])
assert all(np.array_equal(p, q) for p, q in zip(a[0].get_weights(), b[0].get_weights()))
assert len(seen) == 3 and all(abs(e.delta).max() < 1e-4 for e in seen)
again = tfxai.explain(b[0], x[:4], "deeplift")
assert np.allclose(again.values, seen[-1].values, atol=1e-6)
"""
    import subprocess
    import sys

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]


def test_each_snapshot_explains_the_weights_of_its_time(data):
    seen = []
    callback = ExplanationSnapshot(
        data[0][:4], "gradient", target=1, sinks=lambda e, f, s: seen.append((e, s)), every=2
    )
    model, *_ = trained(functional, data, [callback], epochs=5)
    assert [s for _, s in seen] == [0, 2, 4]
    assert not np.allclose(seen[0][0].values, seen[1][0].values)
    model.fit(*data, verbose=0, callbacks=[callback], initial_epoch=5, epochs=6)
    np.testing.assert_allclose(
        seen[-1][0].values, tfxai.explain(model, data[0][:4], "gradient", target=1).values, atol=1e-7
    )
    assert [s for _, s in seen] == [0, 2, 4, 6]
    assert callback.seconds > sum(n["seconds"] for n in callback.history)  # tracing the model is counted too


def test_nothing_is_traced_after_the_first_snapshot(data):
    counts = []
    callback = ExplanationSnapshot(data[0][:4], "deeplift", sinks=lambda *_: counts.append(traced()))

    def traced():
        return [len(e.compiled) for e in callback._explainer._engines.values()]

    trained(functional, data, [callback], epochs=4)
    assert len(counts) == 5 and all(c == counts[0] for c in counts) and len(counts[0]) == 1


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


@browser.needed
def test_film_strip_in_a_browser(data, tmp_path):
    trained(functional, data, [ExplanationSnapshot(data[0][:2], "deeplift", sinks=[directory(tmp_path / "strip")])])
    shot = np.asarray(browser.screenshot(tmp_path / "strip" / "index.html", tmp_path))
    assert ((shot.astype(int).max(-1) - shot.astype(int).min(-1)) > 60).sum() > 1000  # coloured maps were loaded


def test_tensorboard_reads_it_back(data, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    callback = ExplanationSnapshot(data[0][:2], "deeplift", sinks=[tensorboard(tmp_path / "logs")])
    assert not (tmp_path / "logs").exists()  # nothing before training
    trained(functional, data, [keras.callbacks.TensorBoard(tmp_path / "logs"), callback])
    assert {"explain", "train"} <= set(os.listdir(tmp_path / "logs"))
    events = EventAccumulator(str(tmp_path / "logs" / "explain"), size_guidance={"tensors": 0}).Reload()
    tags = events.Tags()["tensors"]
    assert {"deeplift/sample_0", "deeplift/sample_1", "deeplift/residual", "deeplift/drift"} <= set(tags)
    drifts = [float(tf.make_ndarray(t.tensor_proto)) for t in events.Tensors("deeplift/drift")]
    np.testing.assert_allclose(drifts, [n["drift"] for n in callback.history[1:]], rtol=1e-6)
    assert [t.step for t in events.Tensors("deeplift/sample_0")] == [0, 1, 2]
    encoded = tf.make_ndarray(events.Tensors("deeplift/sample_0")[0].tensor_proto)[2]
    assert tf.io.decode_png(encoded).shape == (192, 192, 3)


def test_tensorboard_without_its_package(monkeypatch, tmp_path):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr("tfxai.extras.importlib.import_module", missing)
    with pytest.raises(MissingExtraError, match=r'pip install "tfxai\[tensorboard\]"'):
        tensorboard(tmp_path)


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


def test_drift_is_rank_correlation():
    scipy_says = 1 - 0.5  # Spearman of (1, 2, 3) with (1, 3, 2) is 0.5
    callback = ExplanationSnapshot(np.ones((1, 3)), "gradient")

    def e(values):
        return tfxai.Explanation(values=np.array([values]), score=np.ones(1), method="gradient")

    assert callback._drift(e([1.0, 2.0, 3.0])) is None
    assert callback._drift(e([10.0, 30.0, 20.0])) == pytest.approx(scipy_says)
    assert callback._drift(e([1.0, 3.0, 2.0])) == pytest.approx(0)
    assert callback._drift(e([3.0, 1.0, 2.0])) == pytest.approx(2)
    assert callback._drift(e([5.0, 5.0, 5.0])) == pytest.approx(1)  # no order at all
    assert callback._drift(e([7.0, 7.0, 7.0])) == pytest.approx(0)


def test_an_error_of_a_sink_is_a_warning_once(data):
    calls = []

    def broken(e, figure, step):
        calls.append(step)
        raise OSError("disk full")

    with pytest.warns(SnapshotWarning, match="failed in 'broken', and training goes on: OSError: disk full") as found:
        model, *_ = trained(functional, data, [ExplanationSnapshot(data[0][:2], sinks=[broken])], epochs=3)
    assert calls == [0, 1, 2, 3] and len([w for w in found if w.category is SnapshotWarning]) == 1
    with pytest.raises(OSError, match="disk full"):
        trained(functional, data, [ExplanationSnapshot(data[0][:2], sinks=[broken], strict=True)])


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


def test_mistakes_are_found_before_training(data):
    x = data[0][:2]
    with pytest.raises(OptionError, match="every is a whole number from 1"):
        ExplanationSnapshot(x, every=0)
    with pytest.raises(OptionError, match="unit is 'epoch' or 'batch'"):
        ExplanationSnapshot(x, unit="step")
    with pytest.raises(UnknownOptionError):
        ExplanationSnapshot(x, "gradcam", stepps=3)
    with pytest.raises(OptionError, match="A sink is a function"):
        ExplanationSnapshot(x, sinks=["tensorboard"])
    with pytest.raises(LayerError, match="convv"):
        trained(functional, data, [ExplanationSnapshot(x, layer="convv")])


def test_samples_from_everything(data, rng):
    x, y = data
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(5)
    np.testing.assert_array_equal(samples(batches, 7), x[:7])

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 6

        def __getitem__(self, i):
            return x[5 * i : 5 * i + 5], y[5 * i : 5 * i + 5]

    np.testing.assert_array_equal(samples(Batches(), 12), x[:12])
    both = samples({"a": x, "b": y}, 3)
    assert both["a"].shape == (3, 12, 12, 1) and both["b"].shape == (3,)
    with pytest.raises(OptionError, match="is empty"):
        samples(batches.take(0), 3)


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


def test_tables_and_several_inputs(tmp_path, rng):
    a, b = keras.Input((3,), name="a"), keras.Input((4,), name="b")
    model = keras.Model({"a": a, "b": b}, layers.Dense(1)(layers.concatenate([a, b])))
    model.compile("sgd", "mse")
    x = {"a": rng.normal(size=(8, 3)), "b": rng.normal(size=(8, 4))}
    sink = directory(tmp_path / "t")
    model.fit(x, np.ones(8), verbose=0, callbacks=[ExplanationSnapshot(x, "deeplift", sinks=[sink], max_samples=2)])
    assert {p.name for p in (tmp_path / "t" / "epoch_0001").glob("*.png")} == {
        "sample_0_0_a.png", "sample_0_1_b.png", "sample_1_0_a.png", "sample_1_1_b.png"}  # fmt: skip
