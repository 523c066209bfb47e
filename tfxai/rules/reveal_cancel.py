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
from collections.abc import Callable, Sequence

import tensorflow as tf

from tfxai.graph import ops as optypes
from tfxai.graph.activity import KERNELS
from tfxai.graph.replay import Call, Table, Value, linear, ruled
from tfxai.rules import division as norms
from tfxai.rules.deeplift import Rescale, inverse_norm
from tfxai.rules.numerics import rounding

ADDITIVE = frozenset({
    "Add", "AddN", "AddV2", "BiasAdd", "BiasAddV1", "Concat", "ConcatV2", "Pack", "PadV2", "DynamicStitch",
    "ParallelDynamicStitch", "SelectV2", "Select", "TensorListSetItem", "TensorListPushBack", "TensorListFromTensor",
})  # fmt: skip
DIAGONAL = frozenset({"Mul", "MulNoNan", "RealDiv", "Neg"}) | optypes.NORMALISATIONS
STEERED = frozenset({"ScaleAndTranslate"})  # linear; its other float inputs are parameters, not summands
ONCE_ONLY = frozenset({"LRN", "MaxPoolWithArgmax"})  # TensorFlow has no second derivative of these


def corners(call: Call, values: list) -> list[Value]:
    """y = f(x): the Shapley values of the two parts, f at the four corners x0, x0 + p, x0 + n, x.

    dy+ = ((f(x0 + p) - f(x0)) + (f(x) - f(x0 + n))) / 2, and m+ = dy+ / p; where p vanishes, the mean slope at its
    two base points, which are then x0 and x.
    """
    (i,) = call.data
    x0, y0 = call.x0[i], call.y0[0]

    def at(tensor: tf.Tensor) -> list[tf.Tensor]:
        return [tensor if k == i else t for k, t in enumerate(call.x)]

    @tf.custom_gradient
    def both(x: tf.Tensor, spread: tf.Tensor):
        y = call.run(at(x))[0]
        ends = [(x + x0 + sign * spread) / 2 for sign in (1, -1)]
        spread_y = tf.subtract(*(call.run(at(end))[0] for end in ends))

        def backward(up: tf.Tensor, across: tf.Tensor | None = None) -> list[tf.Tensor]:
            dx, dy = x - x0, y - y0
            halves = [tf.fill(tf.shape(t), tf.cast(0.5, t.dtype)) for t in (y, y0)]
            slope = call.vjp(at(x), halves[:1])[0] + call.vjp(at(x0), halves[1:])[0]
            least = 32 * rounding(x.dtype) * spread
            m_up = tf.where(dx + spread <= least, slope, (spread_y + dy) / (spread + dx))
            m_down = tf.where(spread - dx <= least, slope, (spread_y - dy) / (spread - dx))
            if across is None:
                half = up / 2
                return [half * (m_up + m_down), half * (m_up - m_down)]
            a, b = (up + across) * m_up, (up - across) * m_down
            return [(a + b) / 2, (a - b) / 2]

        return (y, backward) if call.to_kernels else ((y, spread_y), backward)

    outputs = both(values[i].x, values[i].spread)
    if call.to_kernels:
        return [Value(outputs, y0)]
    y, spread_y = outputs
    if call.op.type not in optypes.RISING:
        spread_y = tf.maximum(spread_y, tf.abs(y - y0))
    return [Value(y, y0, spread_y)]


def kernel(call: Call) -> list[tf.Tensor]:
    """Dense and convolution: the contributions w * dx are split by their sign, whatever parts dx has."""
    (data,) = call.data
    inputs = [tf.abs(t) if t.dtype.is_floating else t for t in call.x]  # a transposed one has a size among them
    inputs[data] = tf.abs(call.x[data] - call.x0[data])
    return call.run(inputs)


