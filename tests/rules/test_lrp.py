"""LRP's rules for dense layers and convolutions against the papers' formulas on the layer's dense matrix, in numpy."""

import keras
import numpy as np
import pytest

import tfxai

L = keras.layers
DOUBLE = {"dtype": "float64", "bias_initializer": "random_normal"}
# name -> (shape of the input, the layer); strides, padding and dilation among them
LAYERS = {
    "dense": ((7,), lambda: L.Dense(5, **DOUBLE)),
    "dense on steps": ((3, 4), lambda: L.Dense(2, **DOUBLE)),
    "conv1d causal": ((6, 2), lambda: L.Conv1D(3, 3, padding="causal", **DOUBLE)),
    "conv1d dilated": ((7, 2), lambda: L.Conv1D(2, 2, dilation_rate=2, padding="same", **DOUBLE)),
    "conv2d strided": ((5, 4, 2), lambda: L.Conv2D(3, (3, 2), strides=2, padding="same", **DOUBLE)),
    "conv2d dilated": ((5, 5, 1), lambda: L.Conv2D(2, 2, dilation_rate=2, **DOUBLE)),
    "conv2d in groups": ((4, 4, 4), lambda: L.Conv2D(4, 2, groups=2, **DOUBLE)),
    "conv3d": ((3, 3, 3, 1), lambda: L.Conv3D(2, 2, **DOUBLE)),
    "depthwise": ((4, 4, 2), lambda: L.DepthwiseConv2D(3, padding="same", depth_multiplier=2, **DOUBLE)),
    "transposed": ((3, 3, 2), lambda: L.Conv2DTranspose(2, 3, strides=2, padding="same", **DOUBLE)),
    "einsum": ((3, 4), lambda: L.EinsumDense("abc,cd->abd", output_shape=(None, 3), bias_axes="d", **DOUBLE)),
}
EPSILON, GAMMA, LOW, HIGH = 1e-3, 0.3, -4.0, 5.0
RULES = {
    "zero": {}, "epsilon": {}, "gamma": {"gamma": GAMMA}, "gamma_general": {"gamma": GAMMA},
    "alpha_beta": {}, "alpha_beta 1 0": {"alpha": 1.0}, "alpha_beta 3": {"alpha": 3.0, "beta": 2.0},
    "z_plus": {}, "w_square": {}, "flat": {}, "z_box": {"low": LOW, "high": HIGH},
}  # fmt: skip


def dense_matrix(layer, shape):
    """W (inputs, outputs) and b of an affine layer, from what it does to each unit vector."""
    size = int(np.prod(shape))
    b = np.asarray(layer(np.zeros((1, *shape)))).reshape(-1)
    return np.asarray(layer(np.eye(size).reshape(size, *shape))).reshape(size, -1) - b, b


def up(t):
    return np.maximum(t, 0)


def down(t):
    return np.minimum(t, 0)


def quotient(r, z, epsilon):
    z = z + epsilon * np.where(z < 0, -1, 1)
    return np.divide(r, z, out=np.zeros_like(r), where=z != 0)


def relevance(rule, x, w, b, r, bias=True):
    """R_i of one example by the formulas: x (i,), W (i, j), b (j,), R_j (j,)."""
    b = b if bias else np.zeros_like(b)
    products = x[:, None] * w
    z = products.sum(0) + b

    def share(parts, total, epsilon=EPSILON):
        return parts @ quotient(r, total, epsilon)

    def alpha_beta(alpha, beta):
        positive = share(up(products), up(products).sum(0) + up(b))
        negative = share(down(products), down(products).sum(0) + down(b))
        return alpha * positive - beta * negative

    if rule == "zero":
        return share(products, z, 0)
    if rule == "epsilon":
        return share(products, z)
    if rule == "gamma":
        v = x[:, None] * (w + GAMMA * up(w))
        return share(v, v.sum(0) + b + GAMMA * up(b))
    if rule == "gamma_general":
        more = np.where(z >= 0, up(products), down(products))
        more_b = np.where(z >= 0, up(b), down(b))
        return share(products + GAMMA * more, z + GAMMA * (more.sum(0) + more_b))
    if rule == "alpha_beta":
        return alpha_beta(2, 1)
    if rule in ("alpha_beta 1 0", "z_plus"):
        return alpha_beta(1, 0)
    if rule == "alpha_beta 3":
        return alpha_beta(3, 2)
    if rule == "w_square":
        return share(w**2, (w**2).sum(0))
    if rule == "flat":
        return share((w != 0).astype(float), (w != 0).sum(0).astype(float))
    box = products - LOW * up(w) - HIGH * down(w)
    return share(box, box.sum(0))


