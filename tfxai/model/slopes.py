"""Whether a gradient arrives at all: some ops stop it, and steps have none."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tfxai.graph.capture import Graph, Op
from tfxai.graph.ops import GRADIENT_STOPS, SHAPE_ONLY, differentiable


def cut(graph: Graph, starts: Collection[int], ends: Collection[int]) -> list[Op] | None:
    """The ops that cut every way of a gradient from some values to others; None where one arrives.

    An op whose gradient its author made is taken to have one.
    """
    reached, cuts = set(starts), list[Op]()
    for op in graph.ops:
        if op.type in SHAPE_ONLY or not any(i in reached for i in op.inputs):
            continue
        through = [o for o in op.outputs if differentiable(graph.values[o])]
        if op.type in GRADIENT_STOPS or not through:
            cuts.append(op)
        else:
            reached.update(through)
    return None if reached.intersection(ends) else cuts


def named(cuts: Sequence[Op]) -> str:
    """The first of them, for an error."""
    names = list(dict.fromkeys(f"{op.type} at {op.name!r}" for op in cuts))
    return ", ".join(names[:3]) or "an op that passes nothing on"
