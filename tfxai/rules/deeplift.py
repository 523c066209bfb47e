"""DeepLIFT's rescale rule and its companions (Shrikumar et al. 2017, arXiv:1704.02685).

Every rule distributes `sum(upstream * (y - y0))` over the op's inputs so that the sum of
`multiplier * (x - x0)` is the same: complete op by op, hence complete end to end.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfxai.errors import UnsupportedOpError
from tfxai.graph import ops
from tfxai.graph.capture import Op
from tfxai.graph.table import Call, Rule, RuleTable, linear, ruled, unsupported
from tfxai.graph.value import Carried, Value
from tfxai.rules.annotations import norms
from tfxai.rules.division import bounded as bounded_norm
from tfxai.rules.division import bounds_a_norm, division, normalised, normalises
from tfxai.rules.numerics import column_like, empty, per_example, rounding, tolerance_of, unbroadcast, widened

NODES = 6  # Gauss-Legendre nodes for ops that mix their inputs; what they miss is put back
TINY = {tf.float16: 1e-7}  # the hair where x0 is 0: far above the least number of the dtype
LEAST_HAIR = 1e-30


def gradient(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Linear: the op's ordinary gradient."""
    return call.vjp(call.x, upstream)


def midpoint(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Linear; the gradient halfway where two operands vary, which for products is their Shapley value."""
    mean = list(call.x)
    for i in (*call.active, *call.discrete):
        mean[i] = (call.x[i] + call.x0[i]) / 2
    return call.vjp(mean, upstream)


def piecewise(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Rescale, piecewise linear f: dy / dx is exact at any distance, f' is needed at dx = 0 only."""
    x, x0, y, y0, back = _elementwise(call)
    dx = x - x0
    with_slope = call.vjp(_with(call, x), upstream)[0]
    return [back(tf.where(dx == 0, with_slope, upstream[0] * tf.math.divide_no_nan(y - y0, dx)))]


def rectifier(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Rescale, one kink at 0: (f(x) - f(x0 - e)) / (x - x0 + e) with e one rounding error of x0.

    One quotient, the fewest passes over memory, and right at dx = 0 too: there it is f'(x0) from the left, which at
    the kink is TensorFlow's value. The sum loses what rounding would.
    """
    x, x0, y = call.x[0], call.x0[0], call.y[0]
    tiny = TINY.get(x.dtype, LEAST_HAIR)
    below = x0 - rounding(x.dtype) * tf.abs(x0) - tf.cast(tiny, x.dtype)
    return [upstream[0] * tf.math.divide_no_nan(y - call.run(_with(call, below))[0], x - below)]


def rescale(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Rescale: dy / dx, and the mean of the slopes at both ends where rounding would spoil the quotient."""
    if call.discrete:
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
    return rescale(bounded_norm(call), upstream)


def bounded(slope: Callable[[tf.Tensor], tf.Tensor]) -> Rule:
    """Rescale for a smooth f of unit scale whose slope follows from its output: few passes, same accuracy.

    Where |dx| <= tolerance ** (2/3) the slope at the mean output is taken: its error grows with dx ** 2, that of the
    quotient falls with 1 / dx, and there they meet. In float32 that is at 0.01: the slope is off by at most 1e-6,
    and farther away the quotient's rounding error is at most 1e-5.
    """

    def rule(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Rescale."""
        dtype = call.x[0].dtype
        x, x0, y, y0 = (tf.cast(t, widened(dtype)) for t in (call.x[0], call.x0[0], call.y[0], call.y0[0]))
        dx = x - x0
        near = tf.abs(dx) <= tolerance_of(dtype) ** 0.67  # two thirds
        return [upstream[0] * tf.cast(tf.where(near, slope((y + y0) / 2), (y - y0) / dx), dtype)]

    return rule


def shapley(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Rescale; where two operands vary the Shapley value: each one's change of f, averaged over both orders."""
    if len(call.active) == 1:
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
    """Linear; where the condition changes half of each branch, completed element by element."""
    condition, a, b = (tf.broadcast_to(_column(t, call), tf.shape(call.y[0])) for t in call.x)
    condition0, a0, b0 = (tf.broadcast_to(_column(t, call), tf.shape(call.y[0])) for t in call.x0)
    share = (tf.cast(condition, a.dtype) + tf.cast(condition0, a.dtype)) / 2
    shares = {1: share, 2: 1 - share}
    deltas = {1: a - a0, 2: b - b0}
    missing = call.y[0] - call.y0[0] - sum(shares[i] * deltas[i] for i in call.active)
    total = sum(tf.abs(deltas[i]) for i in call.active)
    spread = tf.math.divide_no_nan(missing, total)
    return [unbroadcast(upstream[0] * (shares[i] + spread * tf.sign(deltas[i])), call.x[i]) for i in call.active]


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


def averaged_rows(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """The Jacobian averaged on the straight line from the reference: complete row by row."""
    return _averaged(call, upstream, lambda t: tf.reduce_sum(t, axis=-1, keepdims=True))


def averaged(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """The Jacobian averaged on the straight line from the reference: complete example by example."""
    return _averaged(call, upstream, per_example)


def _averaged(call: Call, upstream: Sequence[tf.Tensor], total: Callable) -> list[tf.Tensor]:
    """The mean of the gradients at the nodes, and what it misses of each `total` put back."""
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
    return _completed(call, upstream, slopes, deltas, total)


def decided(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """An affine op steered by a decision that changed (a gather at other indices): both slopes, completed."""
    deltas = [call.x[i] - call.x0[i] for i in call.active]
    at_reference = [tf.broadcast_to(a, tf.shape(b)) if b.dtype.is_floating else b
                    for a, b in zip(call.x0, call.x, strict=True)]  # fmt: skip
    for i in call.discrete:
        at_reference[i] = tf.broadcast_to(call.x0[i], tf.shape(call.x[i]))
    ends = zip(call.vjp(call.x, upstream), call.vjp(at_reference, upstream), strict=True)
    return _completed(call, upstream, [(a + b) / 2 for a, b in ends], deltas, per_example)


def _completed(
    call: Call, upstream: Sequence, slopes: Sequence[tf.Tensor], deltas: Sequence[tf.Tensor], total: Callable
) -> list[tf.Tensor]:
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
    inputs[call.active[0]] = tensor
    return inputs


def _elementwise(call: Call) -> tuple:
    """x, x0, y, y0 in one shape, and how a gradient of that shape returns to the input's."""
    x, x0, y = call.x[call.active[0]], call.x0[call.active[0]], call.y[0]
    if x.shape.as_list() == y.shape.as_list() and len(call.x) == 1:
        return x, x0, y, call.y0[0], lambda g: g
    wide = tf.broadcast_to(x, tf.shape(y))
    return wide, tf.broadcast_to(x0, tf.shape(y)), y, call.y0[0], lambda g: unbroadcast(g, x)


def _quotient(
    x: tf.Tensor, x0: tf.Tensor, y: tf.Tensor, y0: tf.Tensor, slope: tf.Tensor, tolerance: float, scale: Any = None
) -> tf.Tensor:
    """(y - y0) / (x - x0), or `slope` where both changes are too small for their rounding errors."""
    dx, dy = x - x0, y - y0
    size = tf.abs(y) if scale is None else scale
    near = (tf.abs(dx) <= tolerance * (1 + tf.abs(x))) & (tf.abs(dy) <= tolerance * size) | (dx == 0)
    return tf.where(near, slope, tf.math.divide_no_nan(dy, dx))


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
    **dict.fromkeys(ops.QUADRATIC, midpoint),
    **dict.fromkeys(ops.SMOOTH, rescale),
    **dict.fromkeys(ops.PIECEWISE | ops.STEPS, piecewise),
    **dict.fromkeys(("Relu", "Relu6", "LeakyRelu"), rectifier),
    "Sigmoid": bounded(lambda y: y * (1 - y)),
    "Tanh": bounded(lambda y: 1 - y * y),
    **dict.fromkeys(ops.PAIRWISE, shapley),
    **dict.fromkeys(ops.DIVISIONS, division),
    **dict.fromkeys(ops.LARGEST, largest),
    **dict.fromkeys(ops.SMALLEST, smallest),
    **dict.fromkeys(ops.ROWS, averaged_rows),
    **dict.fromkeys(ops.MIXING, averaged),
    **dict.fromkeys(ops.SELECTS, select),
}


@dataclasses.dataclass(frozen=True)
class RescaleRules(RuleTable):
    """The table of DeepLIFT with the rescale rule."""

    unknown_ops: str = "raise"
    streams = 2
    annotations = (norms,)

    def rule(self, call: Call) -> Rule:
        """The rule for one op.

        Raises:
            UnsupportedOpError: There is none, and `unknown_ops` says to raise.
        """
        kind = call.op.type
        for types, applies, rule in FIRST:
            if kind in types and applies(call):
                return rule
        if kind in RULES:
            return RULES[kind]
        if self.unknown_ops == "average":
            return averaged
        raise unsupported(call.op, "it is in no table and not known to be affine.", "DeepLIFT")

    def apply(self, call: Call, values: list[Carried]) -> list[Value]:
        rule = self.rule(call)
        outputs = linear(call) if rule is gradient else ruled(call, rule)
        return [Value(x, x0) for x, x0 in zip(outputs, call.y0, strict=True)]

    def refuse(self, op: Op, outputs: Sequence[tf.Tensor]) -> None:
        refuse_rounded_products(op, outputs)


def refuse_rounded_products(op: Op, outputs: Sequence[tf.Tensor]) -> None:
    """Raises UnsupportedOpError for a product of rounded numbers, by which the credit would pass."""
    if op.type in ops.KERNELS and outputs[0].dtype.is_integer:
        raise UnsupportedOpError(
            f"The op {op.type} at {op.name!r} multiplies integers ({outputs[0].dtype.name}) that were rounded from "
            "what is explained: a quantised layer. Credit would pass by it, along the scale of the rounding. Explain "
            "the model as it was before quantize(), or use a method of gradients, which its author defined here, "
            "such as 'integrated_gradients'."
        )
