"""Occlusion and RISE against hand values and closed forms."""

import keras
import numpy as np
import pytest
from keras import layers

import tfxai
from tests.networks import ML, dense


def total(z):
    return 3 * keras.ops.sum(z, axis=(1, 2, 3))


def test_occlusion_of_two_points():
    x = np.zeros((1, 5, 5, 1))
    x[0, 1, 1] = x[0, 3, 3] = 1
    e = tfxai.explain(total, x, "occlusion", window=3, stride=1)
    expected = [[3, 6, 6, 3, 0], [6, 15, 18, 12, 3], [6, 18, 24, 18, 6], [3, 12, 18, 15, 6], [0, 3, 6, 6, 3]]
    np.testing.assert_allclose(e.values[0, ..., 0], expected)
    np.testing.assert_allclose(e.score, [6])


def test_ablation_of_a_table():
    e = tfxai.explain(dense(*ML), np.array([[20, 50, 30]], "float32"), "occlusion", target=0)
    np.testing.assert_allclose(e.values, [[80, 200, 120]])
    mean = tfxai.explain(dense(*ML), np.array([[20, 50, 30]], "float32"), "occlusion", target=0, baseline=10.0)
    np.testing.assert_allclose(mean.values, [[40, 160, 80]])
    filled = tfxai.explain(dense(*ML), np.array([[20, 50, 30]], "float32"), "occlusion", target=0, fill=10)
    np.testing.assert_allclose(filled.values, mean.values)


def test_windows_cover_everything_and_channels_share(rng):
    x = rng.normal(size=(2, 7, 5, 3))
    e = tfxai.explain(total, x, "occlusion", window=(3, 2), stride=(3, 2))
    expected = np.zeros((2, 7, 5))
    for a in (0, 3, 4):
        for b in (0, 2, 3):
            expected[:, a : a + 3, b : b + 2] += 3 * x[:, a : a + 3, b : b + 2].sum((1, 2, 3))[:, None, None]
    np.testing.assert_allclose(e.values.sum(-1), expected, rtol=1e-9)
    np.testing.assert_allclose(e.values[..., 0], e.values[..., 2])
    single = tfxai.explain(total, x, "occlusion", window=(1, 1, 1))
    np.testing.assert_allclose(single.values, 3 * x, rtol=1e-9)


def test_tokens_are_occluded_one_by_one(rng):
    model = keras.Sequential(
        [keras.Input((7,), dtype="int32"), layers.Embedding(9, 4), layers.GlobalAveragePooling1D(), layers.Dense(2)]
    )
    x = rng.integers(0, 9, (3, 7))
    e = tfxai.explain(model, x, "occlusion", target=1)
    table, kernel = model.layers[0].embeddings.numpy(), model.layers[-1].kernel.numpy()[:, 1]
    np.testing.assert_allclose(e.values, table[x] @ kernel / 7, rtol=1e-4, atol=1e-6)


def test_rise_of_a_linear_function():
    """E[f(x M) M_i] / p for features drawn one by one: w_i x_i + p sum of the others."""
    x, w, p = np.array([[1.0, 2.0, -1.0, 0.5]]), np.array([1.0, -1.0, 2.0, 4.0]), 0.3
    model = dense((w[:, None], None), dtype="float64")
    e = tfxai.explain(model, x, "rise", samples=20000, probability=p, seed=0)
    expected = w * x + p * ((w * x).sum() - w * x)
    assert (np.abs(e.values - expected) < 5 * e.standard_error).all()
    np.testing.assert_allclose(e.values, expected, atol=0.1)


def test_rise_finds_the_place(rng):
    def corner(z):
        return keras.ops.sum(z[:, 2:6, 10:14], axis=(1, 2, 3))

    e = tfxai.explain(corner, np.ones((1, 16, 16, 3)), "rise", samples=600, seed=1)
    heat = e.values.sum(-1)[0]
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert 2 <= row < 6 and 10 <= column < 14 and e.values.shape == (1, 16, 16, 3)


@pytest.mark.parametrize(
    "method, options, message",
    [
        ("occlusion", {"window": 0}, "window is a whole number from 1"),
        ("occlusion", {"window": (3, 3, 3, 3)}, "window has one number, or one for each of the 2 axes"),
        ("occlusion", {"window": 9}, "window 9 is larger than the input's axis of 5"),
        ("occlusion", {"fill": "mean"}, "fill is a number, or None"),
        ("rise", {"samples": 0}, "samples is a whole number"),
        ("rise", {"probability": 1}, "probability is a number between 0 and 1"),
        ("rise", {"grid": 1}, "grid is a whole number from 2"),
    ],
)
def test_bad_options(method, options, message):
    with pytest.raises(tfxai.errors.OptionError, match=message):
        tfxai.explain(total, np.ones((1, 5, 5, 1)), method, **options)


@pytest.mark.parametrize(
    "shape, options",
    [
        ((6,), {"window": 1, "stride": 2}),
        ((6,), {"stride": 2}),
        ((12, 3), {"window": 2, "stride": 3}),
        ((8, 10, 2), {"window": (2, 2), "stride": (2, 4)}),
        ((8, 10, 2), {"window": (1, 1, 1), "stride": (1, 1, 2)}),
        ((4, 4, 4, 1), {"window": 1, "stride": 2}),
    ],
)
def test_a_stride_that_leaves_places_out_is_refused(shape, options, rng):
    x = rng.normal(size=(2, *shape))
    with pytest.raises(tfxai.errors.OptionError, match=r"window=\d and stride=\d .* Choose a stride up to the window"):
        tfxai.explain(lambda z: keras.ops.sum(z, axis=list(range(1, z.ndim))), x, "occlusion", **options)
