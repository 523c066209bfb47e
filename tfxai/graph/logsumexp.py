"""The logarithm of a sum of exponentials, found in the graph and made one op.

So that nothing overflows it is written with the largest number taken off and put on again,

    y = log(sum(exp(x - top))) + top     top = max(x), or 0 where that is not finite

and that number is no one's doing: y does not depend on it. A rule that sees x and y alone gives it nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping

import numpy as np

from tfxai.graph.activity import Activity
from tfxai.graph.capture import Graph, Op, needed
from tfxai.graph.ops import LOGSUMEXP_STEP, SELECTS
from tfxai.graph.regions import Reduction, Regions, step_of, with_steps


def as_one(graph: Graph, activity: Mapping[int, Activity], keep: Collection[int]) -> Graph:
    """The same graph with every such sum as one `LogSumExpStep`.

    Its inputs are x and what else its body takes; its attributes are the axes, from 0, and whether they are kept.

    Args:
        graph: Folded or not.
        activity: Of all its values.
        keep: Values that must go on existing.
    """
    graph = dataclasses.replace(graph, ops=needed(graph, list(keep)))
    finder = _Finder(graph, activity, keep)
    return with_steps(graph, [s for op in graph.ops if op.type in ("Add", "AddV2") and (s := finder.ending_at(op))])


class _Finder(Regions):
    """Looks back from the sums of one graph."""

    def ending_at(self, op: Op) -> Op | None:
        """The op that stands for all up to this sum, if it puts the largest number on again."""
        for log, top in (op.inputs, op.inputs[::-1]):
            total = self.reduction(self.input_of(log, "Log"), "Sum")
            apart = self.producer(self.input_of(total.of, "Exp"), "Sub") if total else None
            if total is None or apart is None or not self.alike(log, top, op.outputs[0]):
                continue
            x, off = self.source(apart.inputs[0]), self.source(apart.inputs[1])
            if self.reduction(self.finite(off), "Max") != Reduction(x, total.axes, "Max", True):
                continue
            if off == self.reshaped(top) and (ops := self.between(x, op.outputs[0])):
                return step_of(
                    LOGSUMEXP_STEP, op.name, self.graph, x, ops, op.outputs, axes=total.axes, kept=total.kept
                )
        return None

    def input_of(self, value: int | None, kind: str) -> int | None:
        """What an op of this kind makes the value of."""
        op = self.producer(value, kind)
        return op.inputs[0] if op else None

    def alike(self, *values: int) -> bool:
        """Whether these are of the same shape, so that nothing is broadcast."""
        shapes = [self.graph.values[v].shape for v in values]
        return all(s.rank is not None and s.as_list() == shapes[0].as_list() for s in shapes)

    def reshaped(self, value: int) -> int:
        """The value that is here without its axes of length 1."""
        op = self.producer(value, "Reshape", "Squeeze")
        return self.source(op.inputs[0] if op else value)

    def finite(self, value: int) -> int:
        """The a of `where(is_finite(a), a, 0)`, or the value itself."""
        op = self.producer(value, *SELECTS)
        test = self.made.get(self.source(op.inputs[0])) if op else None
        if op is None or test is None or test.type != "IsFinite":
            return value
        other = self.constant(op.inputs[2])
        same = self.source(test.inputs[0]) == self.source(op.inputs[1])
        return op.inputs[1] if same and other is not None and not np.any(other) else value
