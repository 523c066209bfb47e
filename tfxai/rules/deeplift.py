"""DeepLIFT's rescale rule and its companions (Shrikumar et al. 2017, arXiv:1704.02685).

Every rule distributes `sum(upstream * (y - y0))` over the op's inputs so that the sum of
`multiplier * (x - x0)` is the same: complete op by op, hence complete end to end.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import tensorflow as tf

from tfxai.errors import UnsupportedOpError
from tfxai.graph import gradients, ops
from tfxai.graph.activity import Activity
from tfxai.graph.capture import Graph, Op
from tfxai.graph.table import Call, Diagonal, Program, Rule, RuleTable, linear, ruled, unsupported
from tfxai.graph.value import Carried, Value
from tfxai.rules import chains, decisions, missing
from tfxai.rules.annotations import norms
from tfxai.rules.chords import Curve, Point
from tfxai.rules.division import bounded, bounds_a_norm, division, normalisation, normalised, normalises
from tfxai.rules.magnitudes import euclidean, modulus
from tfxai.rules.softmax import log_softmax, logsumexp, softmax
from tfxai.support.numerics import (
    cast_real,
    column_like,
    continuous,
    empty,
    inner,
    per_example,
    same_shape,
    unbroadcast,
)

NODES = 6  # Gauss-Legendre nodes for ops that mix their inputs; what they miss is put back


def gradient(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Linear: the op's ordinary gradient."""
    return call.vjp(call.x, upstream)


