"""What each value of a graph is to the explained tensors: the one analysis behind every table.

The word is that of automatic differentiation, where active values are those that depend on what is varied.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

from tfxai.graph.capture import Graph, Op, every
from tfxai.graph.ops import ALIASES, BRANCHES, CASES, DECISIONS, LOOPS, RANDOM, SHAPE_ONLY, differentiable


class Activity(enum.IntEnum):
    """From 'does not depend on the input' to 'carries what is explained'."""

    CONST = 0  # the same whatever the input
    CONTEXT = 1  # from the input, but not through an explained tensor: masks, positions, random draws
    SHAPE = 2  # from an explained tensor's shape only
    DISCRETE = 3  # from its values, without a gradient: comparisons, arg max
    ACTIVE = 4  # from its values, differentiably


def classify(graph: Graph, known: dict[int, Activity], decisions: bool = False) -> dict[int, Activity]:
    """The activity of all values, function bodies included.

    Args:
        graph: As captured, or folded.
        known: That of some values (inputs, explained tensors). They keep it even when an op would say otherwise: an
            explained tensor is ACTIVE although it may be looked up from token ids.
        decisions: Whether a number that is made of decisions alone (a comparison that is cast) is ACTIVE, for tables
            that give decisions their credit.

    Returns:
        Value number -> activity. Inputs that are not in `known` are CONTEXT, captured tensors CONST.
    """
    found = dict.fromkeys(graph.captured, Activity.CONST) | dict.fromkeys(graph.inputs, Activity.CONTEXT) | known
    _spread(graph, found, frozenset(known))
    while decisions and (made := _numbers_of(graph, found)):
        known = known | dict.fromkeys(made, Activity.ACTIVE)
        found.update(known)
        _spread(graph, found, frozenset(known))
    return found


def _numbers_of(graph: Graph, found: dict[int, Activity]) -> list[int]:
    """Numbers with a gradient that ops make of decisions, in loops and branches too: the first on every way."""
    return [
        o for op in every(graph.ops) if not op.bodies for o in op.outputs
        if found[o] is Activity.DISCRETE and differentiable(graph.values[o])
        and not any(found[i] is Activity.ACTIVE for i in op.inputs)
        and not any(found[i] is Activity.DISCRETE and differentiable(graph.values[i]) for i in op.inputs)
    ]  # fmt: skip


def _spread(graph: Graph, activity: dict[int, Activity], fixed: frozenset[int]) -> None:
    """Adds the activity of every op's outputs, in the order of the ops; values in `fixed` stay."""
    producers: dict[int, Op] = {}
    for op in graph.ops:
        producers.update(dict.fromkeys(op.outputs, op))
        if op.type in LOOPS:
            found: Iterable[Activity] = _loop(op, activity, fixed)
        elif op.type in BRANCHES or op.type in CASES:
            found = _branches(op, activity, fixed)
        else:
            found = [_output(op, o, graph, activity, producers) for o in op.outputs]
        activity.update((o, a) for o, a in zip(op.outputs, found, strict=True) if o not in fixed)


def _output(op: Op, output: int, graph: Graph, activity: dict[int, Activity], producers: dict[int, Op]) -> Activity:
    """The transfer function: the activity of one output of an op without a body."""
    if op.type in ALIASES:
        return activity[op.inputs[op.outputs.index(output)]]
    top = max((activity[i] for i in op.inputs), default=Activity.CONST)
    if top <= Activity.CONTEXT:
        return top
    if op.type.startswith(RANDOM):
        return Activity.CONTEXT
    if op.type in SHAPE_ONLY:
        return Activity.SHAPE
    if _says_which_steps_exist(op, activity, producers):
        return Activity.CONTEXT
    if top is Activity.ACTIVE and (op.type in DECISIONS or not differentiable(graph.values[output])):
        return Activity.DISCRETE
    return top


def _says_which_steps_exist(op: Op, activity: dict[int, Activity], producers: dict[int, Op]) -> bool:
    """The mask of a `Masking` layer: any(x != constant). It belongs to x, not to the reference."""
    if op.type not in ("Any", "All"):
        return False
    compare = producers.get(op.inputs[0])
    return (
        compare is not None
        and compare.type in ("NotEqual", "Equal")
        and sorted(activity[i] for i in compare.inputs) == [Activity.CONST, Activity.ACTIVE]
    )


def _loop(op: Op, activity: dict[int, Activity], fixed: frozenset[int]) -> list[Activity]:
    """Of the loop variables: the least fix-point over the body."""
    cond, body = op.bodies
    current = [activity[i] for i in op.inputs]
    while True:
        activity.update(zip(body.inputs, current, strict=True))
        _spread(body, activity, fixed)
        joined = [max(a, activity[o]) for a, o in zip(current, body.outputs, strict=True)]
        if joined == current:
            break
        current = joined
    activity.update(zip(cond.inputs, current, strict=True))
    _spread(cond, activity, fixed)
    return current


def _branches(op: Op, activity: dict[int, Activity], fixed: frozenset[int]) -> list[Activity]:
    """Of the results of a branch: the most active of the bodies and of what decides between them."""
    results = [activity[op.inputs[0]]] * len(op.outputs)
    for branch in op.bodies:
        activity.update(zip(branch.inputs, (activity[i] for i in op.inputs[1:]), strict=True))
        _spread(branch, activity, fixed)
        results = [max(a, activity[o]) for a, o in zip(results, branch.outputs, strict=True)]
    return results
