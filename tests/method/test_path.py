"""Integrated and expected gradients: closed forms, quadratures, adaptive steps."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfxai
from tests.networks import DTYPES, ML, P2, P3, dense, tolerance
from tfxai.method.path import QUADRATURES


def ig(model, x, **options):
    return tfxai.explain(model, np.asarray(x), "integrated_gradients", **options)


@pytest.mark.long
@DTYPES
def test_two_networks_that_compute_the_same(dtype):
    """The lecture's pair: integrated gradients agree, as they must for the same function; kinks cost accuracy."""
    for net in (P2, P3):
        e = ig(dense(*net, dtype=dtype), np.array([[3.0, 1.0]], dtype), steps=3000, quadrature="middle")
        np.testing.assert_allclose(e.values, [[1.5, -0.5]], atol=2e-3)


@pytest.mark.long
@DTYPES
def test_closed_forms(dtype):
    function = lambda z: 5 * z[:, 0] + z[:, 1] ** 2 + tf.sin(z[:, 2])  # noqa: E731
    e = ig(function, np.array([[1, 2, 3]], dtype), baseline=np.array([0.5, 1, 1], dtype))
    np.testing.assert_allclose(e.values, [[2.5, 3, np.sin(3) - np.sin(1)]], **tolerance(dtype))
    e = ig(lambda z: 2 * z[:, 0] ** 2 + z[:, 1] ** 2, np.array([[3, 3]], dtype))
    np.testing.assert_allclose(e.values, [[18, 9]], **tolerance(dtype))
    np.testing.assert_allclose(e.delta, 0, atol=tolerance(dtype)["atol"] * 27)


@pytest.mark.long
def test_kinked_networks():
    one_minus_relu = dense(([[-1]], [1]), "relu", ([[-1]], [1]))  # P1: 1 - relu(1 - x)
    x = np.array([[2.0]], "float32")
    np.testing.assert_allclose(ig(one_minus_relu, x, steps=1000, quadrature="middle").values, [[1]], atol=1e-3)
    assert tfxai.explain(one_minus_relu, x, "gradient").values == 0
    e = ig(dense(*ML), np.array([[0, 100, 0]], "float32"), target=0, steps=1000, quadrature="middle")
    np.testing.assert_allclose(e.values, [[0, 390, 0]], atol=0.2)
    np.testing.assert_allclose((e.score, e.baseline_score), ([392], [2]))


def test_agrees_with_deeplift_where_both_are_exact(rng):
    """One rectified layer without a bias, against zero: every unit's slope is constant on the path."""
    model = keras.Sequential([keras.Input((6,)), layers.Dense(8, "relu", use_bias=False), layers.Dense(3)])
    x = rng.normal(size=(5, 6)).astype("float32")
    np.testing.assert_allclose(ig(model, x).values, tfxai.explain(model, x).values, rtol=1e-5, atol=1e-6)


ROUGH = pytest.mark.filterwarnings("ignore::tfxai.CompletenessWarning")  # what is tested has few steps on purpose


@pytest.mark.long
@ROUGH
@pytest.mark.parametrize("name", QUADRATURES)
@pytest.mark.parametrize("steps", [1, 2, 7, 50])
def test_quadratures(name, steps):
    """Weights sum to 1, places lie on [0, 1]; degree of exactness as theory has it."""
    nodes, weights = QUADRATURES[name](steps)
    assert len(nodes) == len(weights) == steps and nodes.min() >= 0 and nodes.max() <= 1
    np.testing.assert_allclose(weights.sum(), 1)
    degree = {"gauss_legendre": 2 * steps - 1, "middle": 1, "trapezoid": 1}.get(name, 0)
    for k in range(min(degree, 12) + 1):
        np.testing.assert_allclose(weights @ nodes**k, 1 / (k + 1), rtol=1e-9)
    e = ig(lambda z: z[:, 0] ** 3, np.array([[2.0]]), steps=steps, quadrature=name)
    np.testing.assert_allclose(e.values, [[8 * 3 * (weights @ nodes**2)]], rtol=1e-6)


