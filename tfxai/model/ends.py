"""What of the outputs a target explains."""

from __future__ import annotations

from collections.abc import Mapping

from tfxai.graph.activity import Activity
from tfxai.graph.axes import Kind
from tfxai.graph.capture import needed
from tfxai.graph.moves import AS_FIRST, BY_ELEMENT
from tfxai.graph.ops import ALIASES
from tfxai.graph.reads import Reads, chosen, everything
from tfxai.model.traced import TracedModel
from tfxai.targets.bound import BoundTarget, FunctionTarget, IndexTarget, PlaceTarget

Ends = dict[int, "tuple[int, ...] | None"]  # output value -> the place in it that is explained; None: all of it


def explained_ends(model: TracedModel, target: BoundTarget) -> Ends:
    """The output values that a target reads, and where it reads one number of them."""
    if isinstance(target, FunctionTarget):
        return dict.fromkeys(model.outputs)
    output = model.outputs[target.output]
    if isinstance(target, PlaceTarget):
        return {output: tuple(int(i) for i in target.data[0])}
    if isinstance(target, IndexTarget):
        index, centre = target.data
        rank = model.graph.values[output].shape.rank
        if not centre and rank == 2 and len(set(index.tolist())) == 1 and index[0] >= 0 and _joined(model, output):
            return {output: (int(index[0]),)}
    return {output: None}


def _joined(model: TracedModel, output: int) -> bool:
    """Whether an output is made of parts: only then the place in it says which of them is explained."""
    made = {o: op for op in needed(model.graph, [output]) for o in op.outputs}
    while output in made and made[output].type in ALIASES | AS_FIRST | BY_ELEMENT:
        op = made[output]
        active = [i for i in op.inputs if model.activity.get(i) is Activity.ACTIVE]
        if not active:
            return False
        output = op.inputs[op.outputs.index(output)] if op.type in ALIASES else active[0]
    return output in made and made[output].type in ("ConcatV2", "Pack")


def reads_of(model: TracedModel, ends: Ends) -> Mapping[int, Reads]:
    """What is read of each output value."""
    found = {}
    for number, place in ends.items():
        axes = model.followed.axes.get(number)
        if axes is not None:
            found[number] = everything(axes) if place is None else chosen(axes, place)
    return found


def rows_of(model: TracedModel, target: BoundTarget) -> bool | None:
    """Whether what is explained has a row for each example; None where an op on the way cannot be followed.

    A bag of instances has one prediction for all of them. A function of several outputs may read any of them.
    """
    found = {_has_rows(model, number) for number in explained_ends(model, target)}
    return True if True in found else None if None in found else False


def _has_rows(model: TracedModel, number: int) -> bool | None:
    axes = model.followed.axes.get(number)
    first = axes.labels[0] if axes is not None and axes.labels else None
    if first is None or any(axis.kind is Kind.UNKNOWN for axis in first):
        return None
    return [axis.kind for axis in first] == [Kind.EXAMPLES]
