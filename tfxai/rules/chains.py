"""Chains: the chord of a whole y = f(x) that is made of many ops, in one sweep through them.

The chord f[x0, x] = (f(x) - f(x0)) / (x - x0) of a composition is the product of the chords, that of a sum is their
sum, and that of a product or quotient

    (p q)[x0, x] = p[x0, x] q(x) + p(x0) q[x0, x]
    (p / q)[x0, x] = (p[x0, x] - p(x0) / q(x0) q[x0, x]) / q(x)

(divided-difference arithmetic; Reps & Rall 2003, "Computational Divided Differencing and Divided-Difference
Arithmetics"). No step subtracts near numbers, so with the chords of `rules.chords` the
whole is as exact beside the reference as far from it.

This is what the rules of the single ops give. Each of them is complete: its multipliers m_i make sum m_i dp_i = dy. Of
one variable every part changes by dp_i = p_i[x0, x] dx, so what comes to x is sum m_i p_i[x0, x] = dy / dx, however the
op's own rule shares it: the Shapley value of a product, (p + p0) / 2 q[x0, x] + (q + q0) / 2 p[x0, x], is the same
number as the line above. Where dx = 0 both are f'. The line above is cheaper: p(x0) is one for all examples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfxai.graph import ops
from tfxai.graph.capture import Graph, Op
from tfxai.graph.table import Call, Rule
from tfxai.rules import decisions
from tfxai.rules.chords import Curve, Point
from tfxai.support.numerics import widened

Weight = Any  # of a value in the sweep: a number, or a tensor that broadcasts to the value's shape
Parts = dict[int, Weight]  # position of an input -> what comes to it


def chord(call: Call, rule_of: Callable[[Call], Rule]) -> tf.Tensor:
    """The chord of a chain between the reference and x.

    Args:
        call: The op. Numbers of half precision are swept in float32.
        rule_of: The rule of an op that has no line here.

    Returns:
        It broadcasts to the shape of x.
    """
    (body,) = call.op.bodies
    wide = widened(call.x[0].dtype)
    ends = [_values(body, inputs, wide) for inputs in (call.x, call.x0)]
    made = {number: k for k, number in enumerate(_varying(body))}
    arrived: dict[int, Weight] = {body.outputs[0]: 1.0}
    for op in reversed(body.ops):
        for k, output in enumerate(op.outputs):
            if output in arrived:
                for i, weight in _parts(_step(op, ends, made, call), k, arrived[output], rule_of, made).items():
                    number = op.inputs[i]
                    arrived[number] = arrived[number] + weight if number in arrived else weight
    return tf.cast(arrived[body.inputs[0]], call.x[0].dtype)


def _values(body: Graph, inputs: Sequence[tf.Tensor], wide: tf.DType) -> dict[int, tf.Tensor]:
    """Every value of the body, real numbers in `wide`."""
    env = {n: tf.cast(t, wide) if t.dtype.is_floating else t for n, t in zip(body.inputs, inputs, strict=True)}
    for op in body.ops:
        taken = [env[i] for i in op.inputs]
        outputs = [tf.cast(taken[0], wide)] if op.type == "Cast" else op.run(taken)
        env.update(zip(op.outputs, outputs, strict=True))
    return env


def _varying(body: Graph) -> list[int]:
    """The values that x is in, in the order in which they are made."""
    found = dict.fromkeys(body.inputs[:1])
    for op in body.ops:
        if not found.keys().isdisjoint(op.inputs):
            found.update(dict.fromkeys(op.outputs))
    return list(found)


def _step(op: Op, ends: Sequence[Mapping[int, tf.Tensor]], made: Mapping[int, int], whole: Call) -> Call:
    """One op of the body as its rule sees it."""
    x, x0, y, y0 = ([env[i] for i in numbers] for numbers in (op.inputs, op.outputs) for env in ends)
    varying = [i for i, number in enumerate(op.inputs) if number in made]
    discrete = tuple(i for i in varying if x[i].dtype is tf.bool)
    active = tuple(i for i in varying if i not in discrete)
    return Call(op, active, discrete, x, x0, y, y0, whole.env, whole.notes)


def _parts(call: Call, k: int, weight: Weight, rule_of: Callable[[Call], Rule], made: Mapping[int, int]) -> Parts:
    """What comes to each varying input of what arrives at output k of one op; at a decision, that is its credit."""
    kind = call.op.type
    if kind in ops.ALIASES:
        return {k: weight}
    if kind in ops.COMPARISONS:
        return dict(zip(call.active, decisions.compared(call, weight), strict=True))
    if kind == "Cast":
        return {0: weight * (call.y[0] - call.y0[0])}
    if kind in ops.SELECTS:
        return _chosen(call, weight, rule_of)
    if kind in SUMS:
        signs = {"Neg": (-1,), "Sub": (1, -1)}.get(kind, (1, 1))
        return {i: weight if signs[i] > 0 else -weight for i in call.active}
    if kind == "Mul":
        return _multiplied(call, weight, made)
    if kind == "RealDiv":
        return _divided(call, weight)
    if len(call.active) == 1:
        (i,) = call.active
        slope = Curve(call, i, call.x).chord(Point(call.x[i], call.y[0]), Point(call.x0[i], call.y0[0]))
        return {i: _times(weight, slope)}
    full = tf.broadcast_to(tf.cast(weight, call.y[0].dtype), tf.shape(call.y[0]))
    return dict(zip(call.active, rule_of(call)(call, [full]), strict=True))


SUMS = frozenset({"Add", "AddV2", "Neg", "Sub"})


def _multiplied(call: Call, weight: Weight, made: Mapping[int, int]) -> Parts:
    """p q: what was made later is held at x for the other one, so that its own weight is one for all examples."""
    if len(call.active) == 1:
        (i,) = call.active
        return {i: _times(weight, call.x[1 - i])}
    late = max((0, 1), key=lambda i: made[call.op.inputs[i]])
    return {1 - late: _times(weight, call.x[late]), late: _times(weight, call.x0[1 - late])}


def _divided(call: Call, weight: Weight) -> Parts:
    """p / q."""
    shared = _times(weight, 1 / call.x[1])
    return {i: shared if i == 0 else -shared * call.y0[0] for i in call.active}


def _chosen(call: Call, weight: Weight, rule_of: Callable[[Call], Rule]) -> Parts:
    """A choice: by constants the weight of the branch that is taken; else as the op's own rule, with its credit."""
    if not call.discrete:
        own, zero = tf.cast(weight, call.y[0].dtype), tf.zeros([], call.y[0].dtype)
        branches = {1: (own, zero), 2: (zero, own)}
        return {i: tf.where(call.x[0], *branches[i]) for i in call.active}
    full = tf.broadcast_to(tf.cast(weight, call.y[0].dtype), tf.shape(call.y[0]))
    parts = dict(zip(call.active, rule_of(call)(call, [full]), strict=True)) if call.active else {}
    return parts | {0: decisions.turned(call, full)}


def _times(weight: Weight, factor: tf.Tensor) -> tf.Tensor:
    """Their product; a weight of 1 costs nothing."""
    return factor if isinstance(weight, float) and weight == 1 else weight * factor
