"""Rectifiers of every make, found in the graph as functions y = f(x) of one tensor, element by element.

A ReLU is one op, but `PReLU`, `ReLU(threshold=...)`, GELU, SiLU and hand-made ones (`x * cast(x > 0)`,
`where(x > 0, x, 0.1 * x)`) are several. What they have in common: paths of elementwise ops leave x and join again.
Each becomes one op of type `RectifierStep`, so that a rule sees its input, its output and what arrives from above.

Two questions are asked of every op in turn. *Of which tensors alone is its output a function, element by element, and
is that function affine?* (`functions_of` answers it for all values.) *Does it complete a rectifier of one of them?*
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from tfxai.graph.activity import Activity
from tfxai.graph.capture import Graph, Op, needed
from tfxai.graph.ops import ALIASES, RECTIFIER_AFFINE, RECTIFIER_GATES, RECTIFIER_STEP, RECTIFIERS

ELEMENTWISE = RECTIFIER_AFFINE | RECTIFIER_GATES
RECTIFYING = RECTIFIERS | {RECTIFIER_STEP}
Functions = dict[int, dict[int, bool]]  # value -> the tensors of which alone it is a function: is it an affine one?


def composed(graph: Graph, activity: Mapping[int, Activity], keep: Collection[int]) -> Graph:
    """The same graph with every rectifier of several ops as one `RectifierStep`.

    Args:
        graph: Folded or not.
        activity: Of all its values.
        keep: Values that must go on existing.
    """
    graph = dataclasses.replace(graph, ops=needed(graph, list(keep)))
    finder = _Finder(graph, activity, frozenset(keep))
    found = finder.rectifiers()  # y -> x
    inside = {i for y, x in found.items() for i in finder.between(x, y) if i != y}
    regions = {y: x for y, x in found.items() if y not in inside}
    ends = {finder.alias(y) or y: y for y in regions}
    ops = []
    for op in graph.ops:
        end = next((o for o in op.outputs if o in ends), None)
        if end is None:
            ops.append(op)
        else:
            ops.append(finder.as_one(regions[ends[end]], ends[end], end, op.name))
    return dataclasses.replace(graph, ops=ops)


def functions_of(graph: Graph, activity: Mapping[int, Activity], ops: Sequence[Op]) -> Functions:
    """For every value, the tensors of which alone it is a function, element by element; and whether an affine one."""
    finder = _Finder(dataclasses.replace(graph, ops=list(ops)), activity, frozenset())
    for op in ops:
        finder.note(op)
    return finder.functions


class _Finder:
    """Walks the ops of one graph in order."""

    def __init__(self, graph: Graph, activity: Mapping[int, Activity], keep: frozenset[int]) -> None:
        self.graph, self.activity, self.keep = graph, activity, keep
        self.made = {o: op for op in graph.ops for o in op.outputs}
        self.uses = Counter(i for op in graph.ops for i in op.inputs)
        self.functions: Functions = {}

    def rectifiers(self) -> dict[int, int]:
        """y -> x of every y = f(x) that some op completes; those inside of others among them."""
        found = {}
        for op in self.graph.ops:
            common = self.note(op)
            x = self.completed(op, common) if common else None
            if x is not None:
                found[op.outputs[0]] = x
        return found

    # --- Of what is a value a function?

    def note(self, op: Op) -> list[int]:
        """Notes of which tensors alone the op's outputs are functions; those that all its varying inputs share."""
        for output in op.outputs:
            self.functions[output] = {output: True}
        varying = self.varying(op)
        if op.type not in ELEMENTWISE or not varying or op.bodies:
            return []
        if op.type in ALIASES:
            for i, o in zip(op.inputs, op.outputs, strict=True):
                self.functions[o] = {**self.of(i), o: True}
            return []
        y = op.outputs[0]  # of a normalisation, the others are statistics
        sides = [self.of(i) for i in varying]
        common = [x for x in sides[0] if all(x in s for s in sides[1:]) and self.same_shape(x, y)]
        straight = op.type in RECTIFIER_AFFINE and (len(varying) == 1 or op.type in ("AddV2", "Add", "Sub"))
        self.functions[y] = {x: straight and all(s[x] for s in sides) for x in common} | {y: True}
        return common

    def of(self, value: int) -> dict[int, bool]:
        return self.functions.get(value, {value: True})

    def varying(self, op: Op) -> list[int]:
        """The inputs that depend on values of what is explained, each once."""
        return [i for i in dict.fromkeys(op.inputs) if self.activity.get(i, Activity.CONST) >= Activity.DISCRETE]

    def same_shape(self, x: int, y: int) -> bool:
        shapes = [self.graph.values[i].shape for i in (x, y)]
        return shapes[0].rank is not None and shapes[0].as_list() == shapes[1].as_list()

    # --- Does an op complete a rectifier?

    def completed(self, op: Op, common: Sequence[int]) -> int | None:
        """The x of which the op completes a rectifier, its varying inputs being functions of all in `common`."""
        varying = self.varying(op)
        if len(varying) == 1:
            return self.clipped(op, varying[0])
        x = common[-1]
        affine = sorted(self.of(i)[x] for i in varying)
        gated = op.type == "Mul" and affine == [False, True]  # x times a gate
        chosen = op.type in ("Select", "SelectV2", "Maximum")  # between functions of x
        summed = op.type in ("Add", "AddV2", "Sub") and not any(affine)  # of two that bend
        return x if gated or chosen or summed else None

    def clipped(self, op: Op, x: int) -> int | None:
        """The x of clipping at zero, with a cap before or after it."""
        below, kind = None, ""
        if x in self.made and self.uses[x] == 1 and x not in self.keep:
            producer = self.made[x]
            active = [i for i in producer.inputs if self.activity.get(i, Activity.CONST) is Activity.ACTIVE]
            below = active[0] if len(active) == 1 else None
            kind = "zero" if self.clips_at_zero(producer) else producer.type
        if self.clips_at_zero(op):
            return below if below is not None and kind in ("Minimum", *RECTIFIERS) else x
        if op.type == "Minimum" and below is not None and kind in ("zero", *RECTIFIERS):
            return below
        return None

    def clips_at_zero(self, op: Op) -> bool:
        """Whether the op's lower bound is the constant 0."""
        if op.type not in ("Maximum", "ClipByValue"):
            return False
        bounds = op.inputs[1:2] if op.type == "ClipByValue" else op.inputs
        return any(self.is_zero(i) for i in bounds)

    def is_zero(self, value: int) -> bool:
        """Whether this is the constant 0, cast or not."""
        op = self.made.get(value)
        while op is not None and op.type in ALIASES | {"Cast"}:
            op = self.made.get(op.inputs[0])
        return op is not None and op.type == "Const" and not np.any(op.attrs["value"])

    # --- The op that stands for it

    def between(self, x: int, y: int) -> set[int]:
        """Values on the paths from x (left out) to y."""
        found, todo = set(), [y]
        while todo:
            number = todo.pop()
            varies = self.activity.get(number, Activity.CONST) >= Activity.DISCRETE
            if number != x and number not in found and varies:
                found.add(number)
                todo.extend(self.made[number].inputs if number in self.made else ())
        return found

    def alias(self, y: int) -> int | None:
        """The output of the op that marks a custom gradient (SiLU's) right behind y."""
        if y in self.keep or self.uses[y] != 1:
            return None
        for op in self.graph.ops:
            if y in op.inputs and op.type == "IdentityN":  # its other outputs repeat what the author's function took
                return op.outputs[op.inputs.index(y)]
        return None

    def as_one(self, x: int, y: int, output: int, name: str) -> Op:
        """One op for all between x and y, whose value is known as `output`."""
        inside = self.between(x, y)
        ops = [op for op in self.graph.ops if any(o in inside for o in op.outputs)]
        outer = dict.fromkeys(i for op in ops for i in op.inputs if i not in inside and i != x)
        inputs = [x, *outer]
        body = Graph(ops, inputs, [y], {}, self.graph.values)
        return Op(RECTIFIER_STEP, name, tuple(inputs), (output,), {}, bodies=(body,))