def test_right_riemann_is_the_papers_sum(rng):
    model, x = (
        dense((rng.normal(size=(4, 6)), np.ones(6)), "tanh", (rng.normal(size=(6, 2)), None)),
        rng.normal(size=(3, 4)),
    )
    x, x0 = x.astype("float32"), rng.normal(size=(3, 4)).astype("float32")
    total = np.zeros_like(x)
    for k in range(1, 21):
        with tf.GradientTape() as tape:
            z = tf.constant(x0 + k / 20 * (x - x0))
            tape.watch(z)
            y = model(z)[:, 1]
        total += tape.gradient(y, z).numpy() / 20
    e = ig(model, x, baseline=x0, target=1, steps=20, quadrature="right")
    np.testing.assert_allclose(e.values, total * (x - x0), rtol=1e-4, atol=1e-6)


def test_own_class_is_chosen_at_x_and_kept_on_the_path():
    """At the baseline the other class wins; its gradient must not come in."""
    model = dense((np.array([[1.0, -1.0]]), [0, 1]))
    e = ig(model, np.array([[3.0]], "float32"))
    assert e.target.tolist() == [0]
    np.testing.assert_allclose(e.values, [[3]], rtol=1e-5)


def test_tolerance_refines_only_where_it_must():
    curve = lambda z: tf.math.sigmoid(z[:, 0] * z[:, 1])  # noqa: E731
    x = np.array([[0.1, 0.1], [1.0, 30.0], [1.0, 2000.0]], "float64")
    e = ig(curve, x, tolerance=1e-3, on="probability")
    assert (np.abs(e.delta) <= 1e-3 * np.abs(e.score - e.baseline_score)).all()
    steps = e.meta["steps"]
    assert steps[0] == 8 and steps[0] < steps[1] < steps[2] < 120
    np.testing.assert_allclose(e.values, np.repeat((e.score - 0.5)[:, None] / 2, 2, 1), rtol=2e-3)
    for k in range(3):
        one = ig(curve, x[k : k + 1], tolerance=1e-3, on="probability")
        np.testing.assert_allclose(one.values[0], e.values[k], rtol=1e-9)
        assert one.meta["steps"] == steps[k : k + 1]


@pytest.mark.long
def test_tolerance_is_not_fooled_by_errors_that_cancel():
    """Two opposite bumps between the first nodes: the sum is right from the start, the values are not."""

    def bumps(z):
        bump = lambda c: tf.exp(-(((z[:, 0] - c) / 0.01) ** 2))  # noqa: E731
        return z[:, 0] + z[:, 1] * (bump(0.27) - bump(0.73))

    x = np.array([[1.0, 1.0]])
    e = ig(bumps, x, tolerance=1e-2)
    exact = ig(bumps, x, steps=4000, quadrature="middle")
    np.testing.assert_allclose(e.values, exact.values, atol=0.02)


def test_tolerance_gives_up_at_max_steps_and_says_so():
    jump = lambda z: tf.math.sigmoid(1e6 * (z[:, 0] - 0.7))  # noqa: E731
    with pytest.warns(
        tfxai.CompletenessWarning, match=r"sum to 0, but score - baseline_score is 1 \(delta 1\)\..*max_steps"
    ):
        e = ig(jump, np.array([[1.0]]), tolerance=0.01, max_steps=17, on="probability")
    assert e.meta["steps"] == [16] and abs(e.delta[0]) > 0.01


@pytest.mark.long
def test_tolerance_on_the_trained_digit_network_halves_the_gradients():
    """Against the smallest of ten right Riemann sums that is within 1 %."""
    demo = tfxai.demo.digits()
    x = demo.examples[:20]
    explainer = tfxai.Explainer(demo.model, "integrated_gradients", tolerance=0.01)
    e = explainer(x)
    assert (np.abs(e.delta) <= 0.01 * np.abs(e.score - e.baseline_score)).all()
    needed = np.full(len(x), 1024)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tfxai.CompletenessWarning)
        for steps in (256, 128, 96, 64, 48, 32, 24, 16, 12, 8):
            right = explainer.using("integrated_gradients", steps=steps, quadrature="right")(x, target=e.target)
            good = np.abs(right.delta) <= 0.01 * np.abs(right.score - right.baseline_score)
            needed[good & (needed >= steps)] = steps
    print(f"gradients: tolerance {np.mean(e.meta['steps'])}, right Riemann {needed.mean()}")
    assert np.mean(e.meta["steps"]) <= needed.mean() / 2


