"""An explanation of nothing is said: no gradient arrives, the score is no number, a target function is none."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

import tfxai
from tfxai.errors import CompletenessWarning, NoGradientError, TargetError


def network(middle, rng):
    i = keras.Input((4,))
    h = layers.Dense(5, activation="tanh")(i)
    return keras.Model(i, layers.Dense(3)(layers.Lambda(middle)(h))), rng.normal(size=(3, 4)).astype("float32")


CUTS = {"StopGradient": tf.stop_gradient, "Round": lambda t: ops.round(t * 3), "Sign": ops.sign}


@pytest.mark.parametrize("op", CUTS)
def test_every_way_of_a_gradient_is_cut(op, rng):
    model, x = network(CUTS[op], rng)
    for method in ("gradient", "integrated_gradients", "smoothgrad"):
        with pytest.raises(NoGradientError, match=f"No gradient arrives.*{op} at .*deeplift"):
            tfxai.explain(model, x, method, target=0, verbose=0)
    e = tfxai.explain(model, x, "deeplift", target=0, verbose=0)
    np.testing.assert_allclose(e.delta, 0, atol=1e-5)


def test_one_way_that_is_left_is_enough(rng):
    model, x = network(lambda t: t + tf.stop_gradient(ops.round(t) - t), rng)  # straight through
    assert np.abs(tfxai.explain(model, x, "gradient", target=0, verbose=0).values).max() > 0


def test_a_target_function_may_cut_it_too(rng):
    model, x = network(lambda t: t, rng)
    with pytest.raises(NoGradientError, match="StopGradient"):
        tfxai.explain(model, x, "gradient", target=lambda y: tf.stop_gradient(y[:, 0]), verbose=0)


def test_a_map_behind_which_it_is_cut(rng):
    i = keras.Input((6, 6, 1))
    h = layers.GlobalAveragePooling2D()(layers.Conv2D(3, 3, activation="relu")(i))
    model = keras.Model(i, layers.Dense(2)(layers.Lambda(tf.stop_gradient)(h)))
    with pytest.raises(NoGradientError, match="gradcam would be zero"):
        tfxai.explain(model, rng.normal(size=(2, 6, 6, 1)).astype("float32"), "gradcam", target=0, verbose=0)


def test_a_score_that_is_no_number(rng):
    i = keras.Input((3,))
    model = keras.Model(i, layers.Dense(2, activation="softmax")(i))
    x = rng.normal(size=(4, 3)).astype("float32")
    model.layers[-1].kernel.assign([[-1, 1], [-1, 1], [-1, 1]])
    x = np.abs(x)

    def log_of_first(y):
        return tf.math.log(y[:, 0])

    for method in ("gradient", "deeplift"):
        with pytest.warns(CompletenessWarning, match="score of 4 examples is nan.*handed logits.*on='probability'"):
            tfxai.explain(model, x, method, target=log_of_first, verbose=0)
        e = tfxai.explain(model, x, method, target=log_of_first, on="probability", verbose=0)
        assert np.isfinite(e.score).all() and np.isfinite(e.values).all()


class Box:
    pass


BAD = {
    "nothing": (lambda y: None, "returned nothing"),
    "a number": (lambda y: 1.0, "returned a float"),
    "an object": (lambda y: Box(), "returned a Box"),
    "a constant": (lambda y: tf.zeros(3), "does not depend on the outputs"),
    "all classes": (lambda y: y, r"returned shape \(None, 3\)"),
    "whole numbers": (lambda y: tf.argmax(y, -1), "returned int64"),
    "numpy": (lambda y: np.asarray(y)[:, 0], "stopped: NotImplementedError"),
    "an error": (lambda y: y["scores"], "stopped: TypeError"),
    "each row twice": (lambda y: tf.repeat(y[:, 0], 2), "For 3 examples this target returned another number"),
    "one number per class": (lambda y: tf.reduce_sum(y, 0)[:2], "For 3 examples this target returned"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("method", ["gradient", "deeplift"])
def test_target_functions_that_are_none(method, name, rng):
    model, x = network(lambda t: t, rng)
    function, words = BAD[name]
    with pytest.raises(TargetError, match=f"(?i)target function.*{words}"):
        tfxai.explain(model, x, method, target=function, verbose=0)


def test_outputs_beside_the_scores_do_not_matter(rng):
    kernel = tf.constant(rng.normal(size=(4, 3)).astype("float32"))

    def model(t):
        return {"loss": tf.reduce_mean(t**2), "scores": t @ kernel, "count": tf.shape(t)[0]}

    x = rng.normal(size=(2, 4)).astype("float32")
    want = np.tile(kernel.numpy()[:, 1], (2, 1))
    for target in (tfxai.targets.output("scores", 1), lambda y: y["scores"][:, 1]):
        np.testing.assert_allclose(
            tfxai.explain(model, x, "gradient", target=target, verbose=0).values, want, rtol=1e-5
        )
    with pytest.raises(TargetError, match="one number for the whole batch"):
        tfxai.explain(model, x, "gradient", target=tfxai.targets.output("loss", 0), verbose=0)


def test_a_baseline_without_a_score(rng):
    def model(t):
        return tf.math.log(tf.reduce_sum(t, axis=1, keepdims=True))

    x = np.abs(rng.normal(size=(3, 4))).astype("float32")
    for method in ("deeplift", "integrated_gradients"):
        with pytest.warns(CompletenessWarning, match="baseline's score of 3 examples is -inf.*another baseline"):
            tfxai.explain(model, x, method, verbose=0)
    e = tfxai.explain(model, x, "deeplift", baseline=1.0, verbose=0)
    np.testing.assert_allclose(e.values.sum(1), np.log(x.sum(1) / 4), rtol=1e-5)


def reversal(factor):
    @tf.custom_gradient
    def function(t):
        return tf.identity(t), lambda g: factor * g

    return function


GRADIENTS = ["gradient", "input_x_gradient", "smoothgrad", "integrated_gradients"]


@pytest.mark.long
@pytest.mark.parametrize("method", GRADIENTS)
def test_a_gradient_that_its_author_changed_is_said(method, rng):
    kernel = tf.constant(rng.normal(size=(4, 2)), tf.float32)
    x = rng.normal(size=(3, 4)).astype("float32")
    with pytest.warns(UserWarning) as caught:
        tfxai.explain(lambda t: reversal(-1.0)(t) @ kernel, x, method, target=0, seed=0, verbose=0)
    words = [str(w.message) for w in caught]
    assert re.search("follow a custom gradient.*IdentityN at .*deeplift", words[0]), words
    # where it is right there is no warning, which would be an error here
    tfxai.explain(lambda t: reversal(1.0)(t) @ kernel, x, method, target=0, seed=0, verbose=0)
    e = tfxai.explain(lambda t: reversal(-1.0)(t) @ kernel, x, "deeplift", target=0, verbose=0)
    np.testing.assert_allclose(e.values, x * kernel[:, 0], rtol=1e-5)


def test_points_do_not_mend_a_gradient_that_its_author_changed(rng):
    x = rng.normal(size=(3, 4)).astype("float32")
    with pytest.warns(UserWarning) as caught:
        tfxai.explain(lambda t: tf.reduce_sum(reversal(-1.0)(t), 1), x, "integrated_gradients", verbose=0)
    words = " ".join(str(w.message) for w in caught)
    assert "no number of points adds up" in words and "raise steps" not in words


MIXED = {
    "a mean over the batch": (lambda y: y[:, 0] - tf.reduce_mean(y[:, 0]), "depends on the outputs of others"),
    "the rows turned": (lambda y: tf.reverse(y[:, 0], [0]), "depends on the outputs of others"),
}


@pytest.mark.parametrize("name", MIXED)
def test_target_functions_that_mix_the_examples(name, rng):
    model, x = network(lambda t: t, rng)
    function, words = MIXED[name]
    for method in ("gradient", "deeplift", "occlusion"):
        with pytest.raises(TargetError, match=words):
            tfxai.explain(model, x, method, target=function, verbose=0)
    tfxai.explain(model, x[:1], "deeplift", target=lambda y: y[:, 0] + tf.reduce_mean(y[:, 0]), verbose=0)


def test_target_functions_that_know_examples_by_their_position(rng):
    model, x = network(lambda t: t, rng)
    label = tf.constant([0, 2, 1])

    def own(y):
        return tf.gather(y, label, axis=1, batch_dims=1)

    want = tfxai.explain(model, x, "gradient", target=[0, 2, 1], verbose=0)
    np.testing.assert_allclose(
        tfxai.explain(model, x, "gradient", target=own, verbose=0).values, want.values, rtol=1e-5
    )
    for method, options in {"occlusion": {}, "gradient": {"batch_size": 2}}.items():
        with pytest.raises(TargetError, match=r"'own'.*target=\[\.\.\.\]"):
            tfxai.explain(model, x, method, target=own, verbose=0, **options)
