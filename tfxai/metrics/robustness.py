"""Robustness: how much attributions move when x hardly does."""

from __future__ import annotations

import numpy as np

from tfxai.errors import OptionError, received
from tfxai.metrics.attributors import Shift
from tfxai.metrics.case import Case
from tfxai.support.checks import is_number, whole_number


def max_sensitivity(case: Case, samples: int = 10, radius: float = 0.02) -> np.ndarray:
    """The largest relative change of the attributions beside x.

    max_d |A(x + d) - A(x)| / |A(x)|, Euclidean norms, d uniform up to `radius` in every number. Yeh et al. 2019,
    arXiv:1901.09392.  The explained class is that at x. Tokens are moved where they are looked up.

    Args:
        case: What is measured.
        samples: Points beside x, the same steps for all examples.
        radius: Largest step, as a share of each example's range.

    Returns:
        (n,) from 0; infinite where attributions that were 0 everywhere are not beside x; lower is better.

    Raises:
        MethodError: The attributions were handed over, so they cannot be made again.
        OptionError: samples below 1, a radius that is not above 0.

    Example:
        >>> import keras, tfxai
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        >>> case = tfxai.metrics.Case.of(model, np.array([[1.0, 2.0, 3.0]], "float32"), "gradient")
        >>> float(max_sensitivity(case)[0])  # a linear model has one slope
        0.0
    """
    whole_number(samples, "samples")
    if not is_number(radius) or radius <= 0:
        raise OptionError(f"radius is a number above 0, such as 0.02. {received(radius)}")
    size = np.linalg.norm(case.relevance, axis=1)
    largest = np.zeros(len(case))
    for k in range(samples):
        moved = case.again(shift=Shift(radius, (case.probe.seed, 3, k))) - case.relevance
        largest = np.maximum(largest, np.linalg.norm(moved, axis=1))
    return np.divide(largest, size, out=np.where(largest > 0, np.inf, 0.0), where=size > 0)