@ROUGH
def test_several_references_are_averaged(rng):
    model = dense((rng.normal(size=(4, 6)), np.ones(6)), "tanh", (rng.normal(size=(6, 2)), None))
    x, refs = rng.normal(size=(3, 4)).astype("float32"), rng.normal(size=(1, 5, 4)).astype("float32")
    e = ig(model, x, baseline=refs, target=0)
    each = [ig(model, x, baseline=refs[:, k], target=0).values for k in range(5)]
    np.testing.assert_allclose(e.values, np.mean(each, 0), rtol=1e-4, atol=1e-6)
    many = tfxai.explain(model, x, "expected_gradients", baseline=refs, target=0, seed=0, samples=4000)
    np.testing.assert_allclose(many.values, e.values, atol=2e-3)
    few = [
        tfxai.explain(model, x, "expected_gradients", baseline=refs, target=0, seed=s, samples=10) for s in (0, 0, 1)
    ]
    np.testing.assert_array_equal(few[0].values, few[1].values)
    assert np.abs(few[0].values - few[2].values).max() > 0


@pytest.mark.long
@ROUGH
@pytest.mark.parametrize("seconds", [0, 1e9])
@pytest.mark.parametrize("batch_size", [1, 3, 8, None])
def test_gradients_are_added_up_however_they_are_put_together(seconds, batch_size, monkeypatch, rng):
    """Nodes in one pass or in several, passes in one call or in several: the sum of the tape's gradients."""
    monkeypatch.setattr("tfxai.method.path.CALL", seconds)
    model = keras.Sequential([keras.Input((4,)), layers.Dense(6, "relu"), layers.Dense(3)])
    x, x0 = rng.normal(size=(3, 4)).astype("float32"), rng.normal(size=(3, 4)).astype("float32")
    target, total = np.array([2, 0, 1]), 0
    nodes, weights = QUADRATURES["gauss_legendre"](13)
    for node, weight in zip(nodes, weights, strict=True):
        z = tf.constant((x0 + node * (x - x0)).astype("float32"))
        with tf.GradientTape() as tape:
            tape.watch(z)
            y = tf.gather(model(z), target, batch_dims=1)
        total += weight * tape.gradient(y, z).numpy()
    e = ig(model, x, baseline=x0, target=target, steps=13, batch_size=batch_size)
    np.testing.assert_allclose(e.values, total * (x - x0), atol=1e-6)


def test_no_retracing_for_other_steps_classes_and_batches():
    traces = []

    class Counting(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(3)

        def call(self, z):
            traces.append(1)
            return self.dense(tf.nn.tanh(z))

    model = Counting()
    x = np.random.default_rng(0).normal(size=(4, 5)).astype("float32")
    model(x)
    explainer = tfxai.Explainer(model, "integrated_gradients")
    explainer(x, target=0)
    before, functions = len(traces), explainer.traces
    explainer(x, target=2, batch_size=3)
    explainer(x[:1], target=1)
    explainer.using("integrated_gradients", steps=7)(x, target=1)
    assert len(traces) == before and explainer.traces == functions


def test_layer_values_add_up_from_the_layer(rng):
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, activation="softplus"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2),
        ]
    )
    x = rng.normal(size=(2, 8, 8, 3)).astype("float32")
    e = ig(model, x, layer="last_conv")
    assert e.layer == model.layers[0].name and e.values.shape == (2, 6, 6, 4)
    np.testing.assert_allclose(e.values.sum((1, 2, 3)), e.score - e.baseline_score, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "method, options, message",
    [
        ("integrated_gradients", {"steps": 0}, "steps is a whole number from 1. Received: 0"),
        ("ig", {"steps": 2.5}, "steps is a whole number"),
        ("ig", {"quadrature": "simpson"}, "quadrature is one of 'gauss_legendre'.*simpson"),
        ("ig", {"tolerance": 0}, "tolerance is a number above 0"),
        ("ig", {"tolerance": 0.1, "max_steps": 3}, "max_steps is a whole number from 8"),
        ("expected_gradients", {"samples": 0}, "samples is a whole number from 1"),
    ],
)
def test_bad_options(method, options, message):
    with pytest.raises(tfxai.errors.OptionError, match=message):
        tfxai.Explainer(dense(*P2), method, **options)


