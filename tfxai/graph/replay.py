"""Run a captured graph again, op by op, under a rule table."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfxai.graph import control
from tfxai.graph.activity import Activity
from tfxai.graph.capture import Graph, Op
from tfxai.graph.ops import ABREAST, ALIASES, CONTROL
from tfxai.graph.table import Annotation, Call, RuleTable
from tfxai.graph.value import Carried, Value, at_reference, at_x

Environment = dict[int, Carried]


class MergedBatch(Exception):
    """The batch was reshaped into another axis, so a reference of batch 1 cannot stand for all examples."""


class Replay:
    """One run of a graph under a table.

    Args:
        activity: Of all values, bodies included.
        table: What becomes of an op that carries what is explained.
        notes: What the table's annotations found in the graph.
        around: `around(replay, op, values) -> outputs` in the place of `step`, for what looks at every op (`Audit`).
        captured: Of all values the tensor of the capture: its static shape, which may be lost where an op runs again.
    """

    def __init__(
        self,
        activity: Mapping[int, Activity],
        table: RuleTable,
        notes: Mapping[Annotation, Mapping[int, Any]] | None = None,
        around: Callable[[Replay, Op, list[Carried]], list[Carried]] | None = None,
        captured: Sequence[tf.Tensor] | None = None,
    ) -> None:
        self.activity = activity
        self.table = table
        self.notes = notes or {}
        self.around = around
        self.captured = captured
        self.env: Environment = {}

    def __call__(self, ops: Sequence[Op], env: Environment) -> Environment:
        """Runs `ops`, adding their outputs to `env`; values that are there already are left alone."""
        self.env = env
        for op in ops:
            if all(o in env for o in op.outputs):
                continue
            values = [env[i] for i in op.inputs]
            outputs = self.around(self, op, values) if self.around else self.step(op, values)
            for number, value in zip(op.outputs, outputs, strict=True):
                env.setdefault(number, value)
                if self.captured is not None:
                    at_x(value).set_shape(self.captured[number].shape)
        return env

    def body(
        self, graph: Graph, arguments: Sequence[Carried], known: Mapping[int, Carried] | None = None
    ) -> list[Carried]:
        """The outputs of a function body, of which some values are known. To who looks around, all of it is one op."""
        inner = Replay(self.activity, self.table, self.notes, captured=self.captured)
        env = inner(graph.ops, dict(known or {}) | dict(zip(graph.inputs, arguments, strict=True)))
        return [env[o] for o in graph.outputs]

    def step(self, op: Op, values: list[Carried]) -> list[Carried]:
        """The outputs of one op."""
        if op.type in CONTROL or op.type == ABREAST:
            return control.replayed(self, op, values)
        if not any(isinstance(v, Value) for v in values):
            return op.run(values)
        if op.type in ALIASES and not self.table.program.gradients:
            return values
        if all(self.activity[o] <= Activity.CONTEXT for o in op.outputs):
            return op.run([at_x(v) for v in values])
        call = self.call(op, values)
        decides = all(self.activity[o] < Activity.ACTIVE for o in op.outputs)
        if self.table.streams > 1 and (decides or self.around or self.table.compares(call)):
            _check_batches(call.x, call.x0)
        if decides:
            call = dataclasses.replace(call, y=op.run(call.x))
            if self.table.streams > 1:
                self.table.refuse(op, call.y)
            if all(self.activity[o] is Activity.SHAPE for o in op.outputs):
                return list(RuleTable.decide(self.table, call, values))
            return list(self.table.decide(call, values))
        return list(self.table.apply(call, values))

    def call(self, op: Op, values: list[Carried]) -> Call:
        """The op as its rule sees it."""
        activity = [self.activity[i] for i in op.inputs]
        active = tuple(i for i, a in enumerate(activity) if a is Activity.ACTIVE)
        discrete = tuple(i for i, a in enumerate(activity) if a is Activity.DISCRETE)
        x = [at_x(v) for v in values]
        if self.table.streams == 1:
            return Call(op, active, discrete, x, [], [], [], self.env, self.notes)
        x0 = [at_reference(v) for v in values]
        return Call(op, active, discrete, x, x0, [], _at_reference(op, values), self.env, self.notes)


def _at_reference(op: Op, values: list[Carried]) -> list[tf.Tensor]:
    """The op's outputs at the reference.

    Raises:
        MergedBatch: It cannot run there. It has run on x, and the reference differs by its batch alone.
    """
    try:
        return op.run([at_reference(v) for v in values])
    except (ValueError, tf.errors.InvalidArgumentError) as error:
        raise MergedBatch(f"{op.type} at {op.name!r}: {error}") from error


def _check_batches(x: Sequence[tf.Tensor], x0: Sequence[tf.Tensor]) -> None:
    """Raises MergedBatch where an axis is open at x, and at the reference of a size that cannot be broadcast."""
    for a, b in zip(x, x0, strict=True):
        if a.shape.rank is None or a.shape.rank != b.shape.rank:
            continue
        if any(p is None and q not in (None, 1) for p, q in zip(a.shape, b.shape, strict=True)):
            raise MergedBatch(f"the reference has shape {b.shape} where x has {a.shape}")
