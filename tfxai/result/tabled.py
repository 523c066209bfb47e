"""Inputs of one number or word each, which a table's columns are, as the one table that a reader thinks of."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from tfxai.result.data import ExplanationData


def tabled(e: ExplanationData) -> ExplanationData:
    """The explanation of a model with an input per column as that of one table, under the names of the inputs.

    Only where every input is a column: (n,) or (n, 1). Others, and explanations of layers, stay what they are.

    Example:
        >>> values = {"age": np.ones((2, 1)), "dose": np.zeros((2, 1))}
        >>> e = tabled(ExplanationData(values=values, score=np.ones(2), method="deeplift"))
        >>> e.values.shape, e.meta["features"]
        ((2, 2), {'': ['age', 'dose']})
    """
    if e.layer is not None or not is_table(e.values):
        return e
    names, columns = _columns(e.values)
    own = e.meta.get("features", {})
    called = [own.get(name, [name]) for name in names]
    meta = e.meta | {
        "features": {"": [one[0] if len(one) == 1 else name for one, name in zip(called, names, strict=True)]}
    }
    inputs = joined(e.inputs) if is_table(e.inputs) else None
    return dataclasses.replace(e, values=np.stack(columns, axis=1), inputs=inputs, meta=meta)


def is_table(tree: Any) -> bool:
    """Whether it is a dict or list of columns, two or more."""
    parts = _columns(tree)[1] if isinstance(tree, (dict, list)) else []
    return len(parts) > 1 and all(part.ndim == 1 for part in parts)


def joined(tree: Any) -> np.ndarray:
    """Columns as one table (n, columns) of whatever they hold."""
    columns = _columns(tree)[1]
    found = np.empty((len(columns[0]), len(columns)), object)
    for k, column in enumerate(columns):
        found[:, k] = column
    return found


def _columns(tree: Any) -> tuple[list[str], list[np.ndarray]]:
    """Names and columns, (n,) where they have one number for each example."""
    names = [str(name) for name in (tree if isinstance(tree, dict) else range(len(tree)))]
    parts = list(tree.values()) if isinstance(tree, dict) else tree
    arrays = [np.asarray(part) if not isinstance(part, (dict, list)) else np.empty((0, 0, 0)) for part in parts]
    return names, [a[:, 0] if a.ndim == 2 and a.shape[1] == 1 else a for a in arrays]
