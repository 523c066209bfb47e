"""DeepLIFT's RevealCancel rule: the positive and the negative part of every difference travel separately.

Each value carries `positive + negative = x - reference`; multipliers come back as a pair too
(Shrikumar et al. 2017, sections 3.5 and appendix; the formulas are the lecture's).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import tensorflow as tf

from tfxai.graph.kinds import KERNELS
from tfxai.graph.replay import Call, Table, Value, linear
from tfxai.rules import optypes
from tfxai.rules.deeplift import Rescale, rounding

Parts = list[tf.Tensor]  # one tensor per data input of an op
ADDITIVE = frozenset({
    "Add", "AddN", "AddV2", "BiasAdd", "BiasAddV1", "Concat", "ConcatV2", "Pack", "PadV2", "DynamicStitch",
    "ParallelDynamicStitch", "SelectV2", "Select", "TensorListSetItem", "TensorListPushBack", "TensorListFromTensor",
})  # fmt: skip


STEERED = frozenset({"ScaleAndTranslate"})  # linear; its other float inputs are parameters, not summands
ONCE_ONLY = frozenset({"LRN", "MaxPoolWithArgmax"})  # TensorFlow has no second derivative of these


def _override(call: Call, positive: Parts, negative: Parts, rule: Callable) -> tuple:
    """(positive, negative) of the single output under a rule.

    `rule(p, n)` returns that pair and `backward(up, down) -> (to positive, to negative)`.
    """
    count = len(positive)

    @tf.custom_gradient
    def both(*parts: tf.Tensor):
        outputs, backward = rule(list(parts[:count]), list(parts[count:]))
        return outputs, lambda up, down: [m for side in backward(up, down) for m in side]

    return both(*positive, *negative)


def kernel(call: Call, positive: Parts, negative: Parts) -> tuple:
    """Dense and convolution: contributions w * dx are split by their sign, whatever parts dx has.

    With dx = x - x0, the positive ones sum to (W dx + |W| |dx|) / 2, so one more pass through the op does it, and
    one transposed pass with |W| splits the multipliers. Where dx = 0 both get half the sum.
    """
    (data,) = call.data
    weights = 1 - data
    change = call.y[0] - call.y0[0]

    def with_absolute(tensor: tf.Tensor) -> list[tf.Tensor]:
        inputs = list(call.x)
        inputs[data], inputs[weights] = tensor, tf.abs(call.x[weights])
        return inputs

    def rule(p: Parts, n: Parts) -> tuple:
        dx = p[0] + n[0]
        raised = (change + call.run(with_absolute(tf.abs(dx)))[0]) / 2

        def backward(up: tf.Tensor, down: tf.Tensor) -> tuple:
            mean = call.vjp(call.x, [up + down])[0]
            split = call.vjp(with_absolute(call.x[data]), [up - down])[0]
            multiplier = (mean + tf.sign(dx) * split) / 2
            return [multiplier], [multiplier]

        return (raised, change - raised), backward

    return _override(call, positive, negative, rule)


def scaled(call: Call, positive: Parts, negative: Parts) -> tuple:
    """A channel's scale keeps the parts apart, and swaps them where it is negative."""
    (data,) = call.data
    factor = call.x[1 - data] if call.op.type != "RealDiv" else 1 / call.x[1]
    up, down = tf.maximum(factor, 0), tf.minimum(factor, 0)
    p, n = positive[0], negative[0]
    return p * up + n * down, p * down + n * up


def subtracted(call: Call, positive: Parts, negative: Parts) -> tuple:
    """a - b: what raises b lowers the difference."""
    shape = tf.shape(call.y[0])
    signs = {0: (positive, negative), 1: (negative, positive)}
    total = [tf.zeros(shape, call.y[0].dtype)] * 2
    for k, i in enumerate(call.data):
        for part in (0, 1):
            moved = signs[i][part][k]
            total[part] = total[part] + (moved if i == 0 else -moved)
    return tuple(total)


def negated(call: Call, positive: Parts, negative: Parts) -> tuple:
    return -negative[0], -positive[0]


def reveal_cancel(call: Call, positive: Parts, negative: Parts) -> tuple:
    """y = f(x): the Shapley values of the two parts, f at the four corners x0, x0 + p, x0 + n, x.

    dy+ = ((f(x0 + p) - f(x0)) + (f(x) - f(x0 + n))) / 2, and m+ = dy+ / p; for a vanishing p the mean slope at its
    two base points x0 and x0 + n.
    """
    x0, y, y0 = call.x0[call.data[0]], call.y[0], call.y0[0]

    def at(tensor: tf.Tensor) -> list[tf.Tensor]:
        inputs = list(call.x)
        inputs[call.data[0]] = tensor
        return inputs

    def rule(p: Parts, n: Parts) -> tuple:
        ends = x0 + p[0], x0 + n[0]
        f_p, f_n = (call.run(at(t))[0] for t in ends)
        spread = f_p - f_n
        gain, loss = (y - y0 + spread) / 2, (y - y0 - spread) / 2

        def backward(up: tf.Tensor, down: tf.Tensor) -> tuple:
            ones = [tf.ones_like(y)]
            slope_p, slope_n = (call.vjp(at(t), ones)[0] for t in ends)
            base = call.vjp(at(x0), [tf.ones_like(y0)])[0]  # of the reference's batch, often 1
            size = 32 * rounding(y.dtype) * (tf.abs(ends[0]) + tf.abs(ends[1]))
            m_up = _divided(gain, p[0], size, (base + slope_n) / 2)
            m_down = _divided(loss, n[0], size, (base + slope_p) / 2)
            return [up * m_up], [down * m_down]

        return (gain, loss), backward

    return _override(call, positive, negative, rule)