def transported(call: Call, spreads: Sequence[tf.Tensor], rule: Callable) -> list[tf.Tensor | None]:
    """Any other op: what the multipliers of the rescale table make of the spread.

    The forward step is the transpose of the rule, found by differentiating it: a rule is linear in `upstream`.
    """
    floating = [i for i, y in enumerate(call.y) if y.dtype.is_floating]

    def back(upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        full = [None] * len(call.y)
        for i, u in zip(floating, upstream, strict=True):
            full[i] = u
        return rule(call, full)

    @tf.custom_gradient
    def forward(*spreads: tf.Tensor):
        with tf.GradientTape() as tape:
            probe = [tf.zeros_like(call.y[i]) for i in floating]
            tape.watch(probe)
            moved = sum(tf.reduce_sum(g * s) for g, s in zip(back(probe), spreads, strict=True))
        made = tape.gradient(moved, probe, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return made, lambda *upstream: back(upstream)

    made = dict(zip(floating, forward(*spreads), strict=True))
    return [made.get(i) for i in range(len(call.y))]


def alone(call: Call, spreads: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """The op on the spreads: constants that are added have none."""
    steered = call.op.type in STEERED
    inputs = [tf.zeros_like(t) if t.dtype.is_floating and not steered else t for t in call.x]
    if call.op.type in DIAGONAL - {"Neg"}:
        inputs[1 - call.data[0]] = call.x[1 - call.data[0]]
    for i, spread in zip(call.data, spreads, strict=True):
        inputs[i] = spread
    return linear(dataclasses.replace(call, x=inputs))


@dataclasses.dataclass(frozen=True)
class RevealCancel(Table):
    """The table of DeepLIFT with the RevealCancel rule.

    `genomics` keeps it for nonlinearities after dense layers and rescales those after convolutions.
    """

    genomics: bool = False
    unknown_ops: str = "raise"
    streams = 3

    def apply(self, call: Call, values: list) -> list[Value]:
        kind = call.op.type
        rule = Rescale(self.unknown_ops).rule(call)
        one = len(call.data) == 1 and not call.decided and _same_shape(call)
        after_convolution = self.genomics and call.origin in optypes.CONVOLUTIONS
        rescaled = rule is None or rule is inverse_norm or after_convolution
        if one and kind in optypes.EVERYWHERE and not rescaled:
            return corners(call, values)
        y = linear(call) if rule is None else ruled(call, rule)
        call, y0 = dataclasses.replace(call, y=y), call.y0
        if call.to_kernels:
            return [Value(a, b) for a, b in zip(y, call.y0, strict=True)]
        if rule is inverse_norm:
            call = dataclasses.replace(norms.bounded(call), y=[norms.limited(y[0])])
        spreads = self.spreads(call, [values[i].spread for i in call.data], rule)
        return [Value(*both) for both in zip(y, y0, spreads, strict=True)]

    def spreads(self, call: Call, spreads: list[tf.Tensor], rule: Callable | None) -> list[tf.Tensor | None]:
        kind = call.op.type
        if kind in ONCE_ONLY:
            return [tf.abs(call.y[0] - call.y0[0]), *[None] * (len(call.y) - 1)]
        if rule is not None:
            return _at_least(call, transported(call, spreads, rule))
        if len(call.data) == 1 and kind in KERNELS:
            return kernel(call)
        if len(call.data) == 1 and kind in DIAGONAL and _same_shape(call):
            return [tf.abs(s) if s.dtype.is_floating else s for s in alone(call, spreads)]
        if kind == "Sub":
            zero = tf.zeros_like(call.y[0])
            return [sum(spreads, zero)]
        constants = [i for i, t in enumerate(call.x) if i not in call.data and t.dtype.is_floating]
        if constants and kind not in ADDITIVE | STEERED:
            return _at_least(call, transported(call, spreads, lambda c, u: c.vjp(c.x, u)))
        return alone(call, spreads)


def _at_least(call: Call, spreads: list[tf.Tensor | None]) -> list[tf.Tensor | None]:
    """A spread below |dy| would make a positive part negative, or a negative one positive."""
    changes = zip(spreads, call.y, call.y0, strict=True)
    return [None if s is None else tf.maximum(s, tf.abs(y - y0)) for s, y, y0 in changes]


def _same_shape(call: Call) -> bool:
    return call.x0[call.data[0]].shape.as_list() == call.y0[0].shape.as_list()
