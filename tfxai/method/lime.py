"""LIME: a linear function of which groups are shown, fitted near the example."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np

from tfxai.errors import OptionError, received
from tfxai.method.coalitions import Game, OfGroups, Played, usual_samples
from tfxai.support.checks import amount, is_number

ROUNDING = 1e-6  # of the score: a function that varies less is constant


@dataclasses.dataclass(frozen=True)
class LIME(OfGroups):
    """The coefficients of a linear function of which groups are shown, fitted to the score near the example.

    min_{b, a} sum_k w_k (f(x with z_k shown) - b - a z_k)^2 + ridge |a|^2, z_k in {0, 1}^G drawn evenly, the example
    itself the first; w = exp(-d^2 / (2 kernel_width^2)) with the cosine distance d = 1 - sqrt(share of groups shown),
    as in the authors' package.  Ribeiro et al. 2016, arXiv:1602.04938

    `e.meta["r2"]` has each example's weighted R^2, the share of the score's variance that the linear function has: low
    means that the score is not a sum over the groups, and that the values should not be believed; a warning says so
    below 0.5. They do not promise to add up.

    Args:
        samples: How many z, for each reference; more than groups. None: 1024 and twice the groups.
        groups: As in `tfxai.ShapleySampling`.
        kernel_width: How near counts; larger counts all z alike.
        ridge: Penalty on the coefficients, beside weights of at most 1 each. The authors' package has 1.

    Raises:
        OptionError: When used: samples too few for the groups, a kernel_width not above 0, a ridge below 0; groups that
            do not fit, overlap or leave features out.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> e = tfxai.explain(model, np.array([[1.0, 2.0]]), tfxai.LIME(), seed=0)
        >>> e.values.round(3).tolist(), round(e.meta["r2"][0], 3)
        ([[1.0, 2.0]], 1.0)
    """

    samples: int | None = None
    groups: Any = None
    kernel_width: float = 0.25
    ridge: float = 0.01

    name: ClassVar[str] = "lime"
    quick: ClassVar[dict[str, Any]] = {"samples": 256}

    def check(self) -> None:
        super().check()
        amount(self.ridge, "ridge")
        if not is_number(self.kernel_width) or self.kernel_width <= 0:
            raise OptionError(f"kernel_width is a number above 0. {received(self.kernel_width)}")

    def coalitions(self, count: int) -> tuple[int, bool]:
        samples = usual_samples(count) if self.samples is None else self.samples
        if samples <= count:
            raise OptionError(
                f"lime of {count} groups needs samples={count + 1} or more, one for each coefficient. Received: "
                f"samples={samples}. Raise it, or make fewer groups with groups=."
            )
        return samples, False

    def play(self, game: Game, start: np.ndarray, end: np.ndarray, rng: np.random.Generator) -> Played:
        count, total = game.count, self.coalitions(game.count)[0]
        drawn: list[np.ndarray] = []

        def shown(part: slice) -> np.ndarray:
            drawn[:] = [rng.random((part.stop - part.start, count)) < 0.5]
            if part.start == 0:
                drawn[0][0] = True
            return drawn[0]

        gram, right = np.zeros((count + 1, count + 1)), np.zeros((count + 1, len(end)))
        squares = np.zeros(len(end))
        for _, scores in game.scores(total, shown):
            design = np.concatenate([np.ones((len(drawn[0]), 1)), drawn[0]], axis=1)
            weights = self._weights(drawn[0].mean(axis=1))
            change = scores - end[:, None]  # small numbers: squares of large scores would lose them
            gram += design.T @ (weights[:, None] * design)
            right += design.T @ (weights[:, None] * change.T)
            squares += change**2 @ weights
        penalty = np.diag([0.0] + [self.ridge] * count)
        fitted = np.linalg.lstsq(gram + penalty, right, rcond=None)[0]
        spread = squares - right[0] ** 2 / gram[0, 0]
        missed = squares - 2 * (fitted * right).sum(axis=0) + (fitted * (gram @ fitted)).sum(axis=0)
        constant = spread <= gram[0, 0] * (ROUNDING * np.abs(end)) ** 2
        r2 = np.where(constant, 1.0, 1 - missed / np.where(constant, 1.0, spread))
        return Played(fitted[1:].T, measures={"r2": r2})

    def _weights(self, share: np.ndarray) -> np.ndarray:
        """By the share of groups that are shown."""
        return np.exp(-((1 - np.sqrt(share)) ** 2) / (2 * self.kernel_width**2))
