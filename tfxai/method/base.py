"""What every method is."""

from __future__ import annotations

import abc
import dataclasses
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from tfxai.graph.table import RuleTable
from tfxai.model.attribution import Attribution
from tfxai.model.scorer import Scorer

Tensors = list[tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Method(abc.ABC):
    """The one abstract step: `method(scorer, x, reference, rng) -> Attribution`. Its fields are its options.

    Attributes:
        complete: Whether its values promise to sum to f(x) - f(baseline).
        uses_baseline: Whether a baseline has an effect.
        random: Whether it draws random numbers.
        reads_gradients: Whether it follows slopes: where none arrives, it has nothing to say.
        reads_feature_maps: Whether `layer` means feature maps that it reads, and None the last convolution's.
        usual_layer: What `layer=None` means, where that is not the inputs.
        one_map_per_layer: Whether it gives one map per layer, instead of one value per input feature.
        signed: Whether its values speak for and against; False or not said: it is seen of the values.
        reduction: What becomes of the channels of an embedding: "sum" of contributions, "norm" of slopes, whose sum
            depends on signs that the network is free to choose.
        shares_references: Whether `mean` takes several references in one pass, by the rules of its table.
        scores_only: Whether it asks the scorer for scores and nothing else, so that it explains black boxes too.
        needs_data: Whether it must be given what was estimated from data.
        remedy: What makes the values of a complete method add up better.
        quick: Options with which it finishes soon, for a demonstration.
        fine: Options with which it is as exact as it can be, for measuring it.
    """

    name: ClassVar[str] = ""
    complete: ClassVar[bool] = False
    uses_baseline: ClassVar[bool] = False
    random: ClassVar[bool] = False
    reads_gradients: ClassVar[bool] = False
    reads_feature_maps: ClassVar[bool] = False
    usual_layer: ClassVar[str | None] = None
    one_map_per_layer: ClassVar[bool] = False
    signed: ClassVar[bool] = False
    reduction: ClassVar[str] = "sum"
    shares_references: ClassVar[bool] = False
    scores_only: ClassVar[bool] = False
    needs_data: ClassVar[bool] = False
    remedy: ClassVar[str] = ""
    quick: ClassVar[dict[str, Any]] = {}
    fine: ClassVar[dict[str, Any]] = {}

    @abc.abstractmethod
    def __call__(self, scorer: Scorer, x: Tensors, reference: Tensors, rng: np.random.Generator) -> Attribution:
        """The values of the scorer's n examples.

        Args:
            scorer: f, for one chunk of examples and one target.
            x: Explained tensors (n, ...).
            reference: Their reference values, of batch 1 (for all) or n.
            rng: The same numbers for every chunk and reference.
        """

    def mean(self, scorer: Scorer, x: Tensors, references: Tensors) -> Attribution:
        """The values averaged over R references (R, ...) that all examples share, where `pairs.hold` for its table."""
        raise NotImplementedError(f"{self.name} takes its references one by one")

    def check(self) -> None:  # noqa: B027  # not abstract: many methods have no option to check
        """Raises OptionError when an option's value cannot be used."""

    def rules(self) -> RuleTable | None:
        """The rule table, for methods that have one: says which op leaks when values do not add up."""
        return None

    def takes_missing(self) -> bool:
        """Whether it can say what a missing number (NaN) contributes, which has no slope, and to which no way leads."""
        return self.one_map_per_layer

    def accuracy(self) -> float:
        """The residual, relative to the change of the score, that this method may leave beyond rounding."""
        return 0.0

    def promised(self, score: np.ndarray, baseline_score: np.ndarray) -> np.ndarray | None:
        """(n,) the largest |delta| at which an accuracy that the user asked for is met; None where none was."""
        return None

    def advice(self) -> str:
        """What makes the values add up better."""
        return self.remedy

    def follows_input(self) -> bool:
        """Whether it follows a layer's output while the input moves from the reference to x."""
        return False

    def grouping(self) -> Any:
        """What it hides together: groups as the user gave them; True: the usual ones; None: it hides no groups."""
        inner = getattr(self, "inner", None)
        return inner.grouping() if isinstance(inner, Method) else None

    def coalitions(self, count: int) -> tuple[int, bool] | None:
        """Of `count` groups how many sets are shown, beside none and all; whether those are all there are.

        None for methods that hide nothing, or by other means.

        Raises:
            OptionError: Those that it was told to take are too few.
        """
        return None

    def options(self) -> dict[str, Any]:
        """The fields and their values."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
