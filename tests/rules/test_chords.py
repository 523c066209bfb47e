"""Chords beside a near reference: single precision against the formulas of the paper in double."""

import math

import numpy as np
import pytest
import tensorflow as tf

import tfxai

erf = np.vectorize(math.erf)


def _sigmoid(t):
    return 1 / (1 + np.exp(-t))


def _elu(t):
    return np.where(t > 0, t, np.expm1(t))


# name: (as TensorFlow has it, in numpy)
FUNCTIONS = {
    "relu": (tf.nn.relu, lambda t: np.maximum(t, 0)),
    "relu6": (tf.nn.relu6, lambda t: np.clip(t, 0, 6)),
    "leaky relu": (lambda t: tf.nn.leaky_relu(t, 0.2), lambda t: np.where(t > 0, t, np.float32(0.2) * t)),
    "abs": (tf.abs, np.abs),
    "clip": (
        lambda t: tf.raw_ops.ClipByValue(t=t, clip_value_min=-0.65, clip_value_max=0.65),
        lambda t: np.clip(t, -np.float32(0.65), np.float32(0.65)),
    ),
    "maximum": (lambda t: tf.maximum(t, -0.65), lambda t: np.maximum(t, -np.float32(0.65))),
    "floor": (tf.floor, np.floor),
    "elu": (tf.nn.elu, _elu),
    "softplus": (tf.nn.softplus, lambda t: np.log1p(np.exp(t))),
    "softsign": (tf.nn.softsign, lambda t: t / (1 + np.abs(t))),
    "tanh": (tf.tanh, np.tanh),
    "sigmoid": (tf.sigmoid, _sigmoid),
    "erf": (tf.math.erf, erf),
    "erfc": (tf.math.erfc, lambda t: 1 - erf(t)),
    "cos": (tf.cos, np.cos),
    "atan": (tf.atan, np.arctan),
    "square": (tf.square, np.square),
    "exp": (tf.exp, np.exp),
    "log": (lambda t: tf.math.log(t + 2), lambda t: np.log(t + 2)),
    "log1p": (lambda t: tf.math.log1p(t + 1), lambda t: np.log(t + 2)),
    "sqrt": (lambda t: tf.sqrt(t + 2), lambda t: np.sqrt(t + 2)),
    "rsqrt": (lambda t: tf.math.rsqrt(t + 2), lambda t: 1 / np.sqrt(t + 2)),
    "reciprocal": (lambda t: tf.math.reciprocal(t + 2), lambda t: 1 / (t + 2)),
    "power": (lambda t: tf.pow(t + 2, 2.5), lambda t: (t + 2) ** 2.5),
}
LEFT_OUT = {"exp", "log", "log1p", "sqrt", "rsqrt", "reciprocal", "power"}  # ops that RevealCancel does not split
PLACES = [0.5, 0.7, -0.6]
WAYS = [0.0, 6e-8, -6e-8, 1.2e-7, -2.4e-7, 1e-6, -1e-5, 1e-4, 3e-3, -9e-3, 0.02, -0.08, 0.15, -0.75, 1.5, -2.0, 3.0]


def _table(t):
    """Every function of the sum of both inputs, one after the other."""
    h = t[:, :1] + t[:, 1:]
    return tf.concat([f(h) for f, _ in FUNCTIONS.values()], 1)


def _chord(f, a, b):
    """In double; at one place, by a small way around it."""
    a, b = np.where(a == b, a - 1e-6, a), np.where(a == b, b + 1e-6, b)
    return (f(b) - f(a)) / (b - a)


@pytest.fixture(scope="module")
def explainer():
    return tfxai.Explainer(_table)


def _examples(place):
    """Both inputs change by about 1, their sum by each of the ways: x, reference, and the sums as float32 has them."""
    end = np.maximum(np.float32(place) + np.array(WAYS, "float32"), np.float32(-1.9))
    x = np.stack([np.ones_like(end), end - np.float32(1)], 1)
    reference = np.array([[0, place]], "float32")
    return x, reference, (x[:, 0] + x[:, 1]).astype(float), float(np.float32(place))


@pytest.mark.parametrize("place", PLACES)
def test_rescale(explainer, place):
    """dy / dx of the sum, however little of its inputs' change is left of it."""
    x, reference, h, h0 = _examples(place)
    for k, (name, (_, f)) in enumerate(FUNCTIONS.items()):
        wanted = _chord(f, np.full_like(h, h0), h)[:, None] * (x - reference).astype(float)
        got = explainer(x, target=k, baseline=reference, verbose=0).values
        np.testing.assert_allclose(got, wanted, atol=1e-5 * np.abs(wanted).max(), err_msg=name)


