"""Randomisation: whether attributions change when what was learnt is taken away, or another class is asked."""

from __future__ import annotations

import numpy as np

from tfxai.metrics.case import Case
from tfxai.metrics.faithfulness import Curve
from tfxai.metrics.weights import Weights
from tfxai.support.checks import whole_number
from tfxai.support.ranks import correlation, ranks
from tfxai.targets.factories import Output

STEPS = 8


def cascading_curve(case: Case, steps: int = STEPS) -> Curve:
    """The rank correlations as layers are initialised again from the top down: see `cascading_randomisation`."""
    whole_number(steps, "steps")
    return case.once(("cascading", steps), lambda: _after_each(case, steps, cascading=True))


def cascading_randomisation(case: Case, steps: int = STEPS) -> np.ndarray:
    """How alike the attributions stay as layers are initialised again, from the top down.

    The mean over the steps of Spearman's correlation of |A| before and after: an explanation of what was learnt comes
    near 0; 1 is one that does not look at it, as an edge detector.  Adebayo et al. 2018, arXiv:1810.03292

    Every weight is drawn again by its layer's own initialiser (normal numbers of its mean and deviation, where none is
    known). The explained class stays. Afterwards all weights are as before, bit for bit, also after an error.

    Where x is the baseline, contributions are 0 before and after: in digits on black that alone keeps them alike.

    Args:
        case: What is measured.
        steps: In how many equal parts the layers are taken; at most one by one.

    Returns:
        (n,) from -1 to 1; lower is better.

    Raises:
        MethodError: The attributions were handed over, so they cannot be made again.
        ModelError: No Keras model with weights.
        OptionError: steps below 1.

    Example:
        >>> import keras, tfxai
        >>> model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(2, 3), keras.layers.Flatten(),
        ...     keras.layers.Dense(2)])
        >>> x = np.random.default_rng(0).normal(size=(2, 8, 8, 1)).astype("float32")
        >>> cascading_randomisation(tfxai.metrics.Case.of(model, x, "edges")).tolist()
        [1.0, 1.0]
    """
    return cascading_curve(case, steps).scores.mean(axis=1)


def independent_randomisation(case: Case, steps: int = STEPS) -> np.ndarray:
    """How alike the attributions stay when one part of the layers is initialised again, the others kept.

    As `cascading_randomisation`, each part by itself. Lower is better.  Adebayo et al. 2018, arXiv:1810.03292

    Args:
        case: What is measured.
        steps: As in `cascading_randomisation`.

    Returns:
        (n,) from -1 to 1.

    Raises:
        MethodError: As in `cascading_randomisation`.
        ModelError: As in `cascading_randomisation`.
        OptionError: steps below 1.

    Example:
        >>> import keras, tfxai
        >>> model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4), keras.layers.Dense(2)])
        >>> case = tfxai.metrics.Case.of(model, np.ones((1, 6), "float32"), "gradient")
        >>> bool(independent_randomisation(case)[0] < 1)
        True
    """
    whole_number(steps, "steps")
    curve = case.once(("independent", steps), lambda: _after_each(case, steps, cascading=False))
    return curve.scores.mean(axis=1)


def random_logit(case: Case) -> np.ndarray:
    """How alike the attributions of another class are.

    Spearman's correlation of A for the explained class with A for another, the same number of classes further for all
    examples, drawn with the seed.  Sixt et al. 2020, arXiv:1912.09818

    Args:
        case: What is measured.

    Returns:
        (n,) from -1 to 1; 1 is an explanation that does not depend on what is explained; lower is better.

    Raises:
        MethodError: The attributions were handed over, so they cannot be made again.
        TargetError: What is explained is no class of several.

    Example:
        >>> import keras, tfxai
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> model.layers[0].set_weights([np.array([[1, -1], [2, -2], [3, -3]]), np.zeros(2)])
        >>> random_logit(tfxai.metrics.Case.of(model, np.ones((1, 3), "float32"), "deeplift")).tolist()
        [-1.0]
    """
    target, (explained, classes) = case.probe.target, case.probe.classes()
    further = int(case.rng(6).integers(1, classes))
    other = (explained + further) % classes
    again = case.again(target=Output(target.name, other) if isinstance(target, Output) else other, draw=1)
    return correlation(ranks(case.relevance), ranks(again))


def _after_each(case: Case, steps: int, cascading: bool) -> Curve:
    """Rank correlations of sizes after each part of the layers is initialised again."""
    probe, before = case.probe, ranks(np.abs(case.relevance))
    with Weights(probe.explainer.model, probe.run.model, probe.seed) as weights:
        parts = np.array_split(np.arange(len(weights)), min(steps, len(weights)))
        found = []
        for step, part in enumerate(parts):
            for k in part:
                weights.initialise(k)
            again = case.again(draw=2 + step)
            found.append(correlation(before, ranks(np.abs(again))))
            for k in () if cascading else part:
                weights.restore(k)
    shares = np.cumsum([len(part) for part in parts]) / len(weights)
    return Curve(shares, np.stack(found, axis=1))
