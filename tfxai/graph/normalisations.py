"""Normalisations of every make, found in the graph as one division by a norm.

Layer, group and root-mean-square normalisation are a dozen ops, and no two libraries write the same:

    r = sqrt(mean(d * d) + epsilon)     d = x - mean(x), or x
    y = v / r * gain + shift            v = x - mean(x), or x

Each becomes one op of type `NormalisationStep`, so that a rule sees x, y, r and the mean at once. From the root back
there are few ways to come to x. Forward of it anything is followed that is a multiple of x and its mean, divided by r
and scaled, plus constants (`Form`), up to the last value of which x has the factor 1 and the mean -1 or 0.

What is not certain stays as it is: where others read what is inside, where gain or shift vary, where something is
broadcast, cast or has no epsilon, and in the bodies of loops.
"""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from tfxai.graph.activity import Activity
from tfxai.graph.capture import Graph, Op, needed
from tfxai.graph.normal_forms import FORMS, Form
from tfxai.graph.ops import ALIASES, NORMALISATION_STEP
from tfxai.graph.regions import Reduction, Regions, step_of, with_steps

ROOTS = {"Rsqrt": 1, "Sqrt": -1}  # op type -> which power of 1 / r it makes
LEAST_EPSILON = 1e-20  # a smaller one is as good as none: then a norm may be 0


class Norm(NamedTuple):
    """A root of a mean (or sum) of squares: values of the graph.

    Attributes:
        root: r or 1 / r.
        power: Which of them, as a power of 1 / r.
        x: What is normalised.
        mean: Its mean, where that is taken off before it is squared.
        axes: Over which mean and squares are taken, from 0.
        kind: "Mean" or "Sum" of the squares.
    """

    root: int
    power: int
    x: int
    mean: int | None
    axes: tuple[int, ...]
    kind: str


def as_one(graph: Graph, activity: Mapping[int, Activity], keep: Collection[int]) -> Graph:
    """The same graph with every normalisation as one `NormalisationStep`.

    Its inputs are x and what else its body takes; its outputs are y, the root, and the mean if there is one. Its
    attributes say what the root is of (`Norm`), which inputs are gains, and whether the mean is taken off in v.

    Args:
        graph: Folded or not.
        activity: Of all its values.
        keep: Values that must go on existing.
    """
    graph = dataclasses.replace(graph, ops=needed(graph, list(keep)))
    finder = _Finder(graph, activity, keep)
    return with_steps(graph, [step for op in graph.ops if op.type in ROOTS and (step := finder.around(op))])


