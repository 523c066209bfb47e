"""LIME against scikit-learn and closed forms, and what coalition methods do for several targets."""

import keras
import numpy as np
import pytest
from keras import layers

import tfxai


def test_lime_gives_the_coefficients_of_a_linear_function(rng):
    x, w = rng.normal(size=(2, 9)), rng.normal(size=9)
    e = tfxai.explain(lambda z: keras.ops.sum(z * w, axis=1) + 3, x, "lime", seed=0, ridge=0.0)
    np.testing.assert_allclose(e.values, w * x, atol=1e-9)
    np.testing.assert_allclose(e.meta["r2"], 1)
    usual = tfxai.explain(lambda z: keras.ops.sum(z * w, axis=1) + 3, x, "lime", seed=0)
    np.testing.assert_allclose(usual.values, w * x, rtol=1e-3)
    assert e.delta is None


def test_lime_is_the_weighted_ridge_of_scikit_learn(rng):
    linear = pytest.importorskip("sklearn.linear_model")
    x = rng.normal(size=(1, 7))
    f = lambda z: np.tanh(z[:, 0] * z[:, 1]) + z[:, 2] ** 2 + z[:, 3] * z[:, 4]  # noqa: E731
    g = lambda z: keras.ops.tanh(z[:, 0] * z[:, 1]) + z[:, 2] ** 2 + z[:, 3] * z[:, 4]  # noqa: E731
    method = tfxai.LIME(samples=300, ridge=1.0, kernel_width=0.4)
    e = tfxai.explain(g, x, method, seed=4)
    draws = np.random.default_rng(int(np.random.default_rng(4).integers(2**63))).random((300, 7)) < 0.5
    draws[0] = True
    weights = np.exp(-((1 - np.sqrt(draws.mean(1))) ** 2) / (2 * 0.4**2))
    fit = linear.Ridge(alpha=1.0).fit(draws, f(draws * x), sample_weight=weights)
    np.testing.assert_allclose(e.values[0], fit.coef_, atol=1e-9)
    assert e.meta["r2"][0] == pytest.approx(fit.score(draws, f(draws * x), sample_weight=weights), abs=1e-9)


def test_lime_says_that_it_cannot_describe_an_xor():
    """x1 (1 - x2) + x2 (1 - x1), of units that are shown or not; two more that do nothing."""
    f = lambda z: z[:, 0] + z[:, 1] - 2 * z[:, 0] * z[:, 1]  # noqa: E731
    with pytest.warns(UserWarning, match=r"no linear function of the groups, R\^2 = 0\.0.*should not be believed"):
        e = tfxai.explain(f, np.ones((1, 4)), "lime", seed=0, kernel_width=50.0)
    assert e.meta["r2"][0] < 0.05


def test_r2_goes_with_its_example_and_into_files(tmp_path, rng):
    x = rng.normal(size=(3, 4))
    f = lambda z: z[:, 0] + z[:, 1] + 0.3 * z[:, 2] * z[:, 3]  # noqa: E731
    e = tfxai.explain(f, x, "lime", seed=0)
    assert len(e.meta["r2"]) == 3 and e[1].meta["r2"] == e.meta["r2"][1:2]
    assert tfxai.load(e.save(tmp_path / "e.npz")).meta == e.meta
    constant = tfxai.explain(lambda z: 0 * z[:, 0] + 7, x, "lime", seed=0)
    np.testing.assert_allclose(constant.meta["r2"], 1)
    np.testing.assert_allclose(constant.values, 0, atol=1e-12)


@pytest.mark.long
@pytest.mark.parametrize(
    "method, options",
    [
        ("occlusion", {}),
        ("kernel_shap", {"samples": 24}),
        ("shapley_sampling", {"samples": 4}),
        ("lime", {"samples": 100, "kernel_width": 5.0}),
    ],
)
@pytest.mark.filterwarnings("ignore:lime")
def test_several_targets_in_one_call(method, options, rng):
    """The same numbers as one by one, also where superpixels differ in number, and of a unit inside."""
    i = keras.Input((4, 4, 1))
    hidden = layers.Dense(5, "tanh", name="hidden")(layers.Flatten()(i))
    model = keras.Model(i, layers.Dense(3)(hidden))
    x = rng.normal(size=(3, 4, 4, 1)).astype("float32")
    labels = np.stack([rng.integers(0, count, (4, 4)) for count in (6, 12, 12)])
    explainer = tfxai.Explainer(model, method, groups=labels, **options)
    for size in (None, 2):
        for e, k in zip(explainer(x, tfxai.targets.each([2, 0]), seed=1, batch_size=size), (2, 0), strict=True):
            one = explainer(x, k, seed=1)
            np.testing.assert_allclose(e.values, one.values, rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(e.meta.get("r2", 0), one.meta.get("r2", 0), rtol=1e-4)
    unit = explainer(x, tfxai.targets.neuron("hidden", 3), seed=1)
    function = keras.Model(i, hidden)
    whole = tfxai.explain(function, x, method, 3, seed=1, groups=labels, **options)
    np.testing.assert_allclose(unit.values, whole.values, rtol=1e-4, atol=1e-6)
