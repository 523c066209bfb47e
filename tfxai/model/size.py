"""How many examples share a pass: as many as keep the values of the model in the processor's reach."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from tfxai.graph.activity import Activity
from tfxai.graph.capture import Graph, needed
from tfxai.graph.ops import LOOPS
from tfxai.model.opaque import Opaque
from tfxai.model.traced import TracedModel

WIDEST = 2**22  # numbers in the largest value of a pass
TOGETHER = 2**28  # in all values of a pass: a gigabyte of float32
MOST_ROWS, MOST_UNKNOWN = 2**15, 2**10
PHOTOGRAPHS = 8 * 224 * 224 * 3  # numbers that go into a pass: 8 photographs of 224 pixels are never too many


def usual(shapes: Sequence[tuple[int, ...]]) -> int:
    """Examples in a pass of a model of which nothing is known, by the shapes of one example's inputs."""
    elements = max(sum(math.prod(shape) for shape in shapes), 1)
    return max(1, min(PHOTOGRAPHS // elements, MOST_UNKNOWN))


def rows(model: TracedModel, shapes: Sequence[tuple[int, ...]]) -> int:
    """Examples in a pass of this model, by the widest value on its way and by all of them together.

    A table has values of tens of numbers, and thousands of examples share a pass; of a photograph's a few do.
    """
    if isinstance(model, Opaque):
        return model.rows_at_once(shapes)
    return model.compiled.get(("rows", tuple(shapes)), lambda: _rows(model, shapes), traced=False)


def _rows(model: TracedModel, shapes: Sequence[tuple[int, ...]]) -> int:
    open_size = max((size for shape in shapes for size in shape), default=1)
    sizes = list(_sizes(model, model.graph, open_size))
    fitting = min(WIDEST // max(sizes, default=1), TOGETHER // max(sum(sizes), 1))
    return int(np.clip(fitting, min(8, usual(shapes)), MOST_ROWS))


def _sizes(model: TracedModel, graph: Graph, open_size: int) -> Iterator[int]:
    """How many numbers of one example each value has that depends on what is explained; of a loop, in all its steps."""
    inside = graph is not model.graph
    for op in graph.ops if inside else needed(graph, model.outputs, model.explained):
        for body in op.bodies:
            steps = open_size if op.type in LOOPS else 1
            yield from (steps * size for size in _sizes(model, body, open_size))
        for number in op.outputs:
            spec = graph.values[number]
            if model.activity.get(number) is Activity.ACTIVE and spec.shape.rank and spec.dtype.size:
                yield _elements(model, number, open_size)


def _elements(model: TracedModel, number: int, open_size: int) -> int:
    """Numbers of a value per example: an open axis is as long as the longest of the inputs."""
    shape = model.graph.values[number].shape.as_list()
    axes, counted = model.followed.axes.get(number), model.followed.axis_of_examples(number)
    if axes is None or counted is None:
        return int(np.prod([size or open_size for size in shape[1:]]))
    sizes = [size for k, size in enumerate(shape) if k != counted] + [a.size for a in axes.labels[counted][1:]]
    return int(np.prod([size or open_size for size in sizes]))
