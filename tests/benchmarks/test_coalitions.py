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
AT_MOST = 1 / 0.9
CALLS = {"shapley_sampling": {"samples": 16}, "kernel_shap": {"samples": 480}, "lime": {"samples": 480}}
CALLS |= {"occlusion": {}, "rise": {"samples": 480}}


def table_model():
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((30,)), layers.Dense(256, "relu"), layers.Dense(256, "relu"), layers.Dense(3)])


def picture_model():
    keras.utils.set_random_seed(0)
    return keras.applications.MobileNetV2(input_shape=(96, 96, 3), weights=None, classifier_activation=None)


@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize("kind", ["table", "picture"])
def test_rows_per_second(kind, method, at_most):
    """In passes of the same size: which is best is another question."""
    table, windows = kind == "table", method in ("occlusion", "rise")
    model, batch = (table_model(), 8192) if table else (picture_model(), 32)
    n = (3000 if method == "occlusion" else 200) if table else 1  # enough that what a call costs once is not seen
    shape = model.input_shape[1:]
    x = np.random.default_rng(0).normal(size=(n, *shape)).astype("float32")
    groups = {} if table or windows else {"groups": tfxai.segments.grid(5)}
    explainer = tfxai.Explainer(model, method, **CALLS[method], **groups)

    def ours():
        return explainer(x, 0, seed=0, verbose=0, batch_size=batch)

    windows_of = 30 if table else 15**2  # one feature each; of a picture an 8th of a side, half overlapping
    rows = n * (1 + (windows_of if method == "occlusion" else 480)) if windows else ours().meta["model_rows"]
    block = np.random.default_rng(1).normal(size=(batch, *shape)).astype("float32")

    def bare():
        for _ in range(rows // batch):
            model.predict_on_batch(block)
        if rows % batch:
            model.predict_on_batch(block[: rows % batch])

    at_most(AT_MOST, f"{method}, {kind}, of bare predictions", paired_ratio(ours, bare, 15 if table else 5))


def test_the_time_of_shap(at_most):
    shap = pytest.importorskip("shap")
    model, x = table_model(), np.random.default_rng(0).normal(size=(4, 30)).astype("float32")
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
