"""The table of the ordinary gradient: no rules, everything as `tf.GradientTape` has it."""

from __future__ import annotations

import dataclasses
from typing import Any

import tensorflow as tf

from tfxai.graph.override import custom_gradient
from tfxai.graph.table import Call, Program, RuleTable, linear
from tfxai.graph.value import Carried, Value, at_x


@dataclasses.dataclass(frozen=True)
class OrdinaryGradient(RuleTable):
    """The gradient as the model's author wrote it: stopped and custom gradients are honoured."""

    program = Program(gradients=True)

    def apply(self, call: Call, values: list[Carried]) -> list[Value]:
        outputs = _as_written(call) if call.op.backward is not None else linear(call)
        return [Value(t) for t in outputs]


def _as_written(call: Call) -> list[tf.Tensor]:
    """The identity that marks a custom gradient, with the author's backward pass replayed behind it."""
    graph, scope = call.op.backward  # type: ignore[misc]  # the caller has seen that there is one

    @custom_gradient
    def marked(*inputs: tf.Tensor) -> Any:
        def backward(*upstream: tf.Tensor) -> list[tf.Tensor]:
            env = dict(graph.captured) | {n: at_x(call.env[outer]) for n, outer in scope.items()}
            env.update(zip(graph.inputs, upstream, strict=True))
            for op in graph.ops:
                env.update(zip(op.outputs, op.run([env[i] for i in op.inputs]), strict=True))
            return [None if n is None else env[n] for n in graph.structure]

        return [tf.identity(t) for t in inputs], backward

    return list(marked(*call.x))
