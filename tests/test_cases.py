"""Worked numbers from papers, the lecture and public test suites."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfxai
from tests.networks import DTYPES, MIN, P2, P3, R2, T2, F, c1, dense, tolerance


@DTYPES
@pytest.mark.parametrize(
    "net, x, expected",
    [
        (R2, [1, 2], [2, 1]),
        (T2, [-1, -2], [2 * np.tanh(-1), 2 * (np.tanh(-3.5) - np.tanh(-1.5))]),
        (P2, [3, 1], [1.5, -0.5]),
        (P3, [3, 1], [2, -1]),
        (F, [10.25], [0.25]),
        (MIN, [5, 3], [0, 3]),
        (MIN, [3, 5], [3, 0]),
        ((([[1], [1]], [-10]), "relu"), [10, 6], [3.75, 2.25]),
        ((([[2], [-3]], [1]), "relu"), [2, 1], [4, -3]),
        ((([[2], [-3]], [1]), "relu"), [1, 2], [0.5, -1.5]),
    ],
)
def test_rescale(net, x, expected, dtype):
    e = tfxai.explain(dense(*net, dtype=dtype), np.array([x], dtype), "deeplift", on="probability")
    np.testing.assert_allclose(e.values[0], expected, **tolerance(dtype))


@DTYPES
@pytest.mark.parametrize(
    "net, x, expected",
    [
        (MIN, [5, 3], [1.5, 1.5]),
        (MIN, [3, 5], [1.5, 1.5]),
        (F, [10.25], [0.25]),
        ((([[1], [1]], [-10]), "relu"), [10, 6], [3.75, 2.25]),
        ((([[2], [-3]], [1]), "relu"), [2, 1], [3, -2]),
        ((([[2], [-3]], [1]), "relu"), [1, 2], [1, -2]),
    ],
)
def test_reveal_cancel(net, x, expected, dtype):
    e = tfxai.explain(dense(*net, dtype=dtype), np.array([x], dtype), "deeplift", rule="reveal_cancel")
    np.testing.assert_allclose(e.values[0], expected, **tolerance(dtype))


def test_sigmoid_rescale_and_reveal_cancel():
    model, x = dense(([[2], [-3]], [1]), "sigmoid", dtype="float64"), np.array([[1.0, 2.0]])
    rescale = tfxai.explain(model, x, on="probability").values[0]
    reveal = tfxai.explain(model, x, on="probability", rule="reveal_cancel").values[0]
    np.testing.assert_allclose(rescale, [0.341816, -1.025449], atol=1e-6)
    np.testing.assert_allclose(reveal, [0.131124, -0.814757], atol=1e-6)


@DTYPES
def test_multipliers(dtype):
    x = np.array([[1, 2]], dtype)
    e = tfxai.explain(dense(*R2, dtype=dtype), x, multipliers=True)
    np.testing.assert_allclose(e.values, [[2, 0.5]], **tolerance(dtype))
    np.testing.assert_allclose(e.multipliers, e.values)
    np.testing.assert_allclose(e.delta, 0, atol=1e-6)  # of the contributions
    kernel = [[1, -1], [2, -2], [3, -3], [4, -4]]
    model = dense((kernel, [-1, 1]), "relu", dtype=dtype)
    for target, expected in ((0, 0.9 * np.arange(1, 5)), (1, -0.1 * np.arange(1, 5))):
        m = tfxai.explain(model, np.ones((1, 4), dtype), target=target, multipliers=True).values[0]
        np.testing.assert_allclose(m, expected, **tolerance(dtype))
    m = tfxai.explain(dense(*MIN, dtype=dtype), np.array([[5, 3]], dtype), rule="reveal_cancel", multipliers=True)
    np.testing.assert_allclose(m.values, [[0.3, 0.5]], **tolerance(dtype))


def test_two_inputs():
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    pick = lambda t, k: t[:, k : k + 1]  # noqa: E731
    out = keras.ops.relu(3 * pick(a, 0) + pick(a, 1)) + keras.ops.relu(2 * pick(b, 0) + 3 * pick(b, 1))
    x = [np.array([[-10, 1, -5]], "float32"), np.array([[3, 3, 1]], "float32")]
    e = tfxai.explain(keras.Model([a, b], out), x)
    np.testing.assert_allclose(e.values[0], [[0, 0, 0]], atol=1e-6)
    np.testing.assert_allclose(e.values[1], [[6, 9, 0]], atol=1e-5)
    assert e.score[0] == 15


def test_max_pooling_credits_both_winners():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.ops.max(inputs, axis=1, keepdims=True))
    references = np.array([[1, 2, 3, 9], [4, 8, 6, 7]], "float32")
    e = tfxai.explain(model, np.ones((2, 4), "float32"), baseline=references)
    np.testing.assert_allclose(e.values, [[0, 0, 0, -8], [0, -7, 0, 0]])
    pooled = keras.Model(i := keras.Input((4, 1)), layers.GlobalMaxPooling1D()(i))
    e = tfxai.explain(pooled, np.ones((2, 4, 1), "float32"), baseline=references[..., None])
    np.testing.assert_allclose(e.values[..., 0], [[0, 0, 0, -8], [0, -7, 0, 0]])


def test_zero_bias_relu_max_pool_net_equals_gradient_x_input(rng):
    model = keras.Sequential(
        [
            keras.Input((12, 12, 2)),
            layers.Conv2D(6, 3, use_bias=False, activation="relu"),
            layers.MaxPooling2D(3, 2),
            layers.Conv2D(8, 3, use_bias=False, activation="relu"),
            layers.GlobalMaxPooling2D(),
            layers.Dense(3, use_bias=False),
        ]
    )
    x = rng.normal(size=(4, 12, 12, 2)).astype("float32")
    np.testing.assert_allclose(
        tfxai.explain(model, x).values, tfxai.explain(model, x, "input_x_gradient").values, atol=1e-5
    )


def test_linear_model_with_many_references(rng):
    model = dense((rng.normal(size=(5, 1)), [0.3]), dtype="float64")
    x, references = rng.normal(size=(3, 5)), rng.normal(size=(1, 40, 5))
    expected = (x - references[0].mean(0)) * model.layers[0].kernel.numpy()[:, 0]
    e = tfxai.explain(model, x, baseline=references)
    np.testing.assert_allclose(e.values, expected, atol=1e-10)
    np.testing.assert_allclose(e.baseline_score, model(references[0]).numpy().mean(), atol=1e-10)


@pytest.mark.parametrize(
    "function, x, x0, expected",
    [
        (lambda a, b: a * b, (3, 4), (1, 2), (6, 4)),
        (lambda a, b: a / b, (3, 4), (1, 2), (0.75, -0.5)),
        (tf.minimum, (5, 3), (0, 0), (1.5, 1.5)),
        (lambda f, c: f * c, (0.9, 2), (0.5, 1), (0.6, 0.7)),
    ],
)
def test_two_varying_operands_are_shapley_values(function, x, x0, expected):
    as_inputs = lambda v: [np.array([t], "float64") for t in v]  # noqa: E731
    e = tfxai.explain(lambda z: function(z[0], z[1]), as_inputs(x), baseline=as_inputs(x0))
    np.testing.assert_allclose(np.ravel(e.values), expected, rtol=1e-10)


def test_softmax_loses_nothing():
    model = keras.Sequential([keras.Input((3,)), layers.Softmax()])
    e = tfxai.explain(model, np.array([[2, 1, 0]], "float32"), target=0, on="probability")
    assert abs(e.values.sum() - 0.331908) < 1e-5
    assert e.values[0, 2] == 0  # its own logit did not change


def test_hypothetical_contributions():
    weights = np.array([1.0, 2.0, 3.0, 4.0])
    model = keras.Sequential([keras.Input((1, 4)), layers.Flatten(), layers.Dense(1)])
    model.layers[1].set_weights([weights[:, None], np.zeros(1)])
    x = np.eye(4, dtype="float32")[[2]][None]
    for baseline, expected in ((np.eye(4)[[1]], [-1, 0, 1, 2]), (tfxai.baselines.background(), [-1.5, -0.5, 0.5, 1.5])):
        e = tfxai.explain(model, x, baseline=baseline, hypothetical=True)
        np.testing.assert_allclose(e.values[0, 0], expected, atol=1e-6)
        actual = tfxai.explain(model, x, baseline=baseline).values
        np.testing.assert_allclose((e.values * x).sum(), actual.sum(), atol=1e-6)


@pytest.mark.long
def test_gradient_x_input_of_c1():
    model, x = c1()
    e = tfxai.explain(model, x, "input_x_gradient", target=0)
    np.testing.assert_allclose(e.values[0, ..., 0], [[0, 1, 2, 3], [0, 5, 6, 7], [0, 9, 10, 11], [0, 0, 0, 0]])
    assert e.score[0] == 54 and e.delta is None


def test_relevance_of_c1():
    model, x = c1()
    e = tfxai.explain(model, x, "lrp", target=0, rule="epsilon", epsilon=1e-9)
    expected = [[0, 1, 2, 3], [0, 5, 6, 7], [0, 9, 10, 11], [0, 0, 0, 0]]
    np.testing.assert_allclose(e.values[0, ..., 0], expected, rtol=1e-5, atol=1e-5)
    assert e.values.sum() == pytest.approx(54) and e.delta is None


@pytest.mark.parametrize("first, rule, expected", [
    (2, "epsilon", [18, 36, 54]),
    (-2, [("first", {"rule": "gamma", "gamma": 1}), ("dense", {"rule": "gamma", "gamma": 0.25})],
     [28 / 3, 104 / 3, 52]),
])  # fmt: skip
def test_relevance_by_layers(first, rule, expected):
    kernel = np.full((3, 3), 2.0)
    kernel[0, 0] = first
    model = dense((kernel, None), "relu", (np.full((3, 1), 3.0), None), dtype="float64")
    e = tfxai.explain(model, np.array([[1.0, 2, 3]]), "lrp", rule=rule, epsilon=1e-12)
    np.testing.assert_allclose(e.values, [expected], rtol=1e-10)


def test_gradient_is_zero_where_one_minus_relu_is_flat():
    model = dense(([[-1]], [1]), "relu", ([[-1]], [1]))
    x = np.array([[2.0]], "float32")
    assert tfxai.explain(model, x, "gradient").values[0, 0] == 0
    assert tfxai.explain(model, x, "deeplift").values[0, 0] == pytest.approx(1, rel=1e-6)  # sensitivity


def test_taylor_term_at_a_root_point():
    x, root = np.array([[3.0, 2.0]]), np.array([[1.0, 0.0]])
    square = lambda z: tf.reduce_sum(z * z * [1.0, 2.0], 1)  # noqa: E731
    at_x = tfxai.explain(square, x, "input_x_gradient", baseline=root)
    at_root = tfxai.explain(square, x, "input_x_gradient", baseline=root, at="baseline")
    np.testing.assert_allclose(at_x.values, [[6 * 2, 8 * 2]])
    np.testing.assert_allclose(at_root.values, [[2 * 2, 0]])


def test_softmax_adjustment_is_the_contribution_minus_the_mean_over_classes(rng):
    model = dense((rng.normal(size=(4, 6)), rng.normal(size=6)), "relu", (rng.normal(size=(6, 3)), None), "softmax")
    x = rng.normal(size=(2, 4)).astype("float32")
    each = np.stack([tfxai.explain(model, x, target=i).values for i in range(3)])
    for i in range(3):
        adjusted = tfxai.explain(model, x, target=tfxai.targets.adjusted(i)).values
        np.testing.assert_allclose(adjusted, each[i] - each.mean(0), atol=1e-5)


@pytest.mark.long
@pytest.mark.parametrize("rule", ["rescale", "reveal_cancel", "genomics"])
@pytest.mark.parametrize("x, expected", [((50.0, 0.0), (0.5, 0.0)), ((100.0, 100.0), (0.25, 0.25))])
def test_lecture_sigmoid_saturates(x, expected, rule):
    model = dense(([[1], [1]], None), "sigmoid", dtype="float64")
    e = tfxai.explain(model, np.array([x]), on="probability", rule=rule)
    np.testing.assert_allclose(e.values[0], expected, atol=1e-10)
    logit = tfxai.explain(model, np.array([x]), rule=rule)
    np.testing.assert_allclose(logit.values[0], x, rtol=1e-12)


@pytest.mark.parametrize("kernel", ["conv", "dense"])
def test_genomics_rescales_after_convolutions_only(kernel):
    """min(5, 3) as one convolution or one dense layer: (0, 3) is rescale, (1.5, 1.5) reveal-cancel."""
    first = layers.Conv1D(2, 2, use_bias=False) if kernel == "conv" else layers.Dense(2, use_bias=False)
    shape = (2, 1) if kernel == "conv" else (2,)
    model = keras.Sequential(
        [keras.Input(shape), first, layers.ReLU(), layers.Flatten(), layers.Dense(1, use_bias=False)]
    )
    first.set_weights([np.array([[1.0, 1], [0, -1]]).reshape(first.kernel.shape)])
    model.layers[-1].set_weights([np.array([[1.0], [-1.0]])])
    e = tfxai.explain(model, np.array([5, 3], "float32").reshape(1, *shape), rule="genomics")
    np.testing.assert_allclose(e.values.ravel(), [0, 3] if kernel == "conv" else [1.5, 1.5], atol=1e-5)
