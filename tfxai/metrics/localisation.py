"""Localisation: whether attributions are where the truth is known to be."""

from __future__ import annotations

import numpy as np

from tfxai.metrics.case import Case


def pointing_game(case: Case) -> np.ndarray:
    """Whether the largest attribution is inside of the mask.

    Zhang et al. 2016, arXiv:1608.00507, without their tolerance of 15 pixels. Of equal ones the first in x counts.

    Args:
        case: What is measured, with masks.

    Returns:
        (n,) 1 or 0; higher is better.

    Raises:
        InputError: There are no masks.

    Example:
        >>> import keras, tfxai
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> x = np.array([[1.0, 2.0, 3.0]], "float32")
        >>> pointing_game(tfxai.metrics.Case.of(model, x, "deeplift", masks=[[0, 0, 1]])).tolist()
        [1.0]
    """
    inside = case.truth()
    return np.take_along_axis(inside, case.order()[:, :1], axis=1)[:, 0].astype(float)


def relevance_mass(case: Case) -> np.ndarray:
    """The share of the positive attributions that is inside of the mask.

    sum_{i in mask} max(A_i, 0) / sum_i max(A_i, 0).  Arras et al. 2022, arXiv:2003.07258

    Args:
        case: What is measured, with masks.

    Returns:
        (n,) from 0 to 1; 0 where nothing is positive; higher is better.

    Raises:
        InputError: There are no masks.

    Example:
        >>> import keras, tfxai
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> x = np.array([[1.0, 2.0, 5.0]], "float32")
        >>> relevance_mass(tfxai.metrics.Case.of(model, x, "deeplift", masks=[[0, 1, 1]])).tolist()
        [0.875]
    """
    inside, positive = case.truth(), np.maximum(case.relevance, 0)
    total = positive.sum(axis=1)
    return np.divide((positive * inside).sum(axis=1), total, out=np.zeros(len(case)), where=total > 0)


def relevance_rank(case: Case) -> np.ndarray:
    """The share of the mask's K features that are among the K largest attributions.

    |top K and mask| / K, K = |mask|.  Arras et al. 2022, arXiv:2003.07258

    Args:
        case: What is measured, with masks.

    Returns:
        (n,) from 0 to 1; higher is better.

    Raises:
        InputError: There are no masks.

    Example:
        >>> import keras, tfxai
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> x = np.array([[1.0, 2.0, 5.0]], "float32")
        >>> relevance_rank(tfxai.metrics.Case.of(model, x, "deeplift", masks=[[1, 0, 1]])).tolist()
        [0.5]
    """
    inside = case.truth()
    size = inside.sum(axis=1)
    return (inside & (case.ranks() < size[:, None])).sum(axis=1) / size
