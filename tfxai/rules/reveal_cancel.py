"""DeepLIFT's RevealCancel rule: what raises a unit and what lowers it do not cancel before its nonlinearity.

Every difference has a positive and a negative part, `x - reference = positive + negative`
(Shrikumar et al. 2017, sections 3.5 and appendix; the formulas are the lecture's). Carried beside x is their distance,

    spread = positive - negative      so that      positive, negative = (x - reference +- spread) / 2

because then most rules are an op run on the spread and its ordinary gradient: through a kernel, positive minus
negative contributions are |W| |dx|. Multipliers come back as a pair too, u for x and v for the spread;
those of the parts are u + v and u - v. No positive part is below zero, no negative one above it.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tfxai.graph import ops
from tfxai.graph.capture import Op
from tfxai.graph.override import custom_gradient
from tfxai.graph.table import Call, Diagonal, Program, Rule, RuleTable, linear
from tfxai.graph.value import Carried, Value
from tfxai.rules import decisions
from tfxai.rules.annotations import kernel_before, norms, parts_unread
from tfxai.rules.chords import Curve, Point, corner_chords
from tfxai.rules.deeplift import RescaleRules, applied, gradient, inverse_norm, refuse_rounded_products
from tfxai.rules.division import bounded, limited
from tfxai.support.numerics import continuous, inner, same_shape, unbroadcast

Spreads = list[tf.Tensor | None]  # one per output; None where it is no float


def corners(call: Call, values: list[Carried]) -> list[Value]:
    """y = f(x): the Shapley values of the two parts, f at the four corners x0, x0 + p, x0 + n, x.

    dy+ = ((f(x0 + p) - f(x0)) + (f(x) - f(x0 + n))) / 2, and m+ = dy+ / p; dy- and m- likewise. What comes in by u and
    v leaves as u m + v d and u d + v m, with m and d half the sum and half the difference of m+ and m-.
    """
    (i,) = call.active
    curve, x0 = Curve(call, i, call.x), call.x0[i]
    line, bent = curve.without_line()
    narrow = call.note(parts_unread)

    @custom_gradient
    def both(x: tf.Tensor, spread: tf.Tensor) -> Any:
        y = curve.at(x).y
        start, end = (Point(x0, call.y0[0]), Point(x, y)) if bent is curve else (bent.at(x0), bent.at(x))
        up, down = corner_chords(bent, start, end, spread)
        m, d = (up + down) / 2, (up - down) / 2
        if bent is not curve:
            m, d = line + (1 - line) * m, (1 - line) * d

        def backward(u: tf.Tensor, v: tf.Tensor | None = None) -> list[tf.Tensor]:
            return [u * m, u * d] if v is None else [u * m + v * d, u * d + v * m]

        return (y, backward) if narrow else ((y, m * spread + d * (x - x0)), backward)

    outputs = both(values[i].x, values[i].spread)
    if narrow:
        return [Value(outputs, call.y0[0])]
    y, spread_y = outputs
    if call.op.type not in ops.RISING:
        spread_y = at_least(spread_y, y, call.y0[0])
    return [Value(y, call.y0[0], spread_y)]


def transported(call: Call, spreads: Sequence[tf.Tensor], rule: Rule) -> Spreads:
    """What the multipliers of the op's rule make of the spread.

    A rule hands upstream u back as M u, one number for each input, and is linear in u. The contribution of the spread
    s to the outputs is therefore M^T s, the transpose, which is found by differentiating: d <M u, s> / du = M^T s.
    """
    floating = [i for i, y in enumerate(call.y) if continuous(y)]

    def back(upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        full: list = [None] * len(call.y)
        for i, u in zip(floating, upstream, strict=True):
            full[i] = u
        return rule(call, full)

    @custom_gradient
    def forward(*spreads: tf.Tensor) -> Any:
        with tf.GradientTape() as tape:
            probe = [tf.zeros_like(call.y[i]) for i in floating]
            tape.watch(probe)
            moved = sum(tf.reduce_sum(inner(g, s)) for g, s in zip(back(probe), spreads, strict=True))
        made = tape.gradient(moved, probe, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return made, lambda *upstream: back(upstream)

    made = dict(zip(floating, forward(*spreads), strict=True))
    return [made.get(i) for i in range(len(call.y))]


def together(call: Call, values: list[Carried], rule: Diagonal) -> list[Value]:
    """An op each element of whose output has its own elements of the inputs: the slopes of x are those of the spread.

    y with the rule as its backward pass, and M^T s, which is the sum of m s.
    """

    @custom_gradient
    def both(*given: tf.Tensor) -> Any:
        x, spreads = given[: len(call.active)], given[len(call.active) :]
        full = list(call.x)
        for i, tensor in zip(call.active, x, strict=True):
            full[i] = tensor
        (y,) = call.run(full)
        slopes = rule.slopes(dataclasses.replace(call, x=full, y=[y]))
        made = tf.add_n([m * s for m, s in zip(slopes, spreads, strict=True)])
        return (y, made), lambda u, v: [w * m for w in (u, v) for m in slopes]

    y, made = both(*[call.x[i] for i in call.active], *[values[i].spread for i in call.active])
    (spread,) = _at_least(dataclasses.replace(call, y=[y]), [made])
    return [Value(y, call.y0[0], spread)]


# --- What the spread of an op's outputs is ----------------------------------------------------------------------------


def once_differentiable(call: Call, spreads: list, rule: Rule) -> Spreads:
    """Where TensorFlow has no second derivative: as large as the change, all of which is one part then."""
    return [distance(call.y[0], call.y0[0]), *[None] * (len(call.y) - 1)]


def by_rule(call: Call, spreads: list, rule: Rule) -> Spreads:
    """What the multipliers of the op's rule make of it."""
    return _at_least(call, transported(call, spreads, rule))


