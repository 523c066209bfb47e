"""Loops and branches are replayed with every stream in them; which way they go is decided at x."""

import numpy as np
import pytest
import tensorflow as tf

import tfxai

X, X0 = np.array([[1.0, 2.0], [0.5, -1.0]]), np.array([[-3.0, 0.5]])
A = np.array([[0.5, 1.0], [-1.0, 0.25]])
METHODS = pytest.mark.parametrize("options", [{}, {"rule": "reveal_cancel"}], ids=["rescale", "reveal_cancel"])


def power(z, times):
    """z A^times, by a loop."""
    start = tf.constant(0), z
    return tf.while_loop(lambda i, _: i < times, lambda i, s: (i + 1, tf.linalg.matmul(s, tf.constant(A))), start)[1]


@METHODS
def test_a_linear_loop_is_its_matrix(options):
    kernel = np.linalg.matrix_power(A, 5).sum(1)
    e = tfxai.explain(lambda z: tf.reduce_sum(power(z, 5), 1), X, baseline=X0, **options)
    np.testing.assert_allclose(e.values, kernel * (X - X0), rtol=1e-12)
    np.testing.assert_allclose(e.baseline_score, [X0[0] @ kernel] * 2, rtol=1e-12)


@pytest.mark.long
@METHODS
def test_a_loop_is_the_same_written_out(options):
    def loop(z):
        body = lambda i, s, u: (i + 1, tf.tanh(s + z), u + s)  # noqa: E731
        _, s, u = tf.while_loop(lambda i, *_: i < 3, body, (tf.constant(0), tf.zeros_like(z), z * z))
        return tf.reduce_sum(s * tf.constant([1.0, 3.0], tf.float64) + u, 1)

    def written(z):
        s, u = tf.zeros_like(z), z * z
        for _ in range(3):
            s, u = tf.tanh(s + z), u + s
        return tf.reduce_sum(s * tf.constant([1.0, 3.0], tf.float64) + u, 1)

    e, expected = (tfxai.explain(f, X, baseline=X0, **options) for f in (loop, written))
    np.testing.assert_allclose(e.values, expected.values, rtol=1e-10)
    np.testing.assert_allclose(e.delta, 0, atol=1e-12)


def test_x_decides_how_often():
    """Three rounds at x; at the reference alone there would be none."""
    rounds = lambda z: tf.cast(tf.reduce_max(z), tf.int32) + 1  # noqa: E731
    e = tfxai.explain(lambda z: tf.reduce_sum(power(z, rounds(z)), 1), X[:1], baseline=np.array([[-3.0, -0.5]]))
    kernel = np.linalg.matrix_power(A, 3).sum(1)
    np.testing.assert_allclose(e.values, kernel * (X[:1] - [[-3.0, -0.5]]), rtol=1e-12)
    np.testing.assert_allclose(e.baseline_score, [[-3.0, -0.5]] @ kernel, rtol=1e-12)


@METHODS
@pytest.mark.parametrize("form", ["cond", "case"])
def test_x_decides_the_branch(form, options):
    """The sum of x is positive, that of the reference is not: in both, 2 z z is what is explained."""
    one, other = lambda z: 2 * z * z, lambda z: 9 * z

    def function(z):
        positive = tf.reduce_sum(z) > 0
        if form == "cond":
            y = tf.cond(positive, lambda: one(z), lambda: other(z))
        else:
            y = tf.switch_case(tf.cast(positive, tf.int32), [lambda: other(z), lambda: one(z)])
        return tf.reduce_sum(y, 1)

    np.testing.assert_allclose(function(tf.constant(X0)), 9 * X0.sum(1))
    e = tfxai.explain(function, X, baseline=X0, **options)
    np.testing.assert_allclose(e.values, 2 * (X**2 - X0**2), rtol=1e-10)
    np.testing.assert_allclose(e.baseline_score, [2 * (X0**2).sum()] * 2, rtol=1e-12)


def test_gradients_go_through_both():
    def function(z):
        y = tf.cond(tf.reduce_sum(z) > 0, lambda: tf.sin(power(z, 2)), lambda: z)
        return tf.reduce_sum(y, 1)

    kernel = A @ A
    e = tfxai.explain(function, X, "gradient")
    np.testing.assert_allclose(e.values, np.cos(X @ kernel) @ kernel.T, rtol=1e-10)


def test_variables_pass_into_loops_and_stay_live():
    weight = tf.Variable([[2.0], [1.0]], dtype=tf.float64)

    def function(z):
        body = lambda i, s: (i + 1, s + tf.linalg.matmul(z, weight))  # noqa: E731
        return tf.while_loop(lambda i, _: i < 3, body, (tf.constant(0), tf.zeros_like(z[:, :1])))[1][:, 0]

    explainer = tfxai.Explainer(function)
    np.testing.assert_allclose(explainer(X).values, 3 * X * [2, 1], rtol=1e-12)
    weight.assign([[-1.0], [4.0]])
    np.testing.assert_allclose(explainer(X).values, 3 * X * [-1, 4], rtol=1e-12)
