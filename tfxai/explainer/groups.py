"""Groups of features of all inputs -> which elements of the explained tensors are hidden together."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from tfxai.explainer.collect import per_feature
from tfxai.explainer.inputs import Inputs
from tfxai.method.base import Method
from tfxai.model.groups import Groups
from tfxai.model.traced import TracedModel
from tfxai.segments.divide import Division, Part, divided
from tfxai.segments.factories import Segmenter, grid, slic
from tfxai.segments.superpixels import superpixels

STRETCHES = {1: 16, 2: 8}  # cells per axis, where nothing is said; 4 of volumes
COLOURS: tuple[list[int], ...] = ([], [1], [3])  # channels of what is known to be a picture


@dataclasses.dataclass(frozen=True)
class Each(Segmenter):
    """Every number by itself."""

    reads: ClassVar[bool] = False

    def __call__(self, x: np.ndarray, places: Any = None) -> np.ndarray:
        return np.arange(int(np.prod(x.shape[1:]))).reshape(1, *x.shape[1:])

    def __repr__(self) -> str:
        return "each feature"


def usual(part: Part) -> Segmenter:
    """Where nothing is said: tokens and columns of tables one by one, superpixels, a grid of other places."""
    if part.each:
        return Each()
    cells = grid(STRETCHES.get(len(part.places), 4))
    channels = [s for a, s in enumerate(part.shape) if a and a not in part.places]
    if len(part.places) == 2 and channels in COLOURS and part.x is not None and part.x.dtype.kind in "biuf":
        return superpixels(part.x, part.places, slic(), cells)
    return cells


def resolve(method: Method, inputs: Inputs, model: TracedModel) -> Groups | None:
    """What a method hides together of these inputs; None where it has no groups.

    Raises:
        OptionError: They do not fit.
    """
    asked = method.grouping()
    if asked is None:
        return None
    shapes = _shapes(inputs, model)
    at_inputs = model.layer is None or model.feature_maps
    parts = _of_inputs(inputs, model) if at_inputs else _of_layer(model, inputs.n, shapes)
    made = {p.name: usual(p) for p in parts if not p.held} if asked is True else {}
    division = divided(made or asked, parts, inputs.pack(inputs.arrays))
    labels, counts = _of_each(division)
    words = ", ".join(f"{name}: {one!r}" if len(parts) > 1 else repr(one) for name, one in made.items()) or repr(asked)
    if not at_inputs or model.direct:
        used = [labels[k] for k in model.input_of] if at_inputs else labels
        found = [a for a in used if a is not None]
        return Groups(found, [np.ones((1,) * a.ndim) for a in found], counts, words)
    return _embedded(labels, counts, words, inputs, model, shapes)


def rows(method: Method, groups: Groups | None, n: int, references: int) -> int | None:
    """How many rows go through the model for sets of groups of n examples; None where the method hides no sets.

    Raises:
        OptionError: The method was told to take too few.
    """
    if groups is None:
        return None
    found = {int(count): method.coalitions(int(count)) for count in np.unique(groups.counts)}
    each = [found[int(count)] for count in np.broadcast_to(groups.counts, n)]
    known = [2 + one[0] for one in each if one is not None]
    return references * sum(known) if len(known) == n else None


def _of_inputs(inputs: Inputs, model: TracedModel) -> list[Part]:
    own = dict(zip(model.input_of, model.explained, strict=True)) if model.explained == model.embedded else {}
    found = []
    for k, (name, array) in enumerate(zip(inputs.names, inputs.arrays, strict=True)):
        key = "" if len(inputs.names) == 1 else name
        columns = inputs.features.get(key, inputs.features.get(name, ()))
        looked_up = k in model.input_of and own.get(k) != model.graph.inputs[k]
        places = tuple(range(1, array.ndim)) if looked_up else model.layouts[k].places
        each = looked_up or array.ndim <= 2 or model.layouts[k].table
        found.append(Part(name, array.shape, places, array, columns, k not in model.input_of, each))
    return found


def _of_layer(model: TracedModel, n: int, shapes: list[tuple[int, ...]]) -> list[Part]:
    paths = (model.layer or "").split(", ")
    names = paths if len(paths) == len(shapes) else [f"{model.layer}[{k}]" for k in range(len(shapes))]
    layouts = [model.layout(k) for k in range(len(shapes))]
    return [
        Part(name, (n, *shape), layout.places, each=layout.channels is None)
        for name, shape, layout in zip(names, shapes, layouts, strict=True)
    ]


def _of_each(division: Division) -> tuple[list[np.ndarray | None], np.ndarray]:
    """The labels, in each example from 0 to as many groups as it has, and how many those are.

    What is drawn of an example's groups must not depend on which groups other examples have.
    """
    present = division.present
    counts = present.sum(axis=1)
    small = np.min_scalar_type(-present.shape[1])  # as many labels as pixels
    if present.all():
        return [None if a is None else a.astype(small) for a in division.labels], counts[:1]
    number = np.cumsum(present, axis=1).astype(small) - 1
    rows = np.arange(len(present))
    found = [None if a is None else number[rows.reshape(-1, *[1] * (a.ndim - 1)), a] for a in division.labels]
    return found, counts


def _shapes(inputs: Inputs, model: TracedModel) -> list[tuple[int, ...]]:
    """Of each explained tensor, without the examples."""
    known = [model.graph.values[number].shape[1:] for number in model.explained]
    if all(shape.is_fully_defined() for shape in known):
        return [tuple(shape.as_list()) for shape in known]
    raw = [tf.constant(a[: model.rows or 1]) for a in inputs.arrays]
    return [tuple(t.shape[1:]) for t in model.explained_of([*raw, *model.drawn(raw, 0)])]


# --- What is looked up of an input


def _embedded(
    labels: list[Any], counts: np.ndarray, words: str, inputs: Inputs, model: TracedModel,
    shapes: list[tuple[int, ...]],
) -> Groups:  # fmt: skip
    """The labels of the inputs at what stands for them."""
    places = [place_of(model, inputs, k, shape) for k, shape in enumerate(shapes)]
    elements = [np.zeros(int(np.prod(a.shape[1:])) + 1) for a in inputs.arrays]
    for k, (owner, place) in enumerate(zip(model.input_of, places, strict=True)):
        alike = int(np.prod(shapes[k])) / max(place.size, 1)
        elements[owner] += np.bincount(place.reshape(-1), minlength=len(elements[owner])) * alike
    found, weights = [], []
    for owner, place in zip(model.input_of, places, strict=True):
        own, array = labels[owner], inputs.arrays[owner]
        flat = np.broadcast_to(own, (len(own), *array.shape[1:])).reshape(len(own), -1)
        flat = np.concatenate([flat, np.full((len(own), 1), -1)], axis=1)
        found.append(flat[:, place.reshape(-1)].reshape(len(own), *place.shape[1:]))
        weights.append(1 / np.maximum(elements[owner], 1)[place])
    return Groups(found, weights, counts, words)


def place_of(model: TracedModel, inputs: Inputs, k: int, shape: tuple[int, ...]) -> np.ndarray:
    """The feature of the input that each element of explained tensor number k belongs to.

    Args:
        model: The traced model.
        inputs: The examples.
        k: Which.
        shape: Of it, without the examples.

    Returns:
        (1, ...) positions in one example's input, flat; with 1 for channels that were looked up; past the last
        position for what belongs to none.
    """
    owner = model.input_of[k]
    own = (1, *inputs.arrays[owner].shape[1:])
    count = int(np.prod(own))
    if model.explained[k] == model.graph.inputs[owner]:
        return np.arange(count).reshape(own)
    one = dataclasses.replace(inputs, arrays=[a[:1] for a in inputs.arrays])
    channels: list[tuple[int, ...]] = []

    def first(values: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
        channels.append(axes)
        return values[tuple(0 if a in axes else slice(None) for a in range(values.ndim))]

    elements = np.arange(1, int(np.prod(shape, initial=1)) + 1).reshape(1, *shape)
    where = per_feature(elements, model.own_axes(k), owner, one, first).reshape(-1)
    found = np.full((1, *shape), count)
    found.reshape(-1)[where[where > 0] - 1] = np.flatnonzero(where > 0)
    thin = first(found, channels[0])
    return thin.reshape([1 if a in channels[0] else s for a, s in enumerate(found.shape)])
