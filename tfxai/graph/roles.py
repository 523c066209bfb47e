"""What whole numbers and flags do in a graph: they are embedded, they select, or they say what exists."""

from __future__ import annotations

import enum
from collections.abc import Collection

import numpy as np

from tfxai.graph.capture import Graph, Op
from tfxai.graph.ops import DIVISIONS, GATHERS, MASK_COUNTS, MASK_MOVES, MASK_SUMS, SELECTS, SHAPE_ONLY

LARGE = 1e3  # what is added to scores to rule a token out; features are not of that size


class Use(enum.Enum):
    """What a number, made of a mask perhaps, is used for."""

    CHOICE = "the condition of a choice"
    ADDED = "added to scores as a large number, to rule some out"
    DENOMINATOR = "a count that something is divided by"
    PRODUCT = "a factor of what other inputs computed"
    NUMBER = "a number like any other"


SAYS_WHAT_EXISTS = {Use.CHOICE, Use.ADDED, Use.DENOMINATOR}


def dependent(graph: Graph, inputs: Collection[int] | None = None) -> set[int]:
    """The values that depend on an input (of these; None: any) by its values, not by its shape alone."""
    found = set(graph.inputs if inputs is None else inputs)
    for op in graph.ops:
        if op.type not in SHAPE_ONLY and any(i in found for i in op.inputs):
            found.update(op.outputs)
    return found


def selects(op: Op, derived: Collection[int], on_inputs: Collection[int]) -> bool:
    """Whether an op looks up, at places that are derived from an input, what another input computed."""
    position = GATHERS.get(op.type)
    return position is not None and op.inputs[position] in derived and op.inputs[0] in on_inputs


def large_constants(graph: Graph) -> set[int]:
    """The constants whose every number is large."""
    found = {op.outputs[0]: np.asarray(op.attrs["value"]) for op in graph.ops if op.type == "Const"}
    return {n for n, c in found.items() if c.dtype.kind in "if" and c.size and np.min(np.abs(c)) >= LARGE}


def grows(op: Op, large: Collection[int], constants: Collection[int]) -> bool:
    """Whether an op makes a large number of a mask, or moves one."""
    return any(i in large for i in op.inputs) or op.type == "Mul" and any(i in constants for i in op.inputs)


def uses(graph: Graph, start: int, on_inputs: Collection[int], is_large: bool = False) -> set[Use]:
    """What a value is used for, followed through casts, moves and sums with constants.

    Args:
        graph: As captured.
        start: The value.
        on_inputs: What depends on the inputs.
        is_large: Whether it was multiplied by a large number before.
    """
    mask, large, found = {start}, {start} if is_large else set[int](), set[Use]()
    constants = large_constants(graph)
    for op in graph.ops:
        mine = [k for k, i in enumerate(op.inputs) if i in mask]
        if not mine or op.type in SHAPE_ONLY:
            continue
        rest = [i for i in op.inputs if i not in mask]
        free = not any(i in on_inputs for i in rest)
        if op.type in MASK_MOVES | MASK_COUNTS or op.type in MASK_SUMS and free:
            mask.update(op.outputs)
            large.update(op.outputs if grows(op, large, constants) else ())
        else:
            found.add(_use(op, mine, any(i in large for i in op.inputs)))
    return found | ({Use.NUMBER} if mask.intersection(graph.outputs) else set())


def _use(op: Op, mine: list[int], large: bool) -> Use:
    """Of a value that meets, at these positions of an op, what other inputs computed."""
    if op.type in SELECTS and mine == [0]:
        return Use.CHOICE
    if op.type in ("Add", "AddV2", "Sub") and large:
        return Use.ADDED
    if op.type in DIVISIONS | {"DivNoNan"} and mine == [1]:
        return Use.DENOMINATOR
    return Use.PRODUCT if op.type == "Mul" else Use.NUMBER
