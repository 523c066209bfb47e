"""An explanation of nothing is said: no gradient arrives, the score is no number, a target function is none."""

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
