"""What relevance rules want to know of a value: annotations, as in `rules.annotations`.

Loops and branches are entered with what is known of their arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from tfxai.graph.activity import Activity
from tfxai.graph.capture import Graph, Op
from tfxai.graph.ops import (
    ALIASES,
    CONTROL,
    GATES,
    LOOPS,
    MONOTONE,
    MOVING,
    NONNEGATIVE,
    NONNEGATIVE_KEPT,
    PADDINGS,
)
from tfxai.rules.annotations import graphs
from tfxai.rules.kernel_step import kernel_of

Activities = Mapping[int, Activity]
Flags = dict[int, bool]


# --- Three questions whose answer follows from the answers for an op's inputs --------------------------------------


def behind_kernel(graph: Graph, activity: Activities) -> Flags:
    """Values that come out of a dense layer or convolution, however far behind it: those before are read by the first.

    Value -> True.
    """

    def of(op: Op, known: Flags) -> bool:
        active = [i for i in op.inputs if activity[i] is Activity.ACTIVE]
        return bool(active) and (kernel_of(op) is not None or any(known.get(i) for i in active))

    return _spread(graph, {}, of, any)


def gates(graph: Graph, activity: Activities) -> Flags:
    """Values between 0 and a bound: what a sigmoid, softmax or ReLU6 makes, moved, scaled or taken from a constant."""

    def of(op: Op, known: Flags) -> bool:
        if op.type in GATES:
            return True
        active = [i for i in op.inputs if activity[i] is Activity.ACTIVE]
        kept = op.type in ALIASES | MOVING or op.type == "Mul" or len(active) == 1 and op.type in ("Sub", "RealDiv")
        return kept and bool(active) and all(known.get(i) for i in active)

    return _spread(graph, {}, of, all)


def nonnegative(graph: Graph, activity: Activities) -> Flags:
    """Values of which no number is below 0, whatever x is."""

    def of(op: Op, known: Flags) -> bool:
        if op.type == "Const":
            value = np.asarray(op.attrs["value"])
            return value.dtype.kind in "fiu" and bool(np.all(value >= 0))
        numbers = [i for i in op.inputs if graph.values[i].dtype.is_floating or activity[i] is Activity.ACTIVE]
        return op.type in NONNEGATIVE or op.type in NONNEGATIVE_KEPT and all(known.get(i) for i in numbers)

    return _spread(graph, {}, of, all)


def _spread(graph: Graph, known: Flags, of: Callable[[Op, Flags], bool], both: Callable) -> Flags:
    """Adds the answer of every op for its outputs; a missing one is False.

    Of a value that is made in two ways (a variable of a loop, before it and by its body; the result of a branch),
    `both` says what the two answers are together.
    """
    for op in graph.ops:
        if op.type in LOOPS:
            known.update(zip(op.outputs, _around(op, known, of, both), strict=True))
        elif op.type in CONTROL:
            for body in op.bodies:
                known.update(zip(body.inputs, [known.get(i, False) for i in op.inputs[1:]], strict=True))
                _spread(body, known, of, both)
            results = zip(*[body.outputs for body in op.bodies], strict=True)
            known.update(
                (o, both(known.get(r, False) for r in each)) for o, each in zip(op.outputs, results, strict=True)
            )
        else:
            known.update(dict.fromkeys(op.outputs, of(op, known)))
    return known


def _around(op: Op, known: Flags, of: Callable[[Op, Flags], bool], both: Callable) -> list[bool]:
    """The answers for the variables of a loop: what is said before it and by its body, until that changes nothing."""
    body = op.bodies[1]
    current = [known.get(i, False) for i in op.inputs]
    while True:
        known.update(zip(body.inputs, current, strict=True))
        _spread(body, known, of, both)
        after = [both((a, known.get(o, False))) for a, o in zip(current, body.outputs, strict=True)]
        if after == current:
            return after
        current = after


# --- Which layer the weights of an op belong to ----------------------------------------------------------------------


def layers_of(graph: Graph, activity: Activities, owners: Mapping[int, str]) -> dict[int, str]:
    """Value that is made of the variables of a layer -> the name of the layer; of several, the first's.

    Loops are entered: what is handed to them is what it was outside.
    """

    def named(part: Graph, known: dict[int, str]) -> dict[int, str]:
        for op in part.ops:
            if op.type in CONTROL:
                given = op.inputs if op.type in LOOPS else op.inputs[1:]
                for body in op.bodies:
                    known.update((inner, known[i]) for inner, i in zip(body.inputs, given, strict=True) if i in known)
                    named(body, known)
            elif name := next((known[i] for i in op.inputs if i in known), None):
                known.update((o, name) for o in op.outputs if activity[o] is not Activity.ACTIVE)
        return known

    return named(graph, dict(owners))


# --- How a value is made of another one ------------------------------------------------------------------------------


class Way(NamedTuple):
    """How a value is made of another one.

    Attributes:
        start: The other.
        ops: The ops on the way.
        stop: The first op of another kind than those that are followed: behind it nothing is known.
    """

    start: int
    ops: tuple[Op, ...] = ()
    stop: Op | None = None


def ways(graph: Graph, activity: Activities) -> dict[int, Way]:
    """Value before the first kernel -> how it is made of an explained tensor, by moves and monotone functions alone.

    Inside of loops nothing is known.
    """
    made = {o for op in graph.ops for o in op.outputs if any(activity[i] is Activity.ACTIVE for i in op.inputs)}
    active = {i for op in graph.ops for i in op.inputs if activity[i] is Activity.ACTIVE}
    found = {i: Way(i) for i in active - made}
    for op in graph.ops:
        before = [found[i] for i in dict.fromkeys(op.inputs) if i in found and activity[i] is Activity.ACTIVE]
        if before and kernel_of(op) is None:
            known = op.type in ALIASES | MOVING | MONOTONE and len(before) == 1
            found.update(dict.fromkeys(op.outputs, _longer(before[0], op, known)))
    return found


def _longer(way: Way, op: Op, known: bool) -> Way:
    if way.stop is not None:
        return way
    return way._replace(ops=(*way.ops, op)) if known else way._replace(stop=op)


def paddings(graph: Graph, activity: Activities) -> dict[int, Way]:
    """Value that is another one with zeros put around it, moved perhaps -> how; others are not here."""
    found: dict[int, Way] = {}
    for part in graphs(graph):
        for op in part.ops:
            active = {i for i in op.inputs if activity[i] is Activity.ACTIVE}
            if len(active) != 1 or op.type not in ALIASES | MOVING or len(op.outputs) != 1:
                continue
            (start,) = active
            way = found.get(start, Way(start))
            if op.type in PADDINGS or way.ops:
                found[op.outputs[0]] = way._replace(ops=(*way.ops, op))
    return found
