"""A folder of snapshots holds a strip for each training: nothing is overwritten, nothing mixed; resuming goes on."""

import json
import re

import keras
import numpy as np
import pytest
from keras import layers

import tfxai
from tfxai.callbacks import ExplanationSnapshot, directory

X = np.random.default_rng(0).normal(size=(16, 6)).astype("float32")
Y = X[:, :2].copy()


def network(seed=1):
    keras.utils.set_random_seed(seed)
    dense = [layers.Dense(5, activation="tanh", name="base"), layers.Dense(2, name="head")]
    model = keras.Sequential([keras.Input((6,)), *dense])
    model.compile("adam", "mse")
    return model


def watched(folder, x=X[:1], method="gradient", **options):
    return ExplanationSnapshot(x, method, target=0, sinks=[directory(folder)], strict=True, **options)


def fit(model, *callbacks, **options):
    model.fit(X, Y, batch_size=8, verbose=0, callbacks=list(callbacks), **options)
    return model


def strips(folder):
    """The steps of every strip, by its folder."""
    return {
        path.parent.name if path.parent != folder else "": [entry["step"] for entry in entries(path.parent)]
        for path in folder.rglob("index.json")
    }


def entries(folder):
    return json.loads((folder / "index.json").read_text())["snapshots"]


def kept(folder):
    """The score of every explanation, by the folder it is in."""
    files = folder.rglob("explanation.npz")
    return {path.parent.relative_to(folder).as_posix(): float(tfxai.load(path).score[0]) for path in files}


@pytest.mark.long
@pytest.mark.parametrize("second, options, want", [
    (lambda f: watched(f), {"epochs": 1}, [0, 1]),
    (lambda f: watched(f, X[3:5]), {"epochs": 2}, [0, 1, 2]),
    (lambda f: watched(f, unit="batch"), {"epochs": 1}, [0, 1, 2]),
    (lambda f: watched(f, every=3, initial=False), {"epochs": 3}, [3]),
    (lambda f: watched(f), {"epochs": 4, "initial_epoch": 2}, [3, 4]),
], ids=["start", "samples", "unit", "later steps", "from the same epoch"])  # fmt: skip
def test_another_network_is_a_strip_of_its_own(second, options, want, tmp_path):
    fit(network(), watched(tmp_path), epochs=2)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != "index.html"}
    fit(network(9), second(tmp_path), **options)
    assert strips(tmp_path) == {"": [0, 1, 2], "run_2": want}
    assert all(path.read_bytes() == data for path, data in before.items())
    fit(network(10), watched(tmp_path), epochs=1)
    assert strips(tmp_path)["run_3"] == [0, 1] and len(kept(tmp_path)) == 3 + len(want) + 2


@pytest.mark.long
def test_resumed_training_goes_on_in_its_strip(tmp_path):
    folder, other = tmp_path / "strips", network(9)
    model = fit(network(), watched(folder), epochs=2)
    model.save(tmp_path / "m.keras")
    fit(other, watched(folder), epochs=2)
    fit(keras.models.load_model(tmp_path / "m.keras"), watched(folder), epochs=3, initial_epoch=2)
    fit(other, watched(folder), epochs=4, initial_epoch=2)
    assert strips(folder) == {"": [0, 1, 2, 3], "run_2": [0, 1, 2, 3, 4]}
    np.testing.assert_allclose(kept(folder)["run_2/epoch_0004"], np.asarray(other(X[:1]))[0, 0], atol=1e-6)


@pytest.mark.long
def test_resumed_before_the_end_of_a_strip(tmp_path):
    folder = tmp_path / "strips"
    model = fit(network(), watched(folder), epochs=2)
    model.save(tmp_path / "m.keras")
    fit(model, watched(folder), epochs=4, initial_epoch=2)
    before = kept(folder)
    fit(keras.models.load_model(tmp_path / "m.keras"), watched(folder), epochs=3, initial_epoch=2)
    assert strips(folder) == {"": [0, 1, 2, 3, 4], "run_2": [3]} and before.items() <= kept(folder).items()
    assert "<h2>Run 2: gradient, resumed at epoch 2</h2>" in (folder / "index.html").read_text()


