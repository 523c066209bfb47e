"""Complexity: on how few features attributions rest. It says nothing of whether they are right."""

from __future__ import annotations

import numpy as np

from tfxai.metrics.case import Case


def sparseness(case: Case) -> np.ndarray:
    """The Gini coefficient of the sizes of the attributions.

    G = sum_i (2 i - F - 1) |A|_(i) / (F sum |A|), sorted from the smallest.  Chalasani et al. 2020, arXiv:1810.06583

    Args:
        case: What is measured.

    Returns:
        (n,) from 0, all alike, to 1 - 1/F, one feature alone; 0 where all are 0.

    Raises:
        InputError: The attributions do not fit.

    Example:
        >>> import keras, tfxai
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> x = np.array([[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 9.0, 0.0]], "float32")
        >>> sparseness(tfxai.metrics.Case.of(model, x, "deeplift")).tolist()
        [0.0, 0.75]
    """
    sizes = np.sort(np.abs(case.relevance), axis=1)
    weights = 2 * np.arange(1, case.features + 1) - case.features - 1
    total = case.features * sizes.sum(axis=1)
    return np.divide((weights * sizes).sum(axis=1), total, out=np.zeros(len(case)), where=total > 0)


def entropy(case: Case) -> np.ndarray:
    """The entropy of the shares of the attributions' sizes.

    H = - sum_i p_i log p_i, p_i = |A_i| / sum |A|.  Bhatt et al. 2020, arXiv:2005.00631

    Args:
        case: What is measured.

    Returns:
        (n,) from 0, one feature alone, to log F, all alike (or all 0).

    Raises:
        InputError: The attributions do not fit.

    Example:
        >>> import keras, tfxai
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> x = np.array([[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 9.0, 0.0]], "float32")
        >>> entropy(tfxai.metrics.Case.of(model, x, "deeplift")).round(4).tolist()  # log 4, and 0
        [1.3863, 0.0]
    """
    sizes = np.abs(case.relevance)
    total = sizes.sum(axis=1, keepdims=True)
    shares = np.divide(sizes, total, out=np.full(sizes.shape, 1 / case.features), where=total > 0)
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    return np.abs((shares * logs).sum(axis=1))
