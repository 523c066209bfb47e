"""What a rule table is: the step of a replay, and how a rule takes the place of an op's gradient."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ClassVar

import tensorflow as tf

from tfxai.errors import UnsupportedOpError
from tfxai.graph import gradients
from tfxai.graph.activity import Activity
from tfxai.graph.capture import Graph, Op
from tfxai.graph.ops import STEPS_AS_ONE
from tfxai.graph.override import custom_gradient
from tfxai.graph.value import Carried, Value
from tfxai.support.numerics import unbroadcast

# A fact about the surroundings of values, found once for a graph before it runs: value number -> note.
Annotation = Callable[[Graph, Mapping[int, Activity]], Mapping[int, Any]]


@dataclasses.dataclass(frozen=True)
class Program:
    """Which form of the captured graph a table replays. The function is the same in all of them.

    Attributes:
        gradients: What an op says about gradients (`StopGradient`, custom gradients) is honoured, as the tape does;
            else the forward function is read, and they are passed through.
        rectifiers_as_one: Rectifiers made of several ops come as one `RectifierStep`.
        normalisations_as_one: Layer, group and root-mean-square normalisations come as one `NormalisationStep`.
        logsumexp_as_one: The logarithm of a sum of exponentials comes as one `LogSumExpStep`.
        decisions: A number that is made of decisions carries what is explained, as their credit.
        affine_as_one: A kernel comes with its bias and the normalisation behind it as one `AffineStep`.
        chains_as_one: Elementwise ops that make one function of one tensor come as one `Chain`.
    """

    gradients: bool = False
    rectifiers_as_one: bool = False
    affine_as_one: bool = False
    normalisations_as_one: bool = False
    logsumexp_as_one: bool = False
    decisions: bool = False
    chains_as_one: bool = False


@dataclasses.dataclass(frozen=True, eq=False)
class Call:
    """One op as its rule sees it: inputs and outputs at x and at the reference.

    Attributes:
        op: The op.
        active: Positions of the inputs that carry what is explained.
        discrete: Positions of those that depend on it without a gradient.
        x, y: Inputs and outputs at x. While the table chooses a rule, y is empty.
        x0, y0: The same at the reference; empty for tables of one stream.
        env: Every value made so far, by its number.
        notes: What the table's annotations found, by annotation and value number.
    """

    op: Op
    active: tuple[int, ...]
    discrete: tuple[int, ...]
    x: list[tf.Tensor]
    x0: list[Any]
    y: list[tf.Tensor]
    y0: list[Any]
    env: Mapping[int, Carried]
    notes: Mapping[Annotation, Mapping[int, Any]]

    def run(self, inputs: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """The op's outputs on other inputs."""
        return self.op.run(inputs)

    def note(self, annotation: Annotation) -> Any:
        """What an annotation found about this op's first output, or None."""
        return self.notes[annotation].get(self.op.outputs[0])

    def input_notes(self, annotation: Annotation) -> tuple[Any, ...]:
        """What an annotation found about each input, None where it found nothing."""
        return tuple(self.notes[annotation].get(i) for i in self.op.inputs)

    def vjp(self, inputs: Sequence[tf.Tensor], upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """The op's ordinary backward pass at `inputs`: one tensor per position in `active`."""
        direct = gradients.backward(self.op.type, self.active, inputs)
        if direct is not None:
            return direct(upstream[0])
        with tf.GradientTape() as tape:
            # A tape inside a custom gradient inside a loop body sees only tensors made there.
            watched = [tf.identity(inputs[i]) for i in self.active]
            tape.watch(watched)
            full = list(inputs)
            for i, tensor in zip(self.active, watched, strict=True):
                full[i] = tensor
            outputs = self.run(full)
            pairs = [(o, u) for o, u in zip(outputs, upstream, strict=True) if u is not None]
            pairs = [(o, u) for o, u in pairs if o.dtype.is_floating or o.dtype.is_complex]
        found = tape.gradient(
            [o for o, _ in pairs],
            watched,
            [u for _, u in pairs],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        return [tf.convert_to_tensor(g) for g in found]  # a gather's gradient comes sparse


# `rule(call, upstream)`: one gradient for each position in `call.active`.
Rule = Callable[[Call, Sequence[tf.Tensor]], list[tf.Tensor]]


class Diagonal:
    """A rule by which each number of the output goes back to one of each input, times a slope.

    The slopes are made on the way forward: between there and the way back they are all that is kept, in a loop of each
    step, in the place of the op's inputs and outputs at both ends.

    Args:
        slopes: `slopes(call)`, one for each position in `call.active`, in the shape of the output.
    """

    def __init__(self, slopes: Callable[[Call], list[tf.Tensor]]) -> None:
        self.slopes = slopes
        self.__doc__, self.__name__ = slopes.__doc__, slopes.__name__

    def __call__(self, call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        return self.sent(call, self.slopes(call), upstream[0])

    @staticmethod
    def sent(call: Call, slopes: Sequence[tf.Tensor], upstream: tf.Tensor) -> list[tf.Tensor]:
        """What goes back to the inputs; of several operands each in its own shape, whatever was broadcast."""
        sent = [upstream * tf.math.conj(slope) for slope in slopes]
        if len(call.x) == 1 or call.op.type in STEPS_AS_ONE:
            return sent
        return [unbroadcast(part, call.x[i]) for part, i in zip(sent, call.active, strict=True)]


class RuleTable:
    """The step of every replay: what an op that carries what is explained becomes. This one is the forward pass.

    Attributes:
        streams: How many fields of `Value` are carried: 1 (x), 2 (+ reference) or 3 (+ spread).
        program: Which form of the graph it replays.
        annotations: The facts about the surroundings of values that its rules read.
        narrow: Those of them that note values which are carried in one stream less.
        keeps_account: Whether what arrives at some ops and what they hand on is summed for each example.
    """

    keeps_account: ClassVar[bool] = False
    streams: ClassVar[int] = 1
    program: ClassVar[Program] = Program()
    annotations: ClassVar[tuple[Annotation, ...]] = ()
    narrow: ClassVar[tuple[Annotation, ...]] = ()

    def accounted(self, op: Op, activity: Mapping[int, Activity]) -> bool:
        """Whether the account has this op."""
        return False

    def rule(self, call: Call) -> Rule:
        """How the multipliers of an op's outputs become those of its inputs, for tables whose rules see two ends."""
        raise NotImplementedError(f"{type(self).__name__} has no rules of pairs")

    def start(self, output: tf.Tensor) -> tf.Tensor:
        """What is explained, with what is sent back from it as its gradient: here, its slope."""
        return output

    def apply(self, call: Call, values: list[Carried]) -> list[Value]:
        """Outputs of one op of which at least one input and one output is ACTIVE: here, its value alone."""
        return [Value(t) for t in call.run(call.x)]

    def compares(self, call: Call) -> bool:
        """Whether `apply` looks at x and at the reference together, whose rows must meet then."""
        return True

    def decide(self, call: Call, values: list[Carried]) -> list[Value]:
        """Outputs of one op that decides, or that only depends on shapes: here, each stream its own."""
        if self.streams == 1:
            return [Value(y) for y in call.y]
        return [Value(*both) for both in zip(call.y, call.y0, strict=True)]

    def apart(self, graph: Graph, activity: Mapping[int, Activity]) -> Collection[int]:
        """Values that no `Chain` makes: its rules know more of them than that they are functions of others."""
        return ()

    def for_missing(self) -> RuleTable:
        """The table for numbers that may be missing (NaN) at x; the same, where it makes no difference of them."""
        return self

    def refuse(self, op: Op, outputs: Sequence[tf.Tensor]) -> None:
        """Raises UnsupportedOpError where the table cannot stand for an op that passes no gradient; here never."""


def annotated(table: RuleTable, graph: Graph, activity: Mapping[int, Activity]) -> dict[Annotation, Mapping[int, Any]]:
    """What the annotations that a table asks for find in a graph."""
    return {annotation: annotation(graph, activity) for annotation in table.annotations}


def ruled(call: Call, rule: Rule) -> list[tf.Tensor]:
    """The op's outputs at x, with `rule` as its backward pass: the gradient override."""

    @custom_gradient
    def override(*inputs: tf.Tensor) -> Any:
        full = list(call.x)
        for i, tensor in zip(call.active, inputs, strict=True):
            full[i] = tensor
        y = call.run(full)
        done = dataclasses.replace(call, x=full, y=y)
        slopes = rule.slopes(done) if isinstance(rule, Diagonal) else None

        def backward(*upstream: tf.Tensor) -> list[tf.Tensor]:
            return rule(done, upstream) if slopes is None else Diagonal.sent(done, slopes, upstream[0])

        return y, backward

    outputs = override(*[call.x[i] for i in call.active])
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def linear(call: Call) -> list[tf.Tensor]:
    """The op's outputs at x with its ordinary gradient.

    Raises:
        UnsupportedOpError: There is none.
    """
    backward = gradients.backward(call.op.type, call.active, call.x)
    if backward is not None:
        return ruled(call, lambda _, upstream: backward(upstream[0]))
    gradients.check(call.op.type, call.op.name)
    return call.run(call.x)


def unsupported(op: Op, why: str, table: str) -> UnsupportedOpError:
    """The error for an op without a rule, with the two ways out."""
    return UnsupportedOpError(
        f"{table} has no rule for the op {op.type} at {op.name!r}: {why} "
        "Either pass unknown_ops='average' (its gradient averaged on the straight line from the reference, the "
        "remainder put back, so that the sum stays exact), or replace the layer by one made of the ops in "
        "tfxai.supported_ops()."
    )