def _divided(change: tf.Tensor, part: tf.Tensor, size: tf.Tensor, slope: tf.Tensor) -> tf.Tensor:
    return tf.where(tf.abs(part) <= size, slope, tf.math.divide_no_nan(change, part))


def averaged(call: Call, positive: Parts, negative: Parts, rule: Callable) -> list[tuple]:
    """Any other op: the multipliers of the rescale table, applied to both parts.

    The forward step is the transpose of the rule, found by differentiating it: a rule is linear in `upstream`.
    """
    floating = [i for i, y in enumerate(call.y) if y.dtype.is_floating]
    count = len(positive)

    def spread(upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        full = [None] * len(call.y)
        for i, u in zip(floating, upstream, strict=True):
            full[i] = u
        return rule(call, full)

    @tf.custom_gradient
    def both(*parts: tf.Tensor):
        p = list(parts[:count])
        with tf.GradientTape() as tape:
            probe = [tf.zeros_like(call.y[i]) for i in floating]
            tape.watch(probe)
            moved = sum(tf.reduce_sum(g * q) for g, q in zip(spread(probe), p, strict=True))
        up = tape.gradient(moved, probe, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        down = [call.y[i] - call.y0[i] - u for i, u in zip(floating, up, strict=True)]

        def back(*upstream: tf.Tensor) -> list[tf.Tensor]:
            half = len(floating)
            return [*spread(upstream[:half]), *spread(upstream[half:])]

        return [*up, *down], back

    flat = both(*positive, *negative)
    half = len(floating)
    parts = dict(zip(floating, zip(flat[:half], flat[half:], strict=True), strict=True))
    return [parts.get(i, (None, None)) for i in range(len(call.y))]


def by_sign(call: Call, positive: Parts, negative: Parts, rule: Callable) -> list[tuple]:
    """An op whose rule cannot be transposed: its output's change is parted anew, by its own sign."""
    change = call.y[0] - call.y0[0]

    def parted(p: Parts, n: Parts) -> tuple:
        def backward(up: tf.Tensor, down: tf.Tensor) -> tuple:
            multipliers = rule(call, [tf.where(change > 0, up, down), *[None] * (len(call.y) - 1)])
            return multipliers, multipliers

        return (tf.maximum(change, 0), tf.minimum(change, 0)), backward

    return [_override(call, positive, negative, parted), *[(None, None)] * (len(call.y) - 1)]


@dataclasses.dataclass(frozen=True)
class RevealCancel(Table):
    """The table of DeepLIFT with the RevealCancel rule.

    `genomics` keeps it for nonlinearities after dense layers and rescales those after convolutions.
    """

    genomics: bool = False
    unknown_ops: str = "raise"
    streams = 4

    def apply(self, call: Call, values: list) -> list[Value]:
        call = dataclasses.replace(call, y=call.run(call.x))
        parts = self.parts(call, [values[i].positive for i in call.data], [values[i].negative for i in call.data])
        return [Value(y, y0, p, n) for y, y0, (p, n) in zip(call.y, call.y0, parts, strict=True)]

    def parts(self, call: Call, positive: Parts, negative: Parts) -> list[tuple]:
        kind, rescale = call.op.type, Rescale(self.unknown_ops)
        rule = rescale.rule(call)
        if rule is None:
            return self.linear(call, positive, negative)
        one = len(call.data) == 1 and not call.decided and _same_shape(call)
        after_convolution = self.genomics and call.origin in optypes.CONVOLUTIONS
        if one and kind in optypes.EVERYWHERE and not after_convolution:
            return [reveal_cancel(call, positive, negative)]
        if kind in ONCE_ONLY:
            return by_sign(call, positive, negative, rule)
        return averaged(call, positive, negative, rule)

    def linear(self, call: Call, positive: Parts, negative: Parts) -> list[tuple]:
        kind = call.op.type
        if kind in KERNELS and len(call.data) == 1 and kind != "Einsum" and len(call.x) == 2:
            return [kernel(call, positive, negative)]
        if kind in ("Mul", "MulNoNan") and len(call.data) == 1 and _same_shape(call):
            return [scaled(call, positive, negative)]
        if kind == "Sub" and all(positive[k].shape.rank == call.y[0].shape.rank for k in range(len(positive))):
            return [subtracted(call, positive, negative)]
        if kind == "Neg":
            return [negated(call, positive, negative)]
        constants = [i for i, t in enumerate(call.x) if i not in call.data and t.dtype.is_floating]
        if constants and kind not in ADDITIVE | STEERED:
            return averaged(call, positive, negative, lambda c, u: c.vjp(c.x, u))
        return list(zip(*(_run_on(call, part) for part in (positive, negative)), strict=True))


def _run_on(call: Call, parts: Parts) -> list[tf.Tensor]:
    """The op on one part alone: constants that are added have no difference."""
    steered = call.op.type in STEERED
    inputs = [tf.zeros_like(t) if t.dtype.is_floating and not steered else t for t in call.x]
    for i, part in zip(call.data, parts, strict=True):
        inputs[i] = part
    return linear(dataclasses.replace(call, x=inputs))


def _same_shape(call: Call) -> bool:
    return call.x[call.data[0]].shape.as_list() == call.y[0].shape.as_list()
