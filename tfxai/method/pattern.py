"""PatternNet and PatternAttribution: back along what the data say that each unit's signal is."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np

from tfxai.errors import OptionError, received
from tfxai.method.base import Method, Tensors
from tfxai.model.attribution import Attribution
from tfxai.model.fingerprint import digest_of
from tfxai.model.scorer import Scorer
from tfxai.rules.patterns import PatternData, PatternRules


@dataclasses.dataclass(frozen=True)
class PatternNet(Method):
    """The gradient with each unit's weights replaced by the direction of its signal in the data.

    R_in = a^T R_out at dense layers and convolutions, a their patterns (`tfxai.Patterns`); everything else as in the
    gradient. Weights also cancel distractors, so they do not point along the signal; patterns do. Kindermans et al.
    2018, arXiv:1705.05598.

    Args:
        patterns: Of this model: `tfxai.Patterns.fit(model, data)`.

    Raises:
        OptionError: When used: no patterns, or those of another model or of other weights.
        UnsupportedOpError: When used: dense layers or convolutions inside of loops.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> x = np.random.default_rng(0).normal(size=(100, 1)) * [1.0, 0.0]  # only the first number varies
        >>> patterns = tfxai.Patterns.fit(model, x)
        >>> tfxai.explain(model, x[:1], tfxai.PatternNet(patterns)).values.round(3).tolist()
        [[1.0, 0.0]]
    """

    patterns: Any = None

    name: ClassVar[str] = "patternnet"
    signed: ClassVar[bool] = True
    needs_data: ClassVar[bool] = True

    def check(self) -> None:
        _check(self.patterns, self.name)

    def __call__(self, scorer: Scorer, x: Tensors, reference: Tensors, rng: np.random.Generator) -> Attribution:
        return backward(scorer, x, self.patterns, False)

    def options(self) -> dict[str, Any]:
        return {"patterns": words(self.patterns)}


@dataclasses.dataclass(frozen=True)
class PatternAttribution(Method):
    """The score, divided along each unit's signal: relevance with the root point that the data say.

    R_in = (w a)^T R_out at dense layers and convolutions, a their patterns (`tfxai.Patterns`), from the score itself;
    everything else as in the gradient. Kindermans et al. 2018, arXiv:1705.05598.

    Args:
        patterns: Of this model: `tfxai.Patterns.fit(model, data)`.

    Raises:
        OptionError, UnsupportedOpError: As in `patternnet`.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> x = np.random.default_rng(0).normal(size=(100, 1)) * [1.0, 0.0]
        >>> e = tfxai.explain(model, x[:1], "pattern_attribution", patterns=tfxai.Patterns.fit(model, x))
        >>> bool(abs(e.values.sum() - e.score[0]) < 1e-5)
        True
    """

    patterns: Any = None

    name: ClassVar[str] = "pattern_attribution"
    signed: ClassVar[bool] = True
    needs_data: ClassVar[bool] = True

    def check(self) -> None:
        _check(self.patterns, self.name)

    def __call__(self, scorer: Scorer, x: Tensors, reference: Tensors, rng: np.random.Generator) -> Attribution:
        return backward(scorer, x, self.patterns, True)

    def options(self) -> dict[str, Any]:
        return {"patterns": words(self.patterns)}


def backward(scorer: Scorer, x: Tensors, patterns: PatternData, attribution: bool) -> Attribution:
    """The backward pass along patterns.

    Raises:
        OptionError: They are of another model.
    """
    if digest_of(scorer.model).hexdigest() != patterns.fingerprint:
        raise OptionError(
            "patterns= were fitted on another model, or on other weights or another form of input of this one. Fit "
            "them again: tfxai.Patterns.fit(model, data)."
        )
    return scorer.backward(PatternRules(patterns, attribution), x)


def words(patterns: PatternData | None) -> str | None:
    """What a result says of the patterns."""
    if patterns is None:
        return None
    return f"{patterns.estimator}, of {patterns.examples} examples, {patterns.fingerprint}"


def _check(patterns: Any, name: str) -> None:
    if not isinstance(patterns, PatternData):
        raise OptionError(
            f"{name!r} needs patterns=, what each unit's signal looks like in data: tfxai.Patterns.fit(model, data). "
            + received(patterns)
        )
