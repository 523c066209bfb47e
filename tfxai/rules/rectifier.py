"""Backward rules of rectifiers: what guided backpropagation and DeconvNet put in the place of the gradient."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import tensorflow as tf

from tfxai.graph.rectifiers import RECTIFYING
from tfxai.graph.table import Call, Program, Rule, RuleTable, ruled
from tfxai.graph.value import Carried, Value
from tfxai.rules.gradient import OrdinaryGradient


def guided(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Only what is positive on both sides: 1[x > 0] f'(x) max(0, R)."""
    (active,) = call.active
    slope = call.vjp(call.x, [tf.nn.relu(upstream[0])])[0]
    return [tf.where(call.x[active] > 0, slope, tf.zeros_like(slope))]


def deconvnet(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """The rectifier applied to what arrives from above, whatever x was: max(0, R)."""
    return [tf.nn.relu(upstream[0])]


RULES: dict[str, Rule] = {"guided": guided, "deconvnet": deconvnet}


@dataclasses.dataclass(frozen=True)
class RectifierRules(RuleTable):
    """The ordinary gradient, but for rectifiers of every make."""

    kind: str = "guided"
    program = Program(gradients=True, rectifiers_as_one=True)

    def apply(self, call: Call, values: list[Carried]) -> list[Value]:
        if call.op.type in RECTIFYING and len(call.active) == 1:
            return [Value(t) for t in ruled(call, RULES[self.kind])]
        return OrdinaryGradient().apply(call, values)