def kernel(call: Call, spreads: list, rule: Rule) -> Spreads:
    """Dense and convolution: the contributions w * dx are split by their sign, whatever parts dx has."""
    (active,) = call.active
    inputs = [tf.abs(t) if t.dtype.is_floating else t for t in call.x]  # a transposed one has a size among them
    inputs[active] = distance(call.x[active], call.x0[active])
    return list(call.run(inputs))


def scaled(call: Call, spreads: list, rule: Rule) -> Spreads:
    """Each output is its own input times a constant; where that is negative the parts change places."""
    return [s if s is None or not s.dtype.is_floating else tf.abs(s) for s in alone(call, spreads, rule)]


def summed(call: Call, spreads: list, rule: Rule) -> Spreads:
    """A difference of two that vary: what is subtracted brings its negative part as a positive one."""
    return [sum(spreads, tf.zeros_like(call.y[0]))]


def alone(call: Call, spreads: list, rule: Rule) -> Spreads:
    """The op on the spreads: constants that are added have none."""
    steered = call.op.type in ops.STEERED
    inputs = [tf.zeros_like(t) if t.dtype.is_floating and not steered else t for t in call.x]
    if call.op.type in ops.DIAGONAL - {"Neg"}:
        inputs[1 - call.active[0]] = call.x[1 - call.active[0]]
    for i, spread in zip(call.active, spreads, strict=True):
        inputs[i] = spread
    return list(linear(dataclasses.replace(call, x=inputs)))


# The first row whose condition (call, rule) holds says how the spread is made.
SPREADS: tuple[tuple[Callable[[Call, Rule], bool], Callable[[Call, list, Rule], Spreads]], ...] = (
    (lambda call, rule: call.op.type in ops.ONCE_DIFFERENTIABLE, once_differentiable),
    (lambda call, rule: rule is not gradient or _complex(call), by_rule),
    (lambda call, rule: len(call.active) == 1 and call.op.type in ops.KERNELS, kernel),
    (lambda call, rule: len(call.active) == 1 and call.op.type in ops.DIAGONAL and _same_shape(call), scaled),
    (lambda call, rule: call.op.type == "Sub", summed),
    (lambda call, rule: call.op.type in ops.ADDITIVE | ops.STEERED or not _has_constants(call), alone),
    (lambda call, rule: True, by_rule),  # linear with parameters among its inputs: its gradient is what it does
)


def _element_by_element(call: Call) -> bool:
    """Whether nothing is broadcast, and each element of the output comes of its own elements."""
    elementwise = ops.BY_ELEMENT | ops.SMOOTH | ops.PIECEWISE | ops.STEPS | ops.SELECTS - {"Select"}
    if call.op.type not in elementwise or _complex(call):
        return False
    made = functools.reduce(tf.broadcast_static_shape, [t.shape for t in call.x])
    return made.rank is not None and all(call.x[i].shape.as_list() == made.as_list() for i in call.active)


