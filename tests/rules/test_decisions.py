"""Decisions get their credit, however they are written.

f = x1 + 2 x2 + g(x0) with g a step function is additive: leaving one feature out is exact, whatever the order.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

import tfxai
from tfxai.errors import CompletenessWarning

STEPS = {
    "a comparison that is cast": lambda c: ops.cast(c > 1, "float32"),
    "the other way round": lambda c: 1 - ops.cast(1 >= c, "float32"),
    "a cast to whole numbers": lambda c: ops.cast(ops.cast(c, "int32"), "float32"),
    "a choice of constants": lambda c: ops.where(c > 1, 3.0, -1.0),
    "two comparisons": lambda c: ops.cast(ops.logical_and(c > 1, c < 2.8), "float32"),
    "one-hot": lambda c: ops.one_hot(ops.cast(c[:, 0], "int32"), 5),
    "an embedding of the rounded": lambda c: layers.Embedding(5, 3, embeddings_initializer="normal")(
        ops.cast(c[:, 0], "int32")
    ),
    "buckets": lambda c: layers.Discretization(bin_boundaries=[1.0, 2.0], output_mode="one_hot")(c),
}
X = np.array([[3, 0.5, -0.2], [1, 2, 1], [2.5, -1, 0]], "float32")


def network(step):
    i = keras.Input((3,))
    made = step(i[:, :1])
    features = ops.concatenate([i[:, 1:], ops.reshape(made, (-1, made.shape[-1]))], -1)
    head = layers.Dense(1, use_bias=False)
    model = keras.Model(i, head(features))
    head.kernel.assign(np.arange(1.0, features.shape[-1] + 1)[:, None])
    return model


def left_out(model, x):
    score = model(x).numpy()[:, 0]
    without = [model(np.where(np.arange(x.shape[1]) == k, 0, x).astype("float32")).numpy()[:, 0]
               for k in range(x.shape[1])]  # fmt: skip
    return score[:, None] - np.stack(without, 1)


@pytest.mark.parametrize("name", STEPS)
def test_a_step_of_one_feature_is_its_own(name):
    model = network(STEPS[name])
    want = left_out(model, X)
    assert np.abs(want[:, 0]).max() > 0
    for rule in ("rescale", "reveal_cancel"):
        e = tfxai.explain(model, X, target=0, rule=rule, verbose=0)
        np.testing.assert_allclose(e.values, want, atol=1e-5)


def test_both_sides_of_a_comparison_share_it_as_a_step_of_their_difference():
    """a > b at (3, 1) against (0, 0.5): the difference goes from -0.5 to 2; 3 of the change of 2.5 is a's."""
    x, baseline = np.array([[3.0, 1.0]], "float32"), np.array([[0.0, 0.5]], "float32")

    def model(t):
        return tf.cast(t[:, :1] > t[:, 1:], tf.float32) + tf.reduce_sum(t, 1, keepdims=True)

    e = tfxai.explain(model, x, target=0, baseline=baseline, verbose=0)
    np.testing.assert_allclose(e.values - (x - baseline), [[3 / 2.5, -0.5 / 2.5]], atol=1e-6)
    np.testing.assert_allclose(e.delta, 0, atol=1e-6)


LOOKED_UP = {
    "another axis": lambda t: tf.transpose(tf.gather(TABLE, whole(t[:, 0]), axis=1)),
    "a table per field": lambda t: tf.transpose(
        tf.gather(TABLE[None], tf.transpose(whole(t[:, :1])), axis=-1, batch_dims=1), [2, 0, 1]
    ),
    "a table per field, all axes shared": lambda t: tf.transpose(
        tf.gather(tf.stack([TABLE, -TABLE]), whole(t[0, :2]), axis=2, batch_dims=1)
    )[None],
    "coordinates": lambda t: tf.gather_nd(tf.transpose(TABLE), whole(t[:, :1])),
    "a place in a list": lambda t: tf.cast(tf.searchsorted([0.5, 1.5, 2.7], t[:, 0]), tf.float32),
    "its digits": lambda t: tf.strings.to_number(tf.strings.as_string(whole(t[:, 0]))),
    "picked of others": lambda t: tf.cast(tf.gather(whole(t), [0], axis=1), tf.float32),
    "a sum": lambda t: tf.cast(whole(t[:, 0]) + whole(t[:, 1]), tf.float32),
    "a difference": lambda t: tf.cast(3 * whole(t[:, 0]) - whole(t[:, 1]), tf.float32),
    "a sum along an axis": lambda t: tf.cast(tf.reduce_sum(whole(t[:, :2]), 1), tf.float32),
    "sums so far": lambda t: tf.cast(tf.cumsum(whole(t[:, :2]), 1), tf.float32),
}
TABLE = tf.constant(np.random.default_rng(0).normal(size=(4, 6)), tf.float32)


def whole(t):
    return tf.cast(t, tf.int32)


@pytest.mark.parametrize("name", LOOKED_UP)
def test_what_whole_numbers_give_is_of_those_that_were_cut(name):
    """Additive in the features, whatever ops the steps are made of, and in every example alone."""

    def model(t):
        made = tf.reshape(LOOKED_UP[name](t), [tf.shape(t)[0], -1])
        weights = tf.range(1.0, 1.0 + tf.cast(tf.shape(made)[1], tf.float32))
        return t[:, 2:] + tf.reduce_sum(made * weights, 1, keepdims=True)

    x = np.array([[3, 2.5, -0.2], [1, 2, 1], [2.5, 1, 0]], "float32")[: 1 if "all axes" in name else 3]
    want = left_out(lambda v: model(tf.constant(v)), x)
    assert np.abs(want[:, 0]).max() > 0.5
    e = tfxai.explain(model, x, target=0, verbose=0)
    np.testing.assert_allclose(e.values, want, atol=1e-4)


