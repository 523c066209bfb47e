"""Patterns against the estimators of the paper, in numpy on the patches that each unit sees."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfxai
from tfxai.errors import FileFormatError, InputError, OptionError

L = layers


def estimated(x, w, b, relu):
    """Per unit of z = x W + b, x (values, inputs): the linear estimator, or a+ of the two-component one."""
    z = x @ w + b
    found = np.zeros_like(w)
    for j in range(w.shape[1]):
        y = z[:, j]
        rows = y > 0 if relu else np.ones(len(y), bool)
        part = (x[rows] * y[rows, None]).mean(0) - x[rows].mean(0) * y.mean()
        found[:, j] = part / (w[:, j] @ part)
    return found


def patches(x, size, stride):
    """(values, inputs) of a convolution with valid padding."""
    rows = range(0, x.shape[1] - size + 1, stride)
    return np.concatenate([x[:, i : i + size, j : j + size].reshape(len(x), -1) for i in rows for j in rows])


def double(model, rng):
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    return model


@pytest.mark.parametrize("estimator", ["linear", "relu"])
def test_dense_layers(rng, estimator):
    """The last layer has no ReLU behind it, so it has the linear pattern."""
    model = double(keras.Sequential([keras.Input((4,), dtype="float64"), L.Dense(5, "relu", dtype="float64"),
                                     L.Dense(2, dtype="float64")]), rng)  # fmt: skip
    (w, b), (w2, b2) = (layer.get_weights() for layer in model.layers)
    b = b - 30 * w.sum(0)  # inputs far from 0 and close to each other, where sums of products would lose everything
    model.layers[0].set_weights([w, b])
    x = 0.1 * rng.normal(size=(101, 4)) @ rng.normal(size=(4, 4)) + 30.0
    model.layers[0].set_weights([w, b - (x @ w + b).mean(0)])
    b = model.layers[0].get_weights()[1]
    patterns = tfxai.Patterns.fit(model, x, estimator, batch_size=7)
    np.testing.assert_allclose(patterns.arrays[0], estimated(x, w, b, estimator == "relu"), rtol=1e-4, atol=1e-6)
    hidden = np.maximum(x @ w + b, 0)
    np.testing.assert_allclose(patterns.arrays[1], estimated(hidden, w2, b2, False), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("estimator", ["linear", "relu"])
@pytest.mark.parametrize("kind", ["conv2d", "depthwise", "steps", "einsum", "normalised"])
def test_kernels(rng, kind, estimator):
    """Convolutions see patches, of a depthwise one each channel its own; a normalisation belongs to the weights."""
    shape = (3, 4) if kind in ("steps", "einsum") else (6, 6, 2)
    made = {
        "conv2d": lambda: L.Conv2D(3, 2, strides=2, bias_initializer="ones", dtype="float64"),
        "depthwise": lambda: L.DepthwiseConv2D(2, depth_multiplier=2, bias_initializer="ones", dtype="float64"),
        "steps": lambda: L.Dense(3, bias_initializer="ones", dtype="float64"),
        "einsum": lambda: L.EinsumDense("abc,cd->abd", (None, 3), bias_axes="d", dtype="float64"),
        "normalised": lambda: L.Conv2D(3, 2, strides=2, bias_initializer="ones", dtype="float64"),
    }
    kernel, norm = made[kind](), L.BatchNormalization(epsilon=0.0, dtype="float64")
    behind = [norm] if kind == "normalised" else []
    model = keras.Sequential([keras.Input(shape, dtype="float64"), kernel, *behind, L.ReLU(dtype="float64"),
                              L.Flatten(dtype="float64")])  # fmt: skip
    if behind:
        norm.set_weights([np.array([2.0, -1, 0.5]), np.array([0.1, 0.2, -0.3]), np.array([0.5, 0, 1]), np.full(3, 4.0)])
    x = rng.normal(size=(40, *shape)) + rng.normal(size=shape)
    (found,) = tfxai.Patterns.fit(model, x, estimator).arrays
    w, b = kernel.get_weights()
    if behind:
        gamma, beta, mean, variance = norm.get_weights()
        w, b = w * gamma / np.sqrt(variance), (b - mean) * gamma / np.sqrt(variance) + beta
    relu = estimator == "relu"
    if kind == "depthwise":
        expected = np.empty_like(w)
        for c in range(2):
            own = patches(x[..., c : c + 1], 2, 1)
            expected[:, :, c] = estimated(own, w[:, :, c].reshape(4, 2), b[2 * c : 2 * c + 2], relu).reshape(2, 2, 2)
    else:
        own = x.reshape(-1, 4) if len(shape) == 2 else patches(x, 2, 2)
        expected = estimated(own, w.reshape(-1, 3), b, relu).reshape(w.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def toy(rng, count=4000):
    """x = a_s y + a_d e: the signal in one direction, what distracts in another; the best weights cancel the second."""
    signal, distractor = np.array([1.0, 0.0]), np.array([1.0, 1.0])
    y, e = rng.normal(size=(2, count))
    x = np.outer(y, signal) + np.outer(e, distractor)
    model = keras.Sequential([keras.Input((2,), dtype="float64"), L.Dense(1, use_bias=False, dtype="float64")])
    model.set_weights([np.array([[1.0], [-1.0]])])
    np.testing.assert_allclose(model(x)[:, 0], y, atol=1e-12)
    return model, x, signal


def cosine(values, direction):
    return float(np.mean(values @ direction / np.linalg.norm(values, axis=1) / np.linalg.norm(direction)))


def test_the_signal_is_found_where_the_gradient_points_elsewhere(rng):
    model, x, signal = toy(rng)
    patterns = tfxai.Patterns.fit(model, x, "linear")
    some = x[:20]
    along = tfxai.explain(model, some, "patternnet", patterns=patterns).values
    assert cosine(along, signal) > 0.99
    assert cosine(tfxai.explain(model, some, "gradient").values, signal) < 0.75
    relevance = np.abs(tfxai.explain(model, some, "lrp").values)
    assert relevance[:, 1].sum() > 0.3 * relevance.sum()
    e = tfxai.explain(model, some, "pattern_attribution", patterns=patterns)
    np.testing.assert_allclose(e.values[:, 1] / e.values[:, 0], 0, atol=0.05)
    np.testing.assert_allclose(e.values.sum(1), e.score, rtol=1e-5)


def test_back_through_two_layers_is_the_formula(rng):
    model = double(keras.Sequential([keras.Input((3,), dtype="float64"), L.Dense(6, "relu", dtype="float64"),
                                     L.Dense(2, dtype="float64")]), rng)  # fmt: skip
    data = rng.normal(size=(300, 3))
    patterns, x = tfxai.Patterns.fit(model, data), data[:5]
    (w, b), (w2, _) = (layer.get_weights() for layer in model.layers)
    a, a2 = patterns.arrays
    gate = x @ w + b > 0
    net = tfxai.explain(model, x, "patternnet", target=1, patterns=patterns).values
    np.testing.assert_allclose(net, (gate * a2[:, 1]) @ a.T, rtol=1e-5, atol=1e-7)
    e = tfxai.explain(model, x, "pattern_attribution", target=1, patterns=patterns)
    expected = (gate * (w2 * a2)[:, 1]) @ (w * a).T * e.score[:, None]
    np.testing.assert_allclose(e.values, expected, rtol=1e-5, atol=1e-7)


class Pairs(keras.utils.PyDataset):
    def __init__(self, x):
        super().__init__()
        self.x = x

    def __len__(self):
        return 4

    def __getitem__(self, k):
        return self.x[k * 10 : k * 10 + 10], np.zeros(10)


def test_data_of_every_kind_and_batch(rng):
    """The same patterns of arrays, data sets with labels, PyDatasets, in whatever batches."""
    model = double(keras.Sequential([keras.Input((3,)), L.Dense(4, "relu"), L.Dense(2)]), rng)
    x = rng.normal(size=(40, 3)).astype("float32")
    whole = tfxai.Patterns.fit(model, x, batch_size=40)
    others = [
        tfxai.Patterns.fit(model, x, batch_size=3),
        tfxai.Patterns.fit(model, tf.data.Dataset.from_tensor_slices((x, np.zeros(40))).batch(7)),
        tfxai.Patterns.fit(model, Pairs(x)),
        tfxai.Patterns.fit(model, (x[k : k + 20] for k in (0, 20))),
    ]
    for other in others:
        assert other.examples == 40 and other.fingerprint == whole.fingerprint
        for a, b in zip(whole.arrays, other.arrays, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def test_several_inputs_by_name(rng):
    i, j = keras.Input((2,), name="a"), keras.Input((3,), name="b")
    model = double(keras.Model({"a": i, "b": j}, L.Dense(1)(L.Concatenate()([i, j]))), rng)
    data = {"a": rng.normal(size=(50, 2)), "b": rng.normal(size=(50, 3))}
    patterns = tfxai.Patterns.fit(model, data)
    w, b = model.layers[-1].get_weights()
    expected = estimated(np.concatenate([data["a"], data["b"]], 1), w, b, False)
    np.testing.assert_allclose(patterns.arrays[0], expected, rtol=1e-3, atol=1e-5)
    e = tfxai.explain(model, data, "patternnet", patterns=patterns)
    np.testing.assert_allclose(e.values["b"][0], expected[2:, 0], rtol=1e-3, atol=1e-5)


def test_units_that_never_vary_have_no_pattern(rng):
    model = keras.Sequential([keras.Input((2,)), L.Dense(2, "relu")])
    model.set_weights([np.array([[1.0, 0], [1, 0]]), np.array([0.0, -1])])
    (found,) = tfxai.Patterns.fit(model, rng.normal(size=(50, 2))).arrays
    assert np.isfinite(found).all() and np.all(found[:, 1] == 0) and np.all(found[:, 0] != 0)


def test_saved_and_loaded(rng, tmp_path):
    model, x, _ = toy(rng, 50)
    patterns = tfxai.Patterns.fit(model, x, "linear")
    back = tfxai.Patterns.load(patterns.save(tmp_path / "p"))
    assert repr(back) == repr(patterns) == "Patterns('linear', kernels=1, examples=50)"
    e, same = (tfxai.explain(model, x, "patternnet", patterns=p) for p in (patterns, back))
    np.testing.assert_array_equal(e.values, same.values)
    assert e.options["patterns"] == f"linear, of 50 examples, {patterns.fingerprint}"
    np.savez(tmp_path / "other.npz", a=np.ones(3))
    with pytest.raises(FileFormatError, match="holds no patterns saved by tfxai"):
        tfxai.Patterns.load(tmp_path / "other.npz")
    with pytest.raises(FileNotFoundError, match="No patterns at"):
        tfxai.Patterns.load(tmp_path / "none.npz")


def test_patterns_of_another_model_are_refused(rng):
    model, x, _ = toy(rng, 50)
    patterns = tfxai.Patterns.fit(model, x)
    model.set_weights([np.array([[1.0], [-2.0]])])
    with pytest.raises(OptionError, match="fitted on another model, or on other weights .* Fit them again"):
        tfxai.explain(model, x, "patternnet", patterns=patterns)


def test_what_cannot_be_fitted_says_so(rng):
    model, x, _ = toy(rng, 50)
    with pytest.raises(OptionError, match=r"'patternnet' needs patterns=.*tfxai.Patterns.fit\(model, data\)"):
        tfxai.explain(model, x, "patternnet")
    with pytest.raises(OptionError, match="estimator is 'linear' or 'relu'"):
        tfxai.Patterns.fit(model, x, "cubic")
    with pytest.raises(InputError, match="pass at least 10 examples. Received: 4, which give 4 values"):
        tfxai.Patterns.fit(model, x[:4])
    with pytest.raises(InputError, match="hold no examples"):
        tfxai.Patterns.fit(model, iter([]))
    recurrent = keras.Sequential([keras.Input((3, 2)), L.LSTM(2)])
    with pytest.raises(tfxai.UnsupportedOpError, match="inside of a loop. Use 'lrp', 'deeplift'"):
        tfxai.Patterns.fit(recurrent, rng.normal(size=(20, 3, 2)))