def _complex(call: Call) -> bool:
    """Whether complex numbers go in or come out: they have no sign, so what is beside them moves as they do."""
    return any(t.dtype.is_complex for t in (*call.x, *call.y))


def _has_constants(call: Call) -> bool:
    return any(t.dtype.is_floating for i, t in enumerate(call.x) if i not in call.active)


@dataclasses.dataclass(frozen=True)
class RevealCancelRules(RuleTable):
    """The table of DeepLIFT with the RevealCancel rule.

    `genomics` keeps it for nonlinearities after dense layers and rescales those after convolutions.
    """

    genomics: bool = False
    unknown_ops: str = "raise"
    streams = 3
    program = Program(decisions=True, logsumexp_as_one=True)
    annotations = (norms, kernel_before, parts_unread)
    narrow = (parts_unread,)

    def apply(self, call: Call, values: list[Carried]) -> list[Value]:
        if not call.active:
            numbers = decisions.number(dataclasses.replace(call, y=call.run(call.x)), values)
            return [v._replace(spread=tf.abs(v.x - v.reference)) for v in numbers]
        rule = RescaleRules(self.unknown_ops).rule(call)
        if self.reveals(call, rule):
            return corners(call, values)
        if isinstance(rule, Diagonal) and rule is not inverse_norm and _element_by_element(call):
            if not call.note(parts_unread):
                return together(call, values, rule)
        y = applied(call, values, rule)
        if call.note(parts_unread):
            return [Value(a, b) for a, b in zip(y, call.y0, strict=True)]
        y0, call = call.y0, dataclasses.replace(call, y=y)
        if rule is inverse_norm:
            call = dataclasses.replace(bounded(call), y=[limited(y[0])])
        spreads = [values[i].spread for i in call.active]
        made = next(make for applies, make in SPREADS if applies(call, rule))(call, spreads, rule)
        return [Value(*both) for both in zip(y, y0, made, strict=True)]

    def reveals(self, call: Call, rule: Rule) -> bool:
        """Whether the op is a nonlinearity whose parts are asked for one by one."""
        after_convolution = self.genomics and call.note(kernel_before) in ops.CONVOLUTIONS
        one = len(call.active) == 1 and not call.discrete and not _complex(call) and _same_shape(call)
        rescaled = rule in (gradient, inverse_norm) or after_convolution
        return one and call.op.type in ops.EVERYWHERE and not rescaled

    def decide(self, call: Call, values: list[Carried]) -> list[Value]:
        return decisions.decision(call, values)

    def refuse(self, op: Op, outputs: Sequence[tf.Tensor]) -> None:
        refuse_rounded_products(op, outputs)


def _at_least(call: Call, spreads: Spreads) -> Spreads:
    """Spreads that are no smaller than the changes."""
    changes = zip(spreads, call.y, call.y0, strict=True)
    return [s if s is None or s.dtype.is_complex else at_least(s, y, y0) for s, y, y0 in changes]


# --- Sizes of changes, whose gradients need no sums over axes of which one is open ------------------------------------


def distance(x: tf.Tensor, x0: tf.Tensor) -> tf.Tensor:
    """|x - x0|."""

    @custom_gradient
    def size(x: tf.Tensor) -> Any:
        sign = tf.sign(x - x0)
        return tf.abs(x - x0), lambda v: [unbroadcast(v * sign, x)]

    return size(x)


def at_least(spread: tf.Tensor, y: tf.Tensor, y0: tf.Tensor) -> tf.Tensor:
    """The spread, or |y - y0| where that is more: else a positive part were negative, or a negative one positive."""

    @custom_gradient
    def larger(spread: tf.Tensor, y: tf.Tensor) -> Any:
        change = y - y0
        short = spread < tf.abs(change)
        sign = tf.where(short, tf.sign(change), tf.zeros([], y.dtype))
        own = tf.cast(tf.logical_not(short), y.dtype)
        return tf.maximum(spread, tf.abs(change)), lambda v: [unbroadcast(v * own, spread), unbroadcast(v * sign, y)]

    return larger(spread, y)


def _same_shape(call: Call) -> bool:
    """Whether nothing is broadcast: for certain where the ops that ask have no second operand."""
    return len(call.x) == 1 or same_shape(call.x0[call.active[0]], call.y0[0])
