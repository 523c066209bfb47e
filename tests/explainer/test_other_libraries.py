"""Models of XGBoost and PyTorch as black boxes: against sums over coalitions, and a twin in Keras.

Where these are installed: nothing else here needs them.
"""

import itertools
import math

import keras
import numpy as np
import pytest
from keras import layers

import tfxai


def by_hand(f, x, baseline):
    """The Shapley values of one row, by their definition."""
    count = len(x)
    values = np.zeros(count)
    for i in range(count):
        others = [j for j in range(count) if j != i]
        for size in range(count):
            weight = math.factorial(size) * math.factorial(count - size - 1) / math.factorial(count)
            for members in itertools.combinations(others, size):
                without, joined = baseline.copy(), baseline.copy()
                without[list(members)] = x[list(members)]
                joined[[*members, i]] = x[[*members, i]]
                values[i] += weight * float(f(joined[None])[0] - f(without[None])[0])
    return values


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4))
    return x, (x[:, 0] * x[:, 1] + x[:, 2] > 0).astype(int), 2 * x[:, 0] + x[:, 1] ** 2


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_xgboost(dtype, table):
    xgboost = pytest.importorskip("xgboost")
    x, label, amount = table
    sure = xgboost.XGBClassifier(n_estimators=10, max_depth=3, n_jobs=1).fit(x, label)
    much = xgboost.XGBRegressor(n_estimators=10, max_depth=3, n_jobs=1).fit(x, amount)
    rows, mean = x[:2].astype(dtype), x.mean(0).astype(dtype)
    for function, target, score in (
        (sure.predict_proba, 1, lambda z: sure.predict_proba(z)[:, 1]),
        (much.predict, None, much.predict),
    ):
        e = tfxai.explain(tfxai.black_box(function), rows, "kernel_shap", target, mean)
        np.testing.assert_allclose(e.values, [by_hand(score, row, mean) for row in rows], atol=1e-6)
        np.testing.assert_allclose(e.score, score(rows), atol=1e-7)
        assert np.abs(e.delta).max() < 1e-6
    with pytest.raises(tfxai.errors.ModelTypeError, match="black_box.model.predict_proba"):
        tfxai.black_box(sure)
    with pytest.raises(tfxai.errors.ModelError, match="dtype int64. If these are labels"):
        tfxai.explain(tfxai.black_box(sure.predict), rows, "kernel_shap")


def test_xgboost_on_data_frames_with_words(table):
    xgboost, pandas = pytest.importorskip("xgboost"), pytest.importorskip("pandas")
    x, label, _ = table
    frame = pandas.DataFrame(x, columns=list("abcd"))
    frame["kind"] = pandas.Categorical(np.where(label == 1, "sold", "kept"))
    model = xgboost.XGBClassifier(n_estimators=10, max_depth=3, n_jobs=1, enable_categorical=True).fit(frame, label)
    likely = frame.mode().iloc[0].copy()
    likely["kind"] = "kept"
    e = tfxai.explain(tfxai.black_box(model.predict_proba), frame[:4], "kernel_shap", 1, likely)
    said = np.abs(e.values[label[:4] == 1])
    assert (said[:, 4] > 10 * said[:, :4].max(1)).all()  # the word says it all
    np.testing.assert_allclose(e.values[label[:4] == 0][:, 4], 0, atol=1e-6)


def twins(torch):
    """A small network of pictures in both libraries, with the same weights."""
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(4, 3),
    ).eval()
    model = keras.Sequential([keras.Input((12, 12, 3)), layers.Conv2D(4, 3, activation="relu"),
                              layers.GlobalAveragePooling2D(), layers.Dense(3)])  # fmt: skip
    kernel, bias, weights, constant = (p.detach().numpy() for p in module.parameters())
    model.set_weights([kernel.transpose(2, 3, 1, 0), bias, weights.T, constant])
    return module, model


@pytest.mark.parametrize("method", ["occlusion", "rise", "kernel_shap", "lime"])
def test_a_module_of_pytorch_is_explained_as_its_twin_in_keras(method):
    torch = pytest.importorskip("torch")
    module, model = twins(torch)
    x = np.random.default_rng(0).uniform(size=(2, 12, 12, 3)).astype("float32")
    first = np.ascontiguousarray(np.moveaxis(x, -1, 1))
    options = {} if method == "occlusion" else {"samples": 60}
    if method in ("kernel_shap", "lime"):
        options["groups"] = tfxai.segments.grid(3)

    def scores(rows):
        return module(torch.from_numpy(rows)).detach().numpy()

    def as_tensors(rows):  # with their gradient, which nobody asks for
        return module(torch.from_numpy(rows))

    expected = tfxai.explain(model, x, method, 1, seed=0, **options).values
    for function in (scores, as_tensors):
        e = tfxai.explain(tfxai.black_box(function, "image_channels_first"), first, method, 1, seed=0, **options)
        np.testing.assert_allclose(np.moveaxis(e.values, 1, -1), expected, atol=2e-6)


def test_modules_of_pytorch_as_they_are_and_in_training():
    torch = pytest.importorskip("torch")
    module, _ = twins(torch)
    x = np.ones((2, 3, 12, 12), "float32")
    for wrap in (tfxai.black_box, lambda m: tfxai.explain(m, x, "occlusion")):
        with pytest.raises(tfxai.errors.ModelTypeError, match=r"takes its own tensors.*torch.from_numpy\(x\)\)"):
            wrap(module)
    with pytest.raises(RuntimeError, match="double") as caught:
        tfxai.explain(
            tfxai.black_box(lambda z: module(torch.from_numpy(z)), "image_channels_first"), x.astype(float), "rise"
        )
    assert "(2, 3, 12, 12) float64" in caught.value.__notes__[0]
    drawing = torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.Linear(4, 2))
    with pytest.warns(UserWarning, match="draws at random"):
        tfxai.explain(
            tfxai.black_box(lambda z: drawing(torch.from_numpy(z))), np.ones((2, 4), "float32"), "occlusion", 0
        )


def test_several_inputs_of_pytorch():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    both = torch.nn.Bilinear(3, 2, 1)
    rng = np.random.default_rng(0)
    x = {"a": rng.normal(size=(4, 3)).astype("float32"), "b": rng.normal(size=(4, 2)).astype("float32")}
    box = tfxai.black_box(lambda z: both(torch.from_numpy(z["a"]), torch.from_numpy(z["b"])))
    e = tfxai.explain(box, x, "kernel_shap", 0)
    weight = both.weight.detach().numpy()[0]  # a product of two: half each
    half = np.einsum("ni,ij,nj->nij", x["a"], weight, x["b"]) / 2
    np.testing.assert_allclose(e.values["a"], half.sum(2), atol=1e-5)
    np.testing.assert_allclose(e.values["b"], half.sum(1), atol=1e-5)
