"""Transposed convolutions against the dense matrix that they are: both rules see the same contributions."""

import keras
import numpy as np
import pytest
from keras import layers

import tfxai


@pytest.mark.long
@pytest.mark.parametrize(
    "make, shape",
    [(lambda: layers.Conv1DTranspose(3, 3, strides=2), (6, 2)), (lambda: layers.Conv2DTranspose(2, 3), (4, 4, 2)),
     (lambda: layers.Conv3DTranspose(2, 2), (3, 3, 3, 1))],
)  # fmt: skip
@pytest.mark.parametrize("rule", ["rescale", "reveal_cancel"])
def test_equals_its_matrix(make, shape, rule, rng):
    keras.utils.set_random_seed(0)
    i = keras.Input(shape)
    flat = layers.Flatten()(make()(i))
    head = layers.Dense(1)
    model, linear = keras.Model(i, head(layers.ReLU()(flat))), keras.Model(i, flat)
    size = int(np.prod(shape))
    zero = np.asarray(linear(np.zeros((1, *shape))))
    matrix = layers.Dense(zero.shape[1])
    dense = keras.Sequential([keras.Input((size,)), matrix, layers.ReLU(), head])
    matrix.set_weights([np.asarray(linear(np.eye(size).reshape(size, *shape))) - zero, zero[0]])
    x = rng.normal(size=(4, *shape)).astype("float32")
    expected = tfxai.explain(dense, x.reshape(4, -1), target=0, rule=rule).values
    found = tfxai.explain(model, x, target=0, rule=rule).values.reshape(4, -1)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.abs(expected).max() > 0.1
