"""What every method is, and what it gets and gives."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import tensorflow as tf

from tfxai.graph.replay import Table
from tfxai.scorer import Engine, Pass
from tfxai.targets import Resolved


@dataclasses.dataclass(frozen=True, eq=False)
class Scorer:
    """f(x) for one target on the examples of one chunk, and its backward pass under any table."""

    engine: Engine
    inputs: list[tf.Tensor]
    target: Resolved
    feed: list[tf.Tensor]

    def backward(self, table: Table, x: Sequence[tf.Tensor], reference=None, residuals: bool = False) -> Pass:
        return self.engine.backward(table, self.inputs, x, reference, self.target, self.feed, residuals)


class Attribution(NamedTuple):
    """What a method returns for one chunk and one reference.

    `values` (one tensor per explained tensor) is what the user sees; `total`, of the same form, is what must add
    up to the change of the score, when that differs.
    """

    values: list[tf.Tensor]
    score: tf.Tensor
    baseline_score: tf.Tensor | None = None
    chosen: tf.Tensor | None = None
    multipliers: list[tf.Tensor] | None = None
    total: list[tf.Tensor] | None = None


@dataclasses.dataclass(frozen=True)
class Method:
    """The one abstract step: `method(scorer, x, baseline, rng) -> Attribution`.

    Attributes:
        complete: Whether its values promise to sum to f(x) - f(baseline).
        uses_baseline: Whether a baseline has an effect.
    """

    name: ClassVar[str] = ""
    complete: ClassVar[bool] = False
    uses_baseline: ClassVar[bool] = False

    def __call__(
        self, scorer: Scorer, x: list[tf.Tensor], baseline: list[tf.Tensor], rng: np.random.Generator
    ) -> Attribution:
        raise NotImplementedError

    def check(self) -> None:
        """Raises OptionError when an option's value cannot be used."""

    def table(self) -> Table | None:
        """The rule table, for methods that have one: says which op leaks when values do not add up."""
        return None

    def options(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
