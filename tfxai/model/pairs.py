"""Attributions against several references that all examples share, in one pass (see `tfxai.graph.pairs`)."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from tfxai.graph import pairs
from tfxai.graph.capture import Op, needed
from tfxai.graph.follow import Followed
from tfxai.graph.replay import Environment
from tfxai.graph.table import RuleTable, annotated
from tfxai.graph.value import Value
from tfxai.model.attribution import Attribution, wide
from tfxai.model.passes import Passes, Tensors
from tfxai.model.scorer import Scorer
from tfxai.model.traced import FORWARD, TracedModel
from tfxai.targets.bound import BoundTarget, FunctionTarget


def hold(model: TracedModel, target: BoundTarget, table: RuleTable) -> bool:
    """Whether pairs can be followed: to a weighted sum of an output, by ops that keep the rows apart.

    Masks of x, draws, loops, decisions and target functions need the ordinary pass.
    """
    if isinstance(target, FunctionTarget) or table.streams != 2 or model.rows is not None or model.context_is_met:
        return False

    def fits() -> bool:
        end, followed = model.outputs[target.output], _followed(model, table)
        _, activity = model.program(table)
        return pairs.rows_in(end, followed) == pairs.Rows(0) and pairs.fit(_way(model, table, end), activity, followed)

    return model.compiled.get(("pairs fit", table.program, target.output), fits, traced=False)


def mean(scorer: Scorer, table: RuleTable, x: Tensors, references: Tensors) -> Attribution:
    """Contributions, multipliers and scores against R references, averaged over these.

    Args:
        scorer: Of n examples, whose pairs `hold`.
        table: The rules.
        x: Explained tensors (n, ...).
        references: Their values at the references (R, ...).
    """
    model, passes = scorer.model, scorer.passes

    def run(inputs: Tensors, x: Tensors, feed: Tensors, references: Tensors, *weights: tf.Tensor) -> tuple:
        (end,), (graph, activity) = passes.ends(), model.program(table)
        notes = annotated(table, graph, activity)
        examples, others = (_forward(passes, table, inputs, point, weights) for point in (x, references))
        with tf.GradientTape() as tape:
            y = examples[end].x
            tape.watch(y)
            mean_y0 = tf.reduce_mean(wide(others[end].x), axis=0, keepdims=True)
            score, index = passes.scored(table, examples | {end: Value(wide(y), mean_y0)}, feed)
        count = tf.shape(references[0])[0]
        back = {end: tf.repeat(tape.gradient(score.x, y), count, axis=0)}
        spread = pairs.Spread(_followed(model, table), examples, others, tf.shape(x[0])[0], count)
        way = _way(model, table, end)
        found = pairs.multipliers(table, way, activity, notes, spread, back, model.explained)
        apart = [wide(tf.reshape(m, tf.concat([[-1, count], tf.shape(m)[1:]], 0))) for m in found]
        changes = [wide(a[:, None] - r) for a, r in zip(x, references, strict=True)]
        parts = [tf.reduce_mean(m * change, axis=1) for m, change in zip(apart, changes, strict=True)]
        return parts, score.x, score.reference, index, [tf.reduce_mean(m, axis=1) for m in apart]

    return Attribution(*passes.call(("pairs", table), table, run, x, references))


def _forward(
    passes: Passes, table: RuleTable, inputs: Tensors, point: Tensors, weights: Sequence[tf.Tensor]
) -> Environment:
    """Every value on the way at a point, x or the references."""
    env = passes.beginning(table, inputs, [Value(t) for t in point], weights)
    graph, _ = passes.model.program(table)
    return passes.model.replay(FORWARD)(needed(graph, passes.ends(), list(env)), env)


def _way(model: TracedModel, table: RuleTable, end: int) -> list[Op]:
    """The ops between the explained tensors and an output."""
    graph, _ = model.program(table)
    return needed(graph, [end], model.explained)


def _followed(model: TracedModel, table: RuleTable) -> Followed:
    """The axes of all values of the form of the graph that is replayed, which has values of its own."""
    return model.compiled.get(("followed", table.program), lambda: Followed(model.program(table)[0]), traced=False)
