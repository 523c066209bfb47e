"""Cost on sequences, in bare gradients of the same logit on the same batch. `pytest -m benchmark -n 0`.

Every number is the median of ratios measured in turn in one process, zeros baseline.
"""

import keras
import numpy as np
import pytest

import tfxai
from tests.benchmarks import networks
from tests.benchmarks.timing import bare_gradient, paired_ratio

pytestmark = pytest.mark.benchmark
# network, its options, examples, what each rule costs at most: what is reached, with a margin.
ROWS = [
    ("transformer", {}, 32, {"rescale": 1.6, "reveal_cancel": 2.6}),
    ("transformer", {"first": True}, 32, {"rescale": 1.5, "reveal_cancel": 2.4}),
    ("dna", {}, 32, {"rescale": 1.5}),
    ("lstm", {}, 32, {"rescale": 2.1, "reveal_cancel": 4.0}),
]


@pytest.mark.parametrize("name, options, n, limits", ROWS)
def test_deeplift(name, options, n, limits, at_most):
    keras.utils.set_random_seed(0)
    model = getattr(networks, name)(**options)
    x = np.random.default_rng(0).normal(size=(n, *model.input_shape[1:])).astype("float32")
    bare, kind = bare_gradient(model, x), "".join(f", {option}" for option in options)
    for rule, limit in limits.items():
        explainer = tfxai.Explainer(model, rule=rule)
        ratio = paired_ratio(lambda e=explainer: e(x, target=0, verbose=0), bare, 9)
        at_most(limit, f"deeplift, {rule}, {name}{kind}, {n} examples", ratio)