@pytest.mark.parametrize("place", PLACES)
def test_reveal_cancel(explainer, place):
    """The mean of the chords on the first and the last way, of the rising part and of the falling one."""
    x, reference, h, h0 = _examples(place)
    rise, fall = (x - reference).astype(float).T
    assert (rise > 0).all()
    again = explainer.using("deeplift", rule="reveal_cancel")
    for k, (name, (_, f)) in enumerate(FUNCTIONS.items()):
        if name in LEFT_OUT:
            continue
        start = np.full_like(h, h0)
        ways = [(start, start + rise), (start + fall, h)], [(start, start + fall), (start + rise, h)]
        up, down = (np.mean([_chord(f, *way) for way in pair], 0) for pair in ways)
        wanted = np.stack([rise * up, fall * np.where(fall > 0, up, down)], 1)
        got = again(x, target=k, baseline=reference, verbose=0).values
        falling = fall < 0  # where both rise there is one part only
        np.testing.assert_allclose(got[falling], wanted[falling], atol=2e-5 * np.abs(wanted).max(), err_msg=name)


def test_two_operands():
    """The Shapley value: each operand's chord, averaged over both ends of the other."""
    pairs = {"maximum": (tf.maximum, np.maximum), "power": (tf.pow, np.power), "atan2": (tf.atan2, np.arctan2)}
    table = lambda t: tf.stack([f(t[:, 0], t[:, 1]) for f, _ in pairs.values()], 1)  # noqa: E731
    explainer = tfxai.Explainer(table)
    x0 = np.array([[1.3, 1.3]], "float32")
    ways = np.array([[6e-7, -1.2e-7], [1e-4, 2e-4], [-3e-3, 1e-3], [0.05, -0.02], [0.7, 1.1]], "float32")
    x = x0 + ways
    (a, b), (a0, b0) = x.T.astype(float), x0[0].astype(float)
    for k, (name, (_, f)) in enumerate(pairs.items()):
        first = ((f(a, b0) - f(a0, b0)) + (f(a, b) - f(a0, b))) / 2
        second = ((f(a0, b) - f(a0, b0)) + (f(a, b) - f(a, b0))) / 2
        got = explainer(x, target=k, baseline=x0, verbose=0).values
        sizes = np.abs(ways).max(1, keepdims=True)
        np.testing.assert_allclose(got / sizes, np.stack([first, second], 1) / sizes, atol=2e-5, err_msg=name)


@pytest.mark.long
@pytest.mark.parametrize("rule", ["rescale", "reveal_cancel"])
def test_what_a_quadrature_misses_is_no_rounding(rule, rng):
    """Softmax and a product of many: beside the reference, contributions are those of the slope."""
    x = rng.normal(size=(4, 6)).astype("float32") + 2
    x0 = x + 1e-5 * rng.normal(size=x.shape).astype("float32")
    weights = np.arange(6.0)
    for f in (lambda t: tf.reduce_sum(tf.nn.softmax(t) * tf.cast(weights, t.dtype), 1), lambda t: tf.reduce_prod(t, 1)):
        middle = tf.constant((x.astype(float) + x0) / 2)
        with tf.GradientTape() as tape:
            tape.watch(middle)
            y = f(middle)
        wanted = tape.gradient(y, middle).numpy() * (x.astype(float) - x0)
        got = tfxai.explain(f, x, baseline=x0, rule=rule, verbose=0).values
        np.testing.assert_allclose(got, wanted, atol=1e-5 * np.abs(wanted).max())


def test_half_precision_is_right_to_its_rounding():
    x, x0 = np.array([[0.75]], "float16"), np.array([[0.5]], "float16")
    for f, g in ((tf.tanh, np.tanh), (tf.math.erf, erf), (lambda t: tf.nn.leaky_relu(t - 0.6, 0.5), None)):
        got = float(tfxai.explain(lambda t, f=f: f(t)[:, 0], x, baseline=x0, verbose=0).values[0, 0])
        wanted = float(g(0.75) - g(0.5)) if g else 0.15 + 0.05
        assert got == pytest.approx(wanted, abs=2e-3)
