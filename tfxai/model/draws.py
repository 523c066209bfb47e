"""Random numbers that a model draws at inference: one draw for all passes of an explanation.

Sampling layers and dropout that never stops make another function of the model at every call: then occlusion measures
the noise of different draws, and nothing adds up. So each draw is made once, the same for every example and pass, and
is taken from there as an input would be.

What a distribution has of the input (the rate of a Poisson, the logits of a category) is read at x, once: with the draw
of x the model is a function that everything else can be explained of. A draw anew at every point of a path, or from
common random numbers at another rate, would jump from one whole number to the next, and have no slope.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import tensorflow as tf

from tfxai.graph.axes import Axes, Kind
from tfxai.graph.capture import Graph, Op, every
from tfxai.graph.follow import Followed
from tfxai.graph.ops import RANDOM


class Distribution(NamedTuple):
    """An op that draws.

    Attributes:
        draw: (shape, seed, *parameters, dtype=) -> a draw.
        shape: Which of its inputs is the shape of what is drawn, or its beginning; None: the parameters say it.
        parameters: Which inputs are those of the distribution. The others are seeds and states.
    """

    draw: Callable[..., tf.Tensor]
    shape: int | None = 0
    parameters: tuple[int, ...] = ()

    def seeds(self, op: Op) -> list[int]:
        """The inputs that say which numbers come."""
        return [i for k, i in enumerate(op.inputs) if k != self.shape and k not in self.parameters]


def _categories(
    shape: Sequence[int], seed: Sequence[int], logits: tf.Tensor, count: tf.Tensor, dtype: tf.DType
) -> tf.Tensor:
    return tf.random.stateless_categorical(logits, count, seed, dtype)


def _binomial(shape: Sequence[int], seed: Sequence[int], *parameters: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    return tf.random.stateless_binomial(shape, seed, *parameters, output_dtype=dtype)


def _any_number(shape: Sequence[int], seed: Sequence[int], dtype: tf.DType) -> tf.Tensor:
    return tf.random.stateless_uniform(shape, seed, None, None, dtype)


NORMAL, UNIFORM = tf.random.stateless_normal, tf.random.stateless_uniform
GAMMA, POISSON = tf.random.stateless_gamma, tf.random.stateless_poisson
TRUNCATED = tf.random.stateless_truncated_normal


def _cut_normal(shape: Sequence[int], seed: Sequence[int], *parameters: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    return tf.random.stateless_parameterized_truncated_normal(shape, seed, *parameters)


DRAWS: Mapping[str, Distribution] = {
    **dict.fromkeys(("RandomStandardNormal", "StatelessRandomNormal", "StatelessRandomNormalV2"), Distribution(NORMAL)),
    **dict.fromkeys(("RandomUniform", "StatelessRandomUniform", "StatelessRandomUniformV2"), Distribution(UNIFORM)),
    **dict.fromkeys(
        ("TruncatedNormal", "StatelessTruncatedNormal", "StatelessTruncatedNormalV2"), Distribution(TRUNCATED)
    ),
    "StatelessParameterizedTruncatedNormal": Distribution(_cut_normal, 0, (2, 3, 4, 5)),
    "RandomUniformInt": Distribution(UNIFORM, 0, (1, 2)),
    "StatelessRandomUniformInt": Distribution(UNIFORM, 0, (2, 3)),
    "StatelessRandomUniformIntV2": Distribution(UNIFORM, 0, (4, 5)),
    **dict.fromkeys(("StatelessRandomUniformFullInt", "StatelessRandomUniformFullIntV2"), Distribution(_any_number)),
    "RandomGamma": Distribution(GAMMA, 0, (1,)),
    "StatelessRandomGammaV2": Distribution(GAMMA, 0, (2,)),
    "StatelessRandomGammaV3": Distribution(GAMMA, 0, (4,)),
    **dict.fromkeys(("RandomPoisson", "RandomPoissonV2"), Distribution(POISSON, 0, (1,))),
    "StatelessRandomPoisson": Distribution(POISSON, 0, (2,)),
    "StatelessRandomBinomial": Distribution(_binomial, 0, (2, 3)),
    **dict.fromkeys(("Multinomial", "StatelessMultinomial"), Distribution(_categories, None, (0, 1))),
    # of generators: a resource and an algorithm come first
    "StatefulRandomBinomial": Distribution(_binomial, 2, (3, 4)),
    "StatefulStandardNormalV2": Distribution(NORMAL, 2),
    "StatefulUniform": Distribution(UNIFORM, 2),
    "StatefulTruncatedNormal": Distribution(TRUNCATED, 2),
    "StatefulUniformInt": Distribution(UNIFORM, 2, (3, 4)),
    "StatefulUniformFullInt": Distribution(_any_number, 2),
}


class Held(NamedTuple):
    """A draw that is made once.

    Attributes:
        op: It.
        each: Whether it has the examples on its first axis; else it is one for all of them.
        parameters: The values that its distribution has, and whether they have the examples on their first axis.
    """

    op: Op
    each: bool
    parameters: tuple[tuple[int, bool], ...]

    def drawn(self, graph: Graph, values: Sequence[tf.Tensor], n: int, seed: Sequence[int]) -> tf.Tensor:
        """(n, ...) the draw, the same for every example where the distribution is the same."""
        output = graph.values[self.op.outputs[0]]
        shape = [1, *output.shape[1:]] if self.each else list(output.shape)
        draw = functools.partial(DRAWS[self.op.type].draw, shape, seed, dtype=output.dtype)
        own = [each for _, each in self.parameters]
        if any(own):
            rows = [[v[k : k + 1] if each else v for v, each in zip(values, own, strict=True)] for k in range(n)]
            return tf.concat([draw(*row) for row in rows], axis=0)
        one = draw(*values)
        return tf.repeat(one if self.each else one[None], n, axis=0)


def split(graph: Graph, followed: Followed, outputs: Sequence[int]) -> tuple[list[Held], list[Op]]:
    """The draws on the way to the outputs: those that can be made once, and others.

    Once: of a kind in the table, outside of loops, of a known shape with or without the examples on its first axis.
    """
    made = {o: op for op in every(graph.ops) for o in op.outputs}
    once: list[Held] = []
    wanted, others = set(outputs), list[Op]()
    for op in reversed(graph.ops):
        if not wanted.intersection(op.outputs):
            continue
        held = None if _is_fixed(op, made) else _held(op, graph, followed)
        once += [held] if held is not None else []
        wanted.update(op.inputs if held is None else [number for number, _ in held.parameters])
        if held is None:
            others += [inner for inner in every([op]) if _draws(inner) and not _is_fixed(inner, made)]
    return once[::-1], others[::-1]


def _held(op: Op, graph: Graph, followed: Followed) -> Held | None:
    """How a draw is made once, or None where that is not known."""
    kind, output = DRAWS.get(op.type), graph.values[op.outputs[0]].shape
    if kind is None or output.rank is None or any(s is None for s in output[1:]):
        return None
    parameters: list[tuple[int, bool]] = []
    for number in (op.inputs[k] for k in kind.parameters):
        own = _has_examples(followed.axes.get(number), output.rank)
        if own is None:
            return None
        parameters.append((number, own))
    by_shape = kind.shape is not None and followed.counts_examples(op.inputs[kind.shape])
    each = by_shape or any(own for _, own in parameters)
    return Held(op, each, tuple(parameters)) if each or output.is_fully_defined() else None


def _has_examples(axes: Axes | None, rank: int) -> bool | None:
    """Whether a parameter has the examples on the first of that many axes; None: elsewhere, or that is not known."""
    if axes is None:
        return None
    kinds = [
        [axis.kind for axis in label if axis.kind is not Kind.UNKNOWN or axis.size is None] for label in axes.labels
    ]
    at = [k for k, found in enumerate(kinds) if {Kind.EXAMPLES, Kind.UNKNOWN}.intersection(found)]
    if not at:
        return False
    return True if at == [0] and kinds[0] == [Kind.EXAMPLES] and len(kinds) == rank else None


def _draws(op: Op) -> bool:
    """Whether an op draws; those that only make a key of a seed do not."""
    return op.type.startswith(RANDOM) and "RandomGet" not in op.type


def _is_fixed(op: Op, made: Mapping[int, Op]) -> bool:
    """Whether an op draws the same numbers at every call: its seed is a constant."""
    if not op.type.startswith("Stateless"):
        return False
    kind = DRAWS.get(op.type)
    left, seen = list(op.inputs[1:]) if kind is None else kind.seeds(op), set[int]()
    while left:
        number = left.pop()
        maker = made.get(number)
        if maker is None or maker.type in ("ReadVariableOp", "VarHandleOp") or _draws(maker):
            return False
        if number not in seen:
            seen.add(number)
            left += maker.inputs
    return True
