"""Folders of images are read as Keras reads them, to the bit."""

import pickle
import re

import keras
import numpy as np
import pytest
from PIL import Image

import tfxai
from tfxai.scale.sources import opened
from tfxai.scale.sources.folder import images

KERAS = {"batch_size": 4, "shuffle": False, "verbose": False}
SQUARE = [("x", (None, 8, 6, 3), "float32")]
CLASSES = {"zebra": 3, "Ant": 4, "bee": 2}


def _picture(path, size, seed, mode="RGB"):
    channels = {"L": (), "RGB": (3,), "RGBA": (4,)}[mode]
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], *channels), dtype="uint8")
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Classes whose order is not that of the disk; sizes, formats and colours of all kinds; folders in folders."""
    folder = tmp_path_factory.mktemp("pictures")
    for seed, (name, count) in enumerate(CLASSES.items()):
        for k in range(count):
            ending = ("jpg", "png", "bmp", "JPEG")[k]
            _picture(folder / name / f"{10 - k}.{ending}", (9 + k, 7 + 3 * k), 10 * seed + k)
    _picture(folder / "bee" / "more" / "first.gif", (12, 5), 7)
    _picture(folder / "Ant" / "grey.png", (5, 5), 8, "L")
    _picture(folder / "Ant" / "clear.png", (6, 6), 9, "RGBA")
    (folder / "Ant" / "notes.txt").write_text("no picture")
    (folder / "empty").mkdir()
    (folder / ".hidden").mkdir()
    return folder


def _by_keras(folder, **options):
    data = keras.utils.image_dataset_from_directory(folder, **KERAS, **options)
    batches = [b if isinstance(b, tuple) else (b, None) for b in data.as_numpy_iterator()]
    x = np.concatenate([b[0] for b in batches])
    return x, np.concatenate([b[1] for b in batches]) if batches[0][1] is not None else None, data


HOW = {
    "plain": {},
    "cut": {"crop_to_aspect_ratio": True},
    "padded": {"pad_to_aspect_ratio": True},
    "nearest": {"interpolation": "nearest"},
    "area": {"interpolation": "area"},
}


@pytest.mark.parametrize("how", HOW)
def test_values_order_and_classes_are_those_of_keras(how, folder):
    x, y, data = _by_keras(folder, image_size=(8, 6), **HOW[how])
    source = images(folder, **HOW[how]).as_source(SQUARE)
    assert source.n == len(x) == 12 and source.names == data.class_names == ["Ant", "bee", "empty", "zebra"]
    assert [str(folder / file) for file in source.files] == data.file_paths
    for start, stop in ((0, 12), (3, 8), (11, 12)):
        batch = source.read(start, stop)
        assert batch.x.dtype == np.float32 and batch.y.dtype == y.dtype
        assert np.array_equal(batch.x, x[start:stop]) and np.array_equal(batch.y, y[start:stop])


@pytest.mark.parametrize("crop", [False, True])
def test_channels_first(crop, folder):
    x, _, _ = _by_keras(folder, image_size=(8, 6), data_format="channels_first", crop_to_aspect_ratio=crop)
    source = images(folder, crop_to_aspect_ratio=crop).as_source([("x", (None, 3, 8, 6), "float32")])
    assert source.read(0, 12).x.shape == (12, 3, 8, 6) and np.array_equal(source.read(0, 12).x, x)


@pytest.mark.parametrize(("mode", "channels"), [("grayscale", 1), ("rgba", 4)])
def test_channels_are_those_that_the_model_declares(mode, channels, tmp_path):
    for k in range(3):
        _picture(tmp_path / f"{k}.png", (5 + k, 9), k, ("L", "RGB", "RGBA")[k])
    x, _, _ = _by_keras(tmp_path, image_size=(8, 6), color_mode=mode, labels=None)
    for source in (opened(tmp_path, [("x", (None, 8, 6, channels), "float32")]),
                   images(tmp_path, (8, 6), color_mode=mode).as_source(None)):  # fmt: skip
        assert np.array_equal(source.read(0, 3).x, x) and source.names is None and source.read(0, 3).y is None
    if channels == 1:
        flat = opened(tmp_path, [("x", (None, 8, 6), "float32")])
        assert np.array_equal(flat.read(0, 3).x, x[..., 0])


def test_without_classes_all_images_are_read(folder):
    x, _, data = _by_keras(folder, image_size=(8, 6), labels=None)
    source = images(folder, (8, 6), labels=None).as_source(None)
    assert [str(folder / file) for file in source.files] == data.file_paths
    assert np.array_equal(source.read(0, source.n).x, x) and source.names is None


def test_preprocessing_is_that_of_the_network(folder):
    preprocess = keras.applications.resnet50.preprocess_input
    x, _, _ = _by_keras(folder, image_size=(8, 6))
    source = images(folder, preprocess=preprocess).as_source(SQUARE)
    assert np.array_equal(source.read(0, 5).x, preprocess(x[:5].copy()))
    assert source.identity() != images(folder).as_source(SQUARE).identity()
    scaled = images(folder, 8, preprocess=lambda x: x / 255).as_source(None)
    assert scaled.read(0, 2).x.max() <= 1 and scaled.read(0, 2).x.shape == (2, 8, 8, 3)
    with pytest.raises(tfxai.errors.InputError, match=r"preprocess takes 3 examples.*\(1, 8, 8, 3\)"):
        images(folder, 8, preprocess=lambda x: x[:1]).as_source(None).read(0, 3)


def _scaled(x):
    return x / 255


def test_pickled_it_reads_the_same(folder):
    source = images(folder, preprocess=_scaled).as_source(SQUARE)
    there = pickle.loads(pickle.dumps(source))
    assert there.identity() == source.identity() and np.array_equal(there.read(2, 5).x, source.read(2, 5).x)


def test_webp_where_tensorflow_reads_it(tmp_path):
    tf = pytest.importorskip("tensorflow")
    if not hasattr(tf.image, "decode_webp"):
        pytest.skip("this TensorFlow does not")
    pixels = np.random.default_rng(0).integers(0, 256, (8, 6, 3), dtype="uint8")
    Image.fromarray(pixels).save(tmp_path / "a.webp", lossless=True)
    assert np.array_equal(opened(tmp_path, SQUARE).read(0, 1).x[0], pixels)


def test_identity_is_that_of_the_content(tmp_path):
    for name in "abc":
        for k in range(3):
            _picture(tmp_path / name / "cat" / f"{k}.bmp", (8, 6), k)
    first, copy = (opened(tmp_path / name, SQUARE).identity() for name in "ab")
    assert first == copy  # another path, another time
    _picture(tmp_path / "b" / "cat" / "1.bmp", (8, 6), 77)  # of the same size
    assert opened(tmp_path / "b", SQUARE).identity() != first
    (tmp_path / "c" / "cat" / "2.bmp").rename(tmp_path / "c" / "cat" / "3.bmp")
    assert opened(tmp_path / "c", SQUARE).identity() != first
    (tmp_path / "c" / "cat" / "3.bmp").unlink()
    assert opened(tmp_path / "c", SQUARE).identity()["n"] == 2


# --- Bad input


def test_unreadable_files_are_named(tmp_path):
    for k in range(3):
        _picture(tmp_path / f"{k}.png", (8, 6), k)
    (tmp_path / "1.png").write_bytes(b"no picture")
    source = opened(tmp_path, SQUARE)
    assert source.read(0, 1).x.shape == (1, 8, 6, 3)
    with pytest.raises(
        tfxai.errors.FileFormatError, match=r"1\.png' is no image that TensorFlow reads with 3 channels"
    ):
        source.read(0, 3)
    (tmp_path / "1.png").unlink()
    with pytest.raises(tfxai.errors.InputError, match=r"has changed since it was opened: '.*1\.png' is there no more"):
        source.read(0, 3)


def test_images_beside_classes_are_not_guessed_at(tmp_path):
    _picture(tmp_path / "cat" / "a.png", (8, 6), 0)
    _picture(tmp_path / "b.png", (8, 6), 1)
    with pytest.raises(tfxai.errors.InputError, match="1 images beside folders with images.*labels=None"):
        opened(tmp_path, SQUARE)
    assert images(tmp_path, labels="inferred").as_source(SQUARE).files == ["cat/a.png"]
    assert images(tmp_path, labels=None).as_source(SQUARE).files == ["b.png", "cat/a.png"]


def test_pictures_of_kinds_that_are_not_read_are_said(tmp_path):
    _picture(tmp_path / "cat" / "a.png", (8, 6), 0)
    _picture(tmp_path / "cat" / "a.tiff", (8, 6), 0)
    with pytest.warns(UserWarning, match=r"cat' holds images of kinds that are not read: 1 \.tiff"):
        assert opened(tmp_path, SQUARE).n == 1


BAD = {
    "no folder": (lambda p: images(p / "none"), FileNotFoundError, "No folder at"),
    "empty": (lambda p: p, tfxai.errors.InputError, r"holds no images. Formats that are read: \.bmp, \.gif"),
    "size": (lambda p: images(p, (3, 4, 5)), tfxai.errors.OptionError, r"image_size is \(height, width\)"),
    "colours": (lambda p: images(p, color_mode="rgbb"), tfxai.errors.OptionError, "Did you mean 'rgb'"),
    "labels": (lambda p: images(p, labels="int"), tfxai.errors.OptionError, "labels is 'auto', 'inferred' or None"),
    "both": (lambda p: images(p, crop_to_aspect_ratio=True, pad_to_aspect_ratio=True), tfxai.errors.OptionError,
             "cut or padded"),
    "method": (lambda p: images(p, interpolation="bilinar"), tfxai.errors.OptionError, "Did you mean 'bilinear'"),
    "function": (lambda p: images(p, preprocess="resnet"), tfxai.errors.OptionError, "preprocess is a function"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_bad_input(what, tmp_path):
    make, error, message = BAD[what]
    with pytest.raises(error, match=message):
        opened(make(tmp_path), SQUARE)


FORMS = {
    "open": ((None, None, None, 3), {}, "does not say what size.*image_size="),
    "other size": ((None, 8, 6, 3), {"image_size": 9}, r"takes images of 8 x 6. Received: image_size=\(9, 9\)"),
    "other colours": ((None, 8, 6, 3), {"color_mode": "rgba"}, "takes 3 channels. Received: color_mode='rgba'"),
    "many channels": ((None, 8, 6, 12), {}, "1, 3 or 4 channels, and the model takes 12"),
    "a table": ((None, 8), {}, re.escape("holds images, and the model takes shape (None, 8)")),
}


@pytest.mark.parametrize("what", FORMS)
def test_forms_that_do_not_fit(what, tmp_path):
    shape, options, message = FORMS[what]
    _picture(tmp_path / "a.png", (8, 6), 0)
    with pytest.raises(tfxai.errors.InputError, match=message):
        images(tmp_path, **options).as_source([("x", shape, "float32")])


def test_a_folder_is_one_input(folder):
    with pytest.raises(tfxai.errors.InputError, match="2 inputs, and a folder of images is one"):
        opened(folder, SQUARE * 2)


def test_functions_that_cannot_go_to_another_process_say_so(folder, monkeypatch):
    for name in ("cloudpickle", "ray.cloudpickle"):
        monkeypatch.delitem(__import__("sys").modules, name, raising=False)
    with pytest.raises(tfxai.errors.InputTypeError, match="function cannot be handed.*function of a module"):
        pickle.dumps(images(folder, 8, preprocess=lambda x: x).as_source(None))
