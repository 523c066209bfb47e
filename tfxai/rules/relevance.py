"""The table of relevance propagation: what each op does with the relevance of its outputs.

What is sent back is relevance itself, not a slope: it starts as the explained score, and every op divides what arrives
among the inputs that made it, so that little but what constants took is missing in the end. `rules.lrp` has the rules
of dense layers and convolutions; here is which of them each gets, and the rules of all other ops.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfxai.errors import UnsupportedOpError
from tfxai.graph import ops
from tfxai.graph.activity import Activity
from tfxai.graph.capture import Graph, Op
from tfxai.graph.table import Annotation, Call, Program, Rule, RuleTable, linear, ruled
from tfxai.graph.value import Carried, Value, at_x
from tfxai.rules import lrp
from tfxai.rules.annotations import norms
from tfxai.rules.composites import Row, assignment
from tfxai.rules.kernel_step import KernelStep, kernel_of, positions, step_of
from tfxai.rules.lrp import Facts, Setting
from tfxai.rules.shares import as_relevance, divided, product
from tfxai.rules.surroundings import gates, nonnegative, paddings, ways
from tfxai.support.numerics import unbroadcast

HALF = (tf.float16, tf.bfloat16)
STABILISER = 1e-6  # of products of matrices


# --- Ops that are no kernels ----------------------------------------------------------------------------------------


def moved(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Goes where the number came from; to what was copied comes the sum of its copies."""
    return call.vjp(call.x, upstream)


