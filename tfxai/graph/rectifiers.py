"""Rectifiers of every make, found in the graph as functions y = f(x) of one tensor, element by element.

A ReLU is one op, but `PReLU`, `ReLU(threshold=...)`, GELU, SiLU and hand-made ones (`x * cast(x > 0)`,
`where(x > 0, x, 0.1 * x)`) are several. What they have in common: paths of elementwise ops leave x and join again.
Each becomes one op of type `RectifierStep`, so that a rule sees its input, its output and what arrives from above.

Two questions are asked of every op in turn. *Of which tensors alone is its output a function, element by element, and
is that function affine?* (`graph.functions` answers it.) *Does it complete a rectifier of one of them?*
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from tfxai.graph.activity import Activity
from tfxai.graph.capture import Graph, Op, needed
from tfxai.graph.functions import Functions, noted
from tfxai.graph.ops import ALIASES, RECTIFIER_AFFINE, RECTIFIER_GATES, RECTIFIER_STEP, RECTIFIERS
from tfxai.graph.regions import step_of

RECTIFYING = RECTIFIERS | {RECTIFIER_STEP}


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
    inside = {i for y, x in found.items() for i in finder.between(x, y, finder.made) if i != y}
    regions = {y: x for y, x in found.items() if y not in inside}
    ends = {finder.alias(y) or y: y for y in regions}
    ops = []
    for op in graph.ops:
        end = next((o for o in op.outputs if o in ends), None)
        if end is None:
            ops.append(op)
        else:
            x, y = regions[ends[end]], ends[end]
            parts = finder.ops_between(x, y, finder.made)
            ops.append(step_of(RECTIFIER_STEP, op.name, graph, x, parts, [y], [end]))
    return dataclasses.replace(graph, ops=ops)


def functions_of(graph: Graph, activity: Mapping[int, Activity], ops: Sequence[Op]) -> dict[int, dict[int, bool]]:
    """For every value, the tensors of which alone it is a function, element by element; and whether an affine one."""
    return noted(Functions(graph, activity, RECTIFIER_AFFINE, RECTIFIER_GATES), ops)


class _Finder(Functions):
    """Looks for rectifiers in one graph."""

    def __init__(self, graph: Graph, activity: Mapping[int, Activity], keep: frozenset[int]) -> None:
        super().__init__(graph, activity, RECTIFIER_AFFINE, RECTIFIER_GATES)
        self.keep = keep
        self.made = {o: op for op in graph.ops for o in op.outputs}
        self.uses = Counter(i for op in graph.ops for i in op.inputs)

    def rectifiers(self) -> dict[int, int]:
        """y -> x of every y = f(x) that some op completes; those inside of others among them."""
        found = {}
        for op in self.graph.ops:
            common = self.note(op)
            x = self.completed(op, common) if common else None
            if x is not None:
                found[op.outputs[0]] = x
        return found

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

    def alias(self, y: int) -> int | None:
        """The output of the op that marks a custom gradient (SiLU's) right behind y."""
        if y in self.keep or self.uses[y] != 1:
            return None
        for op in self.graph.ops:
            if y in op.inputs and op.type == "IdentityN":  # its other outputs repeat what the author's function took
                return op.outputs[op.inputs.index(y)]
        return None
