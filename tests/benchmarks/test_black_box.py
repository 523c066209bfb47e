"""Black boxes in the calls that they are made of. `pytest tests/benchmarks/test_black_box.py -m benchmark -n 0`."""

import keras
import numpy as np
import pytest

import tfxai
from tests.benchmarks.timing import paired_ratio

pytestmark = pytest.mark.benchmark
AT_MOST = 1 / 0.9  # nine tenths of the rows per second


def replayed(function, explain):
    """What the function alone takes, for the same rows in the same calls."""
    seen = []

    def noting(x):
        seen.append(x.copy())
        return function(x)

    explain(noting)
    return lambda: [function(x) for x in seen]


@pytest.mark.parametrize("method", ["occlusion", "rise"])
def test_a_forest_on_a_table(method, at_most):
    ensemble = pytest.importorskip("sklearn.ensemble")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 20))
    forest = ensemble.RandomForestClassifier(random_state=0).fit(x, x[:, 0] * x[:, 1] > 0)
    options = {"samples": 20} if method == "rise" else {}

    def explain(function):
        tfxai.explain(tfxai.black_box(function), x, method, 1, seed=0, **options)

    bare = replayed(forest.predict_proba, explain)
    at_most(
        AT_MOST,
        f"{method} of a forest, 4000 rows, in its calls",
        paired_ratio(lambda: explain(forest.predict_proba), bare),
    )


@pytest.mark.parametrize("method", ["occlusion", "rise"])
def test_a_network_on_pictures(method, at_most):
    model = keras.applications.MobileNetV2(weights=None, input_shape=(96, 96, 3))
    x = np.random.default_rng(0).uniform(size=(8, 96, 96, 3)).astype("float32")
    options = {"samples": 60} if method == "rise" else {"window": 24, "stride": 12}

    def explain(function):
        tfxai.explain(tfxai.black_box(function, "image"), x, method, 1, seed=0, **options)

    bare = replayed(model.predict_on_batch, explain)
    at_most(
        AT_MOST,
        f"{method} of MobileNetV2, in its calls",
        paired_ratio(lambda: explain(model.predict_on_batch), bare, 3),
    )
