"""Of which tensors alone is a value a function, element by element: y_i = f(x_i), whatever ops lie between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tfxai.graph.activity import Activity
from tfxai.graph.capture import Graph, Op
from tfxai.graph.ops import ALIASES, SUMS


class Functions:
    """Walks the ops of one graph in order and notes it of all their outputs.

    Args:
        graph: Of which the ops are.
        activity: Of all its values.
        affine: Op types that are affine, element by element, in what varies. Of several that vary only sums are.
        others: Op types that work element by element and are not affine.
    """

    def __init__(
        self, graph: Graph, activity: Mapping[int, Activity], affine: frozenset[str], others: frozenset[str]
    ) -> None:
        self.graph, self.activity, self.affine, self.others = graph, activity, affine, others
        # value -> the tensors of which alone it is a function, the farthest first: is it an affine one?
        self.found: dict[int, dict[int, bool]] = {}

    def note(self, op: Op) -> list[int]:
        """Notes of which tensors alone the op's outputs are functions; those that all its varying inputs share."""
        for output in op.outputs:
            self.found[output] = {output: True}
        varying = self.varying(op)
        if op.type not in self.affine | self.others or not varying or op.bodies:
            return []
        if op.type in ALIASES:
            for i, o in zip(op.inputs, op.outputs, strict=True):
                self.found[o] = {**self.of(i), o: True}
            return []
        y = op.outputs[0]  # of a normalisation, the others are statistics
        sides = [self.of(i) for i in varying]
        common = [x for x in sides[0] if all(x in s for s in sides[1:]) and self.same_shape(x, y)]
        straight = op.type in self.affine and (len(varying) == 1 or op.type in SUMS)
        straight = straight and not (op.type == "RealDiv" and op.inputs[1] in varying)
        self.found[y] = {x: straight and all(s[x] for s in sides) for x in common} | {y: True}
        return common

    def of(self, value: int) -> dict[int, bool]:
        """The tensors of which alone this value is a function; and whether an affine one."""
        return self.found.get(value, {value: True})

    def varying(self, op: Op) -> list[int]:
        """The inputs that depend on values of what is explained, each once."""
        return [i for i in dict.fromkeys(op.inputs) if self.varies(i)]

    def varies(self, value: int) -> bool:
        return self.activity.get(value, Activity.CONST) >= Activity.DISCRETE

    def same_shape(self, x: int, y: int) -> bool:
        """Whether both have the same static shape, open axes at the same places."""
        shapes = [self.graph.values[i].shape for i in (x, y)]
        return shapes[0].rank is not None and shapes[0].as_list() == shapes[1].as_list()

    def between(self, x: int, y: int, made: Mapping[int, Op]) -> set[int]:
        """Values on the paths from x (left out) to y."""
        found, todo = set(), [y]
        while todo:
            number = todo.pop()
            if number != x and number not in found and self.varies(number):
                found.add(number)
                op = made.get(number)
                if op is not None:  # of several values that pass at once, the own one
                    todo.extend([op.inputs[op.outputs.index(number)]] if op.type in ALIASES else op.inputs)
        return found

    def ops_between(self, x: int, y: int, made: Mapping[int, Op]) -> list[Op]:
        """The ops on these paths."""
        inside = self.between(x, y, made)
        return [op for op in self.graph.ops if not inside.isdisjoint(op.outputs)]


def noted(functions: Functions, ops: Sequence[Op]) -> dict[int, dict[int, bool]]:
    """What is found of all these ops, in their order."""
    for op in ops:
        functions.note(op)
    return functions.found