@pytest.mark.long
def test_one_callback_goes_on_and_changes_the_folder_with_the_model(tmp_path):
    sink = directory(tmp_path)
    callback = ExplanationSnapshot(X[:1], "gradient", target=0, sinks=sink, strict=True)
    model = network()
    fit(model, callback, epochs=2)
    model.compile("sgd", "mse")
    fit(model, callback)
    assert sink.folder == tmp_path and [entry["step"] for entry in sink.strip()] == [0, 1, 2, 3]
    fit(network(2), callback)
    assert sink.folder == tmp_path / "run_2" and [entry["step"] for entry in sink.strip()] == [0, 1]


@pytest.mark.long
def test_two_methods_in_one_folder(tmp_path):
    fit(network(), watched(tmp_path), watched(tmp_path, method="deeplift"), epochs=2)
    assert strips(tmp_path) == {"": [0, 1, 2], "run_2": [0, 1, 2]}
    assert {entry["method"] for entry in entries(tmp_path)} == {"gradient"}
    assert {entry["method"] for entry in entries(tmp_path / "run_2")} == {"deeplift"}


def test_explanations_that_are_handed_over_by_hand(tmp_path):
    e = tfxai.explain(network(), X[:1], "gradient", target=0)
    sink = directory(tmp_path)
    for step in (1, 3, 3):  # the same step of the same training is replaced
        sink(e, None, step)
    directory(tmp_path)(e, None, 5)
    directory(tmp_path)(e, None, 2)
    assert strips(tmp_path) == {"": [1, 3, 5], "run_2": [2]}


@pytest.mark.long
def test_a_strip_of_an_earlier_version_goes_on(tmp_path):
    model = fit(network(), watched(tmp_path), epochs=2)
    old = [{key: entry[key] for key in ("folder", "step", "pictures", "inputs", "targets", "method", "layer", "scores",
                                        "unit")} for entry in entries(tmp_path)]  # fmt: skip
    (tmp_path / "index.json").write_text(json.dumps({"tfxai": 1, "snapshots": old}))
    fit(model, watched(tmp_path), epochs=3, initial_epoch=2)
    assert strips(tmp_path) == {"": [0, 1, 2, 3]}


@pytest.mark.long
def test_the_page_shows_runs_layers_and_compiling(tmp_path):
    model, callback = network(), watched(tmp_path)
    model.get_layer("base").trainable = False
    model.compile("adam", "mse")
    fit(model, callback, epochs=2)
    page = (tmp_path / "index.html").read_text()
    assert "<h2>" not in page and page.count("trained: head<") == 1 and "compiled again" not in page
    model.get_layer("base").trainable = True
    model.compile("sgd", "mse")
    fit(model, callback)
    fit(network(2), watched(tmp_path))
    page = (tmp_path / "index.html").read_text()
    first, second = page.split("<h2>")[1:]
    heads = [re.sub(r"<span[^>]*>|</span>", "", head) for head in re.findall(r"<th>(epoch.*?)</th>", first)]
    assert [head.split("<br>")[0] for head in heads] == ["epoch 0", "epoch 1", "epoch 2", "epoch 3"]
    assert [head.split("<br>")[2:] for head in heads] == [
        ["trained: head"], [], [], ["compiled again", "trained: 2 of 2 layers"]]  # fmt: skip
    assert 'title="trained: base, head; frozen: none"' in first
    assert first.startswith("Run 1: gradient") and second.startswith("Run 2: gradient")
    for picture in re.findall(r'src="([^"]*)"', page):
        assert (tmp_path / picture).exists()
    assert 'src="run_2/epoch_0001/sample_0.png"' in second and "run_2" not in first
