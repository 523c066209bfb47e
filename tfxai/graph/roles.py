"""What whole numbers and flags do in a graph: they are embedded, they select, or they say what exists."""

from __future__ import annotations

import enum
from collections.abc import Collection

import numpy as np

from tfxai.graph.capture import Graph, Op
from tfxai.graph.ops import ALIASES, COMPARISONS, GATHERS, LOGIC, SELECTS, SHAPE_ONLY

LARGE = 1e3  # what is added to scores to rule a token out; features are not of that size


class Use(enum.Enum):
    """What a number, made of a mask perhaps, is used for."""

    CHOICE = "the condition of a choice"
    ADDED = "added to scores as a large number, to rule some out"
    DENOMINATOR = "a count that something is divided by"
    PRODUCT = "a factor of what other inputs computed"
    NUMBER = "a number like any other"


SAYS_WHAT_EXISTS = {Use.CHOICE, Use.ADDED, Use.DENOMINATOR}

STAYS = ALIASES | {
    "Cast", "Reshape", "Squeeze", "ExpandDims", "Transpose", "Tile", "BroadcastTo", "StridedSlice", "Slice", "Pack",
}  # fmt: skip
WITH_CONSTANTS = COMPARISONS | LOGIC | {
    "Add", "AddV2", "Sub", "Mul", "Neg", "Maximum", "Minimum", "RealDiv", "LogicalNot", "Equal",
}  # fmt: skip
COUNTS = frozenset({"Sum", "Mean", "Max", "Min", "Any", "All"})


def dependent(graph: Graph) -> set[int]:
    """The values that depend on an input by its values, not by its shape alone."""
    found = set(graph.inputs)
    for op in graph.ops:
        if op.type not in SHAPE_ONLY and any(i in found for i in op.inputs):
            found.update(op.outputs)
    return found


def selects(op: Op, derived: Collection[int], on_inputs: Collection[int]) -> bool:
    """Whether an op looks up, at places that are derived from an input, what another input computed."""
    position = GATHERS.get(op.type)
    return position is not None and op.inputs[position] in derived and op.inputs[0] in on_inputs


def multiplied_much(graph: Graph, op: Op) -> bool:
    """Whether an op multiplies by a large constant."""
    if op.type != "Mul":
        return False
    made = {o: other for other in graph.ops for o in other.outputs if other.type == "Const"}
    return any(i in made and _is_large(made[i].attrs["value"]) for i in op.inputs)


def uses(graph: Graph, start: int, on_inputs: Collection[int], is_large: bool = False) -> set[Use]:
    """What a value is used for, followed through casts, moves and sums with constants.

    Args:
        graph: As captured.
        start: The value.
        on_inputs: What depends on the inputs.
        is_large: Whether it was multiplied by a large number before.
    """
    mask, large, found = {start}, {start} if is_large else set[int](), set[Use]()
    for op in graph.ops:
        mine = [k for k, i in enumerate(op.inputs) if i in mask]
        if not mine or op.type in SHAPE_ONLY:
            continue
        rest = [i for i in op.inputs if i not in mask]
        free = not any(i in on_inputs for i in rest)
        if op.type in STAYS or op.type in COUNTS or op.type in WITH_CONSTANTS and free:
            mask.update(op.outputs)
            if multiplied_much(graph, op) or any(i in large for i in op.inputs):
                large.update(op.outputs)
        else:
            found.add(_use(op, mine, any(i in large for i in op.inputs)))
    return found | ({Use.NUMBER} if mask.intersection(graph.outputs) else set())


def _is_large(constant: np.ndarray) -> bool:
    return constant.dtype.kind in "if" and constant.size > 0 and bool(np.min(np.abs(constant)) >= LARGE)


def _use(op: Op, mine: list[int], large: bool) -> Use:
    """Of a value that meets, at these positions of an op, what other inputs computed."""
    if op.type in SELECTS and mine == [0]:
        return Use.CHOICE
    if op.type in ("Add", "AddV2", "Sub") and large:
        return Use.ADDED
    if op.type in ("RealDiv", "DivNoNan", "Div") and mine == [1]:
        return Use.DENOMINATOR
    return Use.PRODUCT if op.type == "Mul" else Use.NUMBER
