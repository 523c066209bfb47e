"""Photographs and digits become what the demonstration networks take; anything else is refused."""

import numpy as np
import pytest

import tfxai.demo
from tfxai.demo import photographs
from tfxai.errors import InputError


@pytest.mark.long
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
