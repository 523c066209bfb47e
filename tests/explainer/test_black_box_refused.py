"""Black boxes: what is refused, what is warned of, and what can be wrapped at all."""

import copy
import warnings
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest

import tfxai
from tfxai.method.lookup import class_of, score_only
from tfxai.method.table import METHODS

W = np.array([[1.0, -2.0, 0.5], [3.0, 0.0, 1.0], [-1.0, 4.0, 2.0], [0.5, 1.0, -3.0]])  # (features, classes)
X = np.array([[1.0, 2.0, 3.0, 4.0], [-1.0, 0.5, 2.0, 0.0], [2.0, -2.0, 1.0, 1.0]])
LINEAR = tfxai.black_box(lambda x: x @ W, name="linear")


def test_methods_that_need_more_say_which_do_not():
    assert {"occlusion", "rise"} <= set(score_only())
    for name in METHODS:
        kind = class_of(name)
        if not kind.scores_only and not kind.needs_data:
            with pytest.raises(tfxai.errors.MethodError, match="'occlusion', 'rise'"):
                tfxai.explain(LINEAR, X, name)
    with pytest.raises(tfxai.errors.MethodError, match="'deeplift' looks inside"):
        tfxai.explain(LINEAR, X)
    smooth = tfxai.explain(LINEAR, X, tfxai.SmoothGrad("occlusion", samples=4, noise=0.01), 0, seed=0)
    np.testing.assert_allclose(smooth.values, X * W[:, 0], atol=0.2)


def test_a_method_of_ones_own_that_asks_for_more():
    class Sly(tfxai.Gradient):
        scores_only, reads_gradients = True, False

    with pytest.raises(tfxai.errors.MethodError, match="gives scores and nothing else"):
        tfxai.explain(LINEAR, X, Sly(), 0)


@pytest.mark.parametrize("options, error, words", [
    ({"layer": "dense"}, tfxai.errors.LayerError, "has no layers"),
    ({"on": "probability"}, tfxai.errors.OptionError, r"returned -3.5 when .* which is none. Leave on= out"),
    ({"jit_compile": True}, tfxai.errors.OptionError, "leave jit_compile= out"),
    ({"fixed": [0]}, tfxai.errors.InputError, "holds all inputs"),
    ({"target": 3}, tfxai.errors.TargetError, "classes 0 to 2"),
    ({"target": lambda y: y}, tfxai.errors.TargetError, r"returned shape \(3, 3\)"),
    ({"target": lambda y: y.numpy()}, tfxai.errors.TargetError, "numpy arrays"),
    ({"target": lambda y: y[:, 0] - y[:, 0].mean()}, tfxai.errors.TargetError, "outputs of others"),
])  # fmt: skip
def test_what_a_black_box_does_not_have(options, error, words):
    with pytest.raises(error, match=words):
        tfxai.explain(LINEAR, X, "occlusion", **options)