def midpoint(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Linear; the gradient halfway where two operands vary, which for products is their Shapley value."""
    mean = list(call.x)
    for i in (*call.active, *call.discrete):
        mean[i] = (call.x[i] + call.x0[i]) / 2
    return call.vjp(mean, upstream)


@Diagonal
def product(call: Call) -> list[tf.Tensor]:
    """Linear; of two that vary the Shapley value of their product, each times the mean of the other."""
    means = [(a + b) / 2 for a, b in zip(call.x, call.x0, strict=True)]
    return [means[1 - i] for i in call.active]


@Diagonal
def rescale(call: Call) -> list[tf.Tensor]:
    """Rescale: dy / dx, and the slope where x did not change, as exact beside the reference as far from it."""
    x, x0, y, y0 = _elementwise(call)
    chord = Curve(call, call.active[0], call.x).chord(Point(x, y), Point(x0, y0))
    if call.discrete:  # which may have changed as well: then y is another function of x
        chord = tf.where(_same_decisions(call), chord, tf.math.divide_no_nan(y - y0, x - x0))
    return [chord]


@Diagonal
def chain(call: Call) -> list[tf.Tensor]:
    """Rescale of several ops of one variable at once: what their own rules give."""
    return [chains.chord(call, RescaleRules().rule)]


@Diagonal
def inverse_norm(call: Call) -> list[tf.Tensor]:
    """Rescale where the inverse of a norm may be infinite."""
    return rescale.slopes(bounded(call))


@Diagonal
def shapley(call: Call) -> list[tf.Tensor]:
    """Rescale; where two operands vary the Shapley value: each one's change of f, averaged over both orders."""
    if len(call.active) == 1:
        return rescale.slopes(call)
    shape = tf.shape(call.y[0])
    ends = [[tf.broadcast_to(t, shape) for t in pair] for pair in (call.x, call.x0)]
    slopes = []
    for k in (0, 1):
        curves = [Curve(call, k, inputs) for inputs in ends]  # by the end at which the other operand is held
        chords = [curve.chord(*[curve.at(inputs[k]) for inputs in ends]) for curve in curves]
        slopes.append((chords[0] + chords[1]) / 2)
    return slopes


def angle(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Of a complex number a + ib, atan2(b, a): the Shapley value of both."""
    (z,), (z0,) = call.x, call.x0
    ends = [[tf.math.imag(t), tf.math.real(t)] for t in (z, z0)]
    op = dataclasses.replace(call.op, type="Atan2", attrs={}, slots=(("y", -1), ("x", -1)))
    parts = shapley(dataclasses.replace(call, op=op, active=(0, 1), x=ends[0], x0=ends[1]), upstream)
    return [tf.complex(parts[1], parts[0])]


def select(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Linear; where the condition changes half of each branch, completed element by element."""
    condition, a, b = (tf.broadcast_to(_column(t, call), tf.shape(call.y[0])) for t in call.x)
    condition0, a0, b0 = (tf.broadcast_to(_column(t, call), tf.shape(call.y[0])) for t in call.x0)
    share = (tf.cast(condition, a.dtype) + tf.cast(condition0, a.dtype)) / 2
    shares = {1: share, 2: 1 - share}
    deltas = {1: a - a0, 2: b - b0}
    missing = call.y[0] - call.y0[0] - sum(shares[i] * deltas[i] for i in call.active)
    total = sum(tf.abs(deltas[i]) for i in call.active)
    spread = tf.math.divide_no_nan(missing, cast_real(total, missing.dtype))
    slopes = {i: shares[i] + spread * tf.math.conj(tf.sign(deltas[i])) for i in call.active}
    return [unbroadcast(upstream[0] * tf.math.conj(slopes[i]), call.x[i]) for i in call.active]


def largest(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Gain to x's largest, loss to the reference's."""
    return _winner(call, upstream, tf.maximum)


def smallest(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Gain to x's smallest, loss to the reference's."""
    return _winner(call, upstream, tf.minimum)


def _winner(call: Call, upstream: Sequence[tf.Tensor], between: Callable) -> list[tf.Tensor]:
    """Max and min: x's winner is credited with the gain, the reference's winner with the loss.

    y - y0 = (m - y0) + (y - m) with m = max(y, y0). A winner moved by at least what it is credited with, so
    the quotient by its own change is at most 1.
    """
    u, y, y0 = upstream[0], call.y[0], call.y0[0]
    x, x0 = call.x[call.active[0]], tf.broadcast_to(call.x0[call.active[0]], tf.shape(call.x[call.active[0]]))
    middle = between(y, y0)
    rest = [None] * (len(call.y) - 1)
    credit = call.vjp(_with(call, x), [u * (middle - y0), *rest])[0]
    credit += call.vjp(_with(call, x0), [u * (y - middle), *rest])[0]
    dx = x - x0
    return [tf.where(dx == 0, call.vjp(call.x, [u, *rest])[0], tf.math.divide_no_nan(credit, dx))]


def averaged_smooth(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """The Jacobian averaged on the straight line from the reference: complete example by example."""
    slopes, deltas = _averaged(call, upstream)
    size = sum(per_example(tf.abs(call.x[i])) for i in call.active)
    far = sum(per_example(tf.abs(d)) for d in deltas) > 0.01 * size  # nearer than that the nodes miss nothing
    return _completed(call, upstream, slopes, deltas, per_example, far)


def averaged(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """The Jacobian averaged on the straight line from the reference: complete example by example."""
    return _completed(call, upstream, *_averaged(call, upstream), per_example)


def _averaged(call: Call, upstream: Sequence[tf.Tensor]) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
    """The mean of the gradients at the nodes, and the changes of the inputs."""
    x = [call.x[i] for i in call.active]
    x0 = [tf.broadcast_to(call.x0[i], tf.shape(call.x[i])) for i in call.active]
    deltas = [a - b for a, b in zip(x, x0, strict=True)]
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    slopes = [tf.zeros_like(d) for d in deltas]
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        inputs = list(call.x)
        for i, b, d in zip(call.active, x0, deltas, strict=True):
            inputs[i] = b + tf.cast(node, d.dtype) * d
        slopes = [s + tf.cast(weight, s.dtype) * g for s, g in zip(slopes, call.vjp(inputs, upstream), strict=True)]
    return slopes, deltas


def decided(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """An affine op steered by a decision that changed (a gather at other indices): both slopes, completed."""
    deltas = [call.x[i] - call.x0[i] for i in call.active]
    at_reference = [tf.broadcast_to(a, tf.shape(b)) if continuous(b) else b
                    for a, b in zip(call.x0, call.x, strict=True)]  # fmt: skip
    for i in call.discrete:
        at_reference[i] = tf.broadcast_to(call.x0[i], tf.shape(call.x[i]))
    ends = zip(call.vjp(call.x, upstream), call.vjp(at_reference, upstream), strict=True)
    return _completed(call, upstream, [(a + b) / 2 for a, b in ends], deltas, per_example)


def _completed(
    call: Call, upstream: Sequence, slopes: Sequence[tf.Tensor], deltas: Sequence[tf.Tensor], total: Callable,
    far: tf.Tensor | None = None,
) -> list[tf.Tensor]:  # fmt: skip
    """Puts what the slopes miss back on the inputs that changed, in proportion to their change.

    Only where they are `far`: beside the reference, what is missing is a rounding error, and a quotient of two noise.
    """
    moved = [
        inner(u, a - b)
        for u, a, b in zip(upstream, call.y, call.y0, strict=True)
        if u is not None and continuous(a) and not empty(a)
    ]
    missing = sum(total(m) for m in moved) - sum(total(inner(s, d)) for s, d in zip(slopes, deltas, strict=True))
    spread = tf.math.divide_no_nan(missing, sum(total(tf.abs(d)) for d in deltas))
    if far is not None:
        spread = tf.where(far, spread, tf.zeros_like(spread))
    return [s + cast_real(column_like(spread, d), d.dtype) * tf.sign(d) for s, d in zip(slopes, deltas, strict=True)]


def _column(tensor: tf.Tensor, call: Call) -> tf.Tensor:
    """`Select` (version 1) takes a vector condition that picks whole rows."""
    return column_like(tensor, call.y[0]) if call.op.type == "Select" else tensor


def _with(call: Call, tensor: tf.Tensor) -> list[tf.Tensor]:
    inputs = list(call.x)
    inputs[call.active[0]] = tensor
    return inputs


def _elementwise(call: Call) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """x, x0, y, y0 in one shape."""
    x, x0, y = call.x[call.active[0]], call.x0[call.active[0]], call.y[0]
    if same_shape(x, y) and len(call.x) == 1:
        return x, x0, y, call.y0[0]
    return tf.broadcast_to(x, tf.shape(y)), tf.broadcast_to(x0, tf.shape(y)), y, call.y0[0]


def _same_decisions(call: Call) -> tf.Tensor:
    """Where the inputs that are decisions are as they are at the reference."""
    same = [call.x[i] == call.x0[i] for i in call.discrete]
    return functools.reduce(tf.logical_and, same)


# --- Which rule an op gets ------------------------------------------------------------------------------------------


def always(call: Call) -> bool:
    """Whatever varies."""
    return True


def one_varies(call: Call) -> bool:
    """One input carries what is explained."""
    return len(call.active) == 1


def steered(call: Call) -> bool:
    """An input depends on what is explained without a gradient: a decision, which may differ at the reference."""
    return bool(call.discrete)


def one_varies_steered(call: Call) -> bool:
    """Both."""
    return one_varies(call) and steered(call)


def condition_is_fixed(call: Call) -> bool:
    """The first input, which chooses, is the same at x and at the reference."""
    return 0 not in call.discrete


def statistics_are_fixed(call: Call) -> bool:
    """A normalisation of x alone, by its stored statistics."""
    return not call.op.attrs["is_training"] and call.active == (0,)


# The first row that has the op, and whose condition holds, gives the rule; where there is none, RULES does.
FIRST: tuple[tuple[frozenset[str], Callable[[Call], bool], Rule], ...] = (
    (ops.NORMALISATIONS, statistics_are_fixed, gradient),
    (ops.AFFINE, steered, decided),
    (ops.AFFINE, always, gradient),
    (ops.BY_ELEMENT, one_varies_steered, rescale),
    (ops.BILINEAR, steered, decided),
    (ops.BILINEAR, one_varies, gradient),
    (frozenset({"Mul", "RealDiv"}), normalises, normalised),
    (frozenset({"Rsqrt", "Maximum", "Minimum"}), bounds_a_norm, inverse_norm),
    (ops.SELECTS, condition_is_fixed, gradient),
)
RULES: dict[str, Rule] = {
    **dict.fromkeys(ops.BILINEAR, midpoint),
    "Mul": product,
    **dict.fromkeys(ops.QUADRATIC, midpoint),
    **dict.fromkeys(ops.SMOOTH | ops.PIECEWISE | ops.STEPS, rescale),
    **dict.fromkeys(ops.PAIRWISE, shapley),
    **dict.fromkeys(ops.DIVISIONS, division),
    **dict.fromkeys(ops.LARGEST, largest),
    **dict.fromkeys(ops.SMALLEST, smallest),
    ops.NORMALISATION_STEP: normalisation,
    "Softmax": softmax,
    "LogSoftmax": log_softmax,
    ops.LOGSUMEXP_STEP: logsumexp,
    **dict.fromkeys(ops.MIXING, averaged_smooth),
    "TopKV2": averaged,  # its kinks are anywhere, and its numbers exact
    "EuclideanNorm": euclidean,
    "ComplexAbs": modulus,
    "Angle": angle,
    **dict.fromkeys(ops.SELECTS, select),
    ops.CHAIN: chain,
}


@dataclasses.dataclass(frozen=True)
class RescaleRules(RuleTable):
    """The table of DeepLIFT with the rescale rule."""

    unknown_ops: str = "raise"
    missing: bool = False  # whether numbers may be missing at x
    streams = 2
    program = Program(decisions=True, normalisations_as_one=True, logsumexp_as_one=True, chains_as_one=True)
    annotations = (norms,)

    def rule(self, call: Call) -> Rule:
        """The rule for one op.

        Raises:
            UnsupportedOpError: There is none, and `unknown_ops` says to raise; or no gradient either.
        """
        kind = call.op.type
        for types, applies, rule in FIRST:
            if kind in types and applies(call):
                return rule
        if kind in RULES:
            return RULES[kind]
        gradients.check(kind, call.op.name)
        if self.unknown_ops == "average":
            return averaged
        raise unsupported(call.op, "it is in no table and not known to be affine.", "DeepLIFT")

    def apply(self, call: Call, values: list[Carried]) -> list[Value]:
        if not call.active:
            return decisions.number(dataclasses.replace(call, y=call.run(call.x)), values)
        rule = self.rule(call)
        if self.missing:
            rule = missing.aware(call, rule)
        outputs = applied(call, values, rule)
        return [Value(x, x0) for x, x0 in zip(outputs, call.y0, strict=True)]

    def compares(self, call: Call) -> bool:
        whatever = not call.active or self.missing or call.op.type in ops.SELECTS
        return whatever or self.rule(call) is not gradient

    def decide(self, call: Call, values: list[Carried]) -> list[Value]:
        return decisions.decision(call, values, missing.entering if self.missing else None)

    def apart(self, graph: Graph, activity: Mapping[int, Activity]) -> Collection[int]:
        return norms(graph, activity)

    def for_missing(self) -> RescaleRules:
        return _OpByOp(self.unknown_ops, missing=True)

    def refuse(self, op: Op, outputs: Sequence[tf.Tensor]) -> None:
        refuse_rounded_products(op, outputs)


class _OpByOp(RescaleRules):
    """The same where numbers may be missing: what they make of each other is known of ops, not of steps of many."""

    program = Program(decisions=True)


def applied(call: Call, values: Sequence[Carried], rule: Rule) -> list[tf.Tensor]:
    """The op's outputs at x, with the rule as its backward pass."""
    if call.op.type in ops.SELECTS and isinstance(values[0], Value) and values[0].decided is not None:
        return decisions.chosen(dataclasses.replace(call, y=call.run(call.x)), values, rule)
    return linear(call) if rule is gradient else ruled(call, rule)


def refuse_rounded_products(op: Op, outputs: Sequence[tf.Tensor]) -> None:
    """Raises UnsupportedOpError for a product of rounded numbers, by which the credit would pass."""
    if op.type in ops.KERNELS and outputs[0].dtype.is_integer:
        raise UnsupportedOpError(
            f"The op {op.type} at {op.name!r} multiplies integers ({outputs[0].dtype.name}) that were rounded from "
            "what is explained: a quantised layer. Credit would pass by it, along the scale of the rounding. Explain "
            "the model as it was before quantize(), or use a method of gradients, which its author defined here, "
            "such as 'integrated_gradients'."
        )
