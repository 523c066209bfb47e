"""DeepLIFT's rescale rule and its companions (Shrikumar et al. 2017, arXiv:1704.02685).

Every rule distributes `sum(upstream * (y - y0))` over the op's inputs so that the sum of
`multiplier * (x - x0)` is the same: complete op by op, hence complete end to end.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from tfxai.graph import ops as optypes
from tfxai.graph.replay import Call, Rule, Table, Value, linear, ruled, unsupported
from tfxai.rules import division as norms
from tfxai.rules.numerics import column_like, empty, per_example, rounding, tolerance_of, unbroadcast, widened

NODES = 6  # Gauss-Legendre nodes for ops that mix their inputs; what they miss is put back


def midpoint(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """The gradient halfway: exact for products, where it is the two-player Shapley value."""
    mean = list(call.x)
    for i in (*call.data, *call.decided):
        mean[i] = (call.x[i] + call.x0[i]) / 2
    return call.vjp(mean, upstream)


def piecewise(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Rescale for piecewise linear f: dy / dx is exact at any distance, f' is needed at dx = 0 only."""
    x, x0, y, y0, back = _elementwise(call)
    dx = x - x0
    with_slope = call.vjp(_with(call, x), upstream)[0]
    return [back(tf.where(dx == 0, with_slope, upstream[0] * tf.math.divide_no_nan(y - y0, dx)))]


