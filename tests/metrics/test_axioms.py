"""The axioms as measurements: the lecture's tables, and networks where each verdict is known."""

import keras
import numpy as np
import pytest
from keras import layers

import tfxai
from tfxai.metrics import axioms

METHODS = ["gradient", "input_x_gradient", "guided_backprop", "deconvnet", "deeplift", "integrated_gradients"]


@pytest.fixture
def network(rng):
    model = keras.Sequential([keras.Input((5,)), layers.Dense(8, "relu"), layers.Dense(8, "softplus"), layers.Dense(2)])
    return model, rng.normal(size=(6, 5)).astype("float32")


@pytest.mark.long
def test_the_lectures_tables():
    table = axioms.lecture_table()
    assert set(METHODS) | {"occlusion"} <= set(table) and not {"gradcam", "activation"} & set(table)
    sensitive = {name: table[name]["sensitivity"].holds for name in METHODS}
    assert sensitive == dict.fromkeys(METHODS, False) | {"deeplift": True, "integrated_gradients": True}
    invariant = {name: table[name]["implementation invariance"].holds for name in METHODS}
    assert invariant == dict.fromkeys(METHODS, True) | {"deeplift": False}
    assert axioms.implementation_invariance("deeplift", rule="reveal_cancel")  # on this pair
    relevance = {name: [verdict.holds for verdict in table[name].values()] for name in ("lrp", "deep_taylor")}
    assert relevance == {"lrp": [False, False], "deep_taylor": [False, True]}
    assert table["lrp"]["implementation invariance"].detail == "[[1.5, -0.5]] and [[2.0, -1.0]]"
    assert axioms.sensitivity("lrp", rule="zero", bias="equal")  # what is explained is a bias


@pytest.mark.long
def test_the_lectures_numbers():
    first, second = axioms.equal_pair()
    x = np.array([[3, 1]], "float32")
    for model, expected in ((first, [1.5, -0.5]), (second, [2, -1])):
        np.testing.assert_allclose(tfxai.explain(model, x, on="probability").values, [expected], rtol=1e-5)
        relevance = tfxai.explain(model, x, "lrp", rule="zero", bias=False, on="probability")
        np.testing.assert_allclose(relevance.values, [expected], rtol=1e-5)
    verdict = axioms.implementation_invariance("deeplift")
    assert verdict.residual == pytest.approx(0.25) and verdict.detail == "[[1.5, -0.5]] and [[2.0, -1.0]]"


def test_completeness_is_the_residual_itself(network):
    model, x = network
    assert axioms.completeness("deeplift", model, x, target=1)
    assert axioms.completeness("integrated_gradients", model, x, target=1, tolerance=0.05)
    verdict = axioms.completeness("input_x_gradient", model, x, baseline=np.ones(5, "float32"), target=1)
    e = tfxai.explain(model, x, "input_x_gradient", baseline=np.ones(5, "float32"), target=1)
    change = np.asarray(model(x) - model(np.ones((1, 5), "float32")))[:, 1]
    expected = np.abs(change - e.values.sum(1)).max() / np.abs(change).max()
    assert verdict.residual == pytest.approx(expected, rel=1e-3) and not verdict and "largest change" in verdict.detail


@pytest.mark.long
def test_dummy(network):
    model, x = network
    for method in METHODS:
        assert axioms.dummy(method, model, x, target=0).residual == 0
    shuffled = axioms.dummy("deeplift", lambda z: model(z * keras.ops.cos(z)), x, target=0)
    assert shuffled.holds
    kept = lambda z: model(z)  # noqa: E731
    assert axioms.dummy("smoothgrad", kept, x, target=0, samples=4, seed=0)


@pytest.mark.long
def test_linearity(network, rng):
    model, x = network
    other = keras.Sequential([keras.Input((5,)), layers.Dense(7, "tanh"), layers.Dense(2)])
    for method in ("gradient", "input_x_gradient", "deeplift", "integrated_gradients", "occlusion"):
        assert axioms.linearity(method, model, other, x), method
    squared = axioms.linearity("smoothgrad_squared", model, other, x, samples=4)
    assert not squared and squared.residual > 0.1
    third = keras.Sequential([keras.Input((5,)), layers.Dense(4, "relu"), layers.Dense(2)])
    assert not axioms.linearity("guided_backprop", model, third, x)


@pytest.mark.long
def test_sensitivity_on_data(network):
    model, x = network
    assert axioms.sensitivity("deeplift", model, x, target=0)
    assert axioms.sensitivity("integrated_gradients", model, x, target=0)
    dead = keras.Sequential([keras.Input((2,)), layers.Dense(1), layers.ReLU(1.0)])
    dead.layers[0].set_weights([np.array([[1.0], [0.0]]), np.zeros(1)])
    verdict = axioms.sensitivity("gradient", dead, np.array([[3.0, 5.0]], "float32"), target=0)
    assert verdict.residual == 1 and verdict.detail == "1 of 1 features that change the score got none"


def test_bad_use(network):
    model, x = network
    for method in ("gradcam", "activation"):
        with pytest.raises(tfxai.errors.MethodError, match=f"one value per input feature; '{method}' gives maps"):
            axioms.completeness(method, model, x)
    with pytest.raises(tfxai.errors.InputError, match="do not return the same at x"):
        axioms.implementation_invariance("deeplift", model, lambda z: 2 * model(z), x)
    with pytest.raises(tfxai.errors.OptionError, match="Pass two models, or none"):
        axioms.implementation_invariance("deeplift", model)
    with pytest.raises(tfxai.errors.InputError, match="x equals the baseline everywhere"):
        axioms.sensitivity("deeplift", model, 0 * x, target=0)
