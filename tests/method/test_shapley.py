"""Shapley values against all coalitions by hand, and against shap; what is drawn, and how far it is off."""

import itertools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfxai
from tests.networks import dense
from tfxai.errors import OptionError
from tfxai.method import shapley

METHODS = ("shapley_sampling", "kernel_shap")


def by_hand(f, x, x0, labels):
    """The definition, over all subsets of the other groups: (groups,) for one example."""
    count = labels.max() + 1
    players = set(range(count))

    def worth(members):
        return f(np.where(np.isin(labels, list(members)), x, x0)[None])[0]

    values = np.zeros(count)
    for i in players:
        others = sorted(players - {i})
        for size in range(count):
            weight = math.factorial(size) * math.factorial(count - size - 1) / math.factorial(count)
            for members in itertools.combinations(others, size):
                values[i] += weight * (worth((*members, i)) - worth(members))
    return values


def random_network(rng, inputs, units=12):
    first, second = rng.normal(size=(inputs, units)), rng.normal(size=(units, 1))
    bias = rng.normal(size=units)
    model = dense((first, bias), "relu", (second, None), dtype="float64")
    return model, lambda z: (np.maximum(z @ first + bias, 0) @ second)[:, 0]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 9])
@pytest.mark.parametrize("method", METHODS)
def test_all_coalitions_by_hand(method, count, rng):
    model, f = random_network(rng, count)
    x, x0 = rng.normal(size=(2, count)), rng.normal(size=count)
    options = {"samples": 600} if method == "shapley_sampling" else {}
    e = tfxai.explain(model, x, method, target=0, baseline=x0, **options)
    for i in range(2):
        np.testing.assert_allclose(e.values[i], by_hand(f, x[i], x0, np.arange(count)), atol=1e-9)
    assert e.meta["coalitions"] == "all" and np.abs(e.delta).max() < 1e-12
    if method == "shapley_sampling":
        np.testing.assert_array_equal(e.standard_error, 0 * x)


@pytest.mark.parametrize("method", METHODS)
def test_groups_of_several_features(method, rng):
    model, f = random_network(rng, 12)
    x, labels = rng.normal(size=(2, 12)), rng.integers(0, 4, 12)
    e = tfxai.explain(model, x, method, target=0, groups=labels)
    for i in range(2):
        np.testing.assert_allclose(e.grouped(labels).values[i], by_hand(f, x[i], 0 * x[i], labels), atol=1e-9)


