"""Guided backpropagation and DeconvNet: worked numbers, and rectifiers of every make."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

import tfxai


def on_vector(function, after, x, method):
    """The method's values for y = sum(after * f(x))."""
    i = keras.Input((len(x),))
    model = keras.Model(i, layers.Dense(1, use_bias=False)(function(i)))
    model.layers[-1].set_weights([np.asarray(after, float)[:, None]])
    return tfxai.explain(model, np.array([x], "float32"), method, target=0).values[0]


RECTIFIERS = {  # name -> (what makes the function, its value or None to ask the function itself)
    "relu": (lambda: layers.ReLU(), lambda x: np.maximum(x, 0)),
    "activation": (lambda: layers.Activation("relu"), lambda x: np.maximum(x, 0)),
    "keras.ops": (lambda: ops.relu, lambda x: np.maximum(x, 0)),
    "tf.nn": (lambda: layers.Lambda(tf.nn.relu), lambda x: np.maximum(x, 0)),
    "relu6": (lambda: layers.ReLU(6.0), lambda x: np.clip(x, 0, 6)),
    "max_value": (lambda: layers.ReLU(3.0), lambda x: np.clip(x, 0, 3)),
    "threshold": (lambda: layers.ReLU(threshold=0.5), lambda x: np.where(x > 0.5, x, 0)),
    "negative_slope": (lambda: layers.ReLU(negative_slope=0.1), lambda x: np.where(x > 0, x, 0.1 * x)),
    "all_options": (lambda: layers.ReLU(3.0, 0.1, 0.5), None),
    "leaky": (lambda: layers.LeakyReLU(0.3), lambda x: np.where(x > 0, x, 0.3 * x)),
    "prelu": (lambda: layers.PReLU(alpha_initializer=keras.initializers.Constant(0.2)), None),
    "elu": (lambda: layers.ELU(), lambda x: np.where(x > 0, x, np.expm1(x))),
    "elu_alpha": (lambda: layers.ELU(2.0), None),
    "selu": (lambda: layers.Activation("selu"), None),
    "celu": (lambda: layers.Activation("celu"), None),
    "gelu": (lambda: layers.Activation("gelu"), None),
    "gelu_tanh": (lambda: layers.Lambda(lambda z: keras.activations.gelu(z, approximate=True)), None),
    "silu": (lambda: layers.Activation("silu"), None),
    "mish": (lambda: layers.Activation("mish"), None),
    "hard_swish": (lambda: layers.Activation("hard_swish"), None),
    "softplus": (lambda: layers.Activation("softplus"), None),
    "maximum": (lambda: layers.Lambda(lambda z: ops.maximum(z, 0)), None),
    "clip": (lambda: layers.Lambda(lambda z: ops.clip(z, 0, 6)), None),
    "gate": (lambda: layers.Lambda(lambda z: z * ops.cast(z > 0, "float32")), None),
    "where": (lambda: layers.Lambda(lambda z: ops.where(z > 0, z, 0.1 * z)), None),
    "leaky_maximum": (lambda: layers.Lambda(lambda z: ops.maximum(z, 0.2 * z)), None),
}
X = [-2.0, -0.3, 0.2, 1.0, 2.0, 4.0]
AFTER = [1.0, 2.0, -1.0, 3.0, -2.0, 0.5]


@pytest.mark.long
@pytest.mark.parametrize("name", RECTIFIERS)
def test_every_make_of_rectifier_is_gated_once(name):
    make, value = RECTIFIERS[name]
    function = make()
    function(np.zeros((1, 6), "float32"))
    x, after = np.array(X, "float64"), np.array(AFTER)
    value = value or (lambda t: np.asarray(function(t.astype("float32")[None])[0], "float64"))
    slope = (value(x + 1e-3) - value(x - 1e-3)) / 2e-3
    guided = on_vector(function, AFTER, X, "guided_backprop")
    np.testing.assert_allclose(guided, np.where(x > 0, slope, 0) * np.maximum(after, 0), atol=2e-3)
    np.testing.assert_allclose(on_vector(function, AFTER, X, "deconvnet"), np.maximum(after, 0), atol=1e-6)


@pytest.mark.long
def test_relu_then_another_function():
    square = layers.Lambda(lambda z: -ops.square(z))
    power = layers.Lambda(lambda z: -(z**2))
    product = layers.Lambda(lambda z: -(z * z))
    x = [5.0, 0.0, -5.0, 10.0]
    for after in (square, power, product):
        chain = keras.Sequential([layers.ReLU(), after])
        np.testing.assert_allclose(on_vector(chain, [1] * 4, x, "gradient"), [-10, 0, 0, -20])
        np.testing.assert_allclose(on_vector(chain, [1] * 4, x, "guided_backprop"), [0, 0, 0, 0])
    np.testing.assert_allclose(on_vector(layers.ReLU(), [10] * 4, x, "gradient"), [10, 0, 0, 10])
    np.testing.assert_allclose(on_vector(layers.ReLU(), [10] * 4, x, "deconvnet"), [10, 10, 10, 10])


@pytest.mark.parametrize("method", ["guided_backprop", "deconvnet"])
def test_without_a_rectifier_it_says_so(method):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4, "tanh"), layers.Dense(2, "softmax")])
    with pytest.raises(tfxai.errors.NoRectifierError, match=f"{method} changes the gradient of rectifiers.*Tanh"):
        tfxai.explain(model, np.ones((1, 3), "float32"), method)


def test_gates_and_products_that_are_no_rectifiers_keep_their_gradient():
    """Squeeze-and-excite, gated linear units, squares and shrinking: one relu beside each is the only rectifier."""
    i = keras.Input((6,))
    relu = ops.relu(layers.Dense(6)(i))
    for other in (
        layers.Dense(6)(i) * ops.sigmoid(layers.Dense(6)(i)),
        ops.square(layers.Dense(6)(i)),
        keras.activations.tanh_shrink(layers.Dense(6)(i)),
        ops.maximum(layers.Dense(6)(i), layers.Dense(6)(i)),
    ):
        model = keras.Model(i, layers.Dense(2)(other))
        with pytest.raises(tfxai.errors.NoRectifierError):
            tfxai.explain(model, np.ones((1, 6), "float32"), "guided_backprop")
        model = keras.Model(i, layers.Dense(2)(ops.concatenate([other, relu], axis=1)))
        kernel = model.layers[-1].get_weights()[0]
        kernel[6:] = 0
        model.layers[-1].set_weights([kernel, np.zeros(2)])
        x = np.random.default_rng(0).normal(size=(3, 6)).astype("float32")
        a, b = (tfxai.explain(model, x, m, target=0).values for m in ("gradient", "guided_backprop"))
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_nested_model_is_gated_as_its_flat_twin(rng):
    base = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.BatchNormalization(), layers.ReLU(6.0)]
    )
    top = [layers.Conv2D(5, 3, activation="swish"), layers.GlobalAveragePooling2D(), layers.Dense(3)]
    nested = keras.Sequential([keras.Input((8, 8, 3)), base, *top])
    flat = keras.Sequential([keras.Input((8, 8, 3)), *base.layers, *top])
    x = rng.normal(size=(2, 8, 8, 3)).astype("float32")
    for method in ("guided_backprop", "deconvnet"):
        a, b = (tfxai.explain(m, x, method, target=1).values for m in (nested, flat))
        np.testing.assert_array_equal(a, b)
        assert np.abs(a - tfxai.explain(flat, x, "gradient", target=1).values).max() > 1e-3
