"""Pictures as people see them: turned upright, transparent parts on white, 16 bits as 0 to 255, of the model's form."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from tfxai.errors import FileFormatError, InputError
from tfxai.support.picture_form import Form, form

IMAGES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".bmp": "BMP"}
PIXELS = 89_478_485  # Pillow's own limit, as an error instead of a warning
MODES = {None: "RGB", 1: "L", 3: "RGB", 4: "RGBA"}  # of a picture of so many channels
OPAQUE = "no opacity of its own: the fourth channel is 255"
ORIENTATION = 0x0112  # the EXIF tag


def read_picture(path: Path, shape: tuple | None) -> tuple[np.ndarray, list[str]]:
    """(height, width, channels) float32 from 0 to 255, of the model's size and channels; and what was done to it.

    Raises:
        FileFormatError: No image of a known format, or a damaged one.
        InputError: More pixels than 89 million; a model of 2 or 12 channels.
    """
    wanted = form(shape)
    if wanted.channels not in MODES:
        raise InputError(
            f"A picture has 1, 3 or 4 channels, and the model takes {wanted.channels}, so {str(path)!r} does not fit. "
            "Pass an .npy of the model's shape."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=sorted(set(IMAGES.values()))) as opened:
                pixels, done = _pixels(opened, wanted)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(
            f"{str(path)!r} has more than {PIXELS:,} pixels and was not decoded. Make it smaller first."
        ) from error
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, PermissionError):
            raise
        raise FileFormatError(
            f"{str(path)!r} is no image that can be read ({type(error).__name__}: {error})."
        ) from error
    if wanted.flat:
        return pixels[..., 0], done
    return np.moveaxis(pixels, -1, 0) if wanted.first else pixels, done


def _pixels(opened: Image.Image, wanted: Form) -> tuple[np.ndarray, list[str]]:
    """The pixels of an opened file, channels last, and what was done to them."""
    done = []
    image: Image.Image = opened
    if opened.getexif().get(ORIENTATION, 1) != 1:
        image = ImageOps.exif_transpose(opened)
        done.append("turned upright as EXIF says")
    if image.mode.startswith("I"):  # PNG files of 16 bits; Pillow's own conversion would clip them at 255
        done.append("16 bits brought to 0..255")
        grey = _resized(Image.fromarray(np.asarray(image, np.float32) / 257), wanted)
        pixels = np.repeat(np.asarray(grey, np.float32)[..., None], min(wanted.channels or 3, 3), -1)
        return (_opaque(pixels, done) if wanted.channels == 4 else pixels), done
    if wanted.channels == 4:
        done += [] if image.has_transparency_data else [OPAQUE]
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        done += [] if image.getchannel("A").getextrema() == (255, 255) else ["transparent parts put on white"]
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    pixels = np.asarray(_resized(image.convert(MODES[wanted.channels]), wanted), np.float32)
    return pixels if pixels.ndim == 3 else pixels[..., None], done


def _opaque(pixels: np.ndarray, done: list[str]) -> np.ndarray:
    """With a fourth channel of 255."""
    done.append(OPAQUE)
    return np.concatenate([pixels, np.full_like(pixels[..., :1], 255)], -1)


def _resized(image: Image.Image, wanted: Form) -> Image.Image:
    """Of the model's size; a side that it leaves open keeps its own."""
    size = (wanted.width or image.width, wanted.height or image.height)
    return image if image.size == size else image.resize(size, Image.Resampling.BILINEAR)
