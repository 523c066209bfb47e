"""Agreement: whether methods say the same. Krishna et al. 2022, arXiv:2202.01602"""

from __future__ import annotations

import numpy as np

from tfxai.errors import OptionError, received
from tfxai.metrics.case import Case
from tfxai.support.checks import whole_number
from tfxai.support.ranks import correlation, ranks

SHARE = 0.1  # of the features, where k is not said


def rank_agreement(case: Case) -> np.ndarray:
    """The mean of Spearman's correlations with the attributions of the other methods.

    Krishna et al. 2022, arXiv:2202.01602

    Args:
        case: What is measured, with others.

    Returns:
        (n,) from -1 to 1.

    Raises:
        MethodError: There are no others.

    Example:
        >>> import keras, tfxai
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> x = np.array([[1.0, 2.0, 3.0]], "float32")
        >>> rank_agreement(tfxai.metrics.Case.of(model, x, "deeplift", others=["ig", -x])).tolist()
        [0.0]
    """
    own = ranks(case.relevance)
    return np.mean([correlation(own, ranks(other)) for other in case.beside()], axis=0)


def top_k_overlap(case: Case, k: int | None = None) -> np.ndarray:
    """The mean share of the k features with the largest sizes that other methods have among theirs.

    |top k of |A| and top k of |B|| / k.  Krishna et al. 2022, arXiv:2202.01602 (feature agreement)

    Args:
        case: What is measured, with others.
        k: How many; None a tenth of the features, at least one. Of equal ones the first in x.

    Returns:
        (n,) from 0 to 1.

    Raises:
        MethodError: There are no others.
        OptionError: k below 1 or beyond the number of features.

    Example:
        >>> import keras, tfxai
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> x = np.array([[1.0, 2.0, 3.0]], "float32")
        >>> top_k_overlap(tfxai.metrics.Case.of(model, x, "deeplift", others=[x[:, ::-1]]), k=2).tolist()
        [0.5]
    """
    if k is None:
        k = max(1, round(SHARE * case.features))
    whole_number(k, "k", more=", or None for a tenth of the features")
    if k > case.features:
        raise OptionError(f"k is at most the number of features, {case.features}. {received(k)}")
    own = _top(case.relevance, k)
    return np.mean([(own & _top(other, k)).sum(axis=1) / k for other in case.beside()], axis=0)


def _top(relevance: np.ndarray, k: int) -> np.ndarray:
    """(n, F) whether a feature is among the k of largest size."""
    found = np.zeros(relevance.shape, bool)
    np.put_along_axis(found, np.argsort(-np.abs(relevance), axis=1, kind="stable")[:, :k], True, axis=1)
    return found
