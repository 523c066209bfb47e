"""Images as a source: decoded where they are read, as `keras.utils.image_dataset_from_directory` decodes them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfxai.errors import FileFormatError, InputError
from tfxai.explainer.batches import Batch
from tfxai.scale.sources import digests
from tfxai.support.picture_form import Form

SAMPLE = 64  # files whose content is looked at
PIECE = 2**20  # bytes of each


@dataclasses.dataclass(frozen=True)
class Reading:
    """How a file becomes an array.

    Attributes:
        form: Size and channels.
        crop, pad: What is done to images of another aspect; else they are distorted.
        interpolation: Of `tf.image.resize`.
    """

    form: Form
    crop: bool = False
    pad: bool = False
    interpolation: str = "bilinear"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of an image."""
        height, width, channels, first, flat = self.form
        shape = (height, width) if flat else (channels, height, width) if first else (height, width, channels)
        return tuple(int(size or 0) for size in shape)

    def image(self, path: tf.Tensor) -> tf.Tensor:
        """One image, as Keras reads it."""
        height, width, channels, first, flat = self.form
        size, how = (height, width), self.interpolation
        with tf.device("CPU:0"):
            image = tf.image.decode_image(tf.io.read_file(path), channels=channels, expand_animations=False)
            if self.crop:
                resize = keras.preprocessing.image.smart_resize
                image = resize(image, size, interpolation=how, data_format="channels_last")
            elif self.pad:
                image = tf.image.resize_with_pad(image, height, width, method=how)
            else:
                image = tf.image.resize(image, size, method=how)
            return image[..., 0] if flat else tf.transpose(image, (2, 0, 1)) if first else image

    def described(self) -> dict[str, Any]:
        """As JSON."""
        return {"shape": list(self.shape), "crop": self.crop, "pad": self.pad, "interpolation": self.interpolation}


class Images:
    """Images in files: a stretch of them is decoded where it is read.

    `identity` knows the names and sizes of all files, up to a MB of 64 of them, evenly spread, how they are read,
    and the first image as it is given: a file whose size stays is seen to change only if it is one of these.

    Args:
        folder, files: Where they are; the files relative to the folder.
        names: Of the classes, or None.
        labels: The class of each file, or None.
        reading: How a file becomes an array.
    """

    sequential = False

    def __init__(
        self, folder: Path, files: list[str], names: list[str] | None, labels: np.ndarray | None, reading: Reading
    ) -> None:
        self.folder, self.files, self.names, self.labels, self.reading = folder, files, names, labels, reading
        self.n = len(files)
        self._traced: Any = None

    def read(self, start: int, stop: int) -> Batch:
        """The images from start to stop: float32, (n, height, width, channels), or as the model takes it."""
        pixels = self._pixels(self.files[start:stop])
        return Batch(pixels, None if self.labels is None else self.labels[start:stop])

    def _pixels(self, files: Sequence[str]) -> np.ndarray:
        """The images in some files, on all threads of this process.

        Raises:
            FileFormatError: A file that is no image.
            InputError: A file that is there no more.
        """
        found, image = np.empty((len(files), *self.reading.shape), np.float32), self._decoder()

        def one(k: int) -> None:
            path = str(self.folder / files[k])
            try:
                found[k] = image(tf.constant(path))
            except tf.errors.OpError as error:
                raise self._unreadable(path, error) from error

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for _ in pool.map(one, range(len(files))):  # the first error is that of the first file
                pass
        return found

    def _decoder(self) -> Any:
        """What reads a file, traced once, if it may be: in a graph sizes would be rounded otherwise than Keras does."""
        if self.reading.crop or self.reading.pad:
            return self.reading.image
        if self._traced is None:
            self._traced = tf.function(self.reading.image, input_signature=[tf.TensorSpec((), tf.string)])
        return self._traced

    def _unreadable(self, path: str, error: tf.errors.OpError) -> Exception:
        if isinstance(error, tf.errors.NotFoundError):
            return InputError(f"The folder has changed since it was opened: {path!r} is there no more.")
        reason, channels = " ".join(str(error.message).split())[:200], self.reading.form.channels
        return FileFormatError(
            f"{path!r} is no image that TensorFlow reads with {channels} channels ({reason}). Mend it, or take it "
            "out of the folder."
        )

    def identity(self) -> dict[str, Any]:
        """Names and sizes of the files, contents of some, and the first image as it is given."""
        sizes = (os.path.getsize(self.folder / file) for file in self.files)
        listed = digests.of_texts(f"{file} {size}" for file, size in zip(self.files, sizes, strict=True))
        some = [self.files[start] for start, _ in digests.spread(self.n, SAMPLE)] if self.n > SAMPLE else self.files
        contents = digests.of_texts(digests.of_file(self.folder / file, PIECE) for file in some)
        return {"kind": "images", "n": self.n, "classes": self.names, "read": self.reading.described(), "files": listed,
                "contents": contents, "first": digests.of_arrays([self.read(0, 1).x])}  # fmt: skip

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_traced": None}