def test_an_accuracy_that_was_missed_is_said_where_the_score_hardly_changes():
    """Beside a large score a small change passes as rounding; an accuracy that was asked for is of the change."""
    x = np.full((1, 1), 1.0, "float32")

    def wiggly(t):
        return 1 + 1e-2 * tf.sin(300 * t) ** 2

    with pytest.warns(
        tfxai.CompletenessWarning, match=r"tolerance=0\.001 was not met within max_steps=16.*raise max_steps"
    ):
        tfxai.explain(wiggly, x.astype("float64"), "integrated_gradients", tolerance=1e-3, max_steps=16)
    e = tfxai.explain(wiggly, x.astype("float64"), "integrated_gradients", tolerance=1e-3, max_steps=4096)
    change = 1e-2 * np.sin(300.0) ** 2  # 3e-5 is what single precision leaves of the scores
    np.testing.assert_allclose(e.values, change, atol=3e-5)


def conductance(x, x0, first, second, act, slope, pieces=20000):
    """The paper's sum over inputs, f = second . act(first^T act(z)) of units act(first^T z), by a fine Riemann sum."""
    a = (np.arange(pieces) + 0.5) / pieces
    found = np.zeros(first.shape[1])
    z = (x0 + a[:, None] * (x - x0)) @ first
    y = act(z)
    of_units = slope(y @ second[0]) * second[1] @ second[0].T  # df/dy (pieces, units)
    for i in range(len(x)):
        of_input = slope(z) * first[i]  # dy/dx_i (pieces, units)
        found += (x[i] - x0[i]) * (of_units * of_input).mean(0)
    return found


@pytest.mark.long
def test_along_the_input_it_is_the_conductance_of_a_layer(rng):
    first, hidden, last = rng.normal(size=(3, 5)), rng.normal(size=(5, 4)), rng.normal(size=4)
    model = dense((first, None), "tanh", (hidden, None), "tanh", (last[:, None], None), dtype="float64")
    x, x0 = rng.normal(size=(2, 3)) * 2, rng.normal(size=3)
    options = {"layer": model.layers[1].name, "baseline": x0, "target": 0, "steps": 400}
    e = ig(model, x, path="input", **options)
    expected = np.stack(
        [conductance(one, x0, first, (hidden, last), np.tanh, lambda z: 1 - np.tanh(z) ** 2) for one in x]
    )
    np.testing.assert_allclose(e.values, expected, atol=2e-5)
    np.testing.assert_allclose(e.delta, 0, atol=2e-5)
    straight = ig(model, x, **options)
    assert np.abs(straight.values - expected).max() > 0.05  # another path: the layer's own
    many = ig(model, x, path="input", batch_size=3, **options | {"baseline": np.stack([x0, 0 * x0])[None]})
    zero = ig(model, x, path="input", **options | {"baseline": 0.0})
    np.testing.assert_allclose(many.values, (e.values + zero.values) / 2, atol=1e-9)


def test_both_paths_are_one_where_the_layer_moves_straight(rng):
    model = dense(
        (rng.normal(size=(3, 5)), rng.normal(size=5)), "tanh", (rng.normal(size=(5, 2)), None), dtype="float64"
    )
    x = rng.normal(size=(2, 3))
    for options in ({"layer": model.layers[0].name}, {}):
        both = [ig(model, x, steps=200, path=path, **options).values for path in ("layer", "input")]
        np.testing.assert_allclose(*both, atol=1e-5)


