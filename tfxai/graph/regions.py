"""Several ops as one: looking back from a value, and whether others read what lies between two of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tfxai.graph.activity import Activity
from tfxai.graph.capture import Graph, Op
from tfxai.graph.ops import ALIASES


class Reduction(NamedTuple):
    """What an op does along some axes.

    Attributes:
        of: The value that it takes.
        axes: From 0; never the examples'.
        kind: The type of the op.
        kept: Whether the axes stay, with length 1.
    """

    of: int
    axes: tuple[int, ...]
    kind: str
    kept: bool


class Regions:
    """One graph, to be looked at around its values.

    Args:
        graph: The ops that are needed, and no others: what reads a value in vain reads it too.
        activity: Of all its values.
        keep: Values that must go on existing.
    """

    def __init__(self, graph: Graph, activity: Mapping[int, Activity], keep: Collection[int]) -> None:
        self.graph, self.activity = graph, activity
        self.kept = {*keep, *graph.outputs}
        self.made = {o: op for op in graph.ops for o in op.outputs}
        self.readers: dict[int, list[Op]] = {}
        for op in graph.ops:
            for i in dict.fromkeys(op.inputs):
                self.readers.setdefault(i, []).append(op)

    # --- Back from a value

    def source(self, value: int) -> int:
        """The value that this one is, behind ops that only pass it on."""
        while value in self.made and self.made[value].type in ALIASES and len(self.made[value].inputs) == 1:
            value = self.made[value].inputs[0]
        return value

    def producer(self, value: int | None, *kinds: str) -> Op | None:
        """The op that makes a value, if it is one of these and its value carries what is explained."""
        if value is None:
            return None
        op = self.made.get(self.source(value))
        return op if op and op.type in kinds and self.activity[op.outputs[0]] is Activity.ACTIVE else None

    def constant(self, value: int) -> np.ndarray | None:
        """What a value is that the graph itself says."""
        op = self.made.get(self.source(value))
        return np.asarray(op.attrs["value"]) if op and op.type == "Const" else None

    def reduction(self, value: int | None, *kinds: str) -> Reduction | None:
        """How a value is made along constant axes; None where the examples' is one of them, or it is made otherwise."""
        op = self.producer(value, *kinds)
        if op is None:
            return None
        axes, rank = self.constant(op.inputs[1]), self.graph.values[op.inputs[0]].shape.rank
        if axes is None or rank is None or not axes.size:
            return None
        found = tuple(sorted(int(a) % rank for a in axes.ravel()))
        return None if 0 in found else Reduction(self.source(op.inputs[0]), found, op.type, op.attrs["keep_dims"])

    # --- Between two values

    def between(self, x: int, end: int) -> list[Op]:
        """All ops between x and the end; none if something else reads, or keeps, what they make."""
        todo, inside = [end], set()
        while todo:
            op = self.made.get(todo.pop())
            if op is None or id(op) in inside:
                continue
            inside.add(id(op))
            todo += [i for i in op.inputs if i != x and self.activity[i] > Activity.CONST]
        ops = [op for op in self.graph.ops if id(op) in inside]
        made = {o for op in ops for o in op.outputs} - {end}
        read = {id(reader) for value in made for reader in self.readers.get(value, ())}
        return [] if made & self.kept or not read <= inside else ops


def step_of(
    kind: str, name: str, graph: Graph, x: int, ops: Sequence[Op], results: Sequence[int],
    outputs: Sequence[int] | None = None, **attrs: Any,
) -> Op:  # fmt: skip
    """Several ops as one.

    Args:
        kind: Its type.
        name: Its name.
        graph: Whose ops they are.
        x: The value that it is a function of; what else they take comes after it among the inputs.
        ops: What it does.
        results: The values among those that they make which are its outputs.
        outputs: What these are known as, where that is not their own number.
    """
    made = {o for op in ops for o in op.outputs}
    inputs = [x, *dict.fromkeys(i for op in ops for i in op.inputs if i not in made and i != x)]
    body = Graph(list(ops), inputs, list(results), {}, graph.values)
    return Op(kind, name, tuple(inputs), tuple(outputs or results), attrs, bodies=(body,))


def with_steps(graph: Graph, steps: Sequence[Op]) -> Graph:
    """The graph with each step where the last op of its body was, and without the others of it."""
    inside = {id(op) for step in steps for op in step.bodies[0].ops}
    ends = {step.outputs[0]: step for step in steps}
    ops = []
    for op in graph.ops:
        if op.outputs and op.outputs[0] in ends:
            ops.append(ends[op.outputs[0]])
        elif id(op) not in inside:
            ops.append(op)
    return dataclasses.replace(graph, ops=ops)
