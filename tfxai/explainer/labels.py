"""`target="labels"`: each example's own label, as data sets have them, as a target that fits the output."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import numpy as np

from tfxai.errors import TargetError
from tfxai.model.traced import TracedModel
from tfxai.result.names import by_name
from tfxai.targets.factories import Output, Sides
from tfxai.targets.resolve import output_position
from tfxai.targets.several import Each, several

WORD = "labels"
FORMS = "whole numbers, one-hot rows, 0 and 1 for an output of one number, or names that labels= has"


@dataclasses.dataclass(frozen=True, eq=False)
class Labels:
    """The labels of all examples, in the structure in which the data set has them."""

    y: Any


def asked(target: Any) -> bool:
    """Whether a target is the examples' own labels."""
    inner = target.inner if isinstance(target, Output) else target
    return isinstance(inner, str) and inner == WORD


def of_data(target: Any, y: Any) -> Any:
    """The target with the labels in it, where it asks for them.

    Raises:
        TargetError: There are none.
    """
    if (listed := several(target)) is not None:
        return Each(tuple(of_data(one, y) for one in listed))
    if not asked(target):
        return target
    if y is None:
        raise TargetError("target='labels' explains each example's own: the data set gives x alone. Expected (x, y).")
    return dataclasses.replace(target, inner=Labels(y)) if isinstance(target, Output) else Labels(y)


def resolved(target: Any, model: TracedModel, names: Any = None) -> Any:
    """The labels as class indices or sides of an output; other targets as they are.

    Args:
        target: What the user gave.
        model: The traced model.
        names: Of the classes.

    Raises:
        TargetError: They fit no output.
    """
    held = isinstance(target, Output)
    inner = target.inner if held else target
    if not isinstance(inner, Labels):
        if asked(target) and names is None:
            raise TargetError("target='labels' needs a data set of (x, y). For arrays pass the classes: target=y.")
        return target
    count = len(model.outputs)
    if not held and count > 1:
        first = model.output_names[0][0] if model.output_names[0] else 0
        raise TargetError(
            f"The model has {count} outputs: say whose labels, target=tfxai.targets.output({first!r}, 'labels')."
        )
    position = output_position(target.name, model.output_names) if held else 0
    y = _of_output(inner.y, model, position)
    found = _fitted(y, model, position, names)
    return dataclasses.replace(target, inner=found) if held else found


def _of_output(y: Any, model: TracedModel, position: int) -> np.ndarray:
    """The labels of one output: by its name, its position, or the only ones."""
    own = model.output_names[position]
    if isinstance(y, dict) and (known := [name for name in own if name in y]):
        return np.asarray(y[known[0]])
    if isinstance(y, (list, tuple)) and len(y) == len(model.outputs):
        return np.asarray(y[position])
    leaves = keras.tree.flatten(y)
    if len(leaves) == len(model.outputs) == 1:
        return np.asarray(leaves[0])
    said = f"names {', '.join(map(str, y))}" if isinstance(y, dict) else f"{len(leaves)} arrays"
    raise TargetError(
        f"The data set has labels for other outputs than {', '.join(own) or position!r}. Expected a dict by name, or "
        f"an array for each of the {len(model.outputs)}. Received: {said}."
    )


def _fitted(y: np.ndarray, model: TracedModel, position: int, names: Any) -> Any:
    """Labels (n, ...) as classes (n,), or as the sides of an output of one number."""
    shape = model.output_shapes[position]
    if isinstance(shape, str):
        raise TargetError(shape)
    classes = shape[-1] if shape else 1
    if any(length != 1 for length in shape[:-1]) or classes is None:
        raise TargetError(
            f"Labels are classes, and the output has shape {shape} per example. Pass a tuple index, "
            "tfxai.targets.mask(w) or a function of the outputs."
        )
    rows = y.reshape(len(y), -1)
    index = _classes(rows, classes, names)
    top = max(classes, 2)
    if index is None or index.min() < 0 or index.max() >= top:
        bad = 0 if index is None else int(np.flatnonzero((index < 0) | (index >= top))[0])
        raise TargetError(
            f"The labels fit no output: it has {classes} number{'s' * (classes > 1)} per example. Expected {FORMS}. "
            f"Received: shape {y.shape} of {y.dtype}; of example {bad} {rows[bad].tolist()[:8]}."
        )
    if classes > 1:
        return index
    return Sides(index, float(model.is_probability(position)))


def _classes(rows: np.ndarray, classes: int, names: Any) -> np.ndarray | None:
    """The class of each row; None where they do not say one."""
    if rows.dtype.kind in "OSU" and names is not None and rows.shape[1] == 1:
        texts = [text.decode() if isinstance(text, bytes) else str(text) for text in rows[:, 0]]
        return np.asarray(by_name(texts, names, max(classes, 2)), np.int64)
    if rows.dtype.kind not in "biuf" or not np.array_equal(rows, np.round(rows)):
        return None
    if rows.shape[1] == 1:
        return rows[:, 0].astype(np.int64)
    hot = rows.shape[1] == classes and np.isin(rows, (0, 1)).all() and (rows.sum(axis=1) == 1).all()
    return rows.argmax(axis=1) if hot else None
