"""LRP as it is asked for: rows of rules, bounds, options that cannot serve, the account of biases, half precision."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import tfxai
from tests.relevance import attention_model, double, over, randomised

# --- Whose rule -----------------------------------------------------------------------------------------------------


def stack():
    names = ("first", "middle", "last")
    model = keras.Sequential([keras.Input((4,), dtype="float64"),
                              *[layers.Dense(4, "relu", name=n, dtype="float64") for n in names]])  # fmt: skip
    return randomised(model)


def test_rows_by_kind_name_layer_and_function(rng):
    """Layer by layer, by the formulas: flat first, gamma in the middle, epsilon at the end."""
    model, x = stack(), rng.normal(size=(3, 4))
    weights = [layer.get_weights() for layer in model.layers]
    rows = {
        "names": [("first", "flat"), ("middle", {"rule": "gamma", "gamma": 0.5}), ("kernel", "epsilon")],
        "layers": [(model.layers[0], "flat"), (model.layers[1], {"rule": "gamma", "gamma": 0.5}), ("dense", "epsilon")],
        "functions": [
            (lambda place: place.first, "flat"),
            (lambda place: place.layer == "middle" and place.type == "MatMul", {"rule": "gamma", "gamma": 0.5}),
            (lambda place: True, "epsilon"),
        ],
    }
    inputs = [x]
    for w, b in weights:
        inputs.append(np.maximum(inputs[-1] @ w + b, 0))
    r = inputs[3] * np.eye(4)[1]
    (w, b), a = weights[2], inputs[2]
    r = a * (over(r, a @ w + b) @ w.T)
    (w, b), a = weights[1], inputs[1]
    v = w + 0.5 * np.maximum(w, 0)
    r = a * (over(r, a @ v + b + 0.5 * np.maximum(b, 0)) @ v.T)
    expected = np.repeat(r.sum(1, keepdims=True) / 4, 4, axis=1)
    explainer = tfxai.Explainer(model)
    for own in rows.values():
        values = explainer.using("lrp", rule=own)(x, target=1).values
        np.testing.assert_allclose(values, expected, rtol=1e-5)


def test_a_layer_that_is_called_twice_keeps_its_name(rng):
    i = keras.Input((3,), dtype="float64")
    shared = layers.Dense(3, name="shared", activation="tanh", dtype="float64")
    model = double(i, layers.Dense(1, dtype="float64")(shared(shared(i))))
    x = rng.normal(size=(2, 3))
    by_name = tfxai.explain(model, x, "lrp", rule=[("shared", "z_plus"), ("kernel", "epsilon")])
    by_kind = tfxai.explain(model, x, "lrp", rule=[(lambda p: p.layer == "shared", "z_plus"), ("dense", "epsilon")])
    alone = tfxai.explain(model, x, "lrp", rule=[(lambda p: p.first, "z_plus"), ("dense", "epsilon")])
    np.testing.assert_array_equal(by_name.values, by_kind.values)
    assert abs(by_name.values - alone.values).max() > 1e-3


@pytest.mark.parametrize(
    "options, words",
    [
        ({"rule": "epsilom"}, "No rule 'epsilom'. Did you mean 'epsilon'"),
        ({"rule": 3}, r"rule is a name, or a list of pairs \(what, rule\)"),
        ({"rule": [("dense", "gama")]}, "No rule 'gama'. Did you mean 'gamma'"),
        ({"rule": [("dense", {"rule": "gamma", "size": 1})]}, "A rule has no number 'size'"),
        ({"rule": [(3, "gamma")]}, "what a rule is for is a text, a layer or a function"),
        ({"rule": [("frist", "flat")]}, "names 'frist', which is no layer .* Did you mean 'first'"),
        ({"rule": "z_box"}, "needs low= and high=, .* use 'w_square' or 'flat'"),
        ({"rule": "epsilon_gamma_box", "low": 0}, "needs low= and high="),
        ({"rule": "epsilon", "low": 0, "high": 1}, "which this rule= does not use"),
        ({"rule": "z_box", "low": 2, "high": 1}, "low= is above high= at some place"),
        ({"rule": "z_box", "low": np.zeros(3), "high": 1}, r"fit one example, of shape \(4,\)"),
        ({"rule": "z_box", "low": [0, 0], "high": 1}, "low= and high= fit one example|one for each of 1 inputs"),
        ({"epsilon": -1}, "epsilon is a number from 0"),
        ({"alpha": 0}, "alpha - beta is 1. Received: alpha=0, beta=0"),
        ({"alpha": "2"}, "alpha is a number from 0"),
        ({"rule": [("dense", {"rule": "gamma", "gamma": -1})]}, "gamma is a number from 0"),
        ({"rule": [("dense", {"rule": "alpha_beta", "alpha": 3, "beta": 1})]}, "alpha - beta is 1"),
        ({"alpha": 2, "beta": 0.5}, "alpha - beta is 1. Received: alpha=2, beta=0.5"),
    ],
)
def test_wrong_options(options, words):
    with pytest.raises(tfxai.errors.OptionError, match=words):
        tfxai.explain(stack(), np.ones((1, 4)), "lrp", **options)


def test_x_outside_of_its_bounds():
    with pytest.raises(tfxai.errors.InputError, match="between low= and high=. Received: numbers from 1 to 1."):
        tfxai.explain(stack(), np.ones((1, 4)), "lrp", rule="z_box", low=0, high=0.5)
    with pytest.raises(tfxai.errors.OptionError, match="both bounds"):
        tfxai.explain(stack(), np.ones((1, 4)), "deep_taylor", low=0)


def test_a_rule_that_cannot_serve_an_op_names_those_that_can():
    with pytest.raises(
        tfxai.UnsupportedOpError, match="'gamma' cannot serve the product .* Rules that can: signal, half"
    ):
        tfxai.explain(attention_model(), np.ones((1, 3, 4)), "lrp", target=0, rule=[("product", "gamma")])
    with pytest.raises(tfxai.UnsupportedOpError, match="'half' cannot serve the dense MatMul .* zero, epsilon, gamma"):
        tfxai.explain(stack(), np.ones((1, 4)), "lrp", rule=[("dense", "half")])


def test_bounds_that_are_not_known_behind_an_op():
    i = keras.Input((4,))
    model = keras.Model(i, layers.Dense(1)(ops.cos(i)))
    with pytest.raises(tfxai.UnsupportedOpError, match="not known behind Cos .* 'w_square', 'flat', 'z_plus'"):
        tfxai.explain(model, np.ones((1, 4)), "lrp", rule="z_box", low=0, high=2)


def test_an_op_without_a_rule():
    i = keras.Input((4,))
    model = keras.Model(i, layers.Dense(1)(ops.angle(ops.cast(layers.Dense(3)(i), "complex64"))))
    with pytest.raises(tfxai.UnsupportedOpError, match="no rule for the op Angle at .* method='deeplift'"):
        tfxai.explain(model, np.ones((1, 4)), "lrp")


# --- The account ----------------------------------------------------------------------------------------------------


def test_what_a_bias_takes_is_what_the_formula_says(rng):
    model, x = stack(), rng.normal(size=(3, 4))
    e = tfxai.explain(model, x, "lrp", target=1, rule="epsilon", epsilon=0.0)
    weights = [layer.get_weights() for layer in model.layers]
    a, r, expected = [x], None, {}
    for w, b in weights:
        a.append(np.maximum(a[-1] @ w + b, 0))
    r = a[3] * np.eye(4)[1]
    for name, (w, b), below in reversed(list(zip(("first", "middle", "last"), weights, a, strict=False))):
        s = np.divide(r, below @ w + b, out=np.zeros_like(r), where=r != 0)
        expected[name] = (s * b).sum(1)
        r = below * (s @ w.T)
    for name, share in expected.items():
        np.testing.assert_allclose(e.layer_sums[name]["bias"], share, rtol=1e-9, atol=1e-12)
        assert np.all(e.layer_sums[name]["other"] == 0)
    total = sum(part["bias"] + part["other"] for part in e.layer_sums.values())
    np.testing.assert_allclose(total, e.score - e.values.sum(1), atol=1e-12)
    np.testing.assert_allclose(e.layer_sums["elsewhere"]["other"], 0, atol=1e-12)


def test_the_account_is_kept_with_the_explanation(rng, tmp_path):
    model, x = stack(), rng.normal(size=(5, 4))
    e = tfxai.explain(model, x, "lrp", target=1, batch_size=2)
    whole = tfxai.explain(model, x, "lrp", target=1)
    assert list(e.layer_sums) == ["first", "middle", "last", "elsewhere"]
    back = tfxai.load(e.save(tmp_path / "e.npz"))
    for name, parts in whole.layer_sums.items():
        for part, numbers in parts.items():
            np.testing.assert_allclose(e.layer_sums[name][part], numbers, rtol=1e-9, atol=1e-12)
            np.testing.assert_array_equal(back.layer_sums[name][part], e.layer_sums[name][part])
            np.testing.assert_array_equal(e[3].layer_sums[name][part], e.layer_sums[name][part][3:4])
    assert tfxai.explain(model, x, "gradient", target=1).layer_sums is None


@pytest.mark.long
def test_gamma_of_either_sign_is_gamma_behind_rectifiers(rng):
    i = keras.Input((8, 8, 2), dtype="float64")
    x = layers.Conv2D(5, 3, activation="relu", dtype="float64")(layers.ReLU(dtype="float64")(i))
    x = layers.Conv2D(4, 3, activation="relu", dtype="float64")(x)
    model = double(i, layers.GlobalAveragePooling2D(dtype="float64")(x))
    x = rng.normal(size=(3, 8, 8, 2))
    one, other = (
        tfxai.explain(model, x, "lrp", target=1, rule=[("convolution", {"rule": r, "gamma": 0.7})]).values
        for r in ("gamma", "gamma_general")
    )
    np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-10)


def test_relevance_that_grows_is_said():
    """The score is a small difference of two numbers, and half of one is a bias: it keeps far more than the score."""
    i = keras.Input((2,))
    first, second = layers.Dense(2, name="first"), layers.Dense(1, use_bias=False, name="second")
    model = keras.Model(i, second(first(i)))
    first.set_weights([np.eye(2), np.array([1.0, 0])])
    second.set_weights([np.array([[1.0], [-1.0]])])
    with pytest.warns(tfxai.CompletenessWarning, match="example 0 grows to 9.9e.03 times the score at 'first'"):
        tfxai.explain(model, np.array([[1.0, 1.9999]], "float32"), "lrp", rule="epsilon", epsilon=0.0)


# --- Precision ------------------------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize("rule", ["epsilon", "epsilon_plus_flat", "epsilon_alpha2_beta1", "gamma_general"])
def test_half_precision_is_that_of_its_numbers(rng, rule):
    """The quotients are taken in single precision; small relevance is not lost, and nothing overflows."""

    def network(policy):
        keras.utils.set_random_seed(3)
        keras.config.set_dtype_policy(policy)
        try:
            i = keras.Input((8, 8, 3))
            x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(6, 3)(i)))
            x = layers.Conv2D(6, 3, activation="relu")(layers.MaxPooling2D(2)(x))
            return keras.Model(i, layers.Dense(2, dtype="float32")(layers.Flatten()(x)))
        finally:
            keras.config.set_dtype_policy("float32")

    single, half = network("float32"), network("mixed_float16")
    half.set_weights(single.get_weights())
    x = rng.normal(size=(2, 8, 8, 3)).astype("float32")
    expected, found = (tfxai.explain(m, x, "lrp", target=1, rule=rule).values for m in (single, half))
    assert np.isfinite(found).all()
    assert np.linalg.norm(found - expected) < 0.02 * np.linalg.norm(expected)
