"""What a demonstration network comes with."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tfxai.errors import MissingExtraError


class Demo(NamedTuple):
    """A trained network and what it takes to use it.

    Attributes:
        model: Keras model, probabilities out.
        examples: (n, height, width, channels) float32, ready for the model.
        labels: Class names by index.
        preprocess: Images (Pillow, path, or uint8 array, one or several) -> model input.
        display: Model input -> images in [0, 1], for plots.
        names: One name per example.

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