def passed(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """y_i = f(x_i): x_i gets what y_i has."""
    (active,) = call.active
    return [tf.cast(unbroadcast(upstream[0], call.x[active]), call.x[active].dtype)]


def shared(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Sums: in proportion to the summands, R_i = x_i R / y; constants take their part."""
    return _by_contribution(call, upstream, call.y)


def shared_without_constants(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Sums: in proportion to the summands that vary, R_i = x_i R / (y - c)."""
    nothing = list(call.x)
    for i in call.active:
        nothing[i] = tf.zeros_like(nothing[i])
    return _by_contribution(call, upstream, [y - c for y, c in zip(call.y, call.run(nothing), strict=True)])


def brought_to_sum(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """In proportion to x_i dy / dx_i, brought to sum: R_i = x_i dy/dx_i R / sum_i x_i dy/dx_i."""
    x = [call.x[i] for i in call.active]
    with tf.GradientTape() as tape:
        ones = [tf.ones_like(y) for y in call.y]
        tape.watch(ones)
        total = tf.add_n([tf.reduce_sum(a * s) for a, s in zip(x, call.vjp(call.x, ones), strict=True)])
    return _by_contribution(call, upstream, tape.gradient(total, ones, unconnected_gradients="zero"))


def softmax(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Softmax, by its Taylor expansion at x: R_i = x_i (R_i - s_i sum_j R_j). Achtibat 2024, arXiv:2402.05602."""
    relevance, s = upstream[0], call.y[0]
    return [call.x[call.active[0]] * (relevance - s * tf.reduce_sum(relevance, -1, keepdims=True))]


def halved(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Products of two parts: half for each. Achtibat et al. 2024, arXiv:2402.05602."""
    half = [u / 2 for u in upstream]
    if call.op.type in ops.BY_ELEMENT:
        return [unbroadcast(half[0], call.x[i]) for i in call.active]
    return _by_contribution(call, half, call.y, epsilon=STABILISER / 2)


def signal_takes_all(position: int, call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Products of a signal and a gate: all for the signal. Arras et al. 2017, arXiv:1706.07206."""
    alone = dataclasses.replace(call, active=(position,))
    if call.op.type in ops.BY_ELEMENT:
        taken = unbroadcast(upstream[0], call.x[position])
    else:
        (taken,) = _by_contribution(alone, upstream, call.y, epsilon=STABILISER)
    return [taken if i == position else tf.zeros_like(call.x[i]) for i in call.active]


def _by_contribution(
    call: Call, upstream: Sequence[tf.Tensor], sums: Sequence[tf.Tensor], epsilon: float = 0.0
) -> list[tf.Tensor]:
    """R_i = x_i dy/dx_i R / sum."""
    quotients = [None if u is None else divided(u, z, epsilon) for u, z in zip(upstream, sums, strict=True)]
    return [product(call.x[i], g) for i, g in zip(call.active, call.vjp(call.x, quotients), strict=True)]


def _in_single(rule: Rule) -> Rule:
    """The same rule in single precision where the model computes in half: what it divides by would be nothing there."""

    @functools.wraps(rule)
    def wide(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        own = [call.x[i].dtype for i in call.active]
        if not any(dtype in HALF for dtype in own):
            return rule(call, upstream)
        x, y, given = ([t if t is None or t.dtype not in HALF else tf.cast(t, tf.float32) for t in tensors]
                       for tensors in (call.x, call.y, upstream))  # fmt: skip
        found = rule(dataclasses.replace(call, x=x, y=y), given)
        return [tf.cast(r, dtype) for r, dtype in zip(found, own, strict=True)]

    return wide


# --- Which rule an op gets ------------------------------------------------------------------------------------------


def one_varies(call: Call) -> bool:
    """One input carries what is explained."""
    return len(call.active) == 1


def always(call: Call) -> bool:
    """Whatever varies."""
    return True


# The first row that has the op, and whose condition holds, gives the rule; kernels and products come before.
ROWS: tuple[tuple[frozenset[str], Callable[[Call], bool], Rule], ...] = (
    (ops.MOVING | ops.SELECTS | ops.LARGEST | ops.SMALLEST | {"TopKV2"}, always, moved),
    (ops.SIGN_ONLY | ops.SMOOTH | ops.PIECEWISE | ops.STEPS | {ops.RECTIFIER_STEP, "LRN", "Square"}, always, passed),
    (ops.AFFINE | ops.NORMALISATIONS, always, shared),
    (ops.BILINEAR - ops.BY_ELEMENT, one_varies, shared),
    (ops.BY_ELEMENT, one_varies, passed),
    (frozenset({"Maximum", "Minimum"}), always, moved),
    (frozenset({"Softmax"}), always, softmax),
    (frozenset({"EuclideanNorm", "ComplexAbs"}), always, shared),
    (ops.MIXING | ops.QUADRATIC | ops.PAIRWISE | {"LogSoftmax"}, always, brought_to_sum),
)


class Fixed(NamedTuple):
    """An array that can be part of a key."""

    data: bytes
    shape: tuple[int, ...]
    dtype: str

    @staticmethod
    def of(array: Any) -> Fixed:
        array = np.asarray(array)
        return Fixed(array.tobytes(), array.shape, array.dtype.name)

    def tensor(self) -> tf.Tensor:
        return tf.constant(np.frombuffer(self.data, self.dtype).reshape(self.shape))


class Bounds(NamedTuple):
    """The smallest and largest that the numbers of an explained tensor can be.

    Attributes:
        value: The tensor's number.
        low, high: In a shape that is broadcast to it.
    """

    value: int
    low: Fixed
    high: Fixed


ADDITIONS = ops.SUMS | ops.JOINS | {"BiasAdd"}  # of a constant, where not all of their inputs vary
ADDS_CONSTANTS = ADDITIONS | ops.NORMALISATIONS | {ops.AFFINE_STEP}
ONE_TO_ONE = ops.SUMS | ops.NORMALISATIONS | {"BiasAdd"}  # with one input that varies: number by number


@dataclasses.dataclass(frozen=True)
class RelevanceRules(RuleTable):
    """Relevance propagation under a list of rows, each of which says what gets which rule.

    Attributes:
        rows: The first that takes an op gives its rule.
        bias: Whether constants that are added keep a share.
        owners: (value number, layer) of the model's variables.
        bounds: Of each explained tensor, for the z-box rule.
    """

    rows: tuple[Row, ...] = ()
    bias: bool | str = True
    owners: tuple[tuple[int, str], ...] = ()
    bounds: tuple[Bounds, ...] = ()
    program = Program(rectifiers_as_one=True, affine_as_one=True)
    keeps_account = True

    @property
    def annotations(self) -> tuple[Annotation, ...]:  # type: ignore[override]  # which ones goes by the rows
        return (gates, nonnegative, norms, ways, paddings, self.assigned, self.only_measured)

    def assigned(self, graph: Graph, activity: Mapping[int, Activity]) -> dict[int, Setting]:
        """First output of an op -> the setting of its row."""
        return assignment(self.rows, graph, activity, dict(self.owners))

    def only_measured(self, graph: Graph, activity: Mapping[int, Activity]) -> dict[int, bool]:
        """Values that only kernels read whose rules do not look at their size -> True: units mean nothing there.

        A picture's mean is subtracted before such a kernel: were the relevance of a pixel divided between it and the
        mean, one near the mean would get too much, with either sign.
        """
        settings = self.assigned(graph, activity)
        found = dict.fromkeys(graph.outputs, False)
        for op in reversed(graph.ops):
            setting = settings.get(op.outputs[0]) if op.outputs else None
            if setting is None:
                here = kernel_of(op) is None and all(found.get(o, True) for o in op.outputs)
            else:
                here = setting.rule in lrp.UNBOUND
            found.update((i, here and found.get(i, True)) for i in op.inputs)
        return found

    def accounted(self, op: Op, activity: Mapping[int, Activity]) -> bool:
        """Kernels, and what else may keep something: sums with constants, normalisations, softmax."""
        if op.type in ADDITIONS:
            return any(activity[i] is not Activity.ACTIVE for i in op.inputs)
        return op.type in ops.KERNELS | ADDS_CONSTANTS | {"Softmax"}

    def start(self, output: tf.Tensor) -> tf.Tensor:
        return as_relevance(output)

    def apply(self, call: Call, values: list[Carried]) -> list[Value]:
        if not call.active:
            return [Value(t) for t in call.run(call.x)]
        rule = self.rule(call)
        return [Value(t) for t in (linear(call) if rule is moved else ruled(call, _in_single(rule)))]

    def rule(self, call: Call) -> Rule:
        """The rule for one op.

        Raises:
            UnsupportedOpError: There is none.
        """
        setting = call.note(self.assigned)
        if step_of(call) is not None:
            return functools.partial(self.kernel, setting or Setting("epsilon", bias=self.bias))
        if len(call.active) == 2 and call.op.type in ops.BILINEAR | ops.DIVISIONS:
            return self.product(call, setting)
        if one_varies(call) and call.op.type in ONE_TO_ONE and call.note(self.only_measured):
            return passed
        for types, applies, rule in ROWS:
            if call.op.type in types and applies(call):
                return shared_without_constants if rule is shared and self.bias is not True else rule
        raise UnsupportedOpError(
            f"Relevance propagation has no rule for the op {call.op.type} at {call.op.name!r}. Use method='deeplift' "
            "or 'integrated_gradients', or replace the layer by one made of other ops."
        )

    def product(self, call: Call, setting: Setting | None) -> Rule:
        """The rule of a product or quotient of two parts that vary: one that normalises gets nothing."""
        of_norms = call.input_notes(norms)
        if call.op.type in ops.DIVISIONS:
            return functools.partial(signal_takes_all, 0)
        for norm, signal in ((0, 1), (1, 0)):
            if of_norms[norm] and not of_norms[signal]:
                return functools.partial(signal_takes_all, signal)
        closing = call.input_notes(gates)
        one = bool(closing[call.active[0]]) != bool(closing[call.active[1]])
        if one and (setting is None or setting.rule == "signal"):
            return functools.partial(signal_takes_all, next(i for i in call.active if not closing[i]))
        return halved

    def kernel(self, setting: Setting, call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """The rule of a dense layer or convolution."""
        step = KernelStep(call, *positions(call.op, call.active))  # type: ignore[misc]  # the caller has seen it
        facts = Facts(
            bool(call.input_notes(nonnegative)[step.x]),
            _present(step) if setting.rule in ("flat", "w_square") or setting.bias == lrp.EQUAL else None,
            self.box(step) if setting.rule == "z_box" else None,
        )
        return [lrp.RULES[setting.rule](step, upstream[0], setting, facts)]

    def box(self, step: KernelStep) -> tuple[tf.Tensor, tf.Tensor]:
        """The smallest and the largest that each number of a kernel's input can be.

        The bounds of an explained tensor, sent through the ops before the kernel, each of which is monotone.

        Raises:
            UnsupportedOpError: It is not known.
        """
        call, number = step.call, step.call.op.inputs[step.x]
        way = call.notes[ways].get(number)
        if way is None or way.stop is not None:
            stop = f"{way.stop.type} at {way.stop.name!r}" if way and way.stop else "another layer, or in a loop"
            raise UnsupportedOpError(
                f"The rule 'z_box' at {call.op.name!r} needs the bounds of its input, which are not known behind "
                f"{stop}. Rules that can: 'w_square', 'flat', 'z_plus'."
            )
        bound = next(b for b in self.bounds if b.value == way.start)
        like = at_x(call.env[way.start])
        ends = [{way.start: tf.broadcast_to(tf.cast(end.tensor(), like.dtype), tf.shape(like))} for end in bound[1:]]
        for op in way.ops:
            made = [op.run([end[i] if i in end else at_x(call.env[i]) for i in op.inputs]) for end in ends]
            for o, a, b in zip(op.outputs, *made, strict=True):
                real = a.dtype.is_floating
                ends[0][o], ends[1][o] = (tf.minimum(a, b), tf.maximum(a, b)) if real else (a, b)
        return ends[0][number], ends[1][number]


def _present(step: KernelStep) -> tf.Tensor | None:
    """1 where a number of the kernel's input was computed, 0 where it was put around; None: all were computed."""
    way = step.call.input_notes(paddings)[step.x]
    if way is None:
        return None
    made = {way.start: tf.ones_like(at_x(step.call.env[way.start]))}
    for op in way.ops:
        made[op.outputs[0]] = op.run([made[i] if i in made else at_x(step.call.env[i]) for i in op.inputs])[0]
    return tf.cast(made[way.ops[-1].outputs[0]], step.input.dtype)
