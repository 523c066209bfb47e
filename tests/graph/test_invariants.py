"""What is the same in every step of a loop is made once, before it."""

import numpy as np
import tensorflow as tf

import tfxai
from tests.graph.captured import captured, pulled, spec
from tfxai.graph.invariants import invariant
from tfxai.rules.deeplift import RescaleRules

X = np.array([[1.0, 2.0], [0.5, -1.0]], "float32")


def loop_of(step):
    """The ops of a loop of three steps that are the same in all of them."""
    body = lambda k, s: (k + 1, step(k, s))  # noqa: E731
    graph = captured(lambda z: tf.while_loop(lambda k, _: k < 3, body, (0, z))[1], spec(None, 2))
    (op,) = [op for op in graph.ops if op.bodies]
    _, body = op.bodies
    passed = [i for i, o in zip(body.inputs, body.outputs, strict=True) if i == o]
    return [op.type for op in invariant(body, passed)]


def test_what_is_made_of_weights_moves():
    kernel = tf.Variable([[2.0, 0.5], [1.0, -1.0]])
    assert loop_of(lambda k, s: s @ tf.abs(tf.transpose(kernel))) == ["ReadVariableOp", "Const", "Transpose", "Abs"]


def test_what_counts_steps_stays():
    weight = tf.Variable([2.0, 0.5, 1.0])
    assert loop_of(lambda k, s: s * weight[k]) == ["ReadVariableOp"]


def test_constants_stay():
    assert loop_of(lambda k, s: s * tf.abs(tf.constant([2.0, 0.5]))) == []


def test_draws_stay():
    weight = tf.Variable(0.1)
    assert loop_of(lambda k, s: s + tf.random.normal([2], stddev=weight)) == ["ReadVariableOp"]


def test_a_variable_that_is_written_is_read_in_every_step():
    total = tf.Variable([0.0, 0.0])

    def step(k, s):
        total.assign_add([1.0, 1.0])
        return s * total

    assert loop_of(step) == []


def test_a_variable_that_is_written_in_a_branch_is_read_in_every_step():
    total = tf.Variable([0.0, 0.0])

    def step(k, s):
        tf.cond(k > 1, lambda: total.assign_add([1.0, 1.0]), lambda: tf.identity(total))
        return s * total

    assert "ReadVariableOp" not in loop_of(step)


def test_a_weight_may_meet_nothing_else_and_the_loop_may_not_run():
    """The kernel is read before the loop, whether or not there is a step."""
    kernel = tf.Variable([[2.0, 0.5], [1.0, -1.0]])

    def function(z, times):
        body = lambda k, s: (k + 1, tf.linalg.matmul(s, kernel))  # noqa: E731
        s = tf.while_loop(lambda k, _: k < times, body, (0, z))[1]
        return tf.reduce_sum(s, 1)

    for times in (0, 3):
        e = tfxai.explain(lambda z, t=times: function(z, t), X)
        matrix = np.linalg.matrix_power(kernel.numpy(), times)
        np.testing.assert_allclose(e.values, matrix.sum(1) * X, rtol=1e-6)


def test_the_loop_keeps_nothing_that_nobody_reads():
    """A body without state: the lists of what no gradient needs are dropped with it."""
    kernel = tf.Variable([[0.5, -0.3], [0.2, 0.8]])
    step = lambda k, h: (k + 1, tf.tanh(h @ kernel))  # noqa: E731
    graph = captured(lambda z: tf.while_loop(lambda k, _: k < 3, step, (0, z))[1], spec(None, 2))
    made = pulled(graph, RescaleRules(), spec(None, 2), spec(1, 2))
    assert {"StatelessWhile"} == {node.op for node in made.node if node.op.endswith("While")}
    inside = [node.op for function in made.library.function for node in function.node_def]
    assert "MatMul" in inside and "ReadVariableOp" not in inside