@pytest.mark.long
def test_conductance_of_units_that_saturate_on_the_way():
    """y = min(x, 1) up to (4, 1/2), f = (y1 - y2)^2: y1 conducts until it stands still; in a straight line both go on.

    a <= 1/4: y = (4a, a/2), slopes 7a (1, -1), so 28/32 and -7/64; behind: y = (1, a/2), slope -2 (1 - a/2) of y2.
    """
    i = keras.Input((2,))
    y = layers.ReLU(max_value=1.0, name="units")(i)
    model = keras.Model(i, layers.Lambda(lambda t: keras.ops.square(t[:, :1] - t[:, 1:]))(y))
    x = np.array([[4.0, 0.5]], "float32")
    e = ig(model, x, layer="units", path="input", steps=2000, target=0)
    np.testing.assert_allclose(e.values, [[0.875, -0.625]], atol=2e-3)
    np.testing.assert_allclose(ig(model, x, layer="units", target=0).values, [[0.5, -0.25]], atol=1e-6)


@pytest.mark.parametrize(
    "f, g",
    [
        (lambda x: keras.ops.minimum(x, 1.0), lambda y: y),  # stands still behind 1
        (lambda x: x, lambda y: keras.ops.minimum(y, 1.0)),  # nothing comes of the unit behind 1
        (lambda x: keras.ops.relu(x - 1.0), lambda y: 3.0 * y),
        (lambda x: 1.0 - keras.ops.abs(x - 1.0), lambda y: keras.ops.square(y)),  # there and back
    ],
)
def test_a_single_unit_conducts_the_whole_change(f, g):
    """Compositions g(f(x)): all that reaches the output went through the one unit, whatever both do on the way."""
    i = keras.Input((1,))
    unit = layers.Lambda(f, name="unit")(i)
    model = keras.Model(i, layers.Lambda(g)(unit))
    x = np.array([[2.0], [0.5], [1.5]], "float32")
    e = ig(model, x, layer="unit", path="input", steps=500, quadrature="middle", target=0)
    outputs = np.asarray(model(x) - model(np.zeros((1, 1), "float32")))
    np.testing.assert_allclose(e.values, outputs, atol=3e-3)


@pytest.mark.parametrize("layer", [1, 2])
def test_captums_values_of_conductance(layer):
    """What its tests of layers have on this network, of the layer before the rectifiers and of these."""
    x = np.array([[0, 100, 0]], "float32")
    model = dense(*ML)
    e = ig(model, x, target=0, layer=model.layers[layer].name, path="input", steps=1000, quadrature="middle")
    np.testing.assert_allclose(e.values, [[90, 100, 100, 100]], atol=0.1)


def test_what_conductance_refuses(rng):
    model = dense((rng.normal(size=(3, 5)), None), "tanh", (rng.normal(size=(5, 2)), None))
    x = rng.normal(size=(2, 3)).astype("float32")
    with pytest.raises(tfxai.errors.OptionError, match="takes equal steps"):
        ig(model, x, path="input", tolerance=0.1)
    with pytest.raises(tfxai.errors.OptionError, match="path is 'layer' or 'input'"):
        ig(model, x, path="output")
    inner = tfxai.SmoothGrad(tfxai.IntegratedGradients(path="input"), samples=2)
    with pytest.raises(tfxai.errors.OptionError, match="inside of another method"):
        tfxai.explain(model, x, inner, layer=model.layers[0].name)


def test_conductance_of_several_targets(rng):
    model = dense((rng.normal(size=(3, 5)), None), "tanh", (rng.normal(size=(5, 2)), None), dtype="float64")
    x, options = rng.normal(size=(3, 3)), {"layer": model.layers[1].name, "path": "input", "steps": 40}
    for e, k in zip(ig(model, x, target=tfxai.targets.each([1, 0]), **options), (1, 0), strict=True):
        np.testing.assert_allclose(e.values, ig(model, x, target=k, **options).values, atol=1e-9)
