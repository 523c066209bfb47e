"""The result: its rows, what it says of itself, and how it is smoothed."""

import numpy as np
import pytest

from tests.explanations import example
from tfxai.errors import OptionError
from tfxai.explanation import Explanation


def test_rows(rng):
    e = example(rng, "dict")
    assert len(e[1]) == 1 and e[1].score.tolist() == [1.0] and e[-1].target.tolist() == [6]
    assert e[1:].values["b"][0].shape == (2, 4) and np.array_equal(e[2].values["a"][0], e.values["a"][2])
    assert [len(one) for one in e] == [1, 1, 1]
    with pytest.raises(IndexError):
        e[3]
    assert len(e[:0]) == 0 and repr(e[:0]).startswith("Explanation('deeplift', n=0")


def test_repr_says_what_matters(rng):
    text = repr(example(rng))
    assert text == (
        "Explanation('deeplift', n=3, values=(3, 8, 9, 2), layer='base/conv', target=[4, 5, 6], max |delta|=0.002)"
    )


def test_smooth_keeps_the_sum(rng):
    e = example(rng)
    for sigma in (0.4, 1.5, 30.0):
        s = e.smooth(sigma)
        np.testing.assert_allclose(s.values.sum((1, 2)), e.values.sum((1, 2)), rtol=1e-4, atol=1e-4)
        assert s.values.dtype == np.float32 and s.values.std() < e.values.std()
    sequence = Explanation(values=rng.normal(size=(2, 7, 4)), score=np.ones(2), method="gradient").smooth(1.0)
    assert sequence.values.shape == (2, 7, 4)
    for bad in (0, -1, np.nan, np.inf, "wide", True, None):
        with pytest.raises(OptionError, match="above 0"):
            e.smooth(bad)
    with pytest.raises(OptionError, match="spatial axes"):
        Explanation(values=np.ones((2, 3)), score=np.ones(2), method="gradient").smooth(1.0)


def test_smooth_is_the_reflected_gaussian(rng):
    """Against the definition: the array and its mirror images, repeated, under a Gaussian."""
    row, sigma = rng.normal(size=5), 1.3
    reach = np.arange(-int(np.ceil(4 * sigma)), int(np.ceil(4 * sigma)) + 1)
    kernel = np.exp(-(reach**2) / (2 * sigma**2))
    padded = np.pad(row, len(reach) // 2, mode="symmetric")
    expected = np.convolve(padded, kernel / kernel.sum(), mode="valid")
    e = Explanation(values=row[None, :, None], score=np.ones(1), method="gradient").smooth(sigma)
    np.testing.assert_allclose(e.values[0, :, 0], expected, atol=1e-12)


@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-12), ("float32", 1e-6), ("float16", 1e-3)])
@pytest.mark.parametrize("sigma", [1e-300, 0.5, 4, np.float32(3), 1e12])
def test_smooth_keeps_sum_channels_and_dtype(sigma, dtype, tolerance, rng):
    values = rng.normal(size=(2, 1, 9, 6, 3)).astype(dtype)
    e = Explanation(values={"a": values}, score=np.ones(2), method="gradient")
    smooth = e.smooth(sigma).values["a"]
    assert smooth.dtype == dtype
    size = np.abs(values).sum((1, 2, 3), dtype=float)
    moved = smooth.sum((1, 2, 3), dtype=float) - values.sum((1, 2, 3), dtype=float)
    assert (np.abs(moved) <= tolerance * size).all()
    if sigma == 1e-300:
        np.testing.assert_array_equal(smooth, values)
    if sigma == 1e12:
        assert np.ptp(smooth.astype(float), axis=(1, 2, 3)).max() < 1e-3
