"""Chains as one op: what the rules of their ops give one by one, and the chord of the whole in double precision."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import tfxai
from tfxai.graph.table import Program
from tfxai.rules.deeplift import RescaleRules

SETTINGS = settings(max_examples=15, deadline=None, derandomize=True)
erf = np.vectorize(math.erf)


def _sigmoid(t):
    return 1 / (1 + np.exp(-t))


def _relu(t):
    return np.maximum(t, 0)


# name: (as TensorFlow has it, in numpy)
FUNCTIONS = {
    "gelu": (
        keras.ops.gelu,
        lambda t: 0.5 * t * (1 + np.tanh(np.sqrt(2 / np.pi) * (t + 0.044715 * t**3))),
    ),
    "gelu by erf": (lambda t: keras.ops.gelu(t, approximate=False), lambda t: 0.5 * t * (1 + erf(t / 2**0.5))),
    "silu": (keras.ops.silu, lambda t: t * _sigmoid(t)),
    "mish": (lambda t: t * tf.tanh(tf.nn.softplus(t)), lambda t: t * np.tanh(np.log1p(np.exp(t)))),
    "hard swish": (keras.ops.hard_swish, lambda t: t * np.clip(t / 6 + 0.5, 0, 1)),
    "gate": (lambda t: t * tf.cast(t > 0, t.dtype), _relu),
    "step": (lambda t: t + tf.cast(t > 0.6, t.dtype), lambda t: t + (t > np.float32(0.6))),
    "where": (lambda t: tf.where(t > 0, t, 0.25 * t), lambda t: np.where(t > 0, t, 0.25 * t)),
    "where zeros": (lambda t: tf.where(t > 0, t, tf.zeros_like(t)), _relu),
    "one of two, by channel": (
        lambda t: tf.where(tf.constant([True]), t * t, tf.sin(t)) + tf.where(tf.constant([False]), t * t, tf.sin(t)),
        lambda t: t * t + np.sin(t),
    ),
    "elu by hand": (lambda t: tf.where(t > 0, t, tf.exp(t) - 1), lambda t: np.where(t > 0, t, np.expm1(t))),
    "one of two numbers": (
        lambda t: tf.where(t > 0.6, tf.constant(1, t.dtype), tf.constant(3, t.dtype)) * t,
        lambda t: np.where(t > np.float32(0.6), t, 3 * t),
    ),
    "quotient": (lambda t: t / (1 + tf.exp(-t)), lambda t: t * _sigmoid(t)),
    "one over": (lambda t: 1 / (1 + t * t), lambda t: 1 / (1 + t * t)),
    "softsign by hand": (lambda t: t / (1 + tf.abs(t)), lambda t: t / (1 + np.abs(t))),
    "maximum": (lambda t: tf.maximum(t, 0.25 * t), lambda t: np.maximum(t, 0.25 * t)),
    "polynomial": (lambda t: t**3 - 2 * t * t + t, lambda t: t**3 - 2 * t * t + t),
    "softplus of a square": (lambda t: tf.nn.softplus(t * t) - t, lambda t: np.log1p(np.exp(t * t)) - t),
    "two in a row": (
        lambda t: tf.nn.silu(keras.ops.hard_swish(t) - 1),
        lambda t: (lambda h: h * _sigmoid(h))(t * np.clip(t / 6 + 0.5, 0, 1) - 1),
    ),
}
PLACES = [0.5, 0.7, -0.6]
WAYS = [0.0, 6e-8, -6e-8, 1.2e-7, -2.4e-7, 1e-6, -1e-5, 1e-4, 3e-3, -9e-3, 0.02, -0.08, 0.15, -0.75, 1.5, -2.0, 3.0]


def _table(t):
    """Every function of the sum of both inputs, one after the other."""
    h = t[:, :1] + t[:, 1:]
    return tf.concat([f(h) for f, _ in FUNCTIONS.values()], 1)


def _op_by_op(monkeypatch):
    monkeypatch.setattr(RescaleRules, "program", Program(decisions=True))


def _chains(explainer, x):
    _, traced = explainer.trace(x)
    return [op for op in traced.program(RescaleRules())[0].ops if op.type == "Chain"]


@pytest.fixture(scope="module")
def explainer():
    return tfxai.Explainer(_table)


@pytest.mark.long
@pytest.mark.parametrize("place", PLACES)
def test_the_chord_of_the_whole_at_any_distance(place, explainer):
    end = np.float32(place) + np.array(WAYS, "float32")
    x = np.stack([np.ones_like(end), end - np.float32(1)], 1)
    reference = np.array([[0, place]], "float32")
    h, h0 = (x[:, 0] + x[:, 1]).astype(float), float(np.float32(place))
    assert len(_chains(explainer, x)) == len(FUNCTIONS)
    for k, (name, (_, f)) in enumerate(FUNCTIONS.items()):
        a, b = np.where(h == h0, h0 - 1e-6, h0), np.where(h == h0, h0 + 1e-6, h)
        wanted = ((f(b) - f(a)) / (b - a))[:, None] * (x - reference)
        got = explainer(x, target=k, baseline=reference, verbose=0).values
        np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=2e-6 * np.abs(wanted).max(), err_msg=name)


@pytest.mark.long
@pytest.mark.parametrize("dtype, atol", [("float64", 1e-12), ("float32", 2e-6)])
@pytest.mark.parametrize("references", [1, 5], ids=["one reference", "one each"])
def test_what_the_ops_give_one_by_one(dtype, atol, references, monkeypatch, rng):
    """Also where the reference is x, and for each example alone."""
    kernel, weights = (tf.constant(rng.normal(size=s), dtype) for s in ((3, 4), (4,)))

    def model(t):
        h = tf.linalg.matmul(t, kernel)
        return tf.stack([tf.linalg.matvec(f(h), weights) for f, _ in FUNCTIONS.values()], 1)

    x, x0 = rng.normal(size=(5, 3)).astype(dtype), rng.normal(size=(references, 3)).astype(dtype)
    x[0] = x0[0]
    chained = tfxai.Explainer(model)
    got = [chained(x, target=k, baseline=x0, verbose=0).values for k in range(len(FUNCTIONS))]
    alone = chained(x[2:3], target=0, baseline=x0[2 % references][None], verbose=0).values
    assert len(_chains(chained, x)) == len(FUNCTIONS)
    _op_by_op(monkeypatch)
    single = tfxai.Explainer(model)
    for k, name in enumerate(FUNCTIONS):
        wanted = single(x, target=k, baseline=x0, verbose=0).values
        np.testing.assert_allclose(got[k], wanted, atol=atol * max(1, np.abs(wanted).max()), err_msg=name)
    np.testing.assert_allclose(alone[0], got[0][2], atol=atol)
    assert not _chains(single, x)


def test_multipliers_where_nothing_changed(monkeypatch):
    """At x itself the slope: what the inputs of a unit that stayed get, decisions included."""
    x, x0 = np.array([[1.0, -0.5], [1.0, 0.5]], "float32"), np.array([[0.0, 0.5]], "float32")
    x = np.concatenate([x, [[1.0, -0.5]]]).astype("float32")
    chained, names = tfxai.Explainer(_table), list(FUNCTIONS)
    got = [chained(x, target=k, baseline=x0, verbose=0).values for k in range(len(names))]
    _op_by_op(monkeypatch)
    single = tfxai.Explainer(_table)
    for k, name in enumerate(names):
        np.testing.assert_allclose(got[k], single(x, target=k, baseline=x0, verbose=0).values, atol=1e-6, err_msg=name)


UNARY = {
    "tanh": tf.tanh,
    "sigmoid": tf.sigmoid,
    "softplus": tf.nn.softplus,
    "relu": tf.nn.relu,
    "abs": tf.abs,
    "sin": tf.sin,
    "square": tf.square,
    "neg": tf.negative,
    "half": lambda t: t / 2,
    "floor": tf.floor,
    "leaky": lambda t: tf.nn.leaky_relu(t, 0.3),
    "elu": tf.nn.elu,
    "positive": lambda t: tf.cast(t > 0.1, t.dtype),
}
BINARY = {
    "add": tf.add,
    "sub": tf.subtract,
    "mul": tf.multiply,
    "maximum": tf.maximum,
    "minimum": tf.minimum,
    "over": lambda a, b: a / (2 + tf.abs(b)),
    "choice": lambda a, b: tf.where(a > b, a, b * b),
    "where small": lambda a, b: tf.where(tf.abs(a) < 1, b, tf.zeros_like(b)),
}
steps = st.lists(
    st.tuples(st.sampled_from(sorted({**UNARY, **BINARY})), st.integers(0, 9), st.integers(0, 9)),
    min_size=2,
    max_size=7,
)


def _random(program):
    """A function of one tensor: each step takes results of those before; all of them are added up at the end."""

    def f(t):
        made = [t]
        for name, i, j in program:
            a, b = made[-1 - i % len(made)], made[-1 - j % len(made)]
            made.append(UNARY[name](a) if name in UNARY else BINARY[name](a, b))
        return tf.add_n([tf.tanh(m) for m in made[-2:]]) * tf.sigmoid(t)

    return f


@pytest.mark.long
@given(program=steps, seed=st.integers(0, 10**6), distance=st.sampled_from([1.0, 1e-3, 1e-9, 0.0]))
@SETTINGS
def test_random_chains(program, seed, distance):
    rng = np.random.default_rng(seed)
    x0 = rng.normal(size=(1, 6))
    x = x0 + distance * rng.normal(size=(4, 6))
    f = _random(program)
    model = lambda t: tf.reduce_sum(f(t * 1.5) * tf.reverse(t, [1]), 1)  # noqa: E731
    e = tfxai.explain(model, x, baseline=x0, verbose=0)
    alone = tfxai.explain(model, x[1:2], baseline=x0, verbose=0)
    with pytest.MonkeyPatch.context() as patch:
        _op_by_op(patch)
        wanted = tfxai.explain(model, x, baseline=x0, verbose=0).values
    scale = max(np.abs(wanted).max(), 1e-300)
    np.testing.assert_allclose(e.values / scale, wanted / scale, atol=1e-7 if distance < 1e-3 else 1e-9)
    np.testing.assert_allclose(alone.values[0] / scale, e.values[1] / scale, atol=1e-12)


def test_in_loops(monkeypatch, rng):
    def model(t):
        body = lambda i, s: (i + 1, tf.nn.silu(s + t) * 0.7)  # noqa: E731
        return tf.reduce_sum(tf.while_loop(lambda i, _: i < 4, body, (0, t))[1], 1)

    x, x0 = rng.normal(size=(3, 5)), rng.normal(size=(1, 5))
    got = tfxai.explain(model, x, baseline=x0, verbose=0).values
    _op_by_op(monkeypatch)
    np.testing.assert_allclose(got, tfxai.explain(model, x, baseline=x0, verbose=0).values, rtol=1e-10)


@pytest.mark.long
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_right_to_its_rounding(dtype):
    x, x0 = (tf.cast([[v]], dtype) for v in (0.75, 0.5))
    explainer = tfxai.Explainer(lambda t: tf.cast(tf.concat([f(t) for f, _ in FUNCTIONS.values()], 1), tf.float32))
    for k, (name, (_, g)) in enumerate(FUNCTIONS.items()):
        e = explainer(x, target=k, baseline=x0, verbose=0)
        wanted = float(g(np.array(0.75)) - g(np.array(0.5)))
        assert float(e.values[0, 0]) == pytest.approx(wanted, abs=2e-3 if dtype == "float16" else 2e-2), name


def test_the_audit_names_what_it_is_made_of(rng):
    """One op in the account, from which goes out what came in."""
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="silu", name="hidden")])
    x = rng.normal(size=(2, 4)).astype("float32")
    leaks = tfxai.Explainer(model, "deeplift").leaks(x, target=0)
    (chain,) = [name for name in leaks if "chain" in name]
    assert "hidden" in chain and chain.endswith("(chain of Sigmoid, Mul)")
    assert abs(leaks[chain]) < 1e-6
    assert "Chain" not in tfxai.supported_ops()


def test_ops_without_a_rule_are_still_seen(rng):
    """Bessel functions of the first kind have none: between chains they stay what they are."""
    model = lambda z: tf.nn.silu(tf.math.special.bessel_j0(tf.nn.silu(z) + 2.0))  # noqa: E731
    x = rng.normal(size=(2, 3)).astype("float32")
    with pytest.raises(tfxai.TfxaiError, match="BesselJ0"):
        tfxai.explain(model, x, target=0, verbose=0)
    e = tfxai.explain(model, x, target=0, unknown_ops="average", verbose=0)
    np.testing.assert_allclose(e.delta, 0, atol=1e-6)


def test_norms_are_left_to_their_rules(rng):
    """1 / max(r, c) is two ops of one tensor, and an inverse norm; what is done with the normalised is a chain."""

    def model(t):
        inverse = 1 / tf.maximum(tf.sqrt(tf.reduce_sum(t * t, 1, keepdims=True)), 1e-3)
        return tf.reduce_sum(tf.nn.silu(t * inverse) * [1.0, -2.0, 3.0], 1)

    x = rng.normal(size=(3, 3)).astype("float32")
    explainer = tfxai.Explainer(model)
    (chain,) = _chains(explainer, x)
    assert chain.said == "chain of Sigmoid, Mul, Mul"
    e = explainer(x, verbose=0)
    assert np.abs(e.delta).max() < 1e-6 and np.abs(e.values).max() < 10  # at a baseline of 0 the inverse is 1000


def test_reveal_cancel_sees_the_ops_one_by_one(rng):
    """The parts of a gate are asked for; the product shares by its halves: not the corners of the whole SiLU."""
    x = rng.normal(size=(6, 2))
    model = lambda t: tf.nn.silu(tf.reduce_sum(t, 1, keepdims=True))  # noqa: E731
    e = tfxai.explain(model, x, target=0, rule="reveal_cancel", verbose=0)
    up, down = np.maximum(x, 0).sum(1), np.minimum(x, 0).sum(1)
    s, h = _sigmoid, x.sum(1)
    rise = ((s(up) - s(0)) + (s(h) - s(down))) / 2
    gate = np.where(
        x > 0, (rise / np.where(up > 0, up, 1))[:, None], ((s(h) - 0.5 - rise) / np.where(down < 0, down, 1))[:, None]
    )
    wanted = x * (gate * (h / 2)[:, None] + ((s(h) + 0.5) / 2)[:, None])
    np.testing.assert_allclose(e.values, wanted, rtol=1e-9)
