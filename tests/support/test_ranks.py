"""Rank correlation of rows, against scipy where it has an answer."""

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

from tfxai.support.ranks import correlation, ranks


def test_equal_values_share_their_rank(rng):
    values = rng.integers(0, 4, size=(5, 3, 4)).astype("float64")
    np.testing.assert_allclose(ranks(values), rankdata(values.reshape(5, -1), axis=1))


def test_spearman(rng):
    a, b = rng.normal(size=(2, 6, 20)).round(1)  # with ties
    expected = [spearmanr(p, q).statistic for p, q in zip(a, b, strict=True)]
    np.testing.assert_allclose(correlation(ranks(a), ranks(b)), expected, rtol=1e-12)


@pytest.mark.parametrize(
    "a, b, expected",
    [
        ([1, 2, 3], [10, 30, 20], 0.5),
        ([10, 30, 20], [1, 3, 2], 1),
        ([1, 3, 2], [3, 1, 2], -1),
        ([1, 2, 3], [5, 5, 5], 0),  # no order at all
        ([5, 5, 5], [7, 7, 7], 1),  # and twice the same
    ],
)
def test_by_hand(a, b, expected):
    assert correlation(ranks(np.array([a], float)), ranks(np.array([b], float))) == pytest.approx(expected)
