"""What every method is, and what it gets and gives."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, NamedTuple

import numpy as np
import tensorflow as tf

from tfxai.graph.replay import Table
from tfxai.model.scorer import Scorer


class Attribution(NamedTuple):
    """What a method returns for one chunk and one reference.

    `values` (one tensor per explained tensor) is what the user sees; `total`, of the same form, is what must add
    up to the change of the score, when that differs. `error`, of the form of `values`, is their standard error where
    they are a mean of draws; `steps` (n,) how many gradients each example took where that varies.
    """

    values: list[tf.Tensor]
    score: tf.Tensor
    baseline_score: tf.Tensor | None = None
    chosen: tf.Tensor | None = None
    multipliers: list[tf.Tensor] | None = None
    total: list[tf.Tensor] | None = None
    error: list[tf.Tensor] | None = None
    steps: tf.Tensor | None = None


@dataclasses.dataclass(frozen=True)
class Method:
    """The one abstract step: `method(scorer, x, baseline, rng) -> Attribution`.

    Attributes:
        complete: Whether its values promise to sum to f(x) - f(baseline).
        uses_baseline: Whether a baseline has an effect.
        draws: Whether it draws random numbers.
        maps: Whether it reads feature maps: then `layer` means these, and None the last convolution's.
        per_map: Whether it gives one map per layer, instead of one value per input feature.
        remedy: What makes the values of a complete method add up better.
    """

    name: ClassVar[str] = ""
    complete: ClassVar[bool] = False
    uses_baseline: ClassVar[bool] = False
    draws: ClassVar[bool] = False
    maps: ClassVar[bool] = False
    per_map: ClassVar[bool] = False
    remedy: ClassVar[str] = ""

    def __call__(
        self, scorer: Scorer, x: list[tf.Tensor], baseline: list[tf.Tensor], rng: np.random.Generator
    ) -> Attribution:
        raise NotImplementedError

    def check(self) -> None:
        """Raises OptionError when an option's value cannot be used."""

    def table(self) -> Table | None:
        """The rule table, for methods that have one: says which op leaks when values do not add up."""
        return None

    def accuracy(self) -> float:
        """The residual, relative to the change of the score, that this method may leave beyond rounding."""
        return 0.0

    def options(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
