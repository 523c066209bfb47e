"""Rectifiers of every make, found in the graph as functions y = f(x) of one tensor, element by element.

A ReLU is one op, but `PReLU`, `ReLU(threshold=...)`, GELU, SiLU and hand-made ones (`x * cast(x > 0)`,
`where(x > 0, x, 0.1 * x)`) are several. What they have in common: paths of elementwise ops leave x and join again.
Each becomes one op of type `Composite`, so that a rule sees its input, its output and what arrives from above.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from tfxai.graph.activity import ALIASES, Kind
from tfxai.graph.capture import COMPOSITE, Graph, Op, needed

SINGLE = frozenset({"Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Softplus"})
AFFINE = frozenset({"Mul", "AddV2", "Add", "Sub", "RealDiv", "Neg", "Cast", "BiasAdd"})
AFFINE |= ALIASES | {"FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"}
GATES = frozenset({
    "Greater", "GreaterEqual", "Less", "LessEqual", "Select", "SelectV2", "Maximum", "Minimum", "ClipByValue", "Pow",
    "Square", "Sqrt", "Sigmoid", "Tanh", "Erf", "Erfc", "Exp", "Expm1", "Log1p", "Log", "Sign", "Abs",
}) | SINGLE  # fmt: skip
ELEMENTWISE = AFFINE | GATES
RECTIFIERS = SINGLE | {COMPOSITE}


def composed(graph: Graph, kinds: Mapping[int, Kind], keep: Collection[int]) -> Graph:
    """The same graph with every rectifier of several ops as one `Composite` op.

    Args:
        graph: Folded or not.
        kinds: Of all its values.
        keep: Values that must go on existing.
    """
    used = dataclasses.replace(graph, ops=needed(graph, list(keep)))
    return _Composer(used, kinds, frozenset(keep)).run()


def origins(graph: Graph, kinds: Mapping[int, Kind], ops: Sequence[Op]) -> dict[int, dict[int, bool]]:
    """For every value, the tensors of which alone it is a function, element by element; and whether an affine one."""
    composer = _Composer(dataclasses.replace(graph, ops=list(ops)), kinds, frozenset())
    for op in ops:
        composer.start(op)
    return composer.origins


class _Composer:
    def __init__(self, graph: Graph, kinds: Mapping[int, Kind], keep: frozenset[int]) -> None:
        self.graph, self.kinds, self.keep = graph, kinds, keep
        self.made = {o: op for op in graph.ops for o in op.outputs}
        self.uses = Counter(i for op in graph.ops for i in op.inputs)
        self.origins: dict[int, dict[int, bool]] = {}  # of which tensors a value is a function, and whether affine

    def run(self) -> Graph:
        found = {}  # by the value they end at
        for op in self.graph.ops:
            start = self.start(op)
            if start is not None:
                found[op.outputs[0]] = start
        inside = {i for y, x in found.items() for i in self.between(x, y) if i != y}
        regions = {y: x for y, x in found.items() if y not in inside}
        ops = []
        aliases = {y: self.alias(y) for y in regions}
        ends = {(aliases[y] or y): y for y in regions}
        for op in self.graph.ops:
            y = next((ends[o] for o in op.outputs if o in ends), None)
            if y is None:
                ops.append(op)
                continue
            ops.append(self.composite(regions[y], y, aliases[y] or y, op.name))
        return dataclasses.replace(self.graph, ops=ops)

    def start(self, op: Op) -> int | None:
        """The x of which this op completes a rectifier y = f(x), if it does; notes what y is a function of."""
        for output in op.outputs:
            self.origins[output] = {output: True}
        varying = [i for i in dict.fromkeys(op.inputs) if self.kinds.get(i, Kind.CONST) >= Kind.DECISION]
        if op.type not in ELEMENTWISE or not varying or op.bodies:
            return None
        if op.type in ALIASES:
            for i, o in zip(op.inputs, op.outputs, strict=True):
                self.origins[o] = {**self.origins.get(i, {i: True}), o: True}
            return None
        y = op.outputs[0]  # of a normalisation, the others are statistics
        sides = [self.origins.get(i, {i: True}) for i in varying]
        common = [x for x in sides[0] if all(x in s for s in sides[1:]) and self.same_shape(x, y)]
        straight = op.type in AFFINE and (len(varying) == 1 or op.type in ("AddV2", "Add", "Sub"))
        self.origins[y] = {x: straight and all(s[x] for s in sides) for x in common} | {y: True}
        if not common:
            return None
        if len(varying) == 1:
            return self.single(op, varying[0])
        return self.join(op, [s[common[-1]] for s in sides], common[-1])

    def single(self, op: Op, x: int) -> int | None:
        """Clipping at zero, with a cap before or after it."""
        below, kind = None, ""
        if x in self.made and self.uses[x] == 1 and x not in self.keep:
            producer = self.made[x]
            varying = [i for i in producer.inputs if self.kinds.get(i, Kind.CONST) is Kind.DATA]
            below = varying[0] if len(varying) == 1 else None
            kind = "zero" if self.zero(producer) else producer.type
        if self.zero(op):
            return below if below is not None and kind in ("Minimum", *SINGLE) else x
        if op.type == "Minimum" and below is not None and kind in ("zero", *SINGLE):
            return below
        return None

    def join(self, op: Op, affine: list[bool], x: int) -> int | None:
        """x times a gate, a choice between functions of x, or a sum of nonlinear ones."""
        if op.type == "Mul" and sorted(affine) == [False, True]:
            return x
        if op.type in ("Select", "SelectV2", "Maximum"):
            return x
        if op.type in ("Add", "AddV2", "Sub") and not any(affine):
            return x
        return None

    def zero(self, op: Op) -> bool:
        """Whether the op's lower bound is the constant 0."""
        if op.type not in ("Maximum", "ClipByValue"):
            return False
        bounds = [self.made.get(i) for i in (op.inputs[1:2] if op.type == "ClipByValue" else op.inputs)]
        while any(b is not None and b.type in ALIASES | {"Cast"} for b in bounds):
            bounds = [self.made.get(b.inputs[0]) if b and b.type in ALIASES | {"Cast"} else b for b in bounds]
        return any(b is not None and b.type == "Const" and not np.any(b.attrs["value"]) for b in bounds)

    def same_shape(self, x: int, y: int) -> bool:
        shapes = [self.graph.values[i].shape for i in (x, y)]
        return shapes[0].rank is not None and shapes[0].as_list() == shapes[1].as_list()

    def between(self, x: int, y: int) -> set[int]:
        """Values on the paths from x (left out) to y."""
        found, todo = set(), [y]
        while todo:
            number = todo.pop()
            if number != x and number not in found and self.kinds.get(number, Kind.CONST) >= Kind.DECISION:
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

    def composite(self, x: int, y: int, output: int, name: str) -> Op:
        inside = self.between(x, y)
        ops = [op for op in self.graph.ops if any(o in inside for o in op.outputs)]
        outer = dict.fromkeys(i for op in ops for i in op.inputs if i not in inside and i != x)
        inputs = [x, *outer]
        body = Graph(ops, inputs, [y], {}, self.graph.values)
        return Op(COMPOSITE, name, tuple(inputs), (output,), {}, bodies=(body,))
