"""What of the outputs a target explains."""

from __future__ import annotations

from collections.abc import Mapping

from tfxai.graph.axes import Kind
from tfxai.graph.reads import Reads, chosen, everything
from tfxai.model.traced import TracedModel
from tfxai.targets.bound import BoundTarget, FunctionTarget, IndexTarget, PlaceTarget

Ends = dict[int, "tuple[int, ...] | None"]  # output value -> the place in it that is explained; None: all of it


def explained_ends(model: TracedModel, target: BoundTarget) -> Ends:
    """The output values that a target reads, and where it reads one number of them."""
    if isinstance(target, FunctionTarget):
        return dict.fromkeys(model.toward.read(target))
    output = model.outputs[target.output]
    if isinstance(target, PlaceTarget):
        places = target.data[0]
        one = (places == places[0]).all() and (places[0] >= 0).all()
        return {output: tuple(int(i) for i in places[0]) if one else None}
    if isinstance(target, IndexTarget) and model.has_parts[target.output]:
        index, centre = target.data
        if not centre and len(set(index.tolist())) == 1 and index[0] >= 0:
            return {output: (int(index[0]),)}
    return {output: None}


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
    read = model.outputs if isinstance(target, FunctionTarget) else [model.outputs[target.output]]
    found = {_has_rows(model, number) for number in read}
    return True if True in found else None if None in found else False


def _has_rows(model: TracedModel, number: int) -> bool | None:
    axes = model.followed.axes.get(number)
    first = axes.labels[0] if axes is not None and axes.labels else None
    if first is None or any(axis.kind is Kind.UNKNOWN for axis in first):
        return None
    return [axis.kind for axis in first] == [Kind.EXAMPLES]
