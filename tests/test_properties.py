"""Algebra that must hold for every small network that hypothesis thinks of."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import tfxai

ACTIVATIONS = """
celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear log_sigmoid
log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus sparse_sigmoid sparsemax
squareplus swish tanh tanh_shrink threshold
""".split()
SETTINGS = settings(max_examples=12, deadline=None, derandomize=True)


def activation(name):
    if name == "threshold":
        return lambda z: keras.activations.threshold(z, 0.3, 0.1)
    return keras.activations.get(name)


def arrays(seed, *shapes):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=s) for s in shapes]


def network(seed, names, widths):
    """A function of float64 tensors: dense layers and activations."""
    rng = np.random.default_rng(seed)
    layers, size = [], 4
    for name, width in zip(names, widths, strict=True):
        layers.append((tf.constant(rng.normal(size=(size, width))), tf.constant(rng.normal(size=width)), name))
        size = width
    last = tf.constant(rng.normal(size=size if names[-1] != "glu" else size // 2))

    def f(z):
        for kernel, bias, name in layers:
            z = activation(name)(z @ kernel + bias)
            if name == "glu":
                z = tf.concat([z, z], axis=-1)
        return tf.linalg.matvec(z, tf.concat([last, last], 0)[: z.shape[-1]])

    return f


nets = st.tuples(
    st.integers(0, 10**6),
    st.lists(st.sampled_from(ACTIVATIONS), min_size=1, max_size=3),
    st.sampled_from(["rescale", "reveal_cancel"]),
)


def test_no_activation_is_forgotten():
    known = {
        n for n, f in vars(keras.activations).items() if callable(f) and not n[0].isupper() and not n.startswith("_")
    }
    assert known - {"deserialize", "get", "serialize"} <= set(ACTIVATIONS)


@pytest.mark.long
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_adds_up(name):
    x, x0 = arrays(1, (5, 4), (4,))
    explainer = tfxai.Explainer(network(2, [name], [6]))
    for rule in ("rescale", "reveal_cancel"):
        e = explainer.using("deeplift", rule=rule)(x, baseline=x0)
        assert np.abs(e.delta).max() < 1e-9 * max(1, np.abs(e.score).max()), rule
        assert np.abs(e.score - e.baseline_score).max() > 1e-3


@pytest.mark.long
@SETTINGS
@given(nets)
def test_completeness_and_independence_of_neighbours(net):
    seed, names, rule = net
    explainer = tfxai.Explainer(network(seed, names, [6] * len(names)), rule=rule)
    x, x0 = arrays(seed, (5, 4), (4,))
    e = explainer(x, baseline=x0)
    assert np.abs(e.delta).max() < 1e-8 * max(1, np.abs(e.score).max())
    order = np.random.default_rng(seed).permutation(5)
    np.testing.assert_allclose(explainer(x[order], baseline=x0).values, e.values[order], atol=1e-9)
    np.testing.assert_allclose(explainer(x[1:2], baseline=x0).values, e.values[1:2], atol=1e-9)


@pytest.mark.long
@SETTINGS
@given(st.integers(0, 10**6), st.sampled_from(ACTIVATIONS), st.floats(-2, 2), st.floats(-2, 2))
def test_linear_in_the_output(seed, name, a, b):
    f, g = network(seed, [name], [6]), network(seed + 1, ["tanh", name], [6, 6])
    x, x0 = arrays(seed, (3, 4), (4,))
    both = tfxai.explain(lambda z: a * f(z) + b * g(z), x, baseline=x0).values
    apart = a * tfxai.explain(f, x, baseline=x0).values + b * tfxai.explain(g, x, baseline=x0).values
    np.testing.assert_allclose(both, apart, atol=1e-8 * max(1, np.abs(apart).max()))


@pytest.mark.long
@SETTINGS
@given(st.integers(0, 10**6), st.sampled_from(ACTIVATIONS), st.sampled_from(["rescale", "reveal_cancel"]))
def test_a_feature_without_effect_gets_nothing(seed, name, rule):
    f = network(seed, [name], [6])
    x, x0 = arrays(seed, (3, 4), (4,))
    e = tfxai.explain(lambda z: f(z * tf.constant([1.0, 0.0, 1.0, 1.0], tf.float64)), x, baseline=x0, rule=rule)
    assert np.abs(e.values[:, 1]).max() == 0


@pytest.mark.long
@SETTINGS
@given(st.integers(0, 10**6), st.sampled_from(ACTIVATIONS), st.sampled_from(["rescale", "reveal_cancel"]))
def test_near_the_reference_multipliers_become_the_gradient(seed, name, rule):
    """No 0 / 0 and no noise where x and the reference almost coincide."""
    explainer = tfxai.Explainer(network(seed, [name], [6]), rule=rule, multipliers=True)
    (x,) = arrays(seed, (3, 4))
    gradient = explainer.using("gradient")(x).values
    for distance in (0.0, 1e-14, 1e-9):
        m = explainer(x, baseline=x - distance).values
        # Differences of numbers of order 10 are known to 10 eps: at 1e-14 that is every fifth part of them.
        allowed = 2e-2 + (20 * np.finfo(float).eps / distance if distance else 0)
        np.testing.assert_allclose(m, gradient, rtol=2e-2, atol=allowed * max(1, np.abs(gradient).max()))
