"""LRP's rules for dense layers and convolutions: how the relevance of z_j = sum_i x_i w_ij + b_j is divided.

Each rule says which share of R_j input i gets; the shares of the inputs and of the bias sum to 1. What the bias gets is
not handed on. Sources: Bach et al. 2015 (0, epsilon, alpha-beta), Montavon et al. 2017 (z+, w^2, z^B, for Deep Taylor),
Lapuschkin et al. 2019 (flat), Montavon et al. 2019 (gamma), Andeol et al. 2022 (gamma for inputs and outputs of either
sign). Below, (t)+ is max(t, 0) and (t)- is min(t, 0).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from tfxai.rules.kernel_step import KernelStep, is_convolution
from tfxai.rules.shares import divided, negative, positive
from tfxai.support.numerics import rounding

EQUAL = "equal"


@dataclasses.dataclass(frozen=True)
class Setting:
    """A rule with its numbers.

    Attributes:
        rule: A name in `RULES`.
        epsilon: Added to the size of every denominator.
        gamma: How much more positive weights count.
        alpha, beta: How much positive and negative contributions count; alpha - beta = 1.
        bias: Whether the bias takes a share, and keeps it; "equal": what it takes goes to all inputs of its unit alike.
    """

    rule: str
    epsilon: float = 1e-6
    gamma: float = 0.25
    alpha: float = 2.0
    beta: float = 1.0
    bias: bool | str = True

    @property
    def stabiliser(self) -> float:
        return 0.0 if self.rule == "zero" else self.epsilon


@dataclasses.dataclass(frozen=True, eq=False)
class Facts:
    """What is known of the input of a step.

    Attributes:
        nonnegative: Whether no number of it is below 0: then half of the work of some rules falls away.
        present: 1 where a number of it was computed, and 0 where zeros were put around; None: all were.
        bounds: The smallest and the largest that each number of it can be, where they are asked for.
    """

    nonnegative: bool = False
    present: tf.Tensor | None = None
    bounds: tuple[tf.Tensor, tf.Tensor] | None = None


KernelRule = Callable[[KernelStep, tf.Tensor, Setting, Facts], tf.Tensor]


def epsilon(step: KernelStep, relevance: tf.Tensor, setting: Setting, facts: Facts) -> tf.Tensor:
    """R_i = x_i sum_j w_ij R_j / (z_j + epsilon sign(z_j)); "zero" without epsilon."""
    z = step.output if setting.bias or step.bias is None else step.sums(step.input, step.weights)
    s = divided(relevance, z, setting.stabiliser)
    found = step.input * step.back(step.weights, s)
    if setting.bias != EQUAL or step.bias is None:
        return found
    of_bias = s * step.sums(tf.zeros_like(step.input), step.weights, step.bias)
    return found + _whatever_x(
        step, of_bias, tf.ones_like(step.weights), dataclasses.replace(setting, epsilon=0), facts
    )


def gamma(step: KernelStep, relevance: tf.Tensor, setting: Setting, facts: Facts) -> tf.Tensor:
    """R_i = x_i sum_j v_ij R_j / (sum_i x_i v_ij + b_j + gamma b_j+), v = w + gamma w+."""
    more = tf.constant(setting.gamma, step.input.dtype)
    weights = step.weights + more * positive(step.weights)
    bias = None if step.bias is None or not setting.bias else step.bias + more * positive(step.bias)
    z = step.sums(step.input, weights, bias)
    return step.input * step.back(weights, divided(relevance, z, setting.epsilon))


def gamma_general(step: KernelStep, relevance: tf.Tensor, setting: Setting, facts: Facts) -> tf.Tensor:
    """Gamma for inputs and outputs of either sign: contributions of the sign of z_j count 1 + gamma times.

    R_i = sum_j (x_i w_ij + gamma (x_i w_ij)s) R_j / sum_i (...), s the sign of z_j; the bias is one more input.
    """
    more, bias = tf.constant(setting.gamma, step.input.dtype), step.bias if setting.bias else None
    z = step.output if setting.bias or step.bias is None else step.sums(step.input, step.weights)
    up = _signed_sums(step, facts, positive, bias)
    rises = z >= 0
    s = divided(relevance, z + more * tf.where(rises, up, z - up), setting.epsilon)
    zero = tf.zeros_like(s)
    both = step.input * step.back(step.weights, s)
    rest = ((positive, tf.where(rises, s, zero), setting.gamma), (negative, tf.where(rises, zero, s), setting.gamma))
    return both + _signed_back(step, facts, *rest)


def alpha_beta(step: KernelStep, relevance: tf.Tensor, setting: Setting, facts: Facts) -> tf.Tensor:
    """R_i = sum_j (alpha (x_i w_ij)+ / (sum_i (x_i w_ij)+ + b_j+) - beta (x_i w_ij)- / (sum_i (...)- + b_j-)) R_j."""
    if is_convolution(step.call.op):
        return _of_convolution(step, relevance, setting, facts)
    parts = []
    for sign, weight in ((positive, setting.alpha), (negative, -setting.beta)):
        if weight:
            z = _signed_sums(step, facts, sign, step.bias if setting.bias else None)
            parts.append((sign, divided(relevance, z, setting.epsilon), weight))
    return _signed_back(step, facts, *parts)


def _of_convolution(step: KernelStep, relevance: tf.Tensor, setting: Setting, facts: Facts) -> tf.Tensor:
    """Alpha-beta where it is the passes over large outputs that cost: what is negative is what is missing of z.

    The positive part is taken larger by a few rounding errors, so that of z without a negative one nothing but a small
    negative number is left, by which the inputs, which contribute none, are not changed.
    """
    z = step.output if setting.bias or step.bias is None else step.sums(step.input, step.weights)
    quotient = tf.divide if setting.epsilon else tf.math.divide_no_nan
    larger = 1 + 16 * rounding(z.dtype)
    up = _signed_sums(step, facts, positive, step.bias if setting.bias else None, larger, setting.epsilon)
    parts = [(positive, quotient(relevance, up), setting.alpha * larger)]
    if setting.beta:
        parts.append((negative, quotient(relevance, z - up), -setting.beta))
    return _signed_back(step, facts, *parts)


def z_plus(step: KernelStep, relevance: tf.Tensor, setting: Setting, facts: Facts) -> tf.Tensor:
    """R_i = sum_j (x_i w_ij)+ R_j / (sum_i (x_i w_ij)+ + b_j+): alpha-beta with 1 and 0."""
    return alpha_beta(step, relevance, dataclasses.replace(setting, alpha=1.0, beta=0.0), facts)


def w_square(step: KernelStep, relevance: tf.Tensor, setting: Setting, facts: Facts) -> tf.Tensor:
    """R_i = sum_j w_ij^2 R_j / sum_i w_ij^2: whatever x is; the bias takes nothing."""
    return _whatever_x(step, relevance, tf.square(step.weights), setting, facts)


def flat(step: KernelStep, relevance: tf.Tensor, setting: Setting, facts: Facts) -> tf.Tensor:
    """R_i = sum_j R_j / n_j: the same for each of the n_j inputs that unit j sees; the bias takes nothing."""
    return _whatever_x(step, relevance, tf.ones_like(step.weights), setting, facts)


def z_box(step: KernelStep, relevance: tf.Tensor, setting: Setting, facts: Facts) -> tf.Tensor:
    """R_i = sum_j (x_i w_ij - low_i w_ij+ - high_i w_ij-) R_j / sum_i (...); the bias takes nothing."""
    low, high = facts.bounds  # type: ignore[misc]  # the table has asked for them
    up, down = positive(step.weights), negative(step.weights)
    z = step.sums(step.input, step.weights) - step.sums(low, up) - step.sums(high, down)
    s = divided(relevance, z, setting.epsilon)
    return step.input * step.back(step.weights, s) - low * step.back(up, s) - high * step.back(down, s)


def _whatever_x(
    step: KernelStep, relevance: tf.Tensor, weights: tf.Tensor, setting: Setting, facts: Facts
) -> tf.Tensor:
    """Shares that only the weights decide; of units that read beyond the edge, of what they read inside."""
    here = tf.ones_like(step.input) if facts.present is None else facts.present
    z = step.sums(here, weights)
    return here * step.back(weights, divided(relevance, z, setting.epsilon))


def _signed_sums(
    step: KernelStep, facts: Facts, sign: Callable, bias: tf.Tensor | None, factor: float = 1.0, more: float = 0.0
) -> tf.Tensor:
    """factor (sum_i (x_i w_ij)s + (b_j)s + more), where s keeps what is above 0, or what is below."""
    factor, more = (tf.constant(c, step.input.dtype) for c in (factor, more))
    own = None
    if step.bias is not None:
        own = factor * ((tf.zeros_like(step.bias) if bias is None else sign(bias)) + more)
    z, *others = [
        step.sums(x, factor * w, own if k == 0 else None) for k, (x, w) in enumerate(_signed(step, facts, sign))
    ]
    z = tf.add_n([z, *others])
    return z if step.bias is not None else z + factor * more


def _signed_back(step: KernelStep, facts: Facts, *parts: tuple[Callable, tf.Tensor, float]) -> tf.Tensor:
    """The sum of factor sum_j (x_i w_ij)s s_j over parts (s, s_j, factor)."""
    slopes: list[list[tf.Tensor]] = []
    for sign, s, factor in parts:
        times, pairs = tf.constant(factor, s.dtype), _signed(step, facts, sign)
        slopes.append([step.back(times * w, s, x) for x, w in pairs])
    found = [x * tf.add_n(each) for (x, _), each in zip(pairs, zip(*slopes, strict=True), strict=True)]
    if not facts.nonnegative and step.inputs_along is not None:
        found = tf.split(found[0], 2, step.inputs_along[0])
    return tf.add_n(found)


def _signed(step: KernelStep, facts: Facts, sign: Callable) -> list[tuple[tf.Tensor, tf.Tensor]]:
    """Inputs and weights whose products together are those of the sign: x+ with w+ and x- with w-, or x+ with w-...

    Both pairs as one of twice as many inputs, where the kernel takes them: what is large is read and written once.
    """
    own, other = sign(step.weights), (negative if sign is positive else positive)(step.weights)
    if facts.nonnegative:
        return [(step.input, own)]
    up, down = positive(step.input), negative(step.input)
    if step.inputs_along is None:
        return [(up, own), (down, other)]
    x, w = step.inputs_along
    return [(tf.concat([up, down], x), tf.concat([own, other], w))]


RULES: dict[str, KernelRule] = {
    "zero": epsilon,
    "epsilon": epsilon,
    "gamma": gamma,
    "gamma_general": gamma_general,
    "alpha_beta": alpha_beta,
    "z_plus": z_plus,
    "w_square": w_square,
    "flat": flat,
    "z_box": z_box,
}
# What they give to an input does not depend on its size: behind them, the units in which it is measured say nothing.
UNBOUND = frozenset({"w_square", "flat", "z_box"})
