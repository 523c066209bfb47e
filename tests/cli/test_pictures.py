"""Pictures as people see them."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from tfxai.cli.pictures import Form, form
from tfxai.cli.readers import read_inputs
from tfxai.errors import InputError

COLOUR, GREY, FOUR = (None, 4, 4, 3), (None, 4, 4, 1), (None, 4, 4, 4)


def read(path, shape):
    return read_inputs([str(path)], shape)


def quarters():
    """Four shades, one in each quarter: a turn cannot hide."""
    pixels = np.zeros((4, 8, 3), np.uint8)
    pixels[:2, :4], pixels[:2, 4:], pixels[2:, :4], pixels[2:, 4:] = 240, 120, 60, 0
    return pixels


@pytest.mark.parametrize("kind", ["png", "webp", "jpg"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_are_upright(tmp_path, orientation, kind):
    picture, path = Image.fromarray(quarters()), tmp_path / f"a.{kind}"
    exif = picture.getexif()
    exif[0x0112] = orientation
    picture.save(path, exif=exif, **({"quality": 100} if kind == "jpg" else {"lossless": True}))
    with Image.open(path) as opened:
        want = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
    taken = read(path, None)
    assert taken.x.shape == (1, *want.shape) and want.shape == ((4, 8, 3) if orientation < 5 else (8, 4, 3))
    np.testing.assert_array_equal(taken.x[0], want)
    assert taken.notes == (() if orientation == 1 else (f"turned upright as EXIF says: a.{kind}",))


def rgba(opacity):
    pixels = np.full((4, 4, 4), 10, np.uint8)
    pixels[..., 3] = opacity
    return Image.fromarray(pixels)


def test_opacity_of_models_of_four_channels(tmp_path):
    rgba(200).save(tmp_path / "a.png")
    taken = read(tmp_path / "a.png", FOUR)
    assert taken.x.shape == (1, 4, 4, 4) and taken.x[0, 0, 0].tolist() == [10, 10, 10, 200] and not taken.notes
    rgba(255).convert("RGB").save(tmp_path / "a.png")
    taken = read(tmp_path / "a.png", FOUR)
    assert taken.x[0, 0, 0].tolist() == [10, 10, 10, 255]
    assert taken.notes == ("no opacity of its own: the fourth channel is 255: a.png",)
    assert read(tmp_path / "a.png", (None, 4, 8, 8)).x.shape == (1, 4, 8, 8)  # channels first


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_parts_are_white(tmp_path, mode):
    pixels = np.asarray(rgba(255)).copy()
    pixels[:, 2:, 3] = 0  # over a hidden 10
    picture = Image.fromarray(pixels).convert(mode if mode != "P" else "RGBA")
    if mode == "P":
        picture = Image.fromarray(np.uint8([[0, 0, 1, 1]] * 4)).convert("P")
        picture.putpalette([10, 10, 10, 200, 0, 0])
        picture.info["transparency"] = 1
    picture.save(tmp_path / "a.png")
    for shape in (COLOUR, GREY):
        taken = read(tmp_path / "a.png", shape)
        assert (taken.x[0, 0, 3] == 255).all() and (taken.x[0, 0, 0] == 10).all()
        assert taken.notes == ("transparent parts put on white: a.png",)


def test_half_transparent_is_half_white(tmp_path):
    rgba(51).save(tmp_path / "a.png")  # a fifth
    assert read(tmp_path / "a.png", COLOUR).x[0, 0, 0].tolist() == [206, 206, 206]  # 10 / 5 + 255 * 4 / 5
    rgba(255).save(tmp_path / "a.png")
    taken = read(tmp_path / "a.png", COLOUR)
    assert taken.x[0, 0, 0].tolist() == [10, 10, 10] and not taken.notes


@pytest.mark.parametrize("shape", [COLOUR, GREY, FOUR, (None, 4, 4), (None, 3, 4, 4), (None, 1, 4, 4), None])
@pytest.mark.parametrize("darker", [1, 20])
def test_sixteen_bits(tmp_path, shape, darker):
    ramp = np.tile(np.linspace(0, 65535, 4), (4, 1)).astype(np.uint16) // darker
    Image.fromarray(ramp).save(tmp_path / "a.png")
    taken = read(tmp_path / "a.png", shape)
    assert taken.notes[0] == "16 bits brought to 0..255: a.png"
    x = np.moveaxis(taken.x, 1, -1) if shape in ((None, 3, 4, 4), (None, 1, 4, 4)) else taken.x
    x = x[..., None] if shape == (None, 4, 4) else x
    for channel in range(min(x.shape[-1], 3)):
        np.testing.assert_allclose(x[0, ..., channel], ramp / 257, rtol=1e-6)
    assert x.shape[-1] == {COLOUR: 3, GREY: 1, FOUR: 4, None: 3}.get(shape, x.shape[-1])
    assert shape != FOUR or (x[..., 3] == 255).all()


def test_sixteen_bits_are_resized(tmp_path):
    Image.fromarray(np.repeat(np.uint16([[0, 65535]]), 2, 0).repeat(4, 1)).save(tmp_path / "a.png")
    x = read(tmp_path / "a.png", (None, 2, 4, 1)).x[0, :, :, 0]
    assert x[0, 0] == 0 and x[0, 3] == 255 and 0 < x[0, 1] < x[0, 2] < 255


def test_without_an_axis_of_channels(tmp_path):
    Image.fromarray(np.uint8(quarters())).save(tmp_path / "a.png")
    assert read(tmp_path / "a.png", (None, 4, 8)).x[0].tolist() == quarters()[..., 0].tolist()
    assert read(tmp_path / "a.png", (None, 2, 6)).x.shape == (1, 2, 6)


def test_a_model_of_no_pictures(tmp_path):
    rgba(255).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="has 1, 3 or 4 channels, and the model takes 12"):
        read(tmp_path / "a.png", (None, 8, 8, 12))


def test_form():
    assert form((None, 3, 32, 40)) == Form(32, 40, 3, first=True)
    assert form((None, 32, 40, 3)) == Form(32, 40, 3) and form((None, 4, 4, 4)) == Form(4, 4, 4)
    assert form((None, 28, 28)) == Form(28, 28, 1, flat=True)
    assert form(None) == form((None, 784)) == form((None, None, None, None)) == Form()


def test_other_sizes_are_apart(tmp_path):
    for k, size in enumerate([(10, 12), (20, 9)]):
        Image.fromarray(np.full((*size, 3), k, np.uint8)).save(tmp_path / f"{k}.png")
    taken = read_inputs([str(tmp_path / "0.png"), str(tmp_path / "1.png")], (None, None, None, 3))
    assert taken.apart and [a.shape for a in taken.x] == [(1, 10, 12, 3), (1, 20, 9, 3)]
    assert taken.examples == ["0.png", "1.png"] and taken.notes[-1].startswith("pictures of other sizes: each")


def test_folders_and_patterns(tmp_path):
    folder = tmp_path / "holiday"
    (folder / "inner").mkdir(parents=True)
    for k in range(12):
        Image.fromarray(np.full((4, 4, 3), k, np.uint8)).save(folder / f"b{k:02d}.{'PNG' if k % 2 else 'png'}")
    (folder / "notes.txt").write_text("no picture")
    (folder / "._b00.png").write_text("what a Mac leaves behind")
    taken = read(folder, COLOUR)
    assert taken.x[:, 0, 0, 0].tolist() == list(range(12)) and taken.examples[11] == "b11.PNG" and taken.files
    assert taken.notes == ("folder holiday: 12 pictures; left out: notes.txt",)
    taken = read(folder / "b0[13]*", COLOUR)
    assert taken.x[:, 0, 0, 0].tolist() == [1, 3] and taken.notes == ("pattern b0[13]*: 2 files",)
    assert read(tmp_path / "**" / "*.png", COLOUR).x.shape[0] == 6
    Image.fromarray(np.full((4, 4, 3), 77, np.uint8)).save(tmp_path / "a[1].png")
    assert read(tmp_path / "a[1].png", COLOUR).x[0, 0, 0, 0] == 77  # a file of that name, and no pattern
    taken = read_inputs([str(folder), str(tmp_path / "a[1].png")], COLOUR)
    assert len(taken.x) == 13 and taken.examples[12] == "a[1].png"
    with pytest.raises(FileNotFoundError, match="No input file matches the pattern"):
        read(folder / "none*.png", COLOUR)
    with pytest.raises(FileNotFoundError, match="holds no picture"):
        read(folder / "inner", COLOUR)


def test_files_of_one_name_are_told_apart(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        rgba(255).save(tmp_path / name / "1.png")
    paths = [str(tmp_path / name / "1.png") for name in ("a", "b")]
    assert read_inputs(paths, COLOUR).examples == paths
