"""Run a captured graph again, op by op, under a rule table."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from tfxai.errors import UnsupportedOpError
from tfxai.graph import gradients
from tfxai.graph.activity import ALIASES, KERNELS, Kind
from tfxai.graph.capture import BRANCHES, CASES, LOOPS, Graph, Op
from tfxai.rules.annotations import norm_of


class Value(NamedTuple):
    """One value of the graph at x and at the reference; for RevealCancel also how far apart the two parts are.

    `x - reference = positive + negative`, `spread = positive - negative`. What is not carried is None.
    """

    x: tf.Tensor
    reference: tf.Tensor | None = None
    spread: tf.Tensor | None = None

    @property
    def positive(self) -> tf.Tensor:
        return (self.x - self.reference + self.spread) / 2

    @property
    def negative(self) -> tf.Tensor:
        return (self.x - self.reference - self.spread) / 2


@dataclasses.dataclass(frozen=True, eq=False)
class Call:
    """One op as its rule sees it: inputs and outputs at x and at the reference.

    `data` are the positions of the inputs that carry what is explained, `decided` of those that depend on it
    without a gradient. `run(inputs)` runs the op on other inputs; `env` holds every value made so far;
    `origin` is the type of the last dense or convolution op before this one, if there is one; `to_kernels` says that
    only such ops, with weights that do not vary, read the outputs; `norms` says which inputs are a norm or its inverse.
    """

    op: Op
    data: tuple[int, ...]
    decided: tuple[int, ...]
    x: list[tf.Tensor]
    x0: list[Any]
    y: list[tf.Tensor]
    y0: list[Any]
    run: Callable[[Sequence[tf.Tensor]], list[tf.Tensor]]
    env: Mapping[int, Value | tf.Tensor]
    origin: str | None = None
    to_kernels: bool = False
    norms: tuple[str | None, ...] = ()

    def vjp(self, inputs: Sequence[tf.Tensor], upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """The op's ordinary backward pass at `inputs`: one tensor per position in `data`."""
        with tf.GradientTape() as tape:
            # A tape inside a custom gradient inside a loop body sees only tensors made there.
            watched = [tf.identity(inputs[i]) for i in self.data]
            tape.watch(watched)
            full = list(inputs)
            for i, tensor in zip(self.data, watched, strict=True):
                full[i] = tensor
            outputs = self.run(full)
            pairs = [(o, u) for o, u in zip(outputs, upstream, strict=True) if u is not None]
            pairs = [(o, u) for o, u in pairs if o.dtype.is_floating]
        found = tape.gradient(
            [o for o, _ in pairs],
            watched,
            [u for _, u in pairs],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        return [tf.convert_to_tensor(g) for g in found]  # a gather's gradient comes sparse


Rule = Callable[[Call, Sequence[tf.Tensor]], list[tf.Tensor]]


class Table:
    """The step of every replay: what an op that carries data becomes. This one is the forward pass.

    Attributes:
        streams: How many fields of `Value` are carried: 1 (x), 2 (+ reference) or 3 (+ spread).
        reads_function: Whether the rules explain the forward function, so that what an op says about gradients
            (`StopGradient`, custom gradients) is passed through; else it is honoured, as the tape does.
        composes: Whether rectifiers made of several ops come as one.
    """

    streams: int = 1
    reads_function: bool = True
    composes: bool = False

    @property
    def form(self) -> tuple[bool, bool]:
        """Which form of the graph it replays."""
        return self.reads_function, self.composes

    def apply(self, call: Call, values: list[Value | tf.Tensor]) -> list[Value]:
        """Outputs of one op of which at least one input is DATA and one output is DATA: here, its value alone."""
        return [Value(t) for t in call.run(call.x)]


def lift(tensor: tf.Tensor, streams: int) -> Value:
    """A value that is the same at x and at the reference."""
    return Value(tensor, tensor if streams > 1 else None, tf.raw_ops.ZerosLike(x=tensor) if streams > 2 else None)


def at_x(value: Value | tf.Tensor) -> tf.Tensor:
    return value.x if isinstance(value, Value) else value


def at_reference(value: Value | tf.Tensor) -> tf.Tensor:
    return value.reference if isinstance(value, Value) else value


class Replay:
    """One run of a graph under a table. `on_op(op, values, outputs)` may replace what goes in (for residuals)."""

    def __init__(self, kinds: Mapping[int, Kind], table: Table, around: Callable | None = None) -> None:
        self.kinds = kinds
        self.table = table
        self.around = around
        self.env: dict[int, Value | tf.Tensor] = {}
        self.origins: dict[int, str | None] = {}
        self.norms: dict[int, str] = {}
        self.widely_read: set[int] = set()

    def __call__(
        self, ops: Sequence[Op], env: dict[int, Value | tf.Tensor], goals: Collection[int] = ()
    ) -> dict[int, Value | tf.Tensor]:
        """Runs `ops`, adding their outputs to `env`; values already there are left alone, `goals` are read later."""
        self.env = env
        self.widely_read = {i for op in ops if not self.is_kernel(op) for i in op.inputs} | set(goals)
        for op in ops:
            if all(o in env for o in op.outputs):
                continue
            values = [env[i] for i in op.inputs]
            norm = norm_of(op, self.kinds, self.norms)
            self.norms.update(dict.fromkeys(op.outputs, norm) if norm else {})
            outputs = self.around(self, op, values) if self.around else self.step(op, values)
            for number, value in zip(op.outputs, outputs, strict=True):
                env.setdefault(number, value)
        return env

    def body(self, graph: Graph, arguments: Sequence[Value | tf.Tensor]) -> list[Value | tf.Tensor]:
        """The outputs of a function body."""
        inner = Replay(self.kinds, self.table)
        env = inner(graph.ops, dict(zip(graph.inputs, arguments, strict=True)), graph.outputs)
        return [env[o] for o in graph.outputs]

    def step(self, op: Op, values: list[Value | tf.Tensor]) -> list[Value | tf.Tensor]:
        if op.bodies:
            from tfxai.graph import control  # control replays bodies: the two need each other

            if op.type in LOOPS:
                return control.loop(self, op, values)
            if op.type in BRANCHES or op.type in CASES:
                return control.branch(self, op, values)
        if not any(isinstance(v, Value) for v in values):
            return op.run(values)
        if self.table.reads_function and op.type in ALIASES:
            return values
        if all(self.kinds[o] <= Kind.SHARED for o in op.outputs):
            return op.run([at_x(v) for v in values])
        if all(self.kinds[o] < Kind.DATA for o in op.outputs):
            return self.apart(op, values)
        return self.table.apply(self.call(op, values), values)

    def apart(self, op: Op, values: list[Value | tf.Tensor]) -> list[Value]:
        """Shapes and decisions: each stream makes its own, and no gradient passes."""
        x = op.run([at_x(v) for v in values])
        if self.table.streams == 1:
            return [Value(t) for t in x]
        if op.type in KERNELS and x[0].dtype.is_integer:
            raise UnsupportedOpError(
                f"The op {op.type} at {op.name!r} multiplies integers ({x[0].dtype.name}) that were rounded from what "
                "is explained: a quantised layer. Credit would pass by it, along the scale of the rounding. Explain "
                "the model as it was before quantize(), or use a method of gradients, which its author defined here, "
                "such as 'integrated_gradients'."
            )
        return [Value(t, r) for t, r in zip(x, op.run([at_reference(v) for v in values]), strict=True)]

    def is_kernel(self, op: Op) -> bool:
        """Whether this is a dense or convolution op whose weights do not vary."""
        kinds = [self.kinds[i] for i in op.inputs]
        return op.type in KERNELS and kinds.count(Kind.DATA) == 1 and Kind.DECISION not in kinds

    def call(self, op: Op, values: list[Value | tf.Tensor]) -> Call:
        kinds = [self.kinds[i] for i in op.inputs]
        data = tuple(i for i, k in enumerate(kinds) if k is Kind.DATA)
        decided = tuple(i for i, k in enumerate(kinds) if k is Kind.DECISION)
        x = [at_x(v) for v in values]
        origin = next((self.origins[op.inputs[i]] for i in data if op.inputs[i] in self.origins), None)
        self.origins.update(dict.fromkeys(op.outputs, op.type if op.type in KERNELS else origin))
        if self.table.streams == 1:
            return Call(op, data, decided, x, [], [], [], op.run, self.env, origin)
        x0 = [at_reference(v) for v in values]
        _check_batches(x, x0)
        narrow = self.widely_read.isdisjoint(op.outputs)
        norms = tuple(self.norms.get(i) for i in op.inputs)
        return Call(op, data, decided, x, x0, [], op.run(x0), op.run, self.env, origin, narrow, norms)


class MergedBatch(Exception):
    """The batch was reshaped into another axis, so a reference of batch 1 cannot stand for all examples."""


def _check_batches(x: Sequence[tf.Tensor], x0: Sequence[tf.Tensor]) -> None:
    for a, b in zip(x, x0, strict=True):
        if a.shape.rank is None or a.shape.rank != b.shape.rank:
            continue
        if any(p is None and q not in (None, 1) for p, q in zip(a.shape, b.shape, strict=True)):
            raise MergedBatch


def ruled(call: Call, rule: Rule) -> list[tf.Tensor]:
    """The op's outputs at x, with `rule` as its backward pass: the gradient override."""

    @tf.custom_gradient
    def override(*inputs: tf.Tensor):
        full = list(call.x)
        for i, tensor in zip(call.data, inputs, strict=True):
            full[i] = tensor
        y = call.run(full)

        def backward(*upstream: tf.Tensor) -> list[tf.Tensor]:
            return rule(dataclasses.replace(call, x=full, y=y), upstream)

        return y, backward

    outputs = override(*[call.x[i] for i in call.data])
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def linear(call: Call) -> list[tf.Tensor]:
    """The op's outputs at x with its ordinary gradient."""
    backward = gradients.backward(call.op.type, call.data, call.x)
    return call.run(call.x) if backward is None else ruled(call, lambda _, upstream: backward(upstream[0]))


def unsupported(op: Op, why: str, table: str) -> UnsupportedOpError:
    return UnsupportedOpError(
        f"{table} has no rule for the op {op.type} at {op.name!r}: {why} "
        "Either pass unknown_ops='average' (its gradient averaged on the straight line from the reference, the "
        "remainder put back, so that the sum stays exact), or replace the layer by one made of the ops in "
        "tfxai.supported_ops()."
    )
