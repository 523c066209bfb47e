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
    weights: np.ndarray, points: Points | None = None,
) -> list[tf.Tensor]:  # fmt: skip
    """`total`, with the weighted gradients at some nodes of the lines added, in one compiled call.

    Args:
        passes: Of n examples, or of the points of several targets.
        table: That of the ordinary gradient.
        x: Explained tensors (n, ...): the ends of the lines.
        change: From their beginnings.
        total: (n, ...), or of the rows of several targets.
        nodes: Places on the lines, from 0 to 1: (passes, width), each pass of n * width examples.
        weights: Of the nodes.
        points: Which rows are which point, with several targets.
    """

    def run(inputs: Tensors, x: Tensors, feed: Tensors, change: Tensors, total: Tensors, *rest: tf.Tensor) -> list:
        (nodes, weights), rest = rest[:2], rest[2:]
        vectors, fixed = (rest[:3], rest[3:]) if points is not None else ((), rest)
        count, width = tf.unstack(tf.shape(nodes))
        inputs, feed = [tf.repeat(t, width, axis=0) for t in inputs], passes.target.repeated(feed, width)

        def slopes(there: Tensors, shares: tf.Tensor) -> Tensors:
            def weighed(found: Tensors) -> list[tf.Tensor]:
                return [_added_up(g, shares) for g in found]

            if points is None:
                return weighed(passes.slopes(table, inputs, there, feed, None, fixed)[2])
            with tf.GradientTape() as tape:
                tape.watch(there)
                end = passes.ended(table, passes.run(table, inputs, [Value(t) for t in there], fixed))
            of, order = (tf.reshape(v[..., None] * width + tf.range(width), _merged(v)) for v in vectors[:2])
            each = sent_back(passes, tape, end, there, feed, (of, order), weighed)[2]
            return [to_rows(g, vectors[2]) for g in each]

        def step(k: tf.Tensor, total: Tensors) -> tuple[tf.Tensor, Tensors]:
            there = [_points(a, d, nodes[k] - 1) for a, d in zip(x, change, strict=True)]
            found = slopes(there, weights[k])
            return k + 1, [tf.ensure_shape(t + g, t.shape) for t, g in zip(total, found, strict=True)]

        return tf.while_loop(lambda k, _: k < count, step, (0, list(total)), parallel_iterations=1)[1]

    vectors = [] if points is None else points.vectors()
    key = ("path", table) if points is None else ("path of several", table)
    numbers = [tf.constant(nodes), tf.constant(weights), *vectors]
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