def examples(shape, rng):
    x = rng.normal(size=(3, *shape))
    x[0].flat[0] = x[1].flat[2] = 0.0
    return x


class Subject:
    """One layer as a model, and its dense matrix."""

    def __init__(self, name, first=None):
        keras.utils.set_random_seed(0)
        shape, make = LAYERS[name]
        rng = np.random.default_rng(1)
        self.x, layer = examples(shape, rng), make()
        before = [] if first is None else [first]
        self.model = keras.Sequential([keras.Input(shape, dtype="float64"), *before, layer, L.Flatten(dtype="float64")])
        kernel, bias = layer.get_weights()
        kernel = rng.normal(size=kernel.shape)
        if name == "dense":
            kernel[:, 1], bias[1] = 0, 0  # a unit that is always 0
        layer.set_weights([kernel, bias])
        self.w, self.b = dense_matrix(layer, shape)
        self.weights = rng.integers(-16, 17, size=self.b.shape) / 8  # exact in single precision
        if name == "dense":
            self.w[:, 1] = 0
        self.explainer = tfxai.Explainer(self.model)

    def explained(self, rule, **options):
        used = self.explainer.using("lrp", rule=rule.split()[0], epsilon=EPSILON, **RULES[rule], **options)
        return used(self.x, target=tfxai.targets.mask(self.weights)).values

    def expected(self, rule, bias=True, first=lambda x: x):
        found = []
        for x in first(self.x).reshape(len(self.x), -1):
            r = self.weights * (x @ self.w + self.b)
            found.append(relevance(rule, x, self.w, self.b, r, bias))
        return np.reshape(found, self.x.shape)


@pytest.fixture(scope="module", params=list(LAYERS))
def subject(request):
    return Subject(request.param)


@pytest.mark.parametrize("rule", RULES)
def test_rule_is_the_formula(subject, rule):
    np.testing.assert_allclose(subject.explained(rule), subject.expected(rule), rtol=1e-8, atol=1e-8)


@pytest.mark.long
@pytest.mark.parametrize("rule", ["epsilon", "gamma", "gamma_general", "alpha_beta", "z_plus"])
def test_without_bias(rule):
    subject = Subject("conv2d strided")
    np.testing.assert_allclose(subject.explained(rule, bias=False), subject.expected(rule, False), rtol=1e-8, atol=1e-8)
    assert abs(subject.expected(rule) - subject.expected(rule, False)).max() > 0.01


@pytest.mark.parametrize("rule", ["gamma_general", "alpha_beta", "z_plus"])
@pytest.mark.parametrize("name", ["dense", "conv2d strided"])
def test_inputs_that_are_never_negative(name, rule):
    """The half of the work that falls away changes nothing."""
    subject = Subject(name, L.ReLU(dtype="float64"))
    np.testing.assert_allclose(subject.explained(rule), subject.expected(rule, first=up), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", ["dense", "conv1d causal", "conv2d strided"])
def test_a_bias_that_is_shared_equally(name):
    """Each input of a unit gets the same part of its bias, and the values sum to the score."""
    subject = Subject(name)
    found = subject.explained("zero", bias="equal")
    expected = []
    for x in subject.x.reshape(len(subject.x), -1):
        z = x @ subject.w + subject.b
        share = quotient(subject.weights * z, z, 0)
        seen = subject.w != 0
        each = x[:, None] * subject.w + seen * subject.b / np.maximum(seen.sum(0), 1)
        expected.append(each @ share)
    np.testing.assert_allclose(found, np.reshape(expected, subject.x.shape), rtol=1e-8, atol=1e-8)
    scores = (subject.x.reshape(len(found), -1) @ subject.w + subject.b) @ subject.weights
    np.testing.assert_allclose(found.reshape(len(found), -1).sum(1), scores, rtol=1e-8)


def test_other_rules_cannot_share_a_bias_equally():
    with pytest.raises(tfxai.errors.OptionError, match="bias='equal' is for the rules zero and epsilon"):
        tfxai.LRP(rule="gamma", bias="equal").check()
    with pytest.raises(tfxai.errors.OptionError, match="bias is True, False or 'equal'"):
        tfxai.LRP(bias="half").check()
