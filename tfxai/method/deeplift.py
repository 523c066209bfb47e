"""DeepLIFT: contributions propagated through the network, op by op, against a reference."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import tensorflow as tf

from tfxai.errors import OptionError
from tfxai.graph.table import RuleTable
from tfxai.method.base import Method, Tensors
from tfxai.model import pairs
from tfxai.model.attribution import Attribution
from tfxai.model.scorer import Scorer
from tfxai.rules.deeplift import RescaleRules
from tfxai.rules.reveal_cancel import RevealCancelRules
from tfxai.support.checks import either


@dataclasses.dataclass(frozen=True)
class DeepLIFT(Method):
    """Contributions of every input feature to the difference from a reference.

    sum_i C_i = f(x) - f(x0), C_i = m_i (x_i - x0_i); the multipliers m follow the chain rule through one rule per
    op: linear ops their gradient, nonlinear ones dy / dx ("rescale") or the Shapley values of the positive and the
    negative part of the change ("reveal_cancel"). Shrikumar et al. 2017, arXiv:1704.02685. Products of two parts that
    vary get their Shapley value; y = v / norm is solved from the product y * norm = v, which stays finite where the
    reference has no variance.

    Args:
        rule: `"rescale"`, `"reveal_cancel"`, or `"genomics"`: rescale after convolutions and reveal-cancel after
            dense layers, its authors' choice for DNA.
        multipliers: Return the multipliers m in `values` (and in `multipliers`) instead of the contributions.
        hypothetical: For one-hot sequences, axes (example, position, base): what each base would contribute if it
            stood there, h_c = m_c - sum_c' x0_c' m_c'. The base that is there keeps its actual contribution.
        unknown_ops: `"raise"`, or `"average"`: ops without a rule get their gradient averaged on the straight line
            from the reference, the remainder put back.

    Raises:
        OptionError: When used: another rule, multipliers and hypothetical at once.
        UnsupportedOpError: When used: an op of the model has no rule, or multiplies rounded numbers (int8 layers).

    Example:
        >>> import keras, numpy as np, tfxai
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> e = tfxai.explain(model, np.array([[1.0, 2.0]]), tfxai.DeepLIFT(rule="rescale"))
        >>> e.values.round(3).tolist()
        [[1.0, 2.0]]
    """

    rule: str = "rescale"
    multipliers: bool = False
    hypothetical: bool = False
    unknown_ops: str = "raise"

    name: ClassVar[str] = "deeplift"
    complete: ClassVar[bool] = True
    signed: ClassVar[bool] = True
    uses_baseline: ClassVar[bool] = True
    shares_references: ClassVar[bool] = True

    def check(self) -> None:
        either(self.rule, "rule", "rescale", "reveal_cancel", "genomics")
        either(self.unknown_ops, "unknown_ops", "raise", "average")
        if self.multipliers and self.hypothetical:
            raise OptionError("Ask for multipliers=True or hypothetical=True, not both: `values` holds one of them.")

    def rules(self) -> RuleTable:
        if self.rule == "rescale":
            return RescaleRules(self.unknown_ops)
        return RevealCancelRules(self.rule == "genomics", self.unknown_ops)

    def takes_missing(self) -> bool:
        return self.rule == "rescale"  # the others would need a positive and a negative part of what is missing

    def __call__(self, scorer: Scorer, x: Tensors, reference: Tensors, rng: np.random.Generator) -> Attribution:
        return self._asked(scorer.backward(self.rules(), x, reference), x)

    def mean(self, scorer: Scorer, x: Tensors, references: Tensors) -> Attribution:
        return self._asked(pairs.mean(scorer, self.rules(), x, references), x)

    def _asked(self, found: Attribution, x: Tensors) -> Attribution:
        """What is asked for, of contributions as values and multipliers beside."""
        contributions, multipliers = found.values, found.multipliers or []
        if self.multipliers:
            return found._replace(values=multipliers, total=contributions)
        if self.hypothetical:
            values = [_hypothetical(*one) for one in zip(multipliers, contributions, x, strict=True)]
            return found._replace(values=values, total=contributions, multipliers=None)
        return found._replace(multipliers=None)


def _hypothetical(multipliers: tf.Tensor, contributions: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """(n, length, letters): what each letter would contribute if it stood there, m_c - sum_c' x0_c' m_c'.

    With x0 m = x m - C it is a sum of terms that are linear in m, and so holds of their means over references.
    """
    if multipliers.shape.rank != 3:
        raise OptionError(
            "hypothetical=True is for one-hot sequences: inputs of axes (example, position, base). "
            f"Received: an input of shape {multipliers.shape}."
        )
    return multipliers - tf.reduce_sum(x * multipliers - contributions, axis=-1, keepdims=True)
