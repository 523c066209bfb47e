"""Relevance through ops that are no kernels, and which rule an op gets: against the papers' formulas in numpy."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import tfxai
from tests.relevance import EPSILON, attention_model, double, over
from tfxai.targets import mask


def softmax(s):
    e = np.exp(s - s.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def attention_relevance(x, wq, wk, wv, weights, halves):
    """AttnLRP (halves), or all for the values (Ali et al. 2022), of one example."""
    q, k, v = x @ wq, x @ wk, x @ wv
    s = q @ k.T
    a = softmax(s * 0.5)
    o = a @ v
    r = weights.reshape(o.shape) * o
    if not halves:
        return x * (over(v * (a.T @ over(r, o)), v) @ wv.T)
    share = r / (2 * o + EPSILON * np.sign(o))
    r_v, r_a = v * (a.T @ share), a * (share @ v.T)
    r_s = 0.5 * s * (r_a - a * r_a.sum(-1, keepdims=True))
    share = r_s / (2 * s + EPSILON * np.sign(s))
    r_q, r_k = q * (share @ k), k * (share.T @ q)
    return sum(x * (over(r, z) @ w.T) for r, z, w in ((r_q, q, wq), (r_k, k, wk), (r_v, v, wv)))


@pytest.mark.long
@pytest.mark.parametrize("rule, halves", [("attnlrp", True), ("epsilon", False)])
def test_attention(rng, rule, halves):
    model, x = attention_model(), rng.normal(size=(2, 3, 4))
    weights = np.arange(-7, 8) / 4.0
    found = tfxai.explain(model, x, "lrp", target=mask(weights), rule=rule).values
    matrices = [model.get_layer(n).get_weights()[0] for n in "qkv"]
    expected = [attention_relevance(one, *matrices, weights, halves) for one in x]
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8)


def test_softmax_takes_what_its_constants_explain(rng):
    i = keras.Input((4,), dtype="float64")
    model, x = keras.Model(i, ops.softmax(i)), rng.normal(size=(3, 4))
    e = tfxai.explain(model, x, "lrp", target=2, on="probability")
    s = softmax(x)
    expected = x * (np.eye(4)[2] * s[:, 2:3] - s * s[:, 2:3])
    np.testing.assert_allclose(e.values, expected, rtol=1e-10)
    (name,) = [n for n in e.layer_sums if n != "elsewhere"]
    np.testing.assert_allclose(e.layer_sums[name]["other"], s[:, 2] - expected.sum(1), rtol=1e-10)
    np.testing.assert_allclose(e.layer_sums["elsewhere"]["other"], 0, atol=1e-12)


@pytest.mark.long
def test_the_default_goes_by_the_model(rng):
    made = {"attnlrp": attention_model(), "epsilon": keras.Sequential([keras.Input((3,)), layers.Dense(2)])}
    made["epsilon_plus"] = keras.Sequential([keras.Input((4, 4, 1)), layers.Conv2D(2, 2), layers.Flatten()])
    for rule, model in made.items():
        x = rng.normal(size=(2, *model.input_shape[1:]))
        e, same = (tfxai.explain(model, x, "lrp", target=0, rule=r) for r in (None, rule))
        np.testing.assert_array_equal(e.values, same.values)
        assert e.meta["rule"] == rule and "rule" not in same.meta


# --- Normalisation, gates, sums, pooling ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["layer", "rms"])
def test_what_normalises_gets_nothing(rng, kind):
    """Layer normalisation: its mean by the rule of sums, the division by the deviation passed over."""
    made = {
        "layer": layers.LayerNormalization(dtype="float64", epsilon=1e-3),
        "rms": layers.RMSNormalization(dtype="float64", epsilon=1e-3),
    }
    i = keras.Input((5,), dtype="float64")
    model, x = double(i, made[kind](i)), rng.normal(size=(3, 5))
    weights = np.array([1, -2, 0.5, 0, 3])
    e = tfxai.explain(model, x, "lrp", target=mask(weights))
    gamma, *beta = model.get_weights()
    centred = x - x.mean(1, keepdims=True) if kind == "layer" else x
    scale = np.sqrt((centred**2).mean(1, keepdims=True) + 1e-3)
    y = centred / scale * gamma
    r = weights * (y + (beta[0] if beta else 0))
    if beta:
        r = y / (y + beta[0]) * r  # the part of beta stays there
    per_unit = r / centred
    expected = x * (per_unit - per_unit.mean(1, keepdims=True)) if kind == "layer" else r
    np.testing.assert_allclose(e.values, expected, rtol=1e-8, atol=1e-10)


def lstm_relevance(x, w, u, b, weights):
    """Two steps of an LSTM by hand: signals take all, sums in proportion."""

    def sigmoid(t):
        return 1 / (1 + np.exp(-t))

    units, h, c = u.shape[0], np.zeros(u.shape[0]), np.zeros(u.shape[0])
    steps = []
    for one in x:
        z = one @ w + h @ u + b
        i, f, g, _ = np.split(z, 4)
        kept, new = sigmoid(f) * c, sigmoid(i) * np.tanh(g)
        steps.append((one, h, kept, new, g))
        c = kept + new
        h = sigmoid(np.split(z, 4)[3]) * np.tanh(c)
    wg, ug = w[:, 2 * units : 3 * units], u[:, 2 * units : 3 * units]
    r_c, found = weights * h, []
    for one, before, kept, new, g in reversed(steps):
        share = r_c / (kept + new)
        per_g = new * share / g
        found.append(one * (wg @ per_g))
        r_h = before * (ug @ per_g)
        r_c = kept * share + r_h
    return np.array(found[::-1])


def test_the_gates_of_an_lstm_get_nothing(rng):
    i = keras.Input((2, 3), dtype="float64")
    model = double(i, layers.LSTM(4, dtype="float64")(i))
    x, weights = rng.normal(size=(2, 2, 3)), np.array([1.0, -2, 0.5, 4])
    e = tfxai.explain(model, x, "lrp", target=mask(weights), epsilon=0.0)
    expected = [lstm_relevance(one, *model.get_weights(), weights) for one in x]
    np.testing.assert_allclose(e.values, expected, rtol=1e-8, atol=1e-10)


def test_sums_are_shared_in_proportion_and_nothing_counts_twice(rng):
    i, j = keras.Input((3,), dtype="float64"), keras.Input((3,), dtype="float64")
    y = ops.concatenate([i + 2.0 * j, i - j, i + i], axis=1)
    model = keras.Model([i, j], y)
    a, b = rng.normal(size=(2, 4, 3))
    weights = np.arange(9) / 2.0
    e = tfxai.explain(model, [a, b], "lrp", target=mask(weights))
    w1, w2, w3 = np.split(weights, 3)
    np.testing.assert_allclose(e.values[0], w1 * a + w2 * a + w3 * 2 * a, rtol=1e-10)
    np.testing.assert_allclose(e.values[1], w1 * 2 * b - w2 * b, rtol=1e-10)


def test_pooling():
    """All to the winner, of equal ones the first; averages in proportion."""
    i = keras.Input((2, 2, 1), dtype="float64")
    largest = keras.Model(i, layers.Flatten()(layers.MaxPooling2D(2)(i)))
    values = tfxai.explain(largest, np.reshape([[1.0, 2, 5, 6], [3.0, 1, 3, 3]], (2, 2, 2, 1)), "lrp").values
    np.testing.assert_array_equal(values.reshape(2, 4), [[0, 0, 0, 6], [3, 0, 0, 0]])
    mean = keras.Model(i, layers.Flatten()(layers.AveragePooling2D(2)(i)))
    values = tfxai.explain(mean, np.reshape([[1.0, 2, 5, -4]], (1, 2, 2, 1)), "lrp").values
    np.testing.assert_allclose(values.reshape(4), [0.25, 0.5, 1.25, -1], rtol=1e-12)


# --- The canonised graph --------------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize("rule", ["epsilon", "z_plus", "alpha_beta", "gamma"])
def test_normalisation_behind_a_convolution_is_part_of_it(rng, rule):
    """The values are those of the network whose weights were merged by hand."""
    i = keras.Input((6, 6, 2), dtype="float64")
    convolution = layers.Conv2D(3, 3, dtype="float64")
    norm = layers.BatchNormalization(dtype="float64", epsilon=1e-3)
    tail = [layers.ReLU(dtype="float64"), layers.Flatten(dtype="float64"), layers.Dense(2, dtype="float64")]

    def rest(x):
        for layer in tail:
            x = layer(x)
        return x

    model = double(i, rest(norm(convolution(i))))
    kernel, bias = convolution.get_weights()
    gamma, beta, mean, variance = norm.get_weights()
    factor = gamma / np.sqrt(variance + 1e-3)
    merged = layers.Conv2D(3, 3, dtype="float64")
    by_hand = keras.Model(i, rest(merged(i)))
    merged.set_weights([kernel * factor, (bias - mean) * factor + beta])
    x = rng.normal(size=(2, 6, 6, 2))
    first, second = (tfxai.explain(m, x, "lrp", target=1, rule=rule).values for m in (model, by_hand))
    np.testing.assert_allclose(first, second, rtol=1e-7, atol=1e-9)


def test_zero_is_gradient_x_input_where_there_is_no_bias(rng):
    i = keras.Input((8, 8, 2), dtype="float64")
    x = layers.Conv2D(4, 3, activation="relu", use_bias=False, dtype="float64")(i)
    x = layers.MaxPooling2D(2, dtype="float64")(x)
    x = layers.Conv2D(3, 2, activation="relu", use_bias=False, dtype="float64")(x)
    model = double(i, layers.Dense(3, use_bias=False, dtype="float64")(layers.Flatten(dtype="float64")(x)))
    x = rng.normal(size=(3, 8, 8, 2))
    expected = tfxai.explain(model, x, "input_x_gradient", target=2).values
    np.testing.assert_allclose(tfxai.explain(model, x, "lrp", target=2, rule="zero").values, expected, rtol=1e-9,
                               atol=1e-12)  # fmt: skip
    near = tfxai.explain(model, x, "lrp", target=2, rule="epsilon", epsilon=1e-9).values
    np.testing.assert_allclose(near, expected, rtol=1e-6, atol=1e-8)


# --- Bounds ---------------------------------------------------------------------------------------------------------


def test_the_bounds_go_through_what_comes_before_the_first_layer(rng):
    """Pixels 0..255, scaled to 1..-1: the rule sees -1 and 1, and a pixel at the mean keeps its finite share."""
    i = keras.Input((4,), dtype="float64")
    dense = layers.Dense(3, use_bias=False, dtype="float64")
    model = keras.Model(i, dense(layers.Rescaling(-1 / 127.5, 1.0, dtype="float64")(i)))
    w = np.random.default_rng(1).normal(size=(4, 3))
    dense.set_weights([w])
    x = rng.uniform(0, 255, size=(2, 4))
    x[0, 0], weights = 127.5, np.array([1.0, -0.5, 2])
    found = tfxai.explain(model, x, "lrp", target=mask(weights), rule="z_box", low=0, high=255).values
    inner = 1 - x / 127.5
    box = inner[..., None] * w + np.maximum(w, 0) - np.minimum(w, 0)
    expected = (box * over(weights * (inner @ w), box.sum(1))[:, None]).sum(-1)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert abs(found[0, 0]) > 1e-3


def test_bounds_by_place_and_by_input(rng):
    i, j = keras.Input((2,), dtype="float64"), keras.Input((3,), dtype="float64")
    first, second = layers.Dense(1, use_bias=False, dtype="float64"), layers.Dense(1, use_bias=False, dtype="float64")
    model = double([i, j], first(i) + second(j))
    a, b = rng.uniform(0, 1, size=(2, 2)), rng.uniform(-2, 3, size=(2, 3))
    low, high = [np.zeros(2), np.array([-2.0, -3, -2])], [1.0, np.array([3.0, 4, 5])]
    e = tfxai.explain(model, [a, b], "deep_taylor", low=low, high=high)
    for layer, x, lo, hi, values in zip((first, second), (a, b), low, high, e.values, strict=True):
        (w,) = layer.get_weights()
        box = x * w[:, 0] - lo * np.maximum(w[:, 0], 0) - hi * np.minimum(w[:, 0], 0)
        np.testing.assert_allclose(values, box * over(x @ w, box.sum(1, keepdims=True)), rtol=1e-5)
