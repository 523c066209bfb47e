"""Where the examples of a job come from: arrays, files, data sets, folders of images, tables.

opened(source, declared)    any of them as a `Source`: what can be read in stretches, by any process
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfxai.explainer.batches import batches_of
from tfxai.scale.source import Source
from tfxai.scale.sources.arrays import from_memory
from tfxai.scale.sources.files import from_open_group, is_group
from tfxai.scale.sources.numbered import Batches
from tfxai.scale.sources.paths import from_path, is_path
from tfxai.scale.sources.streams import Stream, refused_generator

__all__ = ["opened"]


def is_source(source: Any) -> bool:
    """Whether it can do already what a source can: one that the user wrote, or that was opened before."""
    return all(callable(getattr(source, name, None)) for name in ("read", "identity")) and hasattr(source, "n")


def _is_numbered(source: Any) -> bool:
    """Whether its batches are read by their number: of Keras, of tf_keras, or a list of (x, y)."""
    return hasattr(source, "__getitem__") and batches_of(source) is not None


# What a source is, and what opens it with (source, declared): the first that fits.
KINDS: list[tuple[Callable[[Any], bool], Callable[..., Any]]] = [
    (is_source, lambda source, declared: source),
    (lambda source: hasattr(source, "as_source"), lambda source, declared: source.as_source(declared)),
    (is_path, from_path),
    (is_group, from_open_group),
    (lambda source: isinstance(source, tf.data.Dataset), Stream),
    (_is_numbered, Batches),
    (lambda source: hasattr(source, "__next__"), refused_generator),
    (lambda source: True, from_memory),
]


def opened(source: Any, declared: list[tuple[str, tuple, str]] | None = None) -> Source:
    """What examples are read from in stretches.

    Args:
        source: Arrays as `explain` takes them, also with labels (x, y); a path to a `.npy`, `.npz`, Zarr, HDF5
            (`file.h5::/name`), CSV or Parquet, or to a folder of images; `tfxai.scale.images(...)`,
            `tfxai.scale.table(...)`; a `keras.utils.PyDataset`; a `tf.data.Dataset` of known length.
        declared: (name, shape with the batch first, dtype) of each input of the model, None where it does not say.

    Raises:
        InputError: No examples, arrays of different length, an unknown number of batches; a data set that differs
            each time it is read.
        InputTypeError: Of no kind that is read.
        FileNotFoundError: No such file.
        FileFormatError: A file that is damaged or of no kind that is read.
        MissingExtraError: A package that reads this kind is not installed.

    Example:
        >>> import numpy as np
        >>> source = opened(np.arange(12.0).reshape(6, 2))
        >>> source.n, source.read(4, 6).x.tolist()
        (6, [[8.0, 9.0], [10.0, 11.0]])
    """
    kind = next(kind for fits, kind in KINDS if fits(source))
    return kind(source, declared)
