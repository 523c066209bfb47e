"""Gradients at points of straight lines, made and added up inside of the compiled pass."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfxai.graph.table import RuleTable
from tfxai.graph.value import Value
from tfxai.model.passes import Passes, Tensors
from tfxai.model.points import Points, to_rows
from tfxai.model.several import sent_back


def added(
    passes: Passes, table: RuleTable, x: Tensors, change: Tensors, total: Tensors, nodes: np.ndarray,
    weights: np.ndarray,
    points: Points | None = None,
) -> list[tf.Tensor]:  # fmt: skip
    """`total`, with the weighted gradients at nodes of the lines added: passes of n * width examples, one for each row.

    Args:
        passes: Of n examples, or of the points of several targets.
        table: That of the ordinary gradient.
        x: Explained tensors (n, ...): the ends of the lines.
        change: From their beginnings.
        total: (n, ...), or of the rows of several targets.
        nodes: (passes, width) places on the lines, from 0 to 1: those of each pass.
        weights: (passes, width) of the nodes.
        points: Which rows are which point, with several targets.
    """

    def run(inputs: Tensors, x: Tensors, feed: Tensors, change: Tensors, total: Tensors, *rest: tf.Tensor) -> list:
        (back, shares), rest = rest[:2], rest[2:]
        vectors, fixed = (rest[:3], rest[3:]) if points is not None else ((), rest)
        count = tf.shape(back)[1]
        inputs, feed = [tf.repeat(t, count, axis=0) for t in inputs], passes.target.repeated(feed, count)

        def sum_of(k: tf.Tensor) -> list[tf.Tensor]:
            """The weighted gradients of one pass."""
            there = [_points(a, d, back[k]) for a, d in zip(x, change, strict=True)]

            def weighed(slopes: Tensors) -> list[tf.Tensor]:
                return [_added_up(g, shares[k]) for g in slopes]

            if points is None:
                return weighed(passes.slopes(table, inputs, there, feed, None, fixed)[2])
            with tf.GradientTape() as tape:
                tape.watch(there)
                end = passes.ended(table, passes.run(table, inputs, [Value(t) for t in there], fixed))
            of, order = (tf.reshape(v[..., None] * count + tf.range(count), _merged(v)) for v in vectors[:2])
            slopes = sent_back(passes, tape, end, there, feed, (of, order), weighed)[2]
            return [to_rows(g, vectors[2]) for g in slopes]

        def step(k: tf.Tensor, total: Tensors) -> tuple[tf.Tensor, list[tf.Tensor]]:
            return k + 1, [tf.ensure_shape(t + g, t.shape) for t, g in zip(total, sum_of(k), strict=True)]

        number = tf.shape(back)[0]
        return tf.while_loop(lambda k, _: k < number, step, (0, list(total)), parallel_iterations=1)[1]

    vectors = [] if points is None else points.vectors()
    key = ("path", table) if points is None else ("path of several", table)
    numbers = [tf.constant(nodes - 1), tf.constant(weights), *vectors]
    return passes.call(key, table, run, x, None, (change, total), numbers)


def _merged(vector: tf.Tensor) -> tf.Tensor:
    """The shape of a vector or matrix whose last axis is as many times longer as there are nodes."""
    return tf.concat([tf.shape(vector)[:-1], [-1]], 0)


def _points(end: tf.Tensor, change: tf.Tensor, back: tf.Tensor) -> tf.Tensor:
    """(n * nodes, ...) all points of an example after each other."""
    along = end[:, None] + change[:, None] * _column(back, change)
    return tf.reshape(along, tf.concat([[-1], tf.shape(end)[1:]], 0))


def _added_up(slopes: tf.Tensor, shares: tf.Tensor) -> tf.Tensor:
    """(n * nodes, ...) -> (n, ...)."""
    apart = tf.reshape(slopes, tf.concat([[-1, tf.size(shares)], tf.shape(slopes)[1:]], 0))
    return tf.reduce_sum(apart * _column(shares, slopes), axis=1)


def _column(numbers: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """(nodes,) numbers, to be multiplied with (n, nodes, ...)."""
    return tf.reshape(tf.cast(numbers, like.dtype), [-1] + [1] * (like.shape.rank - 1))
