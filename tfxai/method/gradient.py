"""The gradient, and gradient x input."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from tfxai.method.base import Method, Tensors
from tfxai.model.attribution import Attribution
from tfxai.model.scorer import Scorer
from tfxai.rules.gradient import OrdinaryGradient
from tfxai.support.checks import either


@dataclasses.dataclass(frozen=True)
class Gradient(Method):
    """The sensitivity of the score to each input feature.

    A_i = df / dx_i at x.  Simonyan et al. 2014, arXiv:1312.6034

    The values keep their sign; their unit is that of the score per unit of the input.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> e = tfxai.explain(model, np.array([[1.0, 2.0]]), tfxai.Gradient())
        >>> e.values.round(3).tolist()
        [[1.0, 1.0]]
    """

    name: ClassVar[str] = "gradient"
    reads_gradients: ClassVar[bool] = True
    reduction: ClassVar[str] = "norm"

    def __call__(self, scorer: Scorer, x: Tensors, reference: Tensors, rng: np.random.Generator) -> Attribution:
        return scorer.backward(OrdinaryGradient(), x)


@dataclasses.dataclass(frozen=True)
class InputXGradient(Method):
    """The gradient times the input's difference from the baseline: the first-order Taylor term.

    A_i = (x_i - x0_i) * df / dx_i.  Shrikumar et al. 2016, arXiv:1605.01713

    Args:
        at: Where the gradient is taken: `"input"` (x, the usual gradient x input), or `"baseline"` (x0: with x0 a
            root point of f this is the Taylor expansion f(x) = sum_i f'(x0)_i (x - x0)_i + ... of the lecture).

    Raises:
        OptionError: When used: another `at`.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> e = tfxai.explain(model, np.array([[1.0, 2.0]]), tfxai.InputXGradient())
        >>> e.values.round(3).tolist()
        [[1.0, 2.0]]
    """

    at: str = "input"

    name: ClassVar[str] = "input_x_gradient"
    signed: ClassVar[bool] = True
    reads_gradients: ClassVar[bool] = True
    uses_baseline: ClassVar[bool] = True

    def check(self) -> None:
        either(self.at, "at", "input", "baseline")

    def __call__(self, scorer: Scorer, x: Tensors, reference: Tensors, rng: np.random.Generator) -> Attribution:
        here = there = scorer.backward(OrdinaryGradient(), x)
        if self.at == "baseline":
            there = scorer.backward(OrdinaryGradient(), [r + 0 * a for a, r in zip(x, reference, strict=True)])
        return here._replace(values=[g * (a - r) for g, a, r in zip(there.values, x, reference, strict=True)])
