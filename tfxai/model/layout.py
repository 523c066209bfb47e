"""Which axes of an input are places: as the convolutions that read it say, else by convention."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tfxai.graph.axes import Axes, Kind, Label
from tfxai.graph.capture import Graph, every
from tfxai.graph.moves import channels_of
from tfxai.graph.ops import CONVOLUTIONS, POOLINGS, RESIZINGS


class Layout(NamedTuple):
    """The axes of an input, or of a layer's output.

    Attributes:
        rank: How many there are, that of the examples included.
        channels: Which of them holds the channels; None: none does.
        table: Whether its places are known to have no neighbours: each number is a feature.
    """

    rank: int
    channels: int | None
    table: bool = False

    @property
    def places(self) -> tuple[int, ...]:
        """The axes that are neither examples nor channels."""
        return tuple(a for a in range(1, self.rank) if a != self.channels)


def conventional(rank: int) -> Layout:
    """Channels last; a table has none."""
    return Layout(rank, rank - 1 if rank > 2 else None)


def layouts(graph: Graph, axes: Mapping[int, Axes]) -> list[Layout]:
    """Of each input of a graph: a convolution or pooling says which of its axes are places and which the channels."""
    places: dict[int, set[int]] = defaultdict(set)
    channels: dict[int, set[int]] = defaultdict(set)
    for op in every(graph.ops):
        if op.type in CONVOLUTIONS | POOLINGS | RESIZINGS:
            source = axes.get(op.inputs[2 if op.type.endswith(("BackpropInput", "BackpropInputV2")) else 0])
            labels = source.labels if source is not None else ()
            for a, label in enumerate(labels[1:], 1):
                for k, axis in _of_inputs(label):
                    (channels if a == channels_of(op, len(labels)) else places)[k].add(axis)
    found = []
    for k, number in enumerate(graph.inputs):
        shape = graph.values[number].shape
        rank = shape.rank or 0
        if not places[k] or shape.rank is None:
            found.append(conventional(rank))
            continue
        free = [a for a in range(1, rank) if a not in places[k]]
        said = [a for a in free if a in channels[k]] or [a for a in free[::-1] if shape[a] == 1]
        usual = [rank - 1] if rank - 1 in free else []
        found.append(Layout(rank, next(iter(said or usual), None)))
    return found


def _of_inputs(label: Label) -> list[tuple[int, int]]:
    """(input, axis) of the axes of inputs in a label."""
    return [(axis.input, axis.axis) for axis in label if axis.kind is Kind.PLACE and axis.input >= 0]


def layout_of(axes: Axes | None, rank: int, inputs: Sequence[Layout]) -> Layout:
    """Of a value inside, as far as its axes could be followed; else by convention, as that of units without places."""
    known = channels_in(axes, inputs)
    return conventional(rank) if known is None or rank == 2 else Layout(rank, known)


def channels_in(axes: Axes | None, inputs: Sequence[Layout]) -> int | None:
    """The axis of the channels of a value inside: the one that holds no places of an input; None: it is not known."""
    if axes is None:
        return None
    other = [
        a for a, label in enumerate(axes.labels[1:], 1)
        if label and not any(axis not in (inputs[k].channels,) for k, axis in _of_inputs(label))
    ]  # fmt: skip
    return other[0] if len(other) == 1 else None
