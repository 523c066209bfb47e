"""Rows of different length, for models that take them: each row as it is explained alone."""

import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfxai
from tfxai.errors import InputTypeError

ROWS = [[1.0, 2.0, 3.0], [4.0], [5.0, -6.0]]
X = tf.ragged.constant(ROWS)
MODELS = {
    "a sum of squares": lambda x: tf.reduce_sum(x * x, axis=1)[:, None],
    "a mean of rectified": lambda x: tf.reduce_mean(tf.nn.relu(x - 1.5), axis=1)[:, None],
    "the largest": lambda x: tf.reduce_max(x, axis=1)[:, None],
    "padded inside": lambda x: tf.reduce_sum(x.to_tensor(default_value=-1.0) ** 2, axis=1)[:, None],
}
SQUARES = [[1, 4, 9], [16, 0, 0], [25, 36, 0]]


@pytest.mark.long
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("method", ["deeplift", "gradient", "integrated_gradients", "occlusion", "kernel_shap"])
def test_each_row_as_alone(name, method):
    f = MODELS[name]
    e = tfxai.explain(f, X, method)
    assert e.values.shape == (3, 3) and e.meta["lengths"] == [3, 1, 2] and "fixed" not in e.meta
    np.testing.assert_allclose(e.score, f(X).numpy()[:, 0], rtol=1e-6)
    for k, row in enumerate(ROWS):
        # the row as all there is, cut from nothing: a dense function of it
        alone = tfxai.explain(lambda x: f(tf.RaggedTensor.from_tensor(x)), np.array([row], "float32"), method)
        np.testing.assert_allclose(e.values[k, : len(row)], alone.values[0], atol=1e-5)
        assert not e.values[k, len(row) :].any()


def test_by_hand():
    e = tfxai.explain(MODELS["a sum of squares"], X)
    np.testing.assert_allclose(e.values, SQUARES, rtol=1e-6)
    np.testing.assert_allclose(e.inputs, X.to_tensor(), rtol=1e-6)
    again = tfxai.explain(MODELS["a sum of squares"], X, baseline=1.0)
    np.testing.assert_allclose(again.values, np.where(np.array(SQUARES) > 0, np.array(SQUARES) - 1, 0), atol=1e-5)
    each = tfxai.explain(MODELS["a sum of squares"], X, baseline=X)
    np.testing.assert_allclose(each.values, 0, atol=1e-6)


def test_one_explainer_for_many_calls():
    explainer = tfxai.Explainer(MODELS["a sum of squares"])
    for _ in range(2):
        np.testing.assert_allclose(explainer(X, batch_size=2).values, SQUARES, rtol=1e-6)
    np.testing.assert_allclose(explainer.using("gradient")(X).values[2], [10, -12, 0], rtol=1e-6)
    np.testing.assert_allclose(explainer(X[1:2]).values, [[16]], rtol=1e-6)


@pytest.mark.long
def test_a_module_and_a_keras_model(tmp_path):
    class Squares(tf.Module):
        @tf.function(input_signature=[tf.RaggedTensorSpec([None, None], tf.float32)])
        def __call__(self, x):
            return tf.reduce_sum(x * x, axis=1)[:, None]

    tf.saved_model.save(Squares(), str(tmp_path / "m"))
    for model in (Squares(), tf.saved_model.load(str(tmp_path / "m"))):
        np.testing.assert_allclose(tfxai.explain(model, X).values, SQUARES, rtol=1e-6)


class Squares:
    def __call__(self, x):
        return MODELS["a sum of squares"](x)


def test_a_copy_explains_the_same():
    explainer = tfxai.Explainer(Squares())
    explainer(X)
    traced = explainer.traces
    explainer(X)
    assert explainer.traces == traced > 1
    np.testing.assert_allclose(pickle.loads(pickle.dumps(explainer))(X).values, SQUARES, rtol=1e-6)


def test_models_that_take_none_and_forms_that_are_not_followed_are_refused():
    dense = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    ids, deep = tf.ragged.constant([[1, 2], [3]]), tf.ragged.constant([[[1.0], [2.0, 3.0]], [[4.0]]])
    for model, x in ((dense, X), (lambda x: tf.raw_ops.MatMul(a=x, b=tf.ones((3, 1))), X), (MODELS["the largest"], ids),
                     (MODELS["the largest"], deep), (MODELS["the largest"], {"a": X})):  # fmt: skip
        with pytest.raises(InputTypeError, match=r"Rows of different length: pad them with x.to_tensor\(\)") as caught:
            tfxai.explain(model, x)
        assert len(str(caught.value)) < 500
