"""Whether attributions add up, of any method."""

from __future__ import annotations

import numpy as np

from tfxai.metrics.case import Case


def incompleteness(case: Case) -> np.ndarray:
    """How far attributions are from adding up, relative to the change of the score.

    |f(x) - f(x0) - sum_i A_i| / |f(x) - f(x0)|: completeness, of which `axioms.completeness` is the verdict.
    Sundararajan et al. 2017, arXiv:1703.01365

    Args:
        case: What is measured.

    Returns:
        (n,) from 0; infinite where the score does not change and the sum is not 0; lower is better.

    Raises:
        InputError: The attributions do not fit.

    Example:
        >>> import keras, tfxai
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> x = np.array([[1.0, 2.0, 3.0]], "float32")
        >>> [incompleteness(tfxai.metrics.Case.of(model, x, m)).tolist() for m in ("deeplift", 2 * x)]
        [[0.0], [1.0]]
    """
    e, features = case.explanation, case.probe.features
    values = case.relevance if e is None else features.of(e.values, e.method)  # of slopes with their signs
    change = case.probe.ends[:, 0] - case.probe.ends[:, 1]
    off, size = np.abs(change - values.sum(axis=1)), np.abs(change)
    return np.divide(off, size, out=np.where(off > 0, np.inf, 0.0), where=size > 0)
