"""Deletion in the forward passes that it is made of. `pytest tests/benchmarks -m benchmark -n 0`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.benchmarks.timing import paired_ratio
from tfxai.metrics import Case, deletion

pytestmark = pytest.mark.benchmark


@pytest.mark.parametrize("name", ["MobileNetV2", "ResNet50"])
def test_deletion_costs_its_forward_passes(name, at_most):
    """100 steps on 8 images are 101 passes of 8."""
    keras.utils.set_random_seed(0)
    model = getattr(keras.applications, name)(weights=None, input_shape=(96, 96, 3))
    x = np.random.default_rng(0).uniform(size=(8, 96, 96, 3)).astype("float32")
    case = Case.of(model, x, "gradient", target=1)
    forward, points = tf.function(lambda z: model(z, training=False)), tf.constant(x)

    def bare():
        for _ in range(101):
            forward(points).numpy()

    def ours():
        case.kept.clear()
        deletion(case, steps=100)

    ratio = paired_ratio(ours, bare, rounds=3)
    at_most(1.1, f"deletion in 100 steps, {name}, in its forward passes", ratio)
