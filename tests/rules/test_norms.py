"""Normalisation: contributions stay of the size of what they explain, also against a reference without variance."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers, ops

import tfxai
from tfxai.graph.table import Program
from tfxai.rules.deeplift import RescaleRules

RULES = ["rescale", "reveal_cancel"]
N = 6


def _layer(function):
    return layers.Lambda(function)


NORMALISATIONS = {
    "layer": lambda: layers.LayerNormalization(epsilon=1e-6),
    "rms": lambda: layers.RMSNormalization(epsilon=1e-6),
    "unit": lambda: layers.UnitNormalization(),
    "group": lambda: layers.GroupNormalization(2, epsilon=1e-6),
    "l2_normalize": lambda: _layer(lambda t: tf.math.l2_normalize(t, -1)),
    "divided by the norm": lambda: _layer(lambda t: t / (tf.norm(t, axis=-1, keepdims=True) + 1e-6)),
    "divided by the deviation": lambda: _layer(
        lambda t: (t - tf.reduce_mean(t, -1, keepdims=True)) / (tf.math.reduce_std(t, -1, keepdims=True) + 1e-6)
    ),
    "times the inverse": lambda: _layer(
        lambda t: t * (1.0 / tf.sqrt(tf.reduce_mean(tf.square(t), -1, keepdims=True) + 1e-12))
    ),
}
if not hasattr(layers, "RMSNormalization"):  # which Keras has from 3.9 on
    del NORMALISATIONS["rms"]


CENTRED = ("layer", "group", "divided by the deviation")


def _model(name):
    return keras.Sequential([keras.Input((N,)), NORMALISATIONS[name]()])


class OpByOpRules(RescaleRules):
    program = Program(decisions=True)


class OpByOp(tfxai.DeepLIFT):
    """With a rule for every op of a normalisation."""

    def rules(self):
        return OpByOpRules(self.unknown_ops)


@pytest.fixture
def x(rng):
    return rng.normal(size=(5, N)).astype("float32")


@pytest.mark.long
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", NORMALISATIONS)
def test_zeros_as_reference(name, rule, x):
    """1e3 to 1e12 times the change of the score, and NaN for "unit", where products are split at their corners."""
    model = _model(name)
    e = tfxai.explain(model, x, target=1, rule=rule)
    y = np.asarray(model(x))
    np.testing.assert_allclose(e.delta, 0, atol=2e-5)
    assert (np.abs(e.values).sum(1) <= 4 * np.abs(y).sum(1)).all()
    if name not in CENTRED:
        assert (np.abs(e.values[:, 1]) > np.abs(y[:, 1])).all()  # an output is first of all its own input's doing


@pytest.mark.long
@pytest.mark.skipif("rms" not in NORMALISATIONS, reason="Keras before 3.9")
@pytest.mark.parametrize("rule", RULES)
def test_by_hand(rule, x):
    """y = x / r, r the root mean square: u_j dx_j / mean(r), and the share of r among the squares."""
    model, epsilon = _model("rms"), 1e-6
    x0 = x[::-1] * 0.5 + 0.1
    r, r0 = (np.sqrt((t.astype("float64") ** 2).mean(1, keepdims=True) + epsilon) for t in (x, x0))
    y, y0 = x / r, x0 / r0
    u = np.eye(N)[2]
    shares = (x**2 - x0**2) / (x**2 - x0**2).sum(1, keepdims=True)
    turned = -(u * (y + y0) / 2).sum(1, keepdims=True) * (r - r0) / ((r + r0) / 2)
    expected = u * (x - x0) / ((r + r0) / 2) + turned * shares
    np.testing.assert_allclose(expected.sum(1), (y - y0)[:, 2], rtol=1e-6)
    e = tfxai.explain(model, x, target=2, baseline=x0, rule=rule)
    np.testing.assert_allclose(e.values, expected, atol=2e-5)


AS_ONE = {
    "layer": lambda: layers.LayerNormalization(),
    "layer, 1e-12": lambda: layers.LayerNormalization(epsilon=1e-12),
    "layer, two axes": lambda: layers.LayerNormalization(axis=(1, 2)),
    "group": lambda: layers.GroupNormalization(2),
    "channels first": lambda: layers.GroupNormalization(2, axis=1),
    "root mean square": lambda: _layer(lambda t: t * ops.rsqrt(ops.mean(t**2, -1, keepdims=True) + 1e-6) + 3.0),
    "sum of squares": lambda: _layer(lambda t: 2.0 * (t * ops.rsqrt(ops.sum(t * t, -1, keepdims=True) + 1e-3))),
    "by a reciprocal": lambda: _layer(
        lambda t: t * ops.reciprocal(ops.sqrt(ops.mean(t * t, -1, keepdims=True) + 1e-3)) * 2.0
    ),
    "by one over it": lambda: _layer(lambda t: t * (3.0 / ops.sqrt(ops.sum(t * t, -1, keepdims=True) + 1e-3))),
    "of a variance": lambda: _layer(lambda t: t * ops.rsqrt(ops.var(t, -1, keepdims=True) + 1e-3)),
    "divided": lambda: _layer(
        lambda t: (t - ops.mean(t, 1, keepdims=True)) / ops.sqrt(ops.var(t, 1, keepdims=True) + 1e-3)
    ),
}  # fmt: skip
COMPUTED_IN_SINGLE = {"layer", "layer, 1e-12", "layer, two axes", "group", "channels first"}
BASELINES = {
    "zeros": lambda x, rng: np.zeros_like(x[:1]),
    "one": lambda x, rng: rng.normal(size=x[:1].shape),
    "each": lambda x, rng: rng.normal(size=x.shape),
    "near": lambda x, rng: x * (1 + 1e-4 * rng.normal(size=x.shape)),
    "itself": lambda x, rng: x,
}


@pytest.mark.long
@pytest.mark.parametrize("name", AS_ONE)
def test_as_one_op_it_has_the_values_of_its_ops(name, policy, rng):
    """Gains of either sign and 0 among them, in single precision, and in double where Keras has no casts inside."""
    for dtype in ("float64", "float32"):
        rtol = 1e-12 if dtype == "float64" and name not in COMPUTED_IN_SINGLE else 1e-5
        policy(dtype)
        norm = AS_ONE[name]()
        norm = keras.Sequential([keras.Input((4, N)), norm])
        norm.set_weights([np.resize([1.0, -2.0, 0.0, 0.5], w.shape) for w in norm.weights])
        weights = tf.constant(rng.normal(size=(4, N)), dtype)
        score = lambda t, norm=norm, weights=weights: tf.reduce_sum(tf.tanh(norm(t)) * weights, (1, 2))  # noqa: E731
        one, several = tfxai.Explainer(score), tfxai.Explainer(score, OpByOp())
        x = rng.normal(size=(5, 4, N)).astype(dtype)
        assert "NormalisationStep" in _ops(one, x) and "NormalisationStep" not in _ops(several, x)
        for which, make in BASELINES.items():
            x0 = make(x, rng).astype(dtype)
            got, wanted = (e(x, baseline=x0, verbose=0) for e in (one, several))
            atol = rtol * np.abs(wanted.values).max()
            np.testing.assert_allclose(got.values, wanted.values, atol=atol, err_msg=f"{dtype} {which}")
            assert np.abs(got.delta).max() <= 2 * np.abs(wanted.delta).max() + rtol * np.abs(got.score).max()


SQUARES = {
    "square": lambda t, m: tf.square(t),
    "product": lambda t, m: t * t,
    "power": lambda t, m: tf.pow(t, tf.constant(2, t.dtype)),
    "difference": lambda t, m: tf.square(t - m),
    "squared difference": lambda t, m: tf.math.squared_difference(tf.stop_gradient(m), t),
}


@pytest.mark.long
@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    st.integers(0, 10**6), st.sampled_from(sorted(SQUARES)), st.sampled_from(["mean", "sum"]), st.booleans(),
    st.sampled_from(["divided", "scaled before", "scaled behind", "beta - mean * s * gamma"]),
    st.sampled_from([1, -1, (1, 2)]), st.floats(-8, 0),
)  # fmt: skip
def test_however_it_is_written(seed, square, over, centred, end, axes, power):
    """One op, or several where the graph is not certain; the values are the same."""
    draw = np.random.default_rng(seed)
    gain, shift, u = (tf.constant(draw.normal(size=size)) for size in (N, (3, N), (3, N)))
    total = {"mean": tf.reduce_mean, "sum": tf.reduce_sum}[over]
    centred = centred or end.startswith("beta")

    def score(t):
        m = tf.reduce_mean(t, axes, keepdims=True)
        v2 = total(SQUARES[square](t, m), axes, keepdims=True) + 10.0**power
        if end == "divided":
            y = (t - m if centred else t) / tf.sqrt(v2)
        elif end == "scaled before":
            y = (t - m if centred else t) * (tf.math.rsqrt(v2) * gain) + shift
        elif end == "scaled behind":
            y = gain * ((t - m if centred else t) * tf.math.rsqrt(v2))
        else:
            s = tf.math.rsqrt(v2) * gain
            y = t * s + (shift - m * s)
        return tf.reduce_sum(tf.tanh(y) * u, (1, 2))

    x, x0 = draw.normal(size=(4, 3, N)), draw.normal(size=(1, 3, N))
    one, several = tfxai.Explainer(score), tfxai.Explainer(score, OpByOp())
    certain = "difference" in square or not centred  # x - mean(x) by the root of mean(x^2) is no known one
    assert ("NormalisationStep" in _ops(one, x)) == certain
    wanted = several(x, baseline=x0, verbose=0).values
    np.testing.assert_allclose(one(x, baseline=x0, verbose=0).values, wanted, atol=1e-11 * np.abs(wanted).max())


@pytest.fixture
def policy():
    """Sets the policy of new layers, for one test."""
    before = keras.config.dtype_policy()
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy(before)


def _ops(explainer, x):
    """Types of the ops that it replays."""
    _, traced = explainer.trace(x)
    return {op.type for op in traced.program(explainer.method.rules())[0].ops}


def test_layer_normalisation_by_hand(rng):
    """In numpy, by what it solves: v and r share the change of y = v / r, and squares that of r."""
    gain, u = rng.normal(size=N), rng.normal(size=N)

    def score(t):
        mean, variance = tf.nn.moments(t, -1, keepdims=True)
        return tf.linalg.matvec(tf.nn.batch_normalization(t, mean, variance, None, tf.constant(gain), 1e-3), u)

    x, x0 = rng.normal(size=(2, 5, N))
    c, c0 = (t - t.mean(1, keepdims=True) for t in (x, x0))
    r, r0 = (np.sqrt((t**2).mean(1, keepdims=True) + 1e-3) for t in (c, c0))
    to_c = u * gain / ((r + r0) / 2)
    to_r = -(u * gain * (c / r + c0 / r0) / 2).sum(1, keepdims=True) / ((r + r0) / 2)
    to_c = to_c + to_r * (c + c0) / N / (r + r0)  # r^2 - r0^2 = sum (c + c0) dc / N
    wanted = to_c - to_c.mean(1, keepdims=True)
    explainer = tfxai.Explainer(score, multipliers=True)
    assert "NormalisationStep" in _ops(explainer, x)
    np.testing.assert_allclose(explainer(x, baseline=x0, verbose=0).values, wanted, atol=1e-12)


def test_what_a_normalisation_leaks_is_named_by_its_layer(x):
    model = keras.Sequential([keras.Input((N,)), layers.LayerNormalization(name="norm"), layers.Dense(2)])
    leaks = tfxai.Explainer(model).leaks(x, target=0)
    (name,) = [op for op in leaks if "NormalisationStep" in op]
    assert name.startswith("sequential") and "/norm" in name and abs(leaks[name]) < 1e-6
    assert "norm" in tfxai.supported_ops()["NormalisationStep"]


@pytest.mark.long
def test_a_missing_number_is_followed_op_by_op(x):
    """Rows without it are as they are; the row with it has the credit where it is missing."""
    norm = layers.LayerNormalization()
    score = lambda t: tf.reduce_sum(tf.where(tf.math.is_nan(norm(t)), 0.5, norm(t)) * tf.range(6.0), 1)  # noqa: E731
    gone = x.copy()
    gone[0, 2] = np.nan
    e = tfxai.Explainer(score, allow_nan=True)(gone, baseline=x[::-1] * 0.5, verbose=0)
    np.testing.assert_allclose(e.delta, 0, atol=1e-5)
    assert np.abs(e.values[0, [0, 1, 3, 4, 5]]).max() == 0
    np.testing.assert_allclose(
        e.values[1:], tfxai.explain(score, x, baseline=x[::-1] * 0.5, verbose=0).values[1:], atol=2e-6
    )


@pytest.mark.long
def test_small_changes_are_those_of_the_gradient(x):
    for name in NORMALISATIONS:
        model = _model(name)
        x0 = x * (1 + 1e-2 * np.sin(np.arange(N, dtype="float32")))
        between = tfxai.explain(model, (x + x0) / 2, "gradient", target=3).values * (x - x0)
        e = tfxai.explain(model, x, target=3, baseline=x0)
        np.testing.assert_allclose(e.values, between, atol=5e-5 * np.abs(between).max() + 1e-6, err_msg=name)


def test_quotients_are_shapley_until_a_corner_is_out_of_proportion():
    """a / b by hand: at (6, 3) against (2, 1), and a weighted mean whose weights are 0 in the reference."""
    quotient = lambda t: t[:, 0] / t[:, 1]  # noqa: E731
    e = tfxai.explain(quotient, np.array([[6.0, 3.0]]), baseline=np.array([[2.0, 1.0]]))
    np.testing.assert_allclose(e.values, [[4 * (1 / 3 + 1) / 2, 4 * (1 / 3 - 1)]])
    mean = lambda t: tf.reduce_sum(t * tf.constant([1.0, 2, 3], t.dtype), 1) / (tf.reduce_sum(t, 1) + 1e-9)  # noqa: E731
    e = tfxai.explain(mean, np.array([[1.0, 1.0, 2.0]]))
    np.testing.assert_allclose(e.values.sum(), 2.25)
    np.testing.assert_allclose(e.values, [[2 / 4 - 2.25 / 4, 4 / 4 - 2.25 / 4, 12 / 4 - 4.5 / 4]], rtol=1e-6)


@pytest.mark.long
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("form", ["a * b * (ra * rb)", "a * b / (na * nb)", "(a * ra) * (b * rb)"])
def test_cosine_similarity_against_nearly_nothing(form, rule, rng):
    """Both norms vary: the values stay of the size of the cosine, 1."""

    def cosine(t):
        squares = [tf.reduce_sum(tf.square(t[:, i]), 1, keepdims=True) for i in (0, 1)]
        (ra, rb), (na, nb) = [tf.math.rsqrt(q + 1e-8) for q in squares], [tf.sqrt(q + 1e-8) for q in squares]
        a, b = t[:, 0], t[:, 1]
        forms = {
            "a * b * (ra * rb)": lambda: a * b * (ra * rb),
            "a * b / (na * nb)": lambda: a * b / (na * nb),
            "(a * ra) * (b * rb)": lambda: (a * ra) * (b * rb),
        }
        return tf.reduce_sum(forms[form](), 1)

    x = rng.normal(size=(4, 2, N))
    e = tfxai.explain(cosine, x, rule=rule)
    np.testing.assert_allclose(e.delta, 0, atol=1e-6)
    assert np.abs(e.values).sum((1, 2)).max() < 20


@pytest.mark.parametrize("rule", RULES)
def test_a_row_that_is_zero_in_both_gets_nothing(rule, x):
    """Padded steps: a norm of 0 at x and at the reference has no slope to speak of."""
    model = keras.Sequential([keras.Input((2, N)), layers.UnitNormalization(), layers.Flatten(), layers.Dense(1)])
    padded = np.stack([x, np.zeros_like(x)], 1)
    e = tfxai.explain(model, padded, rule=rule)
    np.testing.assert_array_equal(e.values[:, 1], 0)
    np.testing.assert_allclose(e.delta, 0, atol=1e-5)


@pytest.mark.long
@pytest.mark.parametrize("rule", RULES)
def test_before_a_rectifier(rule, rng):
    """The spread of an inverse norm is at least its change, and that change is credited too."""
    keras.utils.set_random_seed(1)
    norm = layers.GroupNormalization(-1)
    ends = [norm, layers.ReLU(), layers.GlobalAveragePooling2D(), layers.Dense(2)]
    model = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(6, 3, use_bias=False), *ends])
    e = tfxai.explain(model, rng.normal(size=(4, 8, 8, 3)).astype("float32"), target=0, rule=rule)
    np.testing.assert_allclose(e.delta, 0, atol=1e-6)


def test_scales_of_any_sign(x):
    model = _model("layer")
    model.layers[0].set_weights([np.array([-2, -1, 0, 0.5, 1, 3.0]), np.arange(N) / 3.0])
    for target in range(N):
        e = tfxai.explain(model, x, target=target, baseline=x[:1] * 0.3)
        np.testing.assert_allclose(e.delta, 0, atol=2e-5)
    assert np.abs(tfxai.explain(model, x, target=2).values).max() == 0


@pytest.mark.long
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("norm", [n for n in ("LayerNormalization", "RMSNormalization") if hasattr(layers, n)])
def test_transformer_without_biases_against_zeros(norm, rule, rng):
    keras.utils.set_random_seed(0)
    make = getattr(layers, norm)
    inputs = keras.Input((8, 12))
    x = layers.Dense(16, use_bias=False)(inputs)
    for _ in range(2):
        h = make()(x)
        x = x + layers.MultiHeadAttention(2, 8)(h, h)
        x = x + layers.Dense(16)(layers.Dense(32, activation="gelu")(make()(x)))
    model = keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling1D()(make()(x))))
    e = tfxai.explain(model, rng.normal(size=(3, 8, 12)).astype("float32"), target=0, rule=rule)
    assert np.abs(e.delta).max() < 1e-4
    assert np.abs(e.values).sum() < 1e3  # was 1e6 and 1e13
