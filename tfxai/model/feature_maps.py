"""Feature maps found in the graph: what comes out of convolutions, and which axis holds its channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tfxai.graph.activity import Activity
from tfxai.graph.capture import Graph, Op, needed
from tfxai.graph.ops import ALIASES, CONVOLUTIONS, MAP_ENDS
from tfxai.graph.rectifiers import functions_of


class FeatureMap(NamedTuple):
    """A value that a class activation map is made of: its number, its channel axis (1 or -1), and its layer's path."""

    value: int
    channels: int
    path: str


class FeatureMaps:
    """The feature maps of one graph.

    Attributes:
        ops: What the outputs need, in order.
        channels: Value number -> its channel axis (1, or -1 for the last), for all that comes from a convolution.
    """

    def __init__(self, graph: Graph, activity: Mapping[int, Activity], outputs: Sequence[int]) -> None:
        self.graph, self.activity, self.outputs = graph, activity, frozenset(outputs)
        self.ops = needed(graph, list(outputs))
        self.made = {o: op for op in self.ops for o in op.outputs}
        self.order = {o: k for k, op in enumerate(self.ops) for o in op.outputs}
        self.channels: dict[int, int] = {}
        for op in self.ops:
            self._follow(op)
        self.convolutions = [
            op for op in self.ops
            if op.type in CONVOLUTIONS and activity[op.outputs[0]] is Activity.ACTIVE and self.space(op.outputs[0])
        ]  # fmt: skip

    def _follow(self, op: Op) -> None:
        """Notes which axis of the op's outputs holds the channels, if it comes from a convolution."""
        if op.type in CONVOLUTIONS:
            self.channels[op.outputs[0]] = 1 if b"NC" in op.attrs.get("data_format", b"") else -1
            return
        known = [self.channels[i] for i in op.inputs if i in self.channels and self.activity.get(i) is Activity.ACTIVE]
        if not known:
            return
        axis = known[0]
        if op.type == "Transpose":
            order = self._constant(op.inputs[1])
            axis = order.index(axis % len(order)) if order else axis
            axis = -1 if order and axis == len(order) - 1 else axis
        self.channels.update(dict.fromkeys(op.outputs, axis))

    def _constant(self, number: int) -> list[int] | None:
        op = self.made.get(number)
        return [int(v) for v in op.attrs["value"]] if op is not None and op.type == "Const" else None

    def space(self, number: int) -> tuple | None:
        """The sizes of the axes that are neither batch nor channels, 1 left out; None for what has no extent."""
        shape = self.graph.values[number].shape
        if shape.rank is None or shape.rank < 3 or number not in self.channels:
            return None
        sizes = shape.as_list()[1:]
        sizes.pop(self.channels[number] - 1 if self.channels[number] > 0 else -1)
        return tuple(s for s in sizes if s != 1) or None

    def last(self) -> int | None:
        """The deepest map that comes out of a convolution, after its normalisation and activation.

        It is followed through everything that keeps its extent (sums with a shortcut, concatenation, dense layers
        on its channels), to where it is pooled, flattened or averaged. In a network whose output is itself a map, it is
        what feeds the last convolution.
        """
        before: set[int] | None = None
        for op in reversed(self.convolutions):
            if before is not None and op.outputs[0] not in before:
                continue
            reached = self._reached(op)
            if reached & self.outputs:
                before = {o for earlier in needed(self.graph, [op.inputs[0]]) for o in earlier.outputs} | {op.inputs[0]}
                continue
            candidates = reached if before is None else reached & before
            plain = {v for v in candidates if self.graph.values[v].shape.rank == len(self.space(v) or ()) + 2}
            if candidates:  # best without the axes of 1 that one-dimensional ops put in
                return max(plain or candidates, key=self._depth)
        return self.convolutions[0].outputs[0] if self.convolutions else None

    def each(self) -> list[int]:
        """Every convolution's map, after its own normalisation and activation."""
        comes_from = functions_of(self.graph, self.activity, self.ops)
        found = []
        for op in self.convolutions:
            own = op.outputs[0]
            after = [v for v, start in comes_from.items() if own in start and v not in self.outputs]
            found.append(max(after, key=self._depth, default=own))
        return list(dict.fromkeys(found))

    def _reached(self, op: Op) -> set[int]:
        """Values made from a convolution's output that have its extent, or have it again (dense layers flatten)."""
        size, made = self.space(op.outputs[0]), {op.outputs[0]}
        for later in self.ops:
            if later.type not in MAP_ENDS and not later.bodies and any(i in made for i in later.inputs):
                made.update(o for o in later.outputs if self.activity.get(o) is Activity.ACTIVE)
        return {o for o in made if _same(self.space(o), size)}

    def _depth(self, number: int) -> int:
        """Later is deeper; of a value and its aliases the last, behind the mark of a custom gradient."""
        return self.order.get(number, -1)

    def aliases(self, number: int) -> list[int]:
        """The value and what it is an alias of."""
        chain = [number]
        while chain[-1] in self.made and self.made[chain[-1]].type in ALIASES:
            op = self.made[chain[-1]]
            chain.append(op.inputs[op.outputs.index(chain[-1])])
        return chain


def _same(a: tuple | None, b: tuple | None) -> bool:
    if a is None or b is None or len(a) != len(b):
        return False
    return all(p is None or q is None or p == q for p, q in zip(a, b, strict=True))
