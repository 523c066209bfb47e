"""Softmax, its logarithm and logsumexp: the closed form in numpy, and what it promises."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import tfxai
from tests.graph.captured import captured, spec
from tfxai.graph.table import Call
from tfxai.rules.softmax import log_softmax, softmax

N, U = 6, np.array([3.0, -1.0, 0.5, 2.0, -4.0, 1.5])
MADE = {
    "softmax": tf.nn.softmax,
    "log_softmax": tf.nn.log_softmax,
    "logsumexp": lambda t: tf.reduce_logsumexp(t, 1, keepdims=True),
}
EXACT = {"float64": 1e-13, "float32": 2e-6, "float16": 4e-3}
DISTANCES = [0.0, 1e-12, 1e-9, 1e-7, 1e-5, 1e-3, 0.03, 0.5, 3.0, 30.0]


def _score(name):
    return lambda t: tf.reduce_sum(MADE[name](t) * tf.cast(U, t.dtype), 1)


EXPLAINERS = {name: tfxai.Explainer(_score(name), multipliers=True) for name in MADE}


def probabilities(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def by_hand(name, z, z0, u=U):
    """In double; the change of the logarithm of the sum by log1p, and y - y0 by expm1."""
    z, z0 = z.astype(float), z0.astype(float)
    p0, dz = probabilities(z0), z - z0
    high = dz.max(1, keepdims=True)
    ds = np.where(
        np.abs(dz).max(1, keepdims=True) < 1,
        np.log1p((p0 * np.expm1(dz)).sum(1, keepdims=True)),
        high + np.log((p0 * np.exp(dz - high)).sum(1, keepdims=True)),
    )
    way = dz - ds
    mean = p0 * np.where(way == 0, 1, np.expm1(way) / np.where(way == 0, 1, way))
    weight = mean / mean.sum(1, keepdims=True)
    if name == "softmax":
        return mean * (u - (u * weight).sum(1, keepdims=True))
    return u - u.sum() * weight if name == "log_softmax" else u.sum() * weight


def ends(distance, dtype, seed=0, shift=0.0):
    rng = np.random.default_rng(seed)
    z0 = (rng.normal(size=(5, N)) * 2).astype(dtype)
    return (z0 + distance * rng.normal(size=z0.shape) + shift).astype(dtype), z0


@pytest.mark.parametrize("dtype", EXACT)
@pytest.mark.parametrize("name", MADE)
def test_closed_form_at_every_distance(name, dtype):
    for distance in DISTANCES:
        z, z0 = ends(distance, dtype)
        got, wanted = EXPLAINERS[name](z, baseline=z0, verbose=0).values, by_hand(name, z, z0)
        atol = EXACT[dtype] * np.abs(wanted).max()
        np.testing.assert_allclose(got, wanted, rtol=0, atol=atol, err_msg=f"{distance}")


@pytest.mark.parametrize("name", MADE)
def test_jacobian_where_nothing_changes(name):
    z, _ = ends(0, "float64")
    with tf.GradientTape() as tape:
        tape.watch(point := tf.constant(z))
        y = _score(name)(point)
    got = EXPLAINERS[name](z, baseline=z, verbose=0).values
    np.testing.assert_allclose(got, tape.gradient(y, point), atol=1e-14)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.sampled_from(sorted(MADE)), st.integers(0, 10**6), st.floats(-12, 1.5), st.floats(-300, 300))
def test_complete_symmetric_and_blind_to_a_shift(name, seed, power, shift):
    explainer, (z, z0) = EXPLAINERS[name], ends(10**power, "float64", seed)
    m = explainer(z, baseline=z0, verbose=0).values
    change = _score(name)(tf.constant(z)) - _score(name)(tf.constant(z0))
    np.testing.assert_allclose((m * (z - z0)).sum(1), change, atol=1e-12 * max(1, 10**power))
    np.testing.assert_allclose(explainer(z0, baseline=z, verbose=0).values, m, atol=1e-13)
    np.testing.assert_allclose(explainer(z + shift, baseline=z0, verbose=0).values, m, atol=1e-12)


def test_a_shift_in_single_precision():
    """Logits have an error of 1e-5 around 100; what is made of them no more."""
    z, z0 = ends(0.5, "float32")
    m = EXPLAINERS["softmax"](z, baseline=z0, verbose=0).values
    for a, b in ((100, 100), (100, 0), (0, -100)):
        shifted = [(t + s).astype("float32") for t, s in ((z, a), (z0, b))]
        np.testing.assert_allclose(
            EXPLAINERS["softmax"](shifted[0], baseline=shifted[1], verbose=0).values, m, atol=2e-5
        )


LOW = {"infinite": -np.inf, "-1e9": -1e9, "least": np.finfo("float32").min}


@pytest.mark.long
@pytest.mark.parametrize("rule", ["rescale", "reveal_cancel"])
@pytest.mark.parametrize("low", LOW)
def test_masked_logits_get_nothing_and_take_nothing(low, rule):
    """The others get what they get without them."""
    mask, weights = np.array([0, 1, 0, 0, 1, 0], bool), U.astype("float32")
    hidden = tf.constant(np.where(mask, np.float32(LOW[low]), np.float32(0)))
    z, z0 = (t.astype("float32") for t in ends(1.0, "float64"))
    for made in (lambda t: tf.where(mask, hidden, t), lambda t: t + hidden):
        score = lambda t, made=made: tf.reduce_sum(tf.nn.softmax(made(t)) * weights, 1)  # noqa: E731
        got = tfxai.explain(score, z, baseline=z0, rule=rule, verbose=0).values
        alone = lambda t: tf.reduce_sum(tf.nn.softmax(t) * weights[~mask], 1)  # noqa: E731
        wanted = tfxai.explain(alone, z[:, ~mask], baseline=z0[:, ~mask], rule=rule, verbose=0).values
        np.testing.assert_allclose(got[:, ~mask], wanted, atol=1e-6)
        assert np.abs(got[:, mask]).max() == 0


@pytest.mark.parametrize("low", LOW)
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("end", ["both", "x", "reference"])
def test_multipliers_are_finite_whatever_is_masked(end, name, low):
    """At one end alone too; the sum is complete where a multiplier times its change is a number."""
    z, z0 = ends(1.0, "float32")
    for t in {"both": (z, z0), "x": (z,), "reference": (z0,)}[end]:
        t[:, 1] = LOW[low]
    (op,) = [op for op in captured(MADE[name], spec(None, N)).ops if op.type in ("Softmax", "LogSoftmax")]
    y, y0 = op.run([z]), op.run([z0])
    rule = {"softmax": softmax, "log_softmax": log_softmax}[name]
    weights = np.where(np.arange(N) == 1, 0, U).astype("float32")
    (m,) = rule(Call(op, (0,), (), [z], [z0], y, y0, {}, {}), [tf.constant(np.tile(weights, (5, 1)))])
    assert np.isfinite(m).all() and np.abs(m).max() > 0.1
    assert np.abs(m[:, 1]).max() <= (1e-8 if low == "-1e9" and end != "both" else 0)
    if low == "-1e9":
        change = np.delete(np.asarray(y[0], float) - np.asarray(y0[0]), 1, 1) @ np.delete(weights, 1)
        np.testing.assert_allclose((m.numpy().astype(float) * (z.astype(float) - z0)).sum(1), change, atol=5e-6)


@pytest.mark.long
def test_logsumexp_masks_along_any_axis_under_both_rules():
    """A row at a time, against the function without the masked places; complete, and what comes of it positive."""
    z, z0 = (t.astype("float32") for t in ends(1.0, "float64"))
    mask = np.array([0, 1, 0, 0, 1, 0], bool)
    for low in LOW.values():
        hidden = tf.constant(np.where(mask, np.float32(low), np.float32(0)))
        score = lambda t, hidden=hidden: keras.ops.logsumexp(tf.transpose(t + hidden)[None], axis=1)[0]  # noqa: E731
        for rule in ("rescale", "reveal_cancel"):
            e = tfxai.explain(score, z, baseline=z0, rule=rule, verbose=0)
            wanted = by_hand("logsumexp", z[:, ~mask], z0[:, ~mask], np.ones(1)) * (z - z0)[:, ~mask]
            np.testing.assert_allclose(e.values[:, ~mask], wanted, atol=2e-6)
            assert np.abs(e.values[:, mask]).max() == 0
            np.testing.assert_allclose(e.delta, 0, atol=2e-6)


def test_a_logit_far_below_at_one_end_has_all_that_it_lost():
    """exp(-200) is 0 in single precision, and its logarithm is not: with the logit goes its probability."""
    z0 = np.array([[1.0, 2.0, 0.5, 0.0, 1.0, -1.0]], "float32")
    for low in (-200.0, -1e9):
        z = z0.copy()
        z[:, 1] = low
        e = tfxai.explain(_score("softmax"), z, baseline=z0, verbose=0)
        assert abs(e.delta[0]) < 1e-6 and abs(e.values[0, 1]) > 0.5
        np.testing.assert_allclose(e.values[0, 1], e.values.sum(), rtol=1e-6)
