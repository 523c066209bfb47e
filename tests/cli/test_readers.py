"""Files that users bring, also hostile ones."""

import numpy as np
import pytest
from PIL import Image

from tests.files import bomb
from tfxai.cli.readers import read_inputs
from tfxai.errors import FileFormatError, InputError


def test_images_are_brought_to_the_form_of_the_model(tmp_path):
    pixels = np.zeros((4, 8, 3), np.uint8)
    pixels[:, 4:] = [255, 0, 0]
    Image.fromarray(pixels).save(tmp_path / "a.png")
    path = [str(tmp_path / "a.png")]
    x, names = read_inputs(path * 2, (None, 4, 8, 3))[:2]
    assert x.shape == (2, 4, 8, 3) and x.dtype == np.float32 and names is None
    np.testing.assert_array_equal(x[0], pixels)
    assert read_inputs(path, (None, 2, 4, 3))[0].shape == (1, 2, 4, 3)
    grey = read_inputs(path, (None, None, None, 1))[0]
    assert grey.shape == (1, 4, 8, 1) and grey.max() == 76  # Pillow's luminance of red
    assert read_inputs(path, (None, 3, 4, 8))[0].shape == (1, 3, 4, 8)
    assert read_inputs(path, None)[0].shape == (1, 4, 8, 3)


@pytest.mark.parametrize("side", [60_000, 10_000])
def test_image_bombs_are_refused_before_decoding(side, tmp_path):
    bomb(tmp_path / "big.png", side)
    with pytest.raises(InputError, match="more than 89,478,485 pixels and was not decoded"):
        read_inputs([str(tmp_path / "big.png")], None)


def test_damaged_images(tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "a.png").read_bytes()[:3000])
    (tmp_path / "text.jpg").write_text("hello")
    for name in ("cut.png", "text.jpg"):
        with pytest.raises(FileFormatError, match="is no image that can be read"):
            read_inputs([str(tmp_path / name)], None)


def test_arrays(tmp_path, rng):
    a = rng.normal(size=(2, 3))
    np.save(tmp_path / "a.npy", a)
    np.savez(tmp_path / "one.npz", a)
    np.savez(tmp_path / "two.npz", left=a, right=a)
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04nonsense")
    for name in ("a.npy", "one.npz"):
        np.testing.assert_array_equal(read_inputs([str(tmp_path / name)], None)[0], a)
    assert sorted(read_inputs([str(tmp_path / "two.npz")], None)[0]) == ["left", "right"]
    for name in ("objects.npy", "bad.npz"):
        with pytest.raises(FileFormatError, match="holds no plain arrays"):
            read_inputs([str(tmp_path / name)], None)


def test_what_does_not_go_together(tmp_path):
    with pytest.raises(FileNotFoundError, match="No input file at"):
        read_inputs([str(tmp_path / "a.png")], None)
    for name in ("a.csv", "b.csv", "c.txt"):
        (tmp_path / name).write_text("1\n")
    with pytest.raises(InputError, match="several images, or one file"):
        read_inputs([str(tmp_path / "a.csv"), str(tmp_path / "b.csv")], None)
    with pytest.raises(FileFormatError, match="is of no kind that is read here. Save it as one of these: .bmp"):
        read_inputs([str(tmp_path / "c.txt")], None)
