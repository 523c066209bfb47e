"""Guided backpropagation and DeconvNet: the gradient with another rule at every rectifier."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from tfxai.errors import NoRectifierError
from tfxai.graph.capture import Op, needed, types_of
from tfxai.graph.rectifiers import RECTIFYING
from tfxai.method.base import Method, Tensors
from tfxai.model.attribution import Attribution
from tfxai.model.scorer import Scorer
from tfxai.rules.rectifier import RectifierRules


@dataclasses.dataclass(frozen=True)
class GuidedBackprop(Method):
    """The gradient that passes a rectifier only where both its input and what arrives from above are positive.

    R_in = 1[x > 0] * f'(x) * max(0, R_out).  Springenberg et al. 2015, arXiv:1412.6806

    Every rectifier counts: ReLU in all forms, capped, with threshold or slope, LeakyReLU, PReLU, ELU, SELU, CELU,
    softplus, GELU, SiLU, mish, hard swish, and hand-made ones; f' is its own slope where x is positive.

    Raises:
        NoRectifierError: When used: the model has none, so the values would be the plain gradient under another name.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> dense = keras.layers.Dense(1, activation="relu", kernel_initializer="ones")
        >>> model = keras.Sequential([keras.Input((2,)), dense])
        >>> e = tfxai.explain(model, np.array([[1.0, 2.0]]), tfxai.GuidedBackprop())
        >>> e.values.round(3).tolist()
        [[1.0, 1.0]]
    """

    name: ClassVar[str] = "guided_backprop"
    reads_gradients: ClassVar[bool] = True
    reduction: ClassVar[str] = "norm"

    def __call__(self, scorer: Scorer, x: Tensors, reference: Tensors, rng: np.random.Generator) -> Attribution:
        return rectified(scorer, x, "guided", self.name)


@dataclasses.dataclass(frozen=True)
class DeconvNet(Method):
    """The gradient whose rectifiers look at what arrives from above only.

    R_in = max(0, R_out).  Zeiler and Fergus 2014, arXiv:1311.2901

    The rectifiers are those of `guided_backprop`.

    Raises:
        NoRectifierError: As in `guided_backprop`.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> dense = keras.layers.Dense(1, activation="relu", kernel_initializer="ones")
        >>> model = keras.Sequential([keras.Input((2,)), dense])
        >>> e = tfxai.explain(model, np.array([[1.0, 2.0]]), tfxai.DeconvNet())
        >>> e.values.round(3).tolist()
        [[1.0, 1.0]]
    """

    name: ClassVar[str] = "deconvnet"
    reads_gradients: ClassVar[bool] = True
    reduction: ClassVar[str] = "norm"

    def __call__(self, scorer: Scorer, x: Tensors, reference: Tensors, rng: np.random.Generator) -> Attribution:
        return rectified(scorer, x, "deconvnet", self.name)


def rectified(scorer: Scorer, x: Tensors, rule: str, name: str) -> Attribution:
    """The backward pass under a rectifier rule.

    Raises:
        NoRectifierError: There is no rectifier, so the values would be the plain gradient under another name.
    """
    model, table = scorer.model, RectifierRules(rule)
    ops = needed(model.program(table)[0], model.outputs, model.explained)
    if not any(_rectifies(op) for op in ops):
        raise NoRectifierError(
            f"{name} changes the gradient of rectifiers (ReLU and its relatives), and the model has none between the "
            f"explained tensors and the output. Found: {types_of(ops)}. Use method='gradient' or 'deeplift'."
        )
    return scorer.backward(table, x)


def _rectifies(op: Op) -> bool:
    return op.type in RECTIFYING or any(_rectifies(inner) for body in op.bodies for inner in body.ops)