@pytest.mark.parametrize("samples", [24, 30, 57])
def test_additive_functions_are_exact_with_any_number_of_coalitions(samples, rng):
    x = rng.normal(size=(2, 12))

    def f(z):
        return keras.ops.sum(keras.ops.sin(z) * np.arange(12), axis=1)

    expected = np.sin(x) * np.arange(12)
    e = tfxai.explain(f, x, "kernel_shap", samples=samples, seed=1)
    assert e.meta["coalitions"] == "drawn" and e.meta["model_rows"] == 2 * (samples // 2 * 2 + 2)
    np.testing.assert_allclose(e.values, expected, atol=1e-9)
    e = tfxai.explain(f, x, "shapley_sampling", samples=2 * (samples // 20), seed=1)
    np.testing.assert_allclose(e.values, expected, atol=1e-9)


@pytest.mark.parametrize("method, samples", [("shapley_sampling", 2), ("kernel_shap", 28)])
def test_products_of_two_are_half_each(method, samples, rng):
    x = rng.normal(size=(3, 12))
    e = tfxai.explain(lambda z: keras.ops.sum(z[:, :6] * z[:, 6:], axis=1), x, method, samples=samples, seed=0)
    half = x[:, :6] * x[:, 6:] / 2
    np.testing.assert_allclose(e.values, np.concatenate([half, half], axis=1), atol=1e-9)


@pytest.mark.long
def test_the_values_of_shaps_explainers_where_they_enumerate(rng):
    shap = pytest.importorskip("shap")
    model, f = random_network(rng, 8)
    x, data = rng.normal(size=(3, 8)), rng.normal(size=(4, 8))
    theirs = shap.KernelExplainer(f, data).shap_values(x, nsamples=2**8, silent=True, l1_reg=0)
    for method, options in (("kernel_shap", {}), ("shapley_sampling", {"samples": 40})):
        ours = tfxai.explain(model, x, method, target=0, baseline=data[None], **options)
        np.testing.assert_allclose(ours.values, theirs, atol=1e-6)
    few = shap.explainers.Permutation(lambda z: z[:, 0] * z[:, 1] + z[:, 2], np.zeros((1, 3)), seed=0)(x[:, :3])
    mine = tfxai.explain(lambda z: z[:, 0] * z[:, 1] + z[:, 2], x[:, :3], "shapley_sampling", seed=0)
    np.testing.assert_allclose(mine.values, few.values, atol=1e-6)


@pytest.mark.slow
def test_no_farther_from_the_truth_than_shap_at_equal_rows():
    """Medians over 50 random networks of 14 inputs, of the root mean square over three seeds; truth: all coalitions."""
    shap = pytest.importorskip("shap")
    errors = {name: [] for name in ("kernel", "shap kernel", "orders", "shap orders")}
    for number in range(50):
        rng = np.random.default_rng(number)
        model, f = random_network(rng, 14)
        x, zero = rng.normal(size=(1, 14)), np.zeros((1, 14))
        explainer = tfxai.Explainer(model, "kernel_shap", samples=406)
        truth = explainer.using("kernel_shap", samples=2**14)(x, 0).values
        found = {name: [] for name in errors}
        for seed in range(3):
            np.random.seed(1000 * number + seed)
            found["kernel"] += [explainer(x, 0, seed=seed).values]
            found["shap kernel"] += [shap.KernelExplainer(f, zero).shap_values(x, nsamples=406, silent=True, l1_reg=0)]
            # theirs: 14 pairs of orders in 14 * 29 rows; ours 15, which run both ends once
            found["orders"] += [explainer.using("shapley_sampling", samples=30)(x, 0, seed=seed).values]
            by_orders = shap.explainers.Permutation(f, zero, seed=1000 * number + seed)
            found["shap orders"] += [by_orders(x, max_evals=406, silent=True).values]
        for name, values in found.items():
            errors[name].append(np.sqrt(np.mean((np.stack(values) - truth) ** 2)))
    median = {name: np.median(found) for name, found in errors.items()}
    assert median["kernel"] <= median["shap kernel"] and median["orders"] <= median["shap orders"], median


def test_the_standard_error_covers_the_truth_as_often_as_it_says():
    """t of 9 degrees of freedom, 95 %: over seeds and groups; mean square of the error is that of the estimate."""
    rng = np.random.default_rng(3)
    model, _ = random_network(rng, 10)
    x = rng.normal(size=(1, 10))
    truth = tfxai.explain(model, x, "kernel_shap", target=0).values
    explainer = tfxai.Explainer(model, "shapley_sampling", samples=20)
    found = [explainer(x, 0, seed=seed) for seed in range(120)]
    off = np.stack([e.values - truth for e in found])
    errors = np.stack([e.standard_error for e in found])
    assert (errors > 0).all()
    inside = (np.abs(off) < 2.262 * errors).mean()
    assert 0.92 < inside < 0.98
    assert 0.85 < (off**2).mean() / (errors**2).mean() < 1.15


def test_more_orders_come_nearer(rng):
    model, _ = random_network(rng, 14)
    x = rng.normal(size=(4, 14))
    truth = tfxai.explain(model, x, "kernel_shap", target=0, samples=2**14).values
    off = [
        np.abs(tfxai.explain(model, x, "shapley_sampling", target=0, samples=s, seed=0).values - truth).mean()
        for s in (4, 64)
    ]
    assert off[1] < off[0] / 2
    off = [
        np.abs(tfxai.explain(model, x, "kernel_shap", target=0, samples=s, seed=0).values - truth).mean()
        for s in (40, 2000)
    ]
    assert off[1] < off[0] / 4


@pytest.mark.parametrize(
    "method, options",
    [("shapley_sampling", {"samples": 4}), ("kernel_shap", {"samples": 40}), ("lime", {"samples": 40})],
)
def test_neither_neighbours_nor_passes_change_anything(method, options, rng):
    """Pictures whose superpixels differ in number, of which a pass holds one copy, or all."""

    def f(z):
        return keras.ops.sum(keras.ops.tanh(z[:, :3]) * z[:, 3:], axis=(1, 2, 3)) + keras.ops.max(z, axis=(1, 2, 3))

    x = rng.normal(size=(3, 6, 6, 1))
    labels = np.stack([rng.integers(0, count, (6, 6)) for count in (6, 12, 12)])
    explain = tfxai.Explainer(f, method, groups=labels, **options)
    together = explain(x, seed=5)
    for size in (1, 2, 7):
        np.testing.assert_allclose(explain(x, seed=5, batch_size=size).values, together.values, atol=1e-12)
    for i in range(3):
        alone = tfxai.explain(f, x[i : i + 1], method, groups=labels[i], seed=5, **options)
        np.testing.assert_allclose(alone.values[0], together.values[i], atol=1e-12)
    other = explain(x, seed=6)
    assert np.abs(other.values - together.values).max() > 1e-6


@pytest.mark.parametrize("count, samples", [(3, 6), (5, 12), (6, 40), (9, 101), (12, 24), (12, 500), (40, 300)])
def test_drawn_coalitions_have_the_weights_of_the_kernel(count, samples):
    shown, weights = shapley.drawn(np.random.default_rng(0), count, samples)
    assert len(shown) == len(weights) == samples // 2 * 2
    assert len(np.unique(shown, axis=0)) == len(shown)
    assert {tuple(~row) for row in shown} == {tuple(row) for row in shown}
    sizes = shown.sum(1)
    assert sizes.min() == 1 and sizes.max() == count - 1 and (sizes == 1).sum() == count
    there = np.unique(sizes)
    by_size = 1 / (there * (count - there))
    np.testing.assert_allclose([weights[sizes == s].sum() for s in there], by_size / by_size.sum())


def test_of_each_size_as_many_are_drawn():
    found = np.zeros(12)
    for seed in range(400):
        found += np.bincount(shapley.drawn(np.random.default_rng(seed), 12, 64)[0].sum(1), minlength=12)
    np.testing.assert_allclose(found[1:] / 400, [12, *[40 / 9] * 9, 12], rtol=0.05)


def test_what_is_usual(rng):
    pictures = tfxai.explain(
        lambda z: keras.ops.sum(z**2, axis=(1, 2, 3)), rng.normal(size=(1, 9, 9, 2)), "kernel_shap", seed=0
    )
    assert (
        pictures.meta["groups"] == {"made_by": "grid(8)", "count": 64} and pictures.meta["model_rows"] == 1024 + 128 + 2
    )
    assert pictures.meta["coalitions"] == "drawn"  # of two channels, which are no known picture: test_superpixels.py
    np.testing.assert_allclose(pictures.grouped(tfxai.segments.grid(8)).values.sum(), pictures.score[0], rtol=1e-9)
    i = keras.Input((5,), dtype="int32")
    model = keras.Model(i, layers.Dense(1)(layers.GlobalAveragePooling1D()(layers.Embedding(7, 3)(i))))
    x = rng.integers(0, 7, (2, 5))
    tokens = tfxai.explain(model, x, "shapley_sampling", target=0, seed=0)
    assert tokens.meta["groups"]["count"] == 5
    table, kernel = model.layers[1].embeddings.numpy(), model.layers[-1].kernel.numpy()[:, 0]
    np.testing.assert_allclose(tokens.values, table[x] @ kernel / 5, rtol=1e-4, atol=1e-7)
    series = tfxai.explain(
        lambda z: keras.ops.sum(z, axis=(1, 2)), rng.normal(size=(1, 40, 3)), "shapley_sampling", seed=0
    )
    assert series.meta["groups"] == {"made_by": "grid(16)", "count": 16}


def test_many_references_are_averaged(rng):
    x, data = rng.normal(size=(2, 6)), rng.normal(size=(5, 6))

    def f(z):
        return z[:, 0] * z[:, 1] + keras.ops.sin(z[:, 2]) * z[:, 3]

    whole = tfxai.explain(f, x, "kernel_shap", baseline=data[None])
    each = [tfxai.explain(f, x, "kernel_shap", baseline=row).values for row in data]
    np.testing.assert_allclose(whole.values, np.mean(each, axis=0), atol=1e-12)
    assert whole.meta["model_rows"] == 2 * 5 * 2**6


def test_missing_numbers(rng):
    x = np.array([[np.nan, 1.0, 2.0]])

    def f(z):
        return tf.where(tf.math.is_nan(z[:, 0]), tf.constant(5.0, tf.float64), z[:, 0]) + z[:, 1] * z[:, 2]

    e = tfxai.explain(f, x, "kernel_shap", allow_nan=True)
    np.testing.assert_allclose(e.values, [[5, 1, 1]], atol=1e-9)


@pytest.mark.parametrize(
    "method, options, message",
    [
        ("kernel_shap", {"samples": 23}, "of 12 groups needs samples=24 coalitions or more.*Received: samples=23"),
        ("lime", {"samples": 12}, "of 12 groups needs samples=13 or more"),
        ("shapley_sampling", {"samples": 3}, "samples is even"),
        ("shapley_sampling", {"samples": 0}, "samples is a whole number from 2"),
        ("kernel_shap", {"samples": 0.5}, "samples is a whole number from 1, or None"),
        ("lime", {"kernel_width": 0}, "kernel_width is a number above 0"),
        ("lime", {"ridge": -1}, "ridge is a number from 0"),
        ("lime", {"groups": [0, 1]}, r"expected labels of shape \(12,\)"),
    ],
)
def test_bad_options(method, options, message):
    with pytest.raises(OptionError, match=message):
        tfxai.explain(lambda z: keras.ops.sum(z, axis=1), np.ones((1, 12)), method, **options)


def test_large_work_is_said_before_it_begins(capsys, rng):
    x = rng.normal(size=(10, 3))
    f = lambda z: keras.ops.sum(z, axis=1)  # noqa: E731
    tfxai.explain(f, x, "lime", samples=2000, verbose=1, seed=0)
    assert capsys.readouterr().out.startswith("lime: 20,020 rows go through the model, for 10 examples")
    tfxai.explain(f, x, "lime", samples=2000, verbose=0, seed=0)
    assert capsys.readouterr().out == ""


def test_half_precision_adds_up_as_well_as_its_scores(rng):
    model = keras.Sequential([keras.Input((6,)), layers.Dense(8, "tanh"), layers.Dense(1)])
    half = keras.models.clone_model(model, clone_function=lambda one: type(one).from_config(
        one.get_config() | {"dtype": "mixed_float16"}))  # fmt: skip
    half.set_weights(model.get_weights())
    x = rng.normal(size=(3, 6)).astype("float32")
    exact, found = (tfxai.explain(m, x, "kernel_shap", target=0) for m in (model, half))
    np.testing.assert_allclose(found.values, exact.values, atol=5e-3)
    assert found.values.dtype == np.float32 and np.abs(found.delta).max() < 1e-6


@pytest.mark.parametrize("samples", [2, 4])
def test_some_examples_by_all_coalitions_and_some_by_orders(samples, rng):
    x = rng.normal(size=(4, 3, 4, 1))
    labels = np.stack([np.arange(12).reshape(3, 4) % count for count in (2, 12, 2, 12)])
    method = tfxai.ShapleySampling(samples=samples, groups=labels)
    f = lambda z: keras.ops.tanh(keras.ops.sum(z, axis=(1, 2, 3)))  # noqa: E731
    for size in (None, 1):
        e = tfxai.explain(f, x, method, seed=0, batch_size=size)
        assert e.meta["coalitions"] == "all where groups are few" and e.meta["groups"]["count"] == [2, 12]
        np.testing.assert_allclose(e.delta, 0, atol=1e-12)
        if samples == 2:
            assert e.standard_error is None
        else:
            assert not e.standard_error[[0, 2]].any() and e.standard_error[[1, 3]].any(axis=(1, 2, 3)).all()