def test_two_decisions_that_multiply_share_by_their_shapley_value():
    """4 * 3 against 1 * 0: the first changes the product by 0 or by 9, the other by 3 or by 12."""
    x, baseline = np.array([[4.2, 3.7]], "float32"), np.array([[1.1, 0.4]], "float32")

    def model(t):
        return tf.cast(whole(t[:, :1]) * whole(t[:, 1:]), tf.float32) + tf.reduce_sum(t, 1, keepdims=True)

    e = tfxai.explain(model, x, target=0, baseline=baseline, verbose=0)
    np.testing.assert_allclose(e.values - (x - baseline), [[4.5, 7.5]], atol=1e-5)


class Spikes(layers.Layer):
    """Counts the steps at which x0 is above 1, and adds half of x1."""

    state_size = output_size = 1

    def call(self, x, states):
        h = states[0] + ops.cast(x[:, :1] > 1, "float32") + 0.5 * x[:, 1:]
        return h, [h]


@pytest.mark.parametrize("rule", ["rescale", "reveal_cancel"])
def test_what_is_decided_in_a_loop_has_its_credit(rule, rng):
    model = keras.Sequential([keras.Input((4, 2)), layers.RNN(Spikes())])
    x = 2 * rng.normal(size=(3, 4, 2)).astype("float32")
    want = np.stack([x[..., 0] > 1, x[..., 1] / 2], -1)
    assert want[..., 0].any()
    e = tfxai.explain(model, x, target=0, rule=rule, verbose=0)
    np.testing.assert_allclose(e.values, want, atol=1e-6)
    np.testing.assert_allclose(e.baseline_score, 0, atol=1e-6)


def test_what_is_decided_in_a_branch_has_its_credit():
    def model(t):
        step = tf.cond(tf.shape(t)[1] > 1, lambda: tf.cast(t[:, :1] > 1, tf.float32), lambda: t[:, :1])
        return 3 * step + t[:, 1:2] + 2 * t[:, 2:]

    e = tfxai.explain(model, X, target=0, verbose=0)
    np.testing.assert_allclose(e.values, left_out(lambda v: model(tf.constant(v)), X), atol=1e-6)


def test_an_arg_max_is_a_step_of_the_two_winners():
    """Winner 2 at x, winner 0 at the reference; the margin goes from -1 to 3, 3 of it by the rise of x2."""
    x, baseline = np.array([[0.0, 1.0, 3.0]], "float32"), np.array([[1.0, 0.5, 0.0]], "float32")
    table = tf.constant([10.0, 20.0, 40.0])

    def model(t):
        return tf.gather(table, tf.argmax(t, axis=1))[:, None] + tf.reduce_sum(t, 1, keepdims=True)

    e = tfxai.explain(model, x, target=0, baseline=baseline, verbose=0)
    np.testing.assert_allclose(e.values - (x - baseline), [[30 * 1 / 4, 0, 30 * 3 / 4]], atol=1e-5)


def test_decisions_that_meet_share_among_those_that_changed():
    """Two of three conditions hold at x and none at 0: a half for each of the two."""
    x = np.array([[2.0, 2.0, 0.5]], "float32")

    def model(t):
        return tf.cast(tf.reduce_any(t > 1, axis=1, keepdims=True), tf.float32) + tf.reduce_sum(t, 1, keepdims=True)

    e = tfxai.explain(model, x, target=0, verbose=0)
    np.testing.assert_allclose(e.values - x, [[0.5, 0.5, 0]], atol=1e-6)


@pytest.mark.parametrize("rule", ["rescale", "reveal_cancel"])
def test_a_hand_made_rectifier_is_one(rule, rng):
    dense, top = layers.Dense(6), layers.Dense(2)
    i = keras.Input((4,))
    h = dense(i)
    by_hand = keras.Model(i, top(h * ops.cast(h > 0, "float32")))
    relu = keras.Model(i, top(ops.relu(h)))
    x = rng.normal(size=(5, 4)).astype("float32")
    values = [tfxai.explain(m, x, target=1, baseline=0.3, rule="rescale", verbose=0).values for m in (by_hand, relu)]
    np.testing.assert_allclose(*values, atol=1e-5)
    e = tfxai.explain(by_hand, x, target=1, baseline=0.3, rule=rule, verbose=0)
    np.testing.assert_allclose(e.delta, 0, atol=1e-5)


def test_who_decides_is_named_where_it_leaks():
    model = network(STEPS["a comparison that is cast"])
    leaks = tfxai.Explainer(model, "deeplift").leaks(X, target=0)
    assert max(map(abs, leaks.values())) < 1e-5 and any("Greater" in name for name in leaks)


def test_integrated_gradients_say_that_they_do_not_see_a_jump():
    model = network(STEPS["a comparison that is cast"])
    with pytest.warns(CompletenessWarning, match="jumps where a decision changes .Greater.*method='deeplift'"):
        tfxai.explain(model, X, "integrated_gradients", target=0, verbose=0)
