"""A kernel and the bias behind it as one op, for rules that need W and b together.

Relevance rules ask of an affine step z = W x + b what each input contributed to z: they need the step as a whole.
After `fold` has taken normalisations into the weights, a step is a kernel and its bias, with ops between them that
only move values (a dense layer on sequences is reshaped before its bias is added).
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Collection, Mapping

from tfxai.graph.activity import Activity
from tfxai.graph.capture import Graph, Op
from tfxai.graph.ops import AFFINE_STEP, KERNELS, MOVES, SHIFTS


def joined(graph: Graph, activity: Mapping[int, Activity], keep: Collection[int]) -> Graph:
    """The same graph with every kernel and its bias as one `AffineStep`.

    Its inputs are those of the kernel, then the bias, and what the moves between them take.

    Args:
        graph: Folded or not.
        activity: Of all its values.
        keep: Values that must go on existing.
    """
    readers: dict[int, list[Op]] = {}
    for op in graph.ops:
        for i in op.inputs:
            readers.setdefault(i, []).append(op)
    uses = Counter(i for op in graph.ops for i in op.inputs)
    uses.update(graph.outputs)

    def alone(value: int) -> Op | None:
        """The one op that reads this value, if nothing else does."""
        return readers[value][0] if uses[value] == 1 and value in readers and value not in keep else None

    steps: dict[int, list[Op]] = {}  # by the value they end at
    for op in graph.ops:
        step = _step(op, activity, alone)
        if step:
            steps[step[-1].outputs[0]] = step
    inside = {id(op) for step in steps.values() for op in step[:-1]}
    ops = [_as_one(steps[op.outputs[0]], graph) if op.outputs and op.outputs[0] in steps else op
           for op in graph.ops if id(op) not in inside]  # fmt: skip
    return dataclasses.replace(graph, ops=ops)


def _step(op: Op, activity: Mapping[int, Activity], alone: Callable[[int], Op | None]) -> list[Op]:
    """The kernel `op`, moves, and the bias that is added; nothing if this is no such step."""
    if op.type not in KERNELS or _varying(op, activity) != 1:
        return []
    found = [op]
    while (after := alone(found[-1].outputs[0])) is not None and _varying(after, activity) == 1:
        found.append(after)
        if after.type in SHIFTS:
            return found
        if after.type not in MOVES or after.inputs[0] != found[-2].outputs[0] or len(after.outputs) != 1:
            break
    return []


def _varying(op: Op, activity: Mapping[int, Activity]) -> int:
    """How many inputs are not the same whatever x is."""
    return sum(activity[i] > Activity.CONST and activity[i] is not Activity.SHAPE for i in op.inputs)


def _as_one(step: list[Op], graph: Graph) -> Op:
    """The op whose body these are; what it takes from outside becomes its inputs."""
    made = {o for op in step for o in op.outputs}
    outer = list(dict.fromkeys(i for op in step for i in op.inputs if i not in made))
    body = Graph(step, outer, [step[-1].outputs[0]], {}, graph.values)
    return Op(AFFINE_STEP, step[0].name, tuple(outer), step[-1].outputs, {}, bodies=(body,))