@pytest.mark.parametrize("function, words", [
    (lambda x: x[:1] @ W, r"called with 2 rows.*Received: shape \(1, 3\)"),
    (lambda x: 3.0, r"Received: shape \(\)"),
    (lambda x: x.argmax(1), "dtype int64. If these are labels"),
    (lambda x: np.array(["a"] * len(x)), "dtype <U1"),
    (lambda x: None, "NoneType"),
    (lambda x: {"a": x @ W, "b": x[0]}, "Received under 'b'"),
    (lambda x: [x @ W, x[:1]], "Received at position 1"),
    (lambda x: {"a" if len(x) < 3 else "b": x @ W}, r"returned a: \(rows, 3\) float64 when.* now b: \(rows, 3\)"),
    (lambda x: x @ W if len(x) < 3 else [x @ W], r"returned \(rows, 3\) float64 when.* now 0: \(rows, 3\) float64"),
    (lambda x: x @ W if len(x) < 3 else x, r"\(rows, 3\) float64 when it was tried, and now \(rows, 4\) float64"),
    (lambda x: np.where(x == 0, np.nan, x).sum(1), r"score nan for 1 of 3 rows \(first: row 1"),
    (lambda x: np.log(np.maximum(x[:, 0], 0)), "score -inf for"),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_what_it_returns(function, words):
    with pytest.raises(tfxai.errors.ModelError, match=words):
        tfxai.explain(tfxai.black_box(function), X, "occlusion")


def test_its_own_errors_come_through_with_a_note():
    def function(x):
        raise KeyError("age")

    with pytest.raises(KeyError) as caught:
        tfxai.explain(tfxai.black_box(function, name="forest"), X, "occlusion")
    assert "black box 'forest'" in caught.value.__notes__[0] and "(2, 4) float64" in caught.value.__notes__[0]


def test_draws_are_said():
    rng = np.random.default_rng(0)
    with pytest.warns(UserWarning, match="draws at random: two calls with the same rows differ"):
        tfxai.explain(tfxai.black_box(lambda x: x[:, 0] + rng.normal(size=len(x))), X, "occlusion")
    with pytest.warns(UserWarning, match="when other rows are beside it.*batch_size=1"):
        tfxai.explain(tfxai.black_box(lambda x: x[:, 0] - x[:, 0].mean()), X, "occlusion")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tfxai.explain(tfxai.black_box(lambda x: x[:, 0] - x[:, 0].mean()), X, "occlusion", batch_size=1)
        tfxai.explain(tfxai.black_box(lambda x: x[:, 0] * (1 + 1e-7 * rng.normal())), X, "occlusion")


def test_layouts_are_not_guessed():
    x = np.ones((1, 4, 4, 3))
    for box in (
        tfxai.black_box(lambda x: x.sum((1, 2, 3))),
        tfxai.black_box(lambda x: x.sum((1, 2, 3)), {"b": "image"}),
    ):
        with pytest.raises(tfxai.errors.InputError, match="layout=.*'table', 'sequence', 'image'"):
            tfxai.explain(box, x, "occlusion")
    with pytest.raises(tfxai.errors.InputError, match="said to be 'sequence', of rank 2, or 3 with channels"):
        tfxai.explain(tfxai.black_box(lambda x: x.sum((1, 2, 3)), "sequence"), x, "occlusion")
    with pytest.raises(tfxai.errors.InputError, match=r"Pass x\[:, None\]"):
        tfxai.explain(tfxai.black_box(lambda x: x, "table"), np.ones(3), "occlusion")
    grey = tfxai.explain(tfxai.black_box(lambda x: x.sum((1, 2)), "image"), x[..., 0], "occlusion", window=1)
    np.testing.assert_allclose(grey.values, x[..., 0])
    every = tfxai.black_box(lambda x: (x * x).sum((1, 2)), "table")
    np.testing.assert_allclose(tfxai.explain(every, 2 * x[..., 0], "occlusion", window=1).values, 4 * x[..., 0])


def test_an_explainer_is_copied_without_what_it_knows():
    explainer = tfxai.Explainer(LINEAR, "occlusion")
    e = explainer(X, 0)
    np.testing.assert_array_equal(copy.deepcopy(explainer)(X, 0).values, e.values)


def test_from_several_threads():
    explainer = tfxai.Explainer(LINEAR, "rise", samples=50)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda k: explainer(X + k, 0, seed=0).values, range(8)))
    for k, values in enumerate(found):
        np.testing.assert_array_equal(values, tfxai.explain(LINEAR, X + k, "rise", 0, seed=0, samples=50).values)


def test_what_can_be_wrapped():
    class Forest:
        def predict_proba(self, x):
            return x @ W

    for wrong, words in ((Forest(), "black_box.model.predict_proba"), (3, "of type int"), (LINEAR, "BlackBox")):
        with pytest.raises(tfxai.errors.ModelTypeError, match=words):
            tfxai.black_box(wrong)
    with pytest.raises(tfxai.errors.OptionError, match="'image'"):
        tfxai.black_box(lambda x: x, "picture")
    with pytest.raises(tfxai.errors.OptionError, match="batch_size"):
        tfxai.black_box(lambda x: x, batch_size=0)
    assert tfxai.black_box(Forest().predict_proba).name.endswith("Forest.predict_proba")
    np.testing.assert_array_equal(LINEAR(X), X @ W)


def test_nothing_is_wrapped_silently():
    class Forest:
        def predict_proba(self, x):
            return np.exp(np.asarray(x)) @ W

    with pytest.raises(tfxai.errors.ModelError, match=r"tfxai.black_box\(function\)"):
        tfxai.explain(Forest().predict_proba, X, "occlusion")
    with pytest.raises(tfxai.errors.ModelTypeError, match="black_box.model.predict_proba"):
        tfxai.explain(Forest(), X, "occlusion")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    with pytest.raises(tfxai.errors.ModelTypeError, match="black_box.model.predict"):
        tfxai.explain(model.predict, X, "occlusion")
