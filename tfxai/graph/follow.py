"""The axes of every value of a graph, from those of its inputs on."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence

import numpy as np
import tensorflow as tf

from tfxai.graph import sizes
from tfxai.graph.axes import (
    Axes,
    Axis,
    Kind,
    Label,
    Shape,
    agreed,
    cut,
    joined_of,
    made,
    of_input,
    reshaped,
    unknown,
)
from tfxai.graph.capture import Graph, Op, every
from tfxai.graph.moves import Move, Moves, joins_at, moves
from tfxai.graph.ops import ALIASES, BRANCHES, CASES, COUNTING, LOOPS, RANDOM, SHAPE_ONLY, SIZED, STACKS, STEPS_AS_ONE

COUNTS = SHAPE_ONLY - {"ZerosLike", "OnesLike"}  # sizes


class Followed:
    """What is known of the axes of a graph's values, function bodies included.

    Attributes:
        axes: Value number -> its axes. Values of unknown rank have none.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph, self.axes = graph, dict[int, Axes]()
        self._constants: dict[int, np.ndarray] = {}
        self._sizes: dict[int, sizes.Sizes] = {}
        self._counted: dict[int, Label] = {}  # an index -> the axis that it counts
        for k, number in enumerate(graph.inputs):
            shape = self.shape(number)
            if shape is not None:
                self.axes[number] = of_input(k, shape)
        for number in graph.captured:
            shape = self.shape(number)
            if shape is not None and self.graph.values[number].dtype != tf.resource:
                self.axes[number] = made(shape)
        self._follow(graph.ops)

    def axis_of_examples(self, number: int) -> int | None:
        """Which axis of a value counts the examples; None where there is none, or it is not known.

        Alone, or, in a first axis, outside of what is folded into it: then its numbers come example by example.
        """
        labels = self.axes[number].labels if number in self.axes else ()
        found = [k for k, label in enumerate(labels) if label and label[0].kind is Kind.EXAMPLES]
        return next((k for k in found if k == 0 or len(labels[k]) == 1), None)

    def looks_at_examples(self, ops: Iterable[Op]) -> bool:
        """Whether an op, bodies included, takes the number of examples as more than a size: compares it, divides by it.

        Also where it cannot be followed what becomes of it.
        """
        for op in every(ops):
            sized = op.type in SIZED or op.type.startswith(RANDOM)
            if not sized and any(map(self._counts, op.inputs)):
                known = all(o in self._sizes and self.graph.values[o].dtype.is_integer for o in op.outputs)
                if op.type not in COUNTING or not known:
                    return True
        return False

    def _counts(self, number: int) -> bool:
        """Whether a value is the number of examples, has it among its sizes, or is computed of it."""
        examples = Axis(Kind.EXAMPLES).where
        return any(size is not None and examples in size.axes for size in self._sizes.get(number) or ())

    # --- Facts that the table of moves reads

    def shape(self, number: int) -> Shape | None:
        """The traced shape; None where the rank is not known."""
        shape = self.graph.values[number].shape
        return None if shape.rank is None else shape.as_list()

    def constant(self, number: int) -> np.ndarray | None:
        """The value, where the graph does not compute it from its inputs."""
        known = self._sizes.get(number)
        if number in self._constants:
            return self._constants[number]
        if known is None or any(s is None or s.axes for s in known):
            return self._evaluated(number)
        numbers = np.array([s.number for s in known if s])
        return numbers[0] if self.shape(number) == [] else numbers

    @functools.cached_property
    def _producers(self) -> dict[int, Op]:
        return {o: op for op in every(self.graph.ops) for o in op.outputs}

    def _evaluated(self, number: int) -> np.ndarray | None:
        """Whole numbers that the graph computes from constants and known sizes, as paddings are."""
        op = self._producers.get(number)
        spec = self.graph.values[number]
        if op is None or op.type not in COUNTING or not spec.dtype.is_integer or len(op.outputs) > 1:
            return None
        given = [self.constant(i) for i in op.inputs]
        known = [g for g in given if g is not None]
        if len(known) < len(given):
            return None
        typed = [g.astype(self.graph.values[i].dtype.as_numpy_dtype) for i, g in zip(op.inputs, known, strict=True)]
        with tf.init_scope():
            self._constants[number] = np.asarray(op.run([tf.constant(g) for g in typed])[0])
        return self._constants[number]

    def counts_examples(self, number: int) -> bool:
        """Whether a list of sizes begins with the number of examples alone, and its other sizes are known."""
        known = self._sizes.get(number)
        if not known or known[0] is None:
            return False
        examples = Axis(Kind.EXAMPLES).where
        return known[0] == sizes.Size(1, (examples,)) and all(s is not None and not s.axes for s in known[1:])

    # --- Forward

    def _follow(self, ops: Iterable[Op]) -> None:
        for op in ops:
            if len(op.outputs) == 1:
                self._size_of(op)
            if op.type in LOOPS:
                self._loop(op)
            elif op.type in BRANCHES or op.type in CASES:
                self._branch(op)
            elif op.type in STEPS_AS_ONE:
                self._follow(op.bodies[0].ops)  # whose inputs are the op's own
                for output, inner in zip(op.outputs, op.bodies[0].outputs, strict=True):
                    self._note(output, self.axes.get(inner))
            elif op.type.startswith("TensorList"):
                self._list(op)
            elif op.type in ALIASES:
                self.axes.update(
                    (o, self.axes[i]) for i, o in zip(op.inputs, op.outputs, strict=True) if i in self.axes
                )
            else:
                for k, output in enumerate(op.outputs):
                    self._note(output, self._axes_of(op, k))

    def _size_of(self, op: Op) -> None:
        """Notes constants, and sizes that are computed from shapes."""
        (output,) = op.outputs
        found: sizes.Sizes | None
        if op.type == "Const":
            self._constants[output] = np.asarray(op.attrs["value"])
            found = sizes.constant(self._constants[output])
        elif op.type == "Shape":
            axes = self.axes.get(op.inputs[0])
            found = None if axes is None else [sizes.of_label(label) for label in axes.labels]
        else:
            found = sizes.computed(op, [self._sizes.get(i) for i in op.inputs])
        if found is not None:
            self._sizes[output] = found

    def _note(self, number: int, axes: Axes | None) -> None:
        """The axes of a value, in step with its traced shape."""
        shape = self.shape(number)
        if axes is not None and shape is not None and len(axes.labels) == len(shape):
            labels = tuple(() if s == 1 else _sized(la, s) for la, s in zip(axes.labels, shape, strict=True))
            self.axes[number] = Axes(labels, axes.at)

    def _axes_of(self, op: Op, k: int) -> Axes | None:
        shape = self.shape(op.outputs[k])
        if shape is None:
            return None
        if any(i not in self.axes and self.graph.values[i].dtype != tf.resource for i in op.inputs):
            return unknown(shape, op.type)
        given = [self.axes[i] for i in op.inputs if i in self.axes]
        if op.type.startswith(RANDOM) and any(self.counts_examples(i) for i in op.inputs):
            return Axes(((Axis(Kind.EXAMPLES, shape[0]),), *made(shape[1:]).labels))
        if op.type in COUNTS or all(a.kind is Kind.MADE for axes in given for a in axes.flat()):
            return made(shape)
        if op.type == "Reshape":
            return self._reshaped(op, shape)
        found = moves(op, k, self)
        if found is None or any(op.inputs[i] not in self.axes for move in found.axes for i, _ in move.sources):
            return unknown(shape, op.type)
        labels = [self._moved(move, shape[a], op) for a, move in enumerate(found.axes)]
        at = self._places_of(op, found)
        if op.type == "ConcatV2":
            labels[joins_at(op, self)] = joined_of([self.axes[i].labels[joins_at(op, self)] for i in op.inputs[:-1]])
        if op.type == "Pack":
            return self._packed(op, labels)
        return Axes(tuple(labels), at)

    def _reshaped(self, op: Op, shape: Shape) -> Axes:
        """By the shape that was traced, or by what its sizes were computed from."""
        axes = self.axes.get(op.inputs[0])
        wanted: sizes.Sizes = [None if s is None else sizes.Size(s) for s in shape]
        asked = self._sizes.get(op.inputs[1])
        if asked is not None and len(asked) == len(wanted):
            wanted = [p or (q if q != sizes.Size(-1) else None) for p, q in zip(wanted, asked, strict=True)]
        labels = None if axes is None else reshaped(axes.labels, wanted)
        return unknown(shape, op.type) if axes is None or labels is None else Axes(tuple(labels), axes.at)

    def _moved(self, move: Move, size: int | None, op: Op) -> Label:
        """The label of one axis of an output."""
        if not move.sources:
            return () if size == 1 else (Axis(Kind.MADE, size),)
        label = agreed([self.axes[op.inputs[i]].labels[a] for i, a in move.sources], op.type)
        if move.cut is not None:
            return cut(label, *move.cut, op.type)
        return label if move.change is None else move.change(label)

    def _places_of(self, op: Op, found: Moves) -> tuple[tuple[Axis, int | None], ...]:
        """The places of which the output has one position: those of the inputs, and what is taken here."""
        at = _together([self.axes[i].at for i in op.inputs if i in self.axes])
        for source, axis, index in found.taken:
            at |= self._taken(op.inputs[source], axis, index)
        for move in found.axes:
            if move.cut is not None and len(range(*move.cut)) == 1:
                ((source, axis),) = move.sources
                at |= self._taken(op.inputs[source], axis, move.cut[0])
        return tuple(at.items())

    def _taken(self, number: int, axis: int, index: int | None) -> dict[Axis, int | None]:
        label = self.axes[number].labels[axis] if number in self.axes else ()
        if len(label) != 1 or label[0].kind is not Kind.PLACE:
            return {}
        return {label[0]: index}

    def _packed(self, op: Op, labels: list[Label]) -> Axes:
        """A stack: an axis of an input again, where the members are its positions one by one."""
        each = [dict(self.axes[i].at) for i in op.inputs]
        rest = _together([tuple(at.items()) for at in each])
        new = op.attrs["axis"] % len(labels)
        for axis in each[0]:
            order = [at.get(axis) for at in each]
            if order in (list(range(len(each))), list(range(len(each)))[::-1]) and axis.size == len(each):
                back = axis.backwards ^ (order[0] != 0)
                labels[new] = (axis._replace(backwards=back),)
                rest.pop(axis, None)
                return Axes(tuple(labels), tuple(rest.items()))
        if any(rest[axis] is None for axis in rest):
            labels[new] = (Axis(Kind.UNKNOWN, len(op.inputs), op="Pack"),)
        return Axes(tuple(labels), tuple(rest.items()))

    # --- Lists, loops and branches

    def _list(self, op: Op) -> None:
        """A list has the axes of its members stacked; which member is which is known by its index."""
        first = op.inputs[0] if op.inputs else None
        axes = self.axes.get(first) if first is not None else None
        if op.type in STACKS and axes is not None:
            self.axes[op.outputs[0]] = axes
        elif op.type == "TensorListGetItem" and axes is not None:
            self._counted[op.inputs[1]] = axes.labels[0]
            self._note(op.outputs[0], Axes(axes.labels[1:], axes.at))
        elif op.type == "TensorListSetItem" and op.inputs[2] in self.axes:
            item = self.axes[op.inputs[2]]
            label = self._counted.get(op.inputs[1], () if op.inputs[1] in self._constants else self._of_list(first))
            steps = tuple(axis._replace(grid=op.outputs[0]) for axis in label)  # the loop made them
            self.axes[op.outputs[0]] = Axes((steps, *item.labels), item.at)
        elif op.type == "TensorListStack":
            self._unfollowed(op)

    def _of_list(self, number: int | None) -> Label:
        axes = self.axes.get(number) if number is not None else None
        return axes.labels[0] if axes is not None and axes.labels else (Axis(Kind.UNKNOWN, op="TensorListSetItem"),)

    def _loop(self, op: Op) -> None:
        """The body is followed until its variables come out as they went in."""
        _, body = op.bodies
        current = [self.axes.get(i) for i in op.inputs]
        self._hand_in(body, op.inputs, current)
        for _ in range(3):
            self._follow(body.ops)
            after = [_joined(a, self.axes.get(o)) for a, o in zip(current, body.outputs, strict=True)]
            if after == current:
                break
            current = after
            self._hand_in(body, op.inputs, current)
        for output, axes in zip(op.outputs, current, strict=True):
            if axes is not None:
                self.axes[output] = axes

    def _branch(self, op: Op) -> None:
        """What all branches agree on."""
        results: list[Axes | None] = [None] * len(op.outputs)
        for body in op.bodies:
            self._hand_in(body, op.inputs[1:], [self.axes.get(i) for i in op.inputs[1:]])
            self._follow(body.ops)
            results = [_joined(a, self.axes.get(o)) for a, o in zip(results, body.outputs, strict=True)]
        for output, axes in zip(op.outputs, results, strict=True):
            self._note(output, axes)

    def _hand_in(self, body: Graph, given: Sequence[int], axes: Sequence[Axes | None]) -> None:
        for inner, outer, found in zip(body.inputs, given, axes, strict=True):
            if found is not None:
                self.axes[inner] = found
            if inner in body.outputs:  # no variable that the loop changes
                self._constants.update({inner: self._constants[outer]} if outer in self._constants else {})
                self._sizes.update({inner: self._sizes[outer]} if outer in self._sizes else {})

    def _unfollowed(self, op: Op) -> None:
        for output in op.outputs:
            shape = self.shape(output)
            if shape is not None:
                self.axes[output] = unknown(shape, op.type)


def _joined(before: Axes | None, after: Axes | None) -> Axes | None:
    """What holds of both: of a loop variable as it begins and as it comes out, of two branches."""
    if before is None or after is None:
        return before or after
    if len(before.labels) != len(after.labels):
        return unknown([None] * len(after.labels), "While")
    labels = tuple(agreed(pair, "While") for pair in zip(before.labels, after.labels, strict=True))
    return Axes(labels, tuple(_together([before.at, after.at]).items()))


def _together(places: Iterable[Iterable[tuple[Axis, int | None]]]) -> dict[Axis, int | None]:
    """Positions that values meet at: None where they differ."""
    met: dict[Axis, int | None] = {}
    for one in places:
        for axis, index in one:
            met[axis] = index if met.get(axis, index) == index else None
    return met


def _sized(label: Label, size: int | None) -> Label:
    """The label with a size that was open until here."""
    if len(label) != 1 or size is None or label[0].size == size or label[0].kind is Kind.JOINED:
        return label
    return (label[0]._replace(size=size),)
