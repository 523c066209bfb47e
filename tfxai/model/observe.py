"""A forward pass that looks on: what a rule table notes of each op, with nothing explained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tfxai.graph.capture import needed
from tfxai.graph.table import RuleTable
from tfxai.graph.value import Value
from tfxai.model.compiled import of_table
from tfxai.model.traced import TracedModel


def observed(model: TracedModel, table: RuleTable, inputs: Sequence[tf.Tensor], taken: Callable[[], Any]) -> Any:
    """What the table has noted of these raw inputs on the way to all outputs; `taken` asks it, inside of the pass."""
    fixed = model.weights(table)

    def run(inputs: Sequence[tf.Tensor], x: Sequence[tf.Tensor], *weights: tf.Tensor) -> Any:
        env = model.environment(inputs) | dict(zip(fixed, weights, strict=True))
        env.update(zip(model.explained, map(Value, x), strict=True))
        graph, _ = model.program(table)
        model.replay(table)(needed(graph, model.outputs, [*model.explained, *fixed]), env)
        return taken()

    def specs() -> list:
        weights = [tf.TensorSpec(w.shape, w.dtype) for w in fixed.values()]
        return [model.input_specs(), model.specs(model.explained), *weights]

    raw = [*inputs, *model.drawn(inputs, 0)]
    compiled = model.function(("observed", table), run, specs, of_table(table))
    return compiled(raw, model.explained_of(raw), *fixed.values())