class _Finder(Regions):
    """Looks around the roots of one graph."""

    def __init__(self, graph: Graph, activity: Mapping[int, Activity], keep: Collection[int]) -> None:
        super().__init__(graph, activity, keep)
        self.place = {id(op): k for k, op in enumerate(graph.ops)}

    def around(self, root: Op) -> Op | None:
        """The op that stands for the normalisation by this root, up to the last value that can be its end."""
        for norm in self.norms(root):
            forms = self.forms(norm)
            for end in reversed(forms):
                if forms[end].normalised and (ops := self.between(norm.x, end)):
                    return self.as_one(norm, forms[end], end, ops)
        return None

    # --- From the root back to x

    def norms(self, root: Op) -> Iterator[Norm]:
        """What the root may be of: of x - mean(x), and of that as it is."""
        if not self.graph.values[root.outputs[0]].dtype.is_floating:
            return
        squares = self.reduction(self.plain(root.inputs[0]), "Mean", "Sum")
        if squares is None or not squares.kept:
            return
        for x, mean in self.squared(squares.of):
            if mean is None or self.averaged(mean, x, squares.axes):
                yield Norm(root.outputs[0], ROOTS[root.type], x, mean, squares.axes, squares.kind)

    def plain(self, value: int) -> int | None:
        """The a of a + epsilon."""
        op = self.producer(value, "AddV2", "Add")
        for a, b in (op.inputs, op.inputs[::-1]) if op else ():
            number = self.constant(b)
            if number is not None and number.ndim == 0 and float(number) >= LEAST_EPSILON:
                return a
        return None

    def averaged(self, mean: int, x: int, axes: tuple[int, ...]) -> bool:
        """Whether this is the mean of x over these axes, which are kept."""
        return self.reduction(mean, "Mean") == Reduction(x, axes, "Mean", True)

    def squared(self, value: int) -> Iterator[tuple[int, int | None]]:
        """The x and mean of (x - mean)^2, and the x of x^2, whichever way it is written."""
        op = self.producer(value, "SquaredDifference", "Square", "Mul", "Pow")
        if op is None:
            return
        a, b = [self.source(i) for i in (*op.inputs, op.inputs[0])[:2]]
        if op.type == "SquaredDifference":
            yield from ((a, b), (b, a))
            return
        exponent = self.constant(b) if op.type == "Pow" else None
        if op.type == "Pow" and (exponent is None or exponent.ndim or exponent != 2) or op.type == "Mul" and a != b:
            return
        apart = self.producer(a, "Sub")
        if apart:
            yield self.source(apart.inputs[0]), self.source(apart.inputs[1])
        yield a, None

    # --- Forward from the root

    def forms(self, norm: Norm) -> dict[int, Form]:
        """The values behind the root and the mean that are of such a form, in the order in which they are made."""
        known = {norm.x: Form((1, 0)), norm.root: Form(None, norm.power)}
        if norm.mean is not None:  # which may have been taken twice
            means = [op.outputs[0] for op in self.readers[norm.x] if op.type == "Mean"]
            known.update({m: Form((0, 1)) for m in means if self.averaged(m, norm.x, norm.axes)})
        found: dict[int, Form] = {}
        todo = [self.place[id(op)] for value in known if value != norm.x for op in self.readers.get(value, ())]
        heapq.heapify(todo)
        last = -1
        while todo:
            place = heapq.heappop(todo)
            op = self.graph.ops[place]
            form = self.form(op, known | found, norm.x) if place != last else None
            last = place
            if form is not None:
                found[op.outputs[0]] = form
                for reader in self.readers.get(op.outputs[0], ()):
                    heapq.heappush(todo, self.place[id(reader)])
        return found

    def form(self, op: Op, known: Mapping[int, Form], x: int) -> Form | None:
        """That of an op's output, if each of its inputs has one or is a constant that broadcasts nothing."""
        if len(op.outputs) != 1 or op.bodies:
            return None
        operands = [known.get(i, i) for i in op.inputs]
        if not all(isinstance(o, Form) or self.fits(o, x) for o in operands):
            return None
        if op.type in ALIASES:
            return operands[0] if isinstance(operands[0], Form) else None
        return FORMS[op.type](*operands) if op.type in FORMS else None

    def fits(self, value: int, x: int) -> bool:
        """Whether this constant meets x without making it larger."""
        own, shape = self.graph.values[value].shape, self.graph.values[x].shape
        if self.activity[value] is not Activity.CONST or not own.is_fully_defined() or own.rank > shape.rank:
            return False
        sizes = shape.as_list()[shape.rank - own.rank :]
        return all(n in (1, size) for n, size in zip(own.as_list(), sizes, strict=True))

    # --- The op that stands for it

    def as_one(self, norm: Norm, form: Form, end: int, ops: list[Op]) -> Op:
        """One op for all of these."""
        outputs = [end, norm.root, *([] if norm.mean is None else [norm.mean])]
        name, centred = self.made[end].name, form.parts == (1, -1)
        step = step_of(NORMALISATION_STEP, name, self.graph, norm.x, ops, outputs, norm=norm, centred=centred)
        step.attrs["gains"] = tuple(step.inputs.index(gain) for gain in form.gains)
        return step
