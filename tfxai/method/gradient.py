"""The gradient, and gradient x input."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from tfxai.errors import OptionError, received
from tfxai.method.base import Attribution, Method
from tfxai.rules.gradient import Plain


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

    def __call__(self, scorer, x, baseline, rng) -> Attribution:
        result = scorer.backward(Plain(), x)
        return Attribution(result.multipliers, result.score, None, result.chosen)


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
    uses_baseline: ClassVar[bool] = True

    def check(self) -> None:
        if self.at not in ("input", "baseline"):
            raise OptionError(f"at is 'input' or 'baseline'. {received(self.at)}")

    def __call__(self, scorer, x, baseline, rng) -> Attribution:
        here = scorer.backward(Plain(), x)
        point = here
        if self.at == "baseline":
            point = scorer.backward(Plain(), [b + 0 * a for a, b in zip(x, baseline, strict=True)])
        values = [g * (a - b) for g, a, b in zip(point.multipliers, x, baseline, strict=True)]
        return Attribution(values, here.score, None, here.chosen)
