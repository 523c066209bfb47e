"""A folder of images as a source: found as `keras.utils.image_dataset_from_directory(shuffle=False)` finds them."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfxai.errors import InputError, OptionError, received, suggest, warn
from tfxai.scale.source import Source
from tfxai.scale.sources.decode import Images, Reading
from tfxai.scale.sources.preprocessed import Preprocessed
from tfxai.support.picture_form import Form, form

FORMATS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", *((".webp",) if hasattr(tf.image, "decode_webp") else ()))
OTHERS = (".tif", ".tiff", ".webp", ".heic", ".heif", ".avif", ".jfif", ".jxl")  # pictures that are not read
COLORS = {"grayscale": 1, "rgb": 3, "rgba": 4}
METHODS = [name for key, name in vars(tf.image.ResizeMethod).items() if key.isupper()]


@dataclasses.dataclass(frozen=True)
class ImageFolder:
    """What `images` was asked for."""

    folder: Path
    size: tuple[int, int] | None
    color_mode: str | None
    labels: str | None
    preprocess: Callable[[np.ndarray], Any] | None
    options: dict[str, Any]

    def as_source(self, declared: list | None) -> Source:
        """The images, in the form that the model declares."""
        files, names, labels = _listed(self.folder, self.labels)
        found = Images(self.folder, files, names, labels, Reading(_form(self, declared), **self.options))
        return found if self.preprocess is None else Preprocessed(found, self.preprocess)


def images(
    folder: str | os.PathLike,
    image_size: int | tuple[int, int] | None = None,
    *,
    color_mode: str | None = None,
    preprocess: Callable[[np.ndarray], Any] | None = None,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    interpolation: str = "bilinear",
    labels: str | None = "auto",
) -> ImageFolder:
    """A folder of images as a source of a job: as `keras.utils.image_dataset_from_directory` reads it, in its order.

    The images are decoded in the process that explains them, on all its threads. Values: float32 from 0 to 255, to the
    bit those of Keras with `shuffle=False`. EXIF orientation is not applied, as in Keras.

    Args:
        folder: With a folder for each class, or with images alone.
        image_size: (height, width), or one number for both; None: what the model declares.
        color_mode: "grayscale", "rgb" or "rgba"; None: the channels that the model declares, else "rgb".
        preprocess: Takes a float32 array (n, height, width, channels) of 0 to 255, returns what the model takes, such
            as `keras.applications.resnet50.preprocess_input`.
        crop_to_aspect_ratio, pad_to_aspect_ratio: Images of another aspect are cut, or padded, instead of distorted.
        interpolation: Of `tf.image.resize`: "bilinear", "nearest", "bicubic", "area"...
        labels: "inferred": classes are the folders in `folder`, in alphabetic order; None: no classes, all images of
            `folder` and below; "auto": the first where there are such folders with images, and none beside them.

    Returns:
        What `explain_dataset` takes as its source.

    Raises:
        FileNotFoundError: No such folder.
        OptionError: An option's value.

    Example:
        >>> import tempfile, pathlib, keras, numpy as np
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> for name in ("cat", "dog"):
        ...     (folder / name).mkdir()
        ...     keras.utils.save_img(folder / name / "1.png", np.full((8, 8, 3), 200), scale=False)
        >>> source = images(folder, 4, preprocess=lambda x: x / 255).as_source(None)
        >>> source.n, source.names, source.read(0, 2).x.shape, source.read(1, 2).y
        (2, ['cat', 'dog'], (2, 4, 4, 3), array([1], dtype=int32))
    """
    path = Path(folder)
    if not path.is_dir():
        raise FileNotFoundError(f"No folder at {str(folder)!r}.")
    size = (image_size, image_size) if isinstance(image_size, int) else image_size
    if size is not None and (len(size) != 2 or not all(isinstance(s, int) and s > 0 for s in size)):
        raise OptionError(f"image_size is (height, width). {received(image_size)}")
    if color_mode not in (None, *COLORS):
        raise OptionError(f"color_mode: {suggest(color_mode, COLORS)} {received(color_mode)}")
    if labels not in ("auto", "inferred", None):
        raise OptionError(f"labels is 'auto', 'inferred' or None. {received(labels)}")
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise OptionError("An image is cut or padded: pass one of crop_to_aspect_ratio and pad_to_aspect_ratio.")
    if interpolation not in METHODS:
        raise OptionError(f"interpolation: {suggest(interpolation, METHODS)} {received(interpolation)}")
    if preprocess is not None and not callable(preprocess):
        raise OptionError(f"preprocess is a function of an array of images. {received(preprocess)}")
    options = {"crop": crop_to_aspect_ratio, "pad": pad_to_aspect_ratio, "interpolation": interpolation}
    return ImageFolder(path.absolute(), None if size is None else (size[0], size[1]), color_mode, labels,
                       preprocess, options)  # fmt: skip


def from_folder(path: str, name: str | None, declared: list | None) -> Source:
    """A folder of images without options."""
    return images(path).as_source(declared)


def _form(asked: ImageFolder, declared: list | None) -> Form:
    """Size and channels: what is asked for, else what the model declares.

    Raises:
        InputError: Neither says the size; the model takes no pictures, or pictures of another size.
    """
    if declared is not None and len(declared) > 1:
        raise InputError(
            f"The model has {len(declared)} inputs, and a folder of images is one. Pass a keras.utils.PyDataset that "
            "gives all of them."
        )
    shape = None if declared is None else declared[0][1]
    known = form(shape)
    if shape is not None and len(shape) not in (3, 4):
        raise InputError(f"{str(asked.folder)!r} holds images, and the model takes shape {shape}.")
    size = asked.size or (known.height, known.width)
    if None in size:
        raise InputError(
            "The model does not say what size its images have. Say it, such as "
            "tfxai.scale.images(folder, image_size=(224, 224)); in the shell --image-size 224x224."
        )
    if any(own not in (None, s) for s, own in zip(size, known[:2], strict=True)):
        raise InputError(f"The model takes images of {known.height} x {known.width}. Received: image_size={size}.")
    channels = COLORS[asked.color_mode] if asked.color_mode else known.channels or COLORS["rgb"]
    if channels not in COLORS.values():
        raise InputError(f"An image has 1, 3 or 4 channels, and the model takes {channels}. Pass arrays.")
    if known.channels not in (None, channels):
        raise InputError(f"The model takes {known.channels} channels. Received: color_mode={asked.color_mode!r}.")
    return Form(size[0], size[1], channels, known.first, known.flat)


def _listed(folder: Path, labels: str | None) -> tuple[list[str], list[str] | None, np.ndarray | None]:
    """The images relative to the folder, the names of classes, and the class of each image."""
    names = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    found = [list(_images(folder, name)) for name in names]
    own = sorted(path.name for path in folder.iterdir() if _is_image(path.name) and path.is_file())
    if labels == "auto":
        if own and any(found):
            raise InputError(
                f"{str(folder)!r} holds {len(own)} images beside folders with images. Say what is meant: "
                "tfxai.scale.images(folder, labels='inferred') reads the folders alone, as classes; labels=None reads "
                "all images, without classes."
            )
        labels = "inferred" if any(found) else None
    files = [file for each in found for file in each] if labels else list(_images(folder, "."))
    if not files:
        raise InputError(f"{str(folder)!r} holds no images. Formats that are read: {', '.join(FORMATS)}.")
    if not labels:
        return files, None, None
    return files, names, np.repeat(np.arange(len(names), dtype=np.int32), [len(each) for each in found])


def _images(folder: Path, name: str) -> Iterator[str]:
    """The images in a folder in this one and below it, folder by folder in the order of their paths."""
    left = Counter[str]()
    for root, _, files in sorted(os.walk(folder / name)):
        for file in sorted(files):
            if _is_image(file):
                yield os.path.relpath(os.path.join(root, file), folder)
            elif file.lower().endswith(OTHERS):
                left[Path(file).suffix.lower()] += 1
    if left:
        listed = ", ".join(f"{count} {ending}" for ending, count in sorted(left.items()))
        warn(
            f"{str(folder / name)!r} holds images of kinds that are not read: {listed}. They are left out.", UserWarning
        )


def _is_image(file: str) -> bool:
    return file.lower().endswith(FORMATS)
