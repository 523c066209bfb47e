"""Passes of points that have several targets each: forward once for all of them, back once for each target.

What comes back is in rows, one for each point and target, as if each had had a pass of its own. The tapes are asked
once, for the body of the loop, and must not be persistent: such a tape sends zeros where nothing is sent, through ops
whose slope may be infinite.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tfxai.graph.table import RuleTable
from tfxai.graph.value import Value
from tfxai.model.passes import ZERO, Passes, Tensors, dense, streams
from tfxai.model.points import Points, for_each, to_rows
from tfxai.model.traced import FORWARD

Move = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def score(passes: Passes, x: Tensors, points: Points) -> tuple[tf.Tensor, tf.Tensor | None]:
    """f(x) and the class of every row.

    Args:
        passes: Of the points; its feed is of the rows.
        x: Explained tensors of the points.
        points: Which rows are which point.
    """

    def run(inputs: Tensors, x: Tensors, feed: Tensors, *rest: tf.Tensor) -> tuple:
        vectors, weights = rest[:3], rest[3:]
        env = passes.run(FORWARD, inputs, [Value(t) for t in x], weights)
        score, index = passes.summed(_of_rows(passes.ended(FORWARD, env), vectors[0]), feed)
        return score.x, index

    return passes.call(("scores",), FORWARD, run, x, shared=points.vectors())


def features(passes: Passes, table: RuleTable, x: Tensors, points: Points, numbers: Sequence[int]) -> tuple:
    """Score and class of every row, the values `numbers` and the slopes of the score by each of them."""

    def run(inputs: Tensors, x: Tensors, feed: Tensors, *rest: tf.Tensor) -> tuple:
        vectors, weights = rest[:3], rest[3:]
        replay = passes.model.replay(table)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            env = passes.beginning(table, inputs, [Value(t) for t in x], weights)
            for number in sorted(numbers):
                passes.forward(replay, env, [number])
                tape.watch(env[number].x)
            passes.forward(replay, env, passes.ends())
            end = passes.ended(table, env)
        maps = [env[n].x for n in numbers]
        score, index, slopes = sent_back(passes, tape, end, maps, feed, vectors, lambda found: found)
        rows = [tf.gather(m, vectors[0]) for m in maps]
        return score.x, index, rows, [to_rows(s, vectors[2]) for s in slopes]

    return passes.call(("features of several", table), table, run, x, shared=points.vectors())


def backward(
    passes: Passes, table: RuleTable, x: Tensors, reference: Tensors | None, points: Points, moved: Move
) -> tuple[tuple, dict | None]:
    """The fields of an attribution of every row, and the account of its ops if the table keeps one.

    Args:
        passes, x, points: As in `score`.
        table: The rules.
        reference: Of the points, or of batch 1.
        moved: The change from a reference.
    """

    def with_reference(reference: Tensors | None, key: tuple) -> tuple[tuple, dict | None]:
        def run(inputs: Tensors, x: Tensors, feed: Tensors, *rest: Any) -> tuple:
            given, rest = (None, rest) if reference is None else (rest[0], rest[1:])
            vectors, weights = rest[:3], rest[3:]
            audit = passes.account(table, x) if table.keeps_account else None
            watched = [tf.identity(t) for t in x]
            with tf.GradientTape() as tape:
                tape.watch(watched)
                env = passes.run(table, inputs, streams(table, watched, given), weights, audit)
                end = passes.ended(table, env)

            def kept(found: Any) -> Any:
                return found, {} if audit is None else {"arrived": dict(audit.arrived), "left": dict(audit.left)}

            score, index, (slopes, account) = sent_back(passes, tape, end, watched, feed, vectors, kept)
            account = tf.nest.map_structure(lambda t: to_rows(t, vectors[2]), account) or None
            if given is None:
                return ([to_rows(m, vectors[2]) for m in slopes], score.x, None, index, None), account
            parts = [m * moved(a, r)[None] for m, a, r in zip(slopes, x, given, strict=True)]
            parts, slopes = ([to_rows(t, vectors[2]) for t in tensors] for tensors in (parts, slopes))
            return (parts, score.x, score.reference, index, slopes), account

        return passes.call(("several", table, *key), table, run, x, reference, shared=points.vectors())

    return passes.against(x, reference, with_reference)


def sent_back(
    passes: Passes, tape: tf.GradientTape, end: Value, starts: Tensors, feed: Tensors, vectors: Tensors, kept: Callable
) -> tuple[Value, tf.Tensor | None, Any]:
    """Inside of a pass: what is sent back from an output for each target.

    Args:
        passes: As in `score`.
        tape: On which the way from `starts` to the output is.
        end: The output of the points.
        starts: With respect to what.
        feed: The target's data of the rows.
        vectors: The point of each row, and the rows of each target (targets, points).
        kept: What is kept of the slopes of a target.

    Returns:
        Score and class of every row, and (targets, points, ...) what was kept.
    """
    of, order = vectors[:2]
    rows = _of_rows(end, of)
    with tf.GradientTape() as own:
        own.watch(rows.x)
        score, index = passes.summed(rows, feed)
    sent = own.gradient(score.x, rows.x)

    def back(rows: tf.Tensor) -> Any:
        slopes = tape.gradient(end.x, starts, output_gradients=tf.gather(sent, rows), unconnected_gradients=ZERO)
        return kept(dense(slopes))

    return score, index, for_each(order, back)


def _of_rows(output: Value, of: tf.Tensor) -> Value:
    """An output of the points, and of their references or the one of all, for the rows."""

    def gathered(y: tf.Tensor) -> tf.Tensor:
        return tf.gather(y, tf.minimum(of, tf.shape(y)[0] - 1))

    return Value(gathered(output.x), None if output.reference is None else gathered(output.reference))
