"""Structures of arrays (one array, or a list, tuple or dict of structures), without importing Keras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def map_structure(function: Callable[[np.ndarray], Any], tree: Any) -> Any:
    """The same structure with the function of every leaf; tuples become lists."""
    if isinstance(tree, dict):
        return {k: map_structure(function, v) for k, v in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [map_structure(function, v) for v in tree]
    return function(tree)


def named(tree: Any) -> list[tuple[str, Any]]:
    """(path, array) of every leaf, the path's keys joined by dots: "" for a single array, nothing for None.

    Example:
        >>> named({"a": [1, 2], "b": 3}), named(4)
        ([('a.0', 1), ('a.1', 2), ('b', 3)], [('', 4)])
    """
    if tree is None:
        return []
    if not isinstance(tree, (dict, list, tuple)):
        return [("", tree)]
    parts = tree.items() if isinstance(tree, dict) else enumerate(tree)
    return [(f"{key}.{path}" if path else str(key), leaf) for key, part in parts for path, leaf in named(part)]


def leaves(tree: Any) -> list[Any]:
    found: list[Any] = []
    map_structure(found.append, tree)
    return found
