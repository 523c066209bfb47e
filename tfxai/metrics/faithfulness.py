"""Faithfulness: whether the score does, when features are hidden, what the attributions say."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tfxai.errors import OptionError, received
from tfxai.metrics.case import Case
from tfxai.metrics.imputation import imputed
from tfxai.metrics.probe import Tensors
from tfxai.support.checks import amount, either, is_number, whole_number
from tfxai.support.ranks import correlation as correlated

STEPS, SAMPLES, SHARE, ROAD_STEPS = 20, 100, 0.2, 10


class Curve(NamedTuple):
    """What the score does as more and more is hidden.

    Attributes:
        shares: (s,) of the features, from few to all.
        scores: (n, s).
    """

    shares: np.ndarray
    scores: np.ndarray

    def area(self) -> np.ndarray:
        """(n,) the area below, by trapezoids, over the width: the mean score."""
        width = self.shares[-1] - self.shares[0]
        if width == 0:
            return self.scores.mean(axis=1)
        return (self.scores[:, 1:] + self.scores[:, :-1]) @ np.diff(self.shares) / (2 * width)


def deletion_curve(case: Case, steps: int = STEPS) -> Curve:
    """The scores as the features are hidden by the baseline, the largest attribution first: see `deletion`."""
    return case.once(("deletion", steps), lambda: _hidden_by_rank(case, steps, keep=False))


def insertion_curve(case: Case, steps: int = STEPS) -> Curve:
    """The scores as the features come back into the baseline, the largest first: see `insertion`."""
    return case.once(("insertion", steps), lambda: _hidden_by_rank(case, steps, keep=True))


def deletion(case: Case, steps: int = STEPS) -> np.ndarray:
    """The area below the score as features are hidden, the largest attribution first.

    A = sum_k (f_k + f_k+1) / 2 / steps, f_k the score with the first k/steps of the features at the baseline's values.
    Petsiuk et al. 2018, arXiv:1806.07421

    If all of f is one feature that comes first, it is 1/(2 steps) of f(x) - f(x0) above f(x0); if it comes last, 1 less
    that. Of equal attributions the first in x is hidden first.

    Args:
        case: What is measured.
        steps: Equal parts of the features; at most as many as there are features.

    Returns:
        (n,) in units of the score; lower is better.

    Raises:
        OptionError: steps below 1.

    Example:
        >>> import keras, tfxai
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> x = np.array([[4.0, 0.0, 0.0, 0.0]], "float32")
        >>> [deletion(tfxai.metrics.Case.of(model, x, values)).tolist() for values in (x, -x)]
        [[0.5], [3.5]]
    """
    return deletion_curve(case, steps).area()


def insertion(case: Case, steps: int = STEPS) -> np.ndarray:
    """The area below the score as features come back into the baseline, the largest first.

    As `deletion`, with f_k the score at the baseline with the first k/steps of the features at x's values.
    Petsiuk et al. 2018, arXiv:1806.07421 (they start from a blurred picture: `baseline=tfxai.baselines.blur(...)`)

    Args:
        case: What is measured.
        steps: As in `deletion`.

    Returns:
        (n,) in units of the score; higher is better.

    Raises:
        OptionError: steps below 1.

    Example:
        >>> import keras, tfxai
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> x = np.array([[4.0, 0.0, 0.0, 0.0]], "float32")
        >>> [insertion(tfxai.metrics.Case.of(model, x, values)).tolist() for values in (x, -x)]
        [[3.5], [0.5]]
    """
    return insertion_curve(case, steps).area()


def correlation(case: Case, samples: int = SAMPLES, share: float = SHARE) -> np.ndarray:
    """The correlation of what subsets of features are said to contribute with what the score loses without them.

    r = corr_S(sum_{i in S} A_i, f(x) - f(x with S at the baseline)), over random subsets S.  Bhatt et al. 2020,
    arXiv:2005.00631.  Higher is better, 1 at most; 0 where all subsets are the same.

    Args:
        case: What is measured.
        samples: Subsets, the same for all examples.
        share: Of the features in each.

    Returns:
        (n,) from -1 to 1.

    Raises:
        OptionError: samples below 2, a share that is not between 0 and 1.

    Example:
        >>> import keras, tfxai
        >>> model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> x = np.arange(1.0, 7.0, dtype="float32")[None]
        >>> [correlation(tfxai.metrics.Case.of(model, x, values)).round(5).tolist() for values in (x, -x)]
        [[1.0], [-1.0]]
    """
    said, lost = _subsets(case, samples, share)
    return correlated(said, lost) * (said.std(axis=1) > 0) * (lost.std(axis=1) > 0)


def infidelity(case: Case, samples: int = SAMPLES, share: float = SHARE, scaled: bool = True) -> np.ndarray:
    """The mean square of what subsets are said to contribute less what the score loses without them.

    mean_S (b sum_{i in S} A_i - (f(x) - f(x with S at the baseline)))^2, b the factor that makes it least. Yeh et al.
    2019, arXiv:1901.09392, where the perturbation takes random features to the baseline.

    Args:
        case: What is measured.
        samples: As in `correlation`.
        share: As in `correlation`.
        scaled: Whether each example's attributions have that factor, so that maps without a unit can be compared;
            False: b = 1.

    Returns:
        (n,) in squared units of the score; lower is better.

    Raises:
        OptionError: As in `correlation`.

    Example:
        >>> import keras, tfxai
        >>> model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> x = np.arange(1.0, 7.0, dtype="float32")[None]
        >>> infidelity(tfxai.metrics.Case.of(model, x, 10 * x)).round(5).tolist()
        [0.0]
    """
    said, lost = _subsets(case, samples, share)
    size = (said**2).mean(axis=1)
    factor = np.divide((said * lost).mean(axis=1), size, out=np.zeros(len(case)), where=size > 0) if scaled else 1.0
    return ((np.reshape(factor, (-1, 1)) * said - lost) ** 2).mean(axis=1)


def road_curve(case: Case, steps: int = ROAD_STEPS, first: str = "most", noise: float = 0.01) -> Curve:
    """The scores as features are removed by noisy linear imputation: see `road`."""
    whole_number(steps, "steps")
    either(first, "first", "most", "least")
    amount(noise, "noise")
    return case.once(("road", steps, first, noise), lambda: _imputed_by_rank(case, steps, first, noise))


def road(case: Case, steps: int = ROAD_STEPS, first: str = "most", noise: float = 0.01) -> np.ndarray:
    """The area below the score as features are removed and filled in from their neighbours (ROAD).

    As `deletion`; what is removed becomes the weighted mean of its neighbours, u_i = sum_j w_ij u_j, solved for all of
    them at once, and noise: what is filled in does not tell the network where something was. Rong et al. 2022,
    arXiv:2202.00449

    Args:
        case: What is measured.
        steps: As in `deletion`; the last, with nothing left, is left out.
        first: Whether the "most" or the "least" relevant features are removed first; then higher is better.
        noise: Standard deviation of the noise, as a share of each example's range.

    Returns:
        (n,) in units of the score; lower is better.

    Raises:
        InputError: x is no picture or sequence of numbers.
        OptionError: steps below 1, another `first`, a negative noise.

    Example:
        >>> import keras, tfxai
        >>> layers = [keras.layers.Flatten(), keras.layers.Dense(1, kernel_initializer="ones")]
        >>> model = keras.Sequential([keras.Input((4, 4, 1)), *layers])
        >>> x = np.zeros((1, 4, 4, 1), "float32")
        >>> x[0, 1, 1] = 1
        >>> cases = [tfxai.metrics.Case.of(model, x, values) for values in (x, -x)]
        >>> bool(road(cases[0]) < road(cases[1]))
        True
    """
    return road_curve(case, steps, first, noise).area()


def counts(features: int, steps: int) -> np.ndarray:
    """(s + 1,) how many of the features each step has: from none to all, no number twice."""
    whole_number(steps, "steps")
    return np.round(np.linspace(0, features, min(steps, features) + 1)).astype(int)


def _hidden_by_rank(case: Case, steps: int, keep: bool) -> Curve:
    """Scores with the first features hidden, or the first kept and the others hidden."""
    ranks, numbers = case.ranks(), counts(case.features, steps)

    def flags(rows: slice, part: slice) -> np.ndarray:
        first = ranks[rows, None, :] < numbers[None, part, None]
        return ~first if keep else first

    return Curve(numbers / case.features, case.probe.without(len(numbers), flags))


def _imputed_by_rank(case: Case, steps: int, first: str, noise: float) -> Curve:
    """Scores with the first features filled in."""
    part_of = case.probe.grid()
    ranks, numbers = case.ranks(), counts(case.features, steps)[:-1]
    ranks = ranks if first == "most" else case.features - 1 - ranks
    array = case.probe.run.inputs.arrays[part_of.input]
    number = case.probe.run.model.input_of.index(part_of.input)

    def change(rows: slice, part: slice, x: Tensors, reference: Tensors) -> Tensors:
        gone = ranks[rows, None, :] < numbers[None, part, None]
        gone = gone.reshape(gone.shape[0], gone.shape[1], *part_of.numbers().shape[1:])
        filled = imputed(array[rows], gone, part_of.places)
        drawn = np.stack([case.rng(4, k).standard_normal(array.shape[1:]) for k in range(part.start, part.stop)])
        axes = tuple(range(1, array.ndim))
        width = np.max(array[rows], axes, keepdims=True) - np.min(array[rows], axes, keepdims=True)
        filled += (noise * width[:, None] * drawn) * gone
        points = list(x)
        if array.dtype.kind in "iu":  # bytes of pictures stay bytes
            filled = np.clip(np.round(filled), np.iinfo(array.dtype).min, np.iinfo(array.dtype).max)
        points[number] = filled.reshape(-1, *array.shape[1:]).astype(array.dtype)
        return points

    return Curve(numbers / case.features, case.probe.scores(len(numbers), change))


def _subsets(case: Case, samples: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """(n, samples) the sums of random subsets, and what the score loses without them."""
    whole_number(samples, "samples", 2)
    if not is_number(share) or not 0 < share < 1:
        raise OptionError(f"share is a number between 0 and 1. {received(share)}")
    size = max(1, round(share * case.features))

    def drawn(k: int) -> np.ndarray:
        flags = np.zeros(case.features, bool)
        flags[case.rng(2, k).choice(case.features, size, replace=False)] = True
        return flags

    def make() -> tuple[np.ndarray, np.ndarray]:
        said = np.zeros((len(case), samples))

        def flags(rows: slice, part: slice) -> np.ndarray:
            chosen = np.stack([drawn(k) for k in range(part.start, part.stop)])
            said[rows, part] = case.relevance[rows] @ chosen.T
            return chosen[None]

        scores = case.probe.without(samples, flags)
        return said, case.probe.ends[:, :1] - scores

    return case.once(("subsets", samples, share), make)
