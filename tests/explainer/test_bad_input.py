"""What cannot be explained says so, before anything is computed: what was expected, received, and what to do."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfxai
from tfxai import errors


@pytest.fixture(scope="module")
def model():
    return keras.Sequential(
        [keras.Input((4,)), layers.Dense(8, activation="relu"), layers.Dense(3, activation="softmax")]
    )


X = np.ones((2, 4), "float32")
NAN = np.array([[1, 2, np.nan, 4], [1, 2, 3, 4]], "float32")
INF = np.array([[1, 2, np.inf, 4]], "float32")


@pytest.mark.parametrize(
    "x, error, builtin, text",
    [
        (np.ones((2, 5), "float32"), errors.InputError, ValueError, r"expects shape \(batch, 4\)\. Received: \(2, 5\)"),
        (np.ones(4, "float32"), errors.InputError, ValueError, r"For one example pass x\[None\]"),
        (np.ones((2, 4, 1), "float32"), errors.InputError, ValueError, r"Received: \(2, 4, 1\)"),
        (np.float32(1), errors.InputError, ValueError, "no axis of examples"),
        (np.ones((0, 4), "float32"), errors.InputError, ValueError, "holds no examples"),
        (NAN, errors.InputError, ValueError, "NaN or Inf in 1 of 2 examples"),
        (INF, errors.InputError, ValueError, "remove or impute"),
        (np.ones((2, 4), complex), errors.InputTypeError, TypeError, "expects numbers. Received: dtype complex128"),
        (np.array([["a"] * 4]), errors.InputTypeError, TypeError, "expects numbers"),
        ([X, X], errors.InputTypeError, TypeError, r"The model has 1 input .*Of a pair \(x, y\) pass x alone"),
        ([[1, 2, 3, 4], [1, 2]], errors.InputTypeError, TypeError, "cannot be read as an array"),
    ],
)
def test_x(model, x, error, builtin, text):
    with pytest.raises(error, match=text) as caught:
        tfxai.explain(model, x)
    assert isinstance(caught.value, builtin) and isinstance(caught.value, tfxai.TfxaiError)


@pytest.mark.parametrize(
    "target, text",
    [
        (3, "classes 0 to 2. Received: target 3"),
        (-1, "classes 0 to 2. Received: target -1"),
        ([0, 1, 2], "one class index per example, 2 in all. Received: 3"),
        (1.5, "A target is None, a class index"),
        ("cat", r"with labels=.*pass target=labels.index\(name\)"),
        (["cat", "dog"], r"with labels="),
        ((0, 1), "1 integers"),
        ((5,), "Index 5 on axis 0 is outside 0 to 2"),
        (np.zeros((2, 2), int), "A target is None, a class index"),
        (np.eye(3)[:2], r"One-hot labels become indices by labels.argmax\(-1\)"),
        (tfxai.targets.difference(0, 7), "classes 0 to 2. Received: target 7"),
        (tfxai.targets.mask(np.ones(4)), r"A mask has the output's shape \(3,\)"),
        (tfxai.targets.mask([1, np.nan, 0]), "finite weights"),
        (tfxai.targets.output("head", 1), "No output is called 'head'"),
        (lambda y: y, r"one number per example, shape \(batch,\)"),
    ],
)
def test_target(model, target, text):
    with pytest.raises(errors.TargetError, match=text) as caught:
        tfxai.explain(model, X, target=target)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "baseline, text",
    [
        (np.zeros(3), r"a baseline is a scalar, or an array of shape \(4,\)"),
        (np.zeros((3, 4)), r"Received: shape \(3, 4\)"),
        (np.zeros((1, 0, 4)), "references"),
        (np.full(4, np.nan), "A baseline is finite"),
        (np.zeros(4, complex), "holds numbers. Received: dtype complex128"),
        (lambda x: np.zeros(9), r"Received: shape"),
        ({"other": 0}, "one entry per input"),
        ("blur", "made by tfxai.baselines .*blur"),
    ],
)
def test_baseline(model, baseline, text):
    with pytest.raises(errors.BaselineError, match=text) as caught:
        tfxai.explain(model, X, baseline=baseline)
    assert isinstance(caught.value, ValueError)


def test_method_and_options(model):
    with pytest.raises(errors.MethodError, match="Did you mean 'deeplift'") as caught:
        tfxai.explain(model, X, "deeplit")
    assert isinstance(caught.value, ValueError)
    with pytest.raises(errors.UnknownOptionError, match="Did you mean 'rule'") as caught:
        tfxai.explain(model, X, rul="rescale")
    assert isinstance(caught.value, TypeError)
    for bad, text in (
        ({"rule": "shapley"}, "rule is 'rescale'"),
        ({"unknown_ops": "ignore"}, "unknown_ops is"),
        ({"multipliers": True, "hypothetical": True}, "not both"),
        ({"on": "logits"}, "on is 'logit' or 'probability'"),
        ({"batch_size": 0}, "whole number from 1"),
        ({"hypothetical": True}, "one-hot sequences"),
    ):
        with pytest.raises(errors.OptionError, match=text):
            tfxai.explain(model, X, **bad)
    with pytest.raises(errors.UnknownOptionError, match="carries its own options"):
        tfxai.explain(model, X, tfxai.DeepLIFT(), rule="rescale")
    with pytest.raises(errors.OptionError, match="at is"):
        tfxai.explain(model, X, "input_x_gradient", at="root")


def test_models(tmp_path):
    class Unbuilt(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(errors.ModelError, match="never been built"):
        tfxai.explain(Unbuilt(), X)
    with pytest.raises(errors.ModelError, match="never been built"):
        tfxai.explain(keras.Sequential([layers.Dense(2)]), X)
    with pytest.raises(errors.ModelTypeError, match="Expected a Keras model") as caught:
        tfxai.explain(3, X)
    assert isinstance(caught.value, TypeError)
    with pytest.raises(errors.ModelTypeError, match="not its class"):
        tfxai.explain(keras.Model, X)
    with pytest.raises(FileNotFoundError):
        tfxai.explain(tmp_path / "none.keras", X)
    for name in ("text.keras", "text.h5", "text.bin"):
        (tmp_path / name).write_text("not a model")
        with pytest.raises(errors.FileFormatError, match="is not a model") as caught:
            tfxai.explain(tmp_path / name, X)
        assert isinstance(caught.value, ValueError)
    lambda_model = keras.Sequential([keras.Input((4,)), layers.Lambda(lambda z: z)])
    lambda_model.save(tmp_path / "lambda.keras")
    with pytest.raises(errors.FileFormatError, match="Python code inside"):
        tfxai.explain(str(tmp_path / "lambda.keras"), X)


def test_no_gradient_path():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    for function in (
        lambda z: tf.cast(z > 0, tf.float32) @ tf.ones((4, 2)),
        lambda z: tf.zeros((tf.shape(z)[0], 2)),
        lambda z: tf.one_hot(tf.argmax(z, 1), 4),
    ):
        with pytest.raises(errors.NoGradientError, match="nothing to attribute"):
            tfxai.explain(function, X)
    with pytest.raises(errors.TargetError, match="one number for the whole batch"):
        tfxai.explain(lambda z: tf.reduce_sum(model(z)), X)


def test_layers(model):
    with pytest.raises(errors.LayerError, match="Did you mean 'dense") as caught:
        tfxai.explain(model, X, layer="dens")
    assert isinstance(caught.value, ValueError)
    with pytest.raises(errors.LayerError, match="an index is in -2 to 1"):
        tfxai.explain(model, X, layer=9)
    i = keras.Input((4,))
    shared = layers.Dense(4, name="shared")
    twice = keras.Model(i, layers.Dense(2)(shared(shared(i))))
    with pytest.raises(errors.LayerError, match=r"called 2 times.*layer=\('shared', k\)"):
        tfxai.explain(twice, X, layer="shared")
    a = tfxai.explain(twice, X, layer=("shared", 0), target=0)
    b = tfxai.explain(twice, X, layer=("shared", 1), target=0)
    assert np.abs(a.values - b.values).max() > 1e-4
    with pytest.raises(errors.LayerError, match="called 2 times. Received: call 2"):
        tfxai.explain(twice, X, layer=("shared", 2))
    side = keras.Model(i, [layers.Dense(2, name="head")(i), layers.Dense(3, name="other")(i)])
    one_head = keras.Model(side.input, side.outputs[0])
    with pytest.raises(errors.LayerError):
        tfxai.explain(one_head, X, layer="other")


def test_several_outputs_need_a_choice():
    i = keras.Input((4,))
    two = keras.Model(i, {"a": layers.Dense(2, name="first")(i), "b": layers.Dense(3, name="second")(i)})
    with pytest.raises(errors.TargetError, match="2 outputs .*tfxai.targets.output"):
        tfxai.explain(two, X, target=0)
    assert tfxai.explain(two, X, target=tfxai.targets.output("b", 2)).values.shape == X.shape
    with pytest.raises(errors.TargetError, match="Known: "):
        tfxai.explain(two, X, target=tfxai.targets.output("c", 2))


def test_unsupported_op_names_op_and_way_out():
    assert "Svd" not in tfxai.supported_ops()
    svd = lambda z: tf.reduce_sum(tf.linalg.svd(tf.reshape(z, (-1, 2, 2)), compute_uv=False), 1)  # noqa: E731
    x = np.random.default_rng(0).normal(size=(2, 4)).astype("float32")
    for rule in ("rescale", "reveal_cancel"):
        with pytest.raises(errors.UnsupportedOpError, match=r"op Svd at .*unknown_ops='average'") as caught:
            tfxai.explain(svd, x, rule=rule, baseline=np.eye(2).ravel())
        assert isinstance(caught.value, NotImplementedError)

    class Spectral(keras.layers.Layer):
        def call(self, z):
            return tf.linalg.svd(tf.reshape(z, (-1, 2, 2)), compute_uv=False)

    model = keras.Sequential([keras.Input((4,)), Spectral(name="spectral"), layers.Dense(1)], name="my_model")
    with pytest.raises(errors.UnsupportedOpError, match="In the model 'my_model': .* op Svd at '.*spectral.*/Svd'"):
        tfxai.explain(model, x)


def test_unknown_ops_averaged_stay_complete():
    svd = lambda z: tf.reduce_sum(tf.linalg.svd(tf.reshape(z, (-1, 2, 2)), compute_uv=False), 1)  # noqa: E731
    x = np.random.default_rng(0).normal(size=(2, 4)).astype("float64")
    baseline = np.array([2.0, 0.1, 0.3, 1.0])
    e = tfxai.explain(svd, x, unknown_ops="average", baseline=baseline)
    assert np.abs(e.delta).max() < 1e-10 and np.abs(e.values).max() > 0.1


def test_jumps_add_up():
    """The output changes although nothing differentiable before it does: who decides is credited."""
    jump = lambda z: tf.reduce_sum(z * 0 + tf.cast(z > 0, z.dtype) * 3.0, 1)  # noqa: E731
    e = tfxai.explain(jump, X)
    np.testing.assert_allclose(e.values, 3.0 * (X > 0), atol=1e-6)


def test_values_that_are_not_numbers_are_warned_of():
    root = lambda z: tf.reduce_sum(tf.sqrt(z), 1)  # noqa: E731
    for method in ("gradient", "deeplift"):
        with pytest.warns(errors.CompletenessWarning, match=r"score of 1 examples is nan \(first: example 1\)"):
            tfxai.explain(root, np.array([[1.0, 2.0], [-1.0, 2.0]]), method)


def test_other_backend(model, monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "torch")
    with pytest.raises(errors.BackendError, match="KERAS_BACKEND=tensorflow") as caught:
        tfxai.explain(model, X)
    assert isinstance(caught.value, RuntimeError)
