"""Random numbers that a model draws at inference: one draw for all passes of an explanation.

Sampling layers and dropout that never stops make another function of the model at every call: then occlusion measures
the noise of different draws, and nothing adds up. So each draw is made once, the same for every example and pass, and
is taken from there as an input would be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfxai.graph.capture import Graph, Op, needed
from tfxai.graph.follow import Followed
from tfxai.graph.ops import RANDOM

Draw = Callable[[Sequence[int], Any, tf.DType], tf.Tensor]  # (shape, seed, dtype)
DRAWS: Mapping[str, Draw] = {
    **dict.fromkeys(
        ("RandomStandardNormal", "StatelessRandomNormal", "StatelessRandomNormalV2"),
        lambda shape, seed, dtype: tf.random.stateless_normal(shape, seed, dtype=dtype),
    ),
    **dict.fromkeys(
        ("RandomUniform", "StatelessRandomUniform", "StatelessRandomUniformV2"),
        lambda shape, seed, dtype: tf.random.stateless_uniform(shape, seed, dtype=dtype),
    ),
    **dict.fromkeys(
        ("TruncatedNormal", "StatelessTruncatedNormal", "StatelessTruncatedNormalV2"),
        lambda shape, seed, dtype: tf.random.stateless_truncated_normal(shape, seed, dtype=dtype),
    ),
}


def split(graph: Graph, followed: Followed, outputs: Sequence[int]) -> tuple[list[Op], list[Op]]:
    """The draws on the way to the outputs: those that can be made once, and others.

    Once: of a kind in the table, outside of loops, one draw for each example on the first axis.
    """
    ops = needed(graph, outputs)
    made = {o: op for op in _all(graph.ops) for o in op.outputs}
    found = [op for op in _all(ops) if _draws(op) and not _is_fixed(op, made)]
    once = [op for op in ops if op in found and op.type in DRAWS and followed.counts_examples(op.inputs[0])]
    return once, [op for op in found if op not in once]


def _draws(op: Op) -> bool:
    """Whether an op draws; those that only make a key of a seed do not."""
    return op.type.startswith(RANDOM) and "RandomGet" not in op.type


def _is_fixed(op: Op, made: Mapping[int, Op]) -> bool:
    """Whether an op draws the same numbers at every call: its seed is a constant."""
    if not op.type.startswith("Stateless"):
        return False
    left, seen = list(op.inputs[1:]), set[int]()
    while left:
        number = left.pop()
        maker = made.get(number)
        if maker is None or maker.type in ("ReadVariableOp", "VarHandleOp") or _draws(maker):
            return False
        if number not in seen:
            seen.add(number)
            left += maker.inputs
    return True


def drawn(op: Op, graph: Graph, number: int, n: int, seed: int) -> tf.Tensor:
    """(n, ...) the draw of one op, the same for every example."""
    output = graph.values[op.outputs[0]]
    shape = [1, *(int(s) for s in output.shape[1:])]
    return tf.repeat(DRAWS[op.type](shape, [seed % 2**31, number], output.dtype), n, axis=0)


def _all(ops: Sequence[Op]) -> list[Op]:
    """Ops, those of bodies included."""
    found = []
    for op in ops:
        found.append(op)
        for body in op.bodies:
            found += _all(body.ops)
    return found
