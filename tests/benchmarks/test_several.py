"""What `targets.each` of ten classes costs, of ten calls.

`pytest -m benchmark -n 0 -s tests/benchmarks/test_several.py`. Medians of ratios measured in turn.
"""

import keras
import numpy as np
import pytest

import tfxai
from tests.benchmarks.timing import paired_ratio

pytestmark = pytest.mark.benchmark


@pytest.mark.filterwarnings("ignore::tfxai.EmptyMapWarning")  # of a network without training
@pytest.mark.parametrize(
    "method, options, limit",
    [("deeplift", {}, 0.75), ("gradient", {}, 0.75), ("gradcam", {}, 0.3), ("occlusion", {"window": 75}, 0.2)],
)
def test_ten_classes(method, options, limit, at_most):
    model = keras.applications.ResNet50(weights=None, classifier_activation=None)
    x = np.random.default_rng(0).normal(size=(8, 224, 224, 3)).astype("float32")
    explainer = tfxai.Explainer(model, method, **options)
    classes = range(10)

    def together():
        return explainer(x, tfxai.targets.each(classes))

    def one_by_one():
        return [explainer(x, k) for k in classes]

    at_most(limit, f"{method} of ten classes, ResNet50, of ten calls", paired_ratio(together, one_by_one, rounds=3))
    traces = explainer.traces
    explainer(x, tfxai.targets.each(range(11)))
    assert explainer.traces == traces  # for a class more, nothing is traced