def rectifier(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Rescale for functions with one kink at 0, in the fewest passes over memory: dy / dx from a hair below x0.

    The quotient is then right at dx = 0 too: f' there, and at the kink its left side, as TensorFlow has it. A
    hair is one rounding error of x0, and so is what the sum loses.
    """
    x, x0, y = call.x[0], call.x0[0], call.y[0]
    tiny = 1e-30 if x.dtype not in (tf.float16,) else 1e-7
    below = x0 - rounding(x.dtype) * tf.abs(x0) - tf.cast(tiny, x.dtype)
    return [upstream[0] * tf.math.divide_no_nan(y - call.run(_with(call, below))[0], x - below)]


def rescale(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """dy / dx, and the mean of the slopes at both ends where rounding would spoil the quotient."""
    if call.decided:
        return piecewise(call, upstream)
    x, x0, y, y0, back = _elementwise(call)
    wide = [tf.cast(t, widened(x.dtype)) for t in (x, x0, y, y0)]
    ones = [tf.ones_like(y)]
    ends = call.vjp(_with(call, x), ones)[0] + call.vjp(_with(call, x0), [tf.ones_like(y0)])[0]
    near = tf.cast(ends, wide[0].dtype) / 2
    slope = _quotient(wide[0], wide[1], wide[2], wide[3], near, tolerance_of(x.dtype))
    return [back(upstream[0] * tf.cast(slope, x.dtype))]


def inverse_norm(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Rescale where the inverse of a norm may be infinite."""
    return rescale(norms.bounded(call), upstream)


def bounded(slope: Callable[[tf.Tensor], tf.Tensor]) -> Rule:
    """Rescale for a smooth f of unit scale whose slope follows from its output: few passes, same accuracy.

    Within |dx| <= 0.01 the slope at the mean output is off by at most 1e-6, farther away the quotient's rounding
    error is at most 1e-5 (float32).
    """

    def rule(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        dtype = call.x[0].dtype
        x, x0, y, y0 = (tf.cast(t, widened(dtype)) for t in (call.x[0], call.x0[0], call.y[0], call.y0[0]))
        dx = x - x0
        near = tf.abs(dx) <= tolerance_of(dtype) ** 0.67
        return [upstream[0] * tf.cast(tf.where(near, slope((y + y0) / 2), (y - y0) / dx), dtype)]

    return rule


def shapley(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """f(a, b): each operand's own change of f, averaged over the two orders in which they can change."""
    if len(call.data) == 1:
        return rescale(call, upstream)
    shape = tf.shape(call.y[0])
    (a, b), (a0, b0) = [[tf.broadcast_to(t, shape) for t in pair] for pair in (call.x, call.x0)]
    f = {(i, j): call.run([p, q])[0] for i, p in enumerate((a0, a)) for j, q in enumerate((b0, b))}
    ones = [tf.ones_like(a)]
    slopes = [call.vjp([p, q], ones) for p in (a0, a) for q in (b0, b)]
    slope_a, slope_b = (sum(s[k] for s in slopes) / 4 for k in (0, 1))
    gain_a = (f[1, 0] - f[0, 0] + f[1, 1] - f[0, 1]) / 2
    gain_b = (f[0, 1] - f[0, 0] + f[1, 1] - f[1, 0]) / 2
    zero, tolerance = tf.zeros_like(a), tolerance_of(a.dtype)
    ma = _quotient(a, a0, gain_a, zero, slope_a, tolerance, scale=tf.abs(f[1, 1]))
    mb = _quotient(b, b0, gain_b, zero, slope_b, tolerance, scale=tf.abs(f[1, 1]))
    return [unbroadcast(upstream[0] * m, t) for m, t in ((ma, call.x[0]), (mb, call.x[1]))]


def select(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """where(c, a, b) whose condition changes: half of each branch, completed element by element."""
    condition, a, b = (tf.broadcast_to(_column(t, call), tf.shape(call.y[0])) for t in call.x)
    condition0, a0, b0 = (tf.broadcast_to(_column(t, call), tf.shape(call.y[0])) for t in call.x0)
    share = (tf.cast(condition, a.dtype) + tf.cast(condition0, a.dtype)) / 2
    shares = {1: share, 2: 1 - share}
    deltas = {1: a - a0, 2: b - b0}
    missing = call.y[0] - call.y0[0] - sum(shares[i] * deltas[i] for i in call.data)
    total = sum(tf.abs(deltas[i]) for i in call.data)
    spread = tf.math.divide_no_nan(missing, total)
    return [unbroadcast(upstream[0] * (shares[i] + spread * tf.sign(deltas[i])), call.x[i]) for i in call.data]


def largest(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    return _winner(call, upstream, tf.maximum)


def smallest(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    return _winner(call, upstream, tf.minimum)


def _winner(call: Call, upstream: Sequence[tf.Tensor], between: Callable) -> list[tf.Tensor]:
    """Max and min: x's winner is credited with the gain, the reference's winner with the loss.

    y - y0 = (m - y0) + (y - m) with m = max(y, y0). A winner moved by at least what it is credited with, so
    the quotient by its own change is at most 1.
    """
    u, y, y0 = upstream[0], call.y[0], call.y0[0]
    x, x0 = call.x[call.data[0]], tf.broadcast_to(call.x0[call.data[0]], tf.shape(call.x[call.data[0]]))
    middle = between(y, y0)
    rest = [None] * (len(call.y) - 1)
    credit = call.vjp(_with(call, x), [u * (middle - y0), *rest])[0]
    credit += call.vjp(_with(call, x0), [u * (y - middle), *rest])[0]
    dx = x - x0
    return [tf.where(dx == 0, call.vjp(call.x, [u, *rest])[0], tf.math.divide_no_nan(credit, dx))]


def averaged_rows(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Softmax and its like: complete row by row."""
    return _averaged(call, upstream, lambda t: tf.reduce_sum(t, axis=-1, keepdims=True))


def averaged(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """The Jacobian averaged on the straight line from the reference: complete example by example."""
    return _averaged(call, upstream, per_example)


def _averaged(call: Call, upstream: Sequence[tf.Tensor], total: Callable) -> list[tf.Tensor]:
    x = [call.x[i] for i in call.data]
    x0 = [tf.broadcast_to(call.x0[i], tf.shape(call.x[i])) for i in call.data]
    deltas = [a - b for a, b in zip(x, x0, strict=True)]
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    slopes = [tf.zeros_like(d) for d in deltas]
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        inputs = list(call.x)
        for i, b, d in zip(call.data, x0, deltas, strict=True):
            inputs[i] = b + tf.cast(node, d.dtype) * d
        slopes = [s + tf.cast(weight, s.dtype) * g for s, g in zip(slopes, call.vjp(inputs, upstream), strict=True)]
    return _completed(call, upstream, slopes, deltas, total)


def decided(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """An affine op steered by a decision that changed (a gather at other indices): both slopes, completed."""
    deltas = [call.x[i] - call.x0[i] for i in call.data]
    at_reference = [tf.broadcast_to(a, tf.shape(b)) if b.dtype.is_floating else b
                    for a, b in zip(call.x0, call.x, strict=True)]  # fmt: skip
    for i in call.decided:
        at_reference[i] = tf.broadcast_to(call.x0[i], tf.shape(call.x[i]))
    ends = zip(call.vjp(call.x, upstream), call.vjp(at_reference, upstream), strict=True)
    return _completed(call, upstream, [(a + b) / 2 for a, b in ends], deltas, per_example)


def _completed(call, upstream, slopes, deltas, total) -> list[tf.Tensor]:
    """Puts what the slopes miss back on the inputs that changed, in proportion to their change."""
    moved = [
        u * (a - b)
        for u, a, b in zip(upstream, call.y, call.y0, strict=True)
        if u is not None and a.dtype.is_floating and not empty(a)
    ]
    missing = sum(total(m) for m in moved) - sum(total(s * d) for s, d in zip(slopes, deltas, strict=True))
    spread = tf.math.divide_no_nan(missing, sum(total(tf.abs(d)) for d in deltas))
    return [s + column_like(spread, d) * tf.sign(d) for s, d in zip(slopes, deltas, strict=True)]


def _column(tensor: tf.Tensor, call: Call) -> tf.Tensor:
    """`Select` (version 1) takes a vector condition that picks whole rows."""
    return column_like(tensor, call.y[0]) if call.op.type == "Select" else tensor


def _with(call: Call, tensor: tf.Tensor) -> list[tf.Tensor]:
    inputs = list(call.x)
    inputs[call.data[0]] = tensor
    return inputs


def _elementwise(call: Call) -> tuple:
    """x, x0, y, y0 in one shape, and how a gradient of that shape returns to the input's."""
    x, x0, y = call.x[call.data[0]], call.x0[call.data[0]], call.y[0]
    if x.shape.as_list() == y.shape.as_list() and len(call.x) == 1:
        return x, x0, y, call.y0[0], lambda g: g
    wide = tf.broadcast_to(x, tf.shape(y))
    return wide, tf.broadcast_to(x0, tf.shape(y)), y, call.y0[0], lambda g: unbroadcast(g, x)


def _quotient(x, x0, y, y0, slope, tolerance: float, scale=None) -> tf.Tensor:
    """(y - y0) / (x - x0), or `slope` where both changes are too small for their rounding errors."""
    dx, dy = x - x0, y - y0
    size = tf.abs(y) if scale is None else scale
    near = (tf.abs(dx) <= tolerance * (1 + tf.abs(x))) & (tf.abs(dy) <= tolerance * size) | (dx == 0)
    return tf.where(near, slope, tf.math.divide_no_nan(dy, dx))


RULES: dict[str, Rule] = {
    **dict.fromkeys(optypes.BILINEAR, midpoint),
    **dict.fromkeys(optypes.QUADRATIC, midpoint),
    **dict.fromkeys(optypes.ELEMENTWISE, rescale),
    **dict.fromkeys(optypes.PIECEWISE | optypes.STEPS, piecewise),
    **dict.fromkeys(("Relu", "Relu6", "LeakyRelu"), rectifier),
    "Sigmoid": bounded(lambda y: y * (1 - y)),
    "Tanh": bounded(lambda y: 1 - y * y),
    **dict.fromkeys(optypes.PAIRWISE, shapley),
    "RealDiv": norms.division,
    "Div": norms.division,
    **dict.fromkeys(optypes.LARGEST, largest),
    **dict.fromkeys(optypes.SMALLEST, smallest),
    **dict.fromkeys(optypes.ROWS, averaged_rows),
    **dict.fromkeys(optypes.MIXING, averaged),
    **dict.fromkeys(optypes.SELECTS, select),
}
BY_ELEMENT = frozenset({"Mul", "MulNoNan", "Square", "SquaredDifference"}) | optypes.PAIRWISE


@dataclasses.dataclass(frozen=True)
class Rescale(Table):
    """The table of DeepLIFT with the rescale rule."""

    unknown_ops: str = "raise"
    streams = 2

    def rule(self, call: Call) -> Rule | None:
        """None stands for the linear rule: the op's ordinary gradient."""
        kind = call.op.type
        if kind in optypes.NORMALISATIONS and not call.op.attrs["is_training"] and call.data == (0,):
            return None
        if kind in optypes.AFFINE:
            return decided if call.decided else None
        if call.decided and kind in BY_ELEMENT and len(call.data) == 1:
            return rescale
        if call.decided and kind in optypes.BILINEAR:
            return decided
        if kind in optypes.BILINEAR and len(call.data) == 1:
            return None
        if norms.normalises(call):
            return norms.normalised
        if norms.bounds(call):
            return inverse_norm
        if kind in optypes.SELECTS and 0 not in call.decided:
            return None
        if kind in RULES:
            return RULES[kind]
        if self.unknown_ops == "average":
            return averaged
        raise unsupported(call.op, "it is in no table and not known to be affine.", "DeepLIFT")

    def apply(self, call: Call, values: list) -> list[Value]:
        rule = self.rule(call)
        outputs = linear(call) if rule is None else ruled(call, rule)
        return [Value(x, x0) for x, x0 in zip(outputs, call.y0, strict=True)]
