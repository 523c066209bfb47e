"""Any baseline as references of the input's form, and what cannot be one."""

import numpy as np
import pytest

from tfxai import baselines
from tfxai.baselines import fitted as references
from tfxai.errors import BaselineError


def test_fitted_shapes_and_values(rng):
    x = rng.normal(size=(3, 2, 2)).astype("float32")
    own, many = x + 1, rng.normal(size=(3, 5, 2, 2))
    for given, expected in (
        (None, np.zeros((1, 1, 2, 2))),
        (2, np.full((1, 1, 2, 2), 2)),
        (x[0], x[None, :1]),
        (x[:1], x[None, :1]),
        (own, own[:, None]),
        (many[:1], many[:1]),
        (many, many),
        (lambda z: z + 1, own[:, None]),
        (lambda z: None, np.zeros((1, 1, 2, 2))),
        (baselines.uniform(n=4), baselines.uniform(n=4)(x)),
    ):
        found = references.fitted(given, x)
        assert found.dtype == x.dtype and found.shape == expected.shape and found.flags.c_contiguous
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert references.fitted(np.zeros((3, 4)), np.zeros(3, "float32")[:, None].repeat(4, 1)).shape == (3, 1, 4)
    assert references.fitted([7, 8, 9], np.zeros(3, "float32")).shape == (3, 1)


def test_fitted_asks_a_function_once_with_everything(rng):
    x, seen = rng.normal(size=(4, 2)), []
    references.fitted(lambda z: seen.append(z.shape) or 0, x)
    assert seen == [(4, 2)]


@pytest.mark.parametrize(
    "given, text",
    [
        (np.zeros((2, 2, 2)), r"\(1 or 3, 2, 2\).*Received: shape \(2, 2, 2\)"),
        (np.zeros((1, 0, 2, 2)), r"references, 2, 2\).*Received: shape \(1, 0, 2, 2\)"),
        (np.zeros(2), r"Received: shape \(2,\)"),
        (np.zeros((1, 1, 1, 2, 2)), r"Received: shape \(1, 1, 1, 2, 2\)"),
        (np.zeros((2, 5, 2, 2)), r"Received: shape \(2, 5, 2, 2\)"),
        ([[1], [2, 3]], "one rectangular array"),
        (1j, "holds numbers. Received: dtype complex128"),
        ("zero", "made by tfxai.baselines"),
        (np.inf, "A baseline is finite"),
        (lambda z: z * np.nan, "A baseline is finite"),
        (1e300, "fits the input's float32. Received: 1e.300"),
    ],
)
def test_fitted_refuses(given, text):
    with pytest.raises(BaselineError, match=text):
        references.fitted(given, np.zeros((3, 2, 2), "float32"))


def test_fitted_integers_never_wrap():
    x = np.zeros((3, 4), "uint8")
    assert references.fitted(255, x).dtype == np.uint8 and references.fitted(7.0, x).max() == 7
    for given, text in ((256, "range. Received: 256"), (-1, "Clip it"), (1e20, "Clip"), (0.5, "fractions")):
        with pytest.raises(BaselineError, match=text):
            references.fitted(given, x)
    image = np.arange(50).reshape(2, 5, 5, 1).astype("uint8")
    blurred = references.fitted(baselines.blur(2.0), image)
    np.testing.assert_array_equal(blurred[:, 0], np.rint(baselines.blur(2.0)(image.astype(float))))
    with pytest.raises(BaselineError, match="text"):
        references.fitted(0, np.array([["a"]], object))


def test_fitted_bfloat16():
    half = pytest.importorskip("ml_dtypes").bfloat16
    x = np.ones((2, 3), "float32")
    assert references.fitted(np.full(3, 0.5, half), x).tolist() == [[[0.5] * 3]]
    assert references.fitted(0.5, x.astype(half)).dtype == half
