"""Rows of different length (`tf.RaggedTensor`), for models that take them: padded, with their lengths beside.

A model of the padded rows and the lengths, which stay as they are, is the same function: it begins by cutting the rows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfxai.explanation import Explanation
from tfxai.model.black_box import BlackBox
from tfxai.model.function import declared_inputs

ROWS, LENGTHS = "x", "lengths"


def taken(model: Any, x: Any) -> bool:
    """Whether x is rows of numbers of different length, and the model one that may take them as they are."""
    if not isinstance(x, tf.RaggedTensor) or x.ragged_rank != 1 or not x.dtype.is_floating:
        return False
    if isinstance(model, BlackBox):  # it takes arrays
        return False
    if declared_inputs(model) is None:
        return True
    inputs = getattr(model, "inputs", None) or []
    return len(inputs) == 1 and bool(getattr(inputs[0], "ragged", False))


def padded(x: tf.RaggedTensor) -> dict[str, np.ndarray]:
    """The rows filled up with 0, and their lengths."""
    return {ROWS: x.to_tensor().numpy(), LENGTHS: x.row_lengths().numpy()}


@dataclasses.dataclass(frozen=True, eq=False)
class OfPadded:
    """The same model, of what `padded` returns."""

    model: Callable

    def __call__(self, given: dict[str, tf.Tensor]) -> Any:
        return self.model(tf.RaggedTensor.from_tensor(given[ROWS], given[LENGTHS]))


def baseline_of(baseline: Any) -> Any:
    """A baseline of the rows as one of the padded ones."""
    return {ROWS: baseline.to_tensor() if isinstance(baseline, tf.RaggedTensor) else baseline}


def presented(e: Explanation) -> Explanation:
    """The explanation of the padded rows alone, with their lengths in `meta`; what is behind a row's end is 0."""

    def rows(tree: Any) -> Any:
        return tree[ROWS] if isinstance(tree, dict) and ROWS in tree else tree

    parts = ("values", "inputs", "multipliers", "standard_error", "baseline")
    meta = {key: value for key, value in e.meta.items() if key != "fixed"}
    if "channels" in meta:
        meta["channels"] = {key: axes[:1] for key, axes in meta["channels"].items()}
    meta["lengths"] = np.asarray(e.inputs[LENGTHS]).tolist()
    return dataclasses.replace(e, meta=meta, **{name: rows(getattr(e, name)) for name in parts})
