"""Methods that hide groups against bare predictions of as many rows, and shap's time. `pytest -m benchmark -n 0 -s`.

Whole explain() calls, numpy in and out, against `predict_on_batch` of rows that are there already: same model, same
process, median of paired ratios.
"""

import keras
import numpy as np
import pytest
from keras import layers

import tfxai
from tests.benchmarks.timing import paired_ratio

pytestmark = pytest.mark.benchmark
CALLS = {"shapley_sampling": {"samples": 16}, "kernel_shap": {"samples": 960}, "lime": {"samples": 960}}


def table_model():
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((30,)), layers.Dense(256, "relu"), layers.Dense(256, "relu"), layers.Dense(3)])


def picture_model():
    keras.utils.set_random_seed(0)
    return keras.applications.MobileNetV2(input_shape=(96, 96, 3), weights=None, classifier_activation=None)


@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize("kind", ["table", "picture"])
def test_rows_per_second(kind, method, at_most):
    model, shape, n, batch = (
        (table_model(), (30,), 200, 2048) if kind == "table" else (picture_model(), (96, 96, 3), 1, 32)
    )
    x = np.random.default_rng(0).normal(size=(n, *shape)).astype("float32")
    explainer = tfxai.Explainer(model, method, **CALLS[method])
    rows = explainer(x, 0, seed=0, verbose=0).meta["model_rows"]
    block = np.random.default_rng(1).normal(size=(batch, *shape)).astype("float32")

    def bare():
        for _ in range(rows // batch):
            model.predict_on_batch(block)
        if rows % batch:
            model.predict_on_batch(block[: rows % batch])

    ratio = paired_ratio(lambda: explainer(x, 0, seed=0, verbose=0), bare, 3)
    at_most(1 / 0.9, f"{method}, {kind}, of bare predictions", ratio)


def test_the_time_of_shap(at_most):
    shap = pytest.importorskip("shap")
    model, x = table_model(), np.random.default_rng(0).normal(size=(10, 30)).astype("float32")
    zero = np.zeros((1, 30), "float32")
    explainer = tfxai.Explainer(model, "kernel_shap", samples=1000)
    theirs = shap.KernelExplainer(lambda z: model.predict_on_batch(z)[:, 0], zero)
    ours = paired_ratio(lambda: explainer(x, 0, seed=0, verbose=0),
                        lambda: theirs.shap_values(x, nsamples=1000, silent=True, l1_reg=0), 3)  # fmt: skip
    at_most(1.0, "kernel_shap, table, of shap's KernelExplainer", ours)
    orders = shap.explainers.Permutation(lambda z: model.predict_on_batch(z)[:, 0], zero)
    sampling = explainer.using("shapley_sampling", samples=20)
    ours = paired_ratio(lambda: sampling(x, 0, seed=0, verbose=0), lambda: orders(x, max_evals=610, silent=True), 3)
    at_most(1.0, "shapley_sampling, table, of shap's PermutationExplainer", ours)
