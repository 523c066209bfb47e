"""Structures of arrays (one array, or a list, tuple or dict of structures), without importing Keras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def map_structure(function: Callable[[np.ndarray], Any], tree: Any) -> Any:
    if isinstance(tree, dict):
        return {k: map_structure(function, v) for k, v in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [map_structure(function, v) for v in tree]
    return function(tree)


def leaves(tree: Any) -> list[Any]:
    found: list[Any] = []
    map_structure(found.append, tree)
    return found
