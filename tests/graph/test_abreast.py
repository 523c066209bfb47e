"""Ops of a loop that are alike run as one, and no others do."""

import numpy as np
import pytest
import tensorflow as tf

import tfxai
from tests.graph.captured import activities, captured, replayed, spec
from tfxai.graph.abreast import grouped
from tfxai.rules.deeplift import RescaleRules

X, X0 = np.array([[1.0, 2.0, -0.5], [0.5, -1.0, 0.25]]), np.array([[-3.0, 0.5, 0.75]])
KERNEL = np.random.default_rng(0).normal(size=(3, 12))


def cell(h, c, z):
    """A step of a recurrent cell whose gates are parts of one product."""
    i, f, g, o = tf.split((h + z) @ KERNEL, 4, axis=1)
    c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
    return tf.sigmoid(o) * tf.tanh(c), c


def looped(z):
    step = lambda k, h, c: (k + 1, *cell(h, c, z))  # noqa: E731
    return tf.reduce_sum(tf.while_loop(lambda k, *_: k < 3, step, (0, tf.zeros_like(z), z))[1], 1)


def written(z):
    h, c = tf.zeros_like(z), z
    for _ in range(3):
        h, c = cell(h, c, z)
    return tf.reduce_sum(h, 1)


def side_by_side(step, *shape):
    """The types of ops that run as one in a loop of this step."""
    body = lambda k, s: (k + 1, step(s))  # noqa: E731
    graph = captured(lambda z: tf.while_loop(lambda k, _: k < 3, body, (0, z))[1], spec(*shape))
    (op,) = [op for op in graph.ops if op.bodies]
    ops = grouped(op.bodies[1], activities(graph)).ops
    made = {i for op in ops for i in op.outputs} | set(op.bodies[1].inputs)
    for k, one in enumerate(ops):  # in an order in which they can run
        assert made.difference(*[o.outputs for o in ops[k:]]).issuperset(one.inputs)
    return [[part.type for part in op.bodies[0].ops] for op in ops if op.type == "Abreast"]


@pytest.mark.parametrize("rule", ["rescale", "reveal_cancel"])
def test_gates_side_by_side_are_the_gates_one_by_one(rule):
    e, expected = (tfxai.explain(f, X, baseline=X0, rule=rule) for f in (looped, written))
    np.testing.assert_allclose(e.values, expected.values, rtol=1e-10)
    np.testing.assert_allclose(e.delta, 0, atol=1e-12)


def test_gradients_are_those_of_the_tape():
    z = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(z)
        y = written(z)
    np.testing.assert_allclose(tfxai.explain(looped, X, "gradient").values, tape.gradient(y, z), rtol=1e-10)


def test_the_gates_are_one_op_in_the_pass():
    graph = captured(looped, spec(None, 3, dtype="float64"))

    @tf.function(autograph=False)
    def run(x, x0):
        (y,) = replayed(graph, RescaleRules(), (x, x0))
        return y.x

    specs = spec(None, 3, dtype="float64"), spec(1, 3, dtype="float64")
    library = run.get_concrete_function(*specs).graph.as_graph_def().library.function
    ops = [node.op for function in library for node in function.node_def]
    assert ops.count("Sigmoid") == 2  # at x and at the reference


def parts(z):
    return tf.split(z, 2, axis=1)


def between(z):
    a, b = parts(z)
    first = a + tf.sigmoid(3.0 * a)
    return tf.concat([first, tf.sigmoid(3.0 * b)], 1)


ALIKE = {
    "parts": lambda z: tf.concat([tf.sigmoid(part) for part in parts(z)], 1),
    "blocks": lambda z: tf.concat([tf.sigmoid(z[:, :2]), tf.sigmoid(z[:, 2:])], 1),
    "sums of parts": lambda z: tf.concat([tf.sigmoid(a + b) for a, b in zip(parts(z), parts(2 * z), strict=True)], 1),
    "one is read before the other is there": between,
}


@pytest.mark.parametrize("step", ALIKE.values(), ids=ALIKE)
def test_what_is_alike_is_one(step):
    assert side_by_side(step, None, 4) == [["Sigmoid", "Sigmoid"]]


APART = {
    "one after the other": lambda z: tf.sigmoid(tf.sigmoid(z)),
    "other functions": lambda z: tf.concat([tf.sigmoid(parts(z)[0]), tf.tanh(parts(z)[1])], 1),
    "other slopes": lambda z: tf.concat(
        [tf.nn.leaky_relu(part, alpha) for part, alpha in zip(parts(z), (0.1, 0.2), strict=True)], 1
    ),
    "parts of other lengths": lambda z: tf.concat([tf.sigmoid(z[:, :1]), tf.sigmoid(z[:, 1:])], 1),
    "one of them changed": lambda z: tf.concat([tf.sigmoid(parts(z)[0]), tf.sigmoid(parts(z)[1] + 1.0)], 1),
    "examples cut off": lambda z: tf.concat([tf.sigmoid(z[:1]), tf.sigmoid(z[1:])], 0),
    "examples cut off, of open length": lambda z: tf.concat(
        [tf.sigmoid(z[: tf.shape(z)[0] // 3]), tf.sigmoid(z[tf.shape(z)[0] // 3 :])], 0
    ),
    "two tensors": lambda z: tf.sigmoid(z * 2.0) + tf.sigmoid(tf.transpose(z) @ z @ tf.transpose(z))[:1, :1],
}  # fmt: skip


@pytest.mark.parametrize("step", APART.values(), ids=APART)
def test_what_differs_stays_apart(step):
    assert side_by_side(step, None, 4) == []


def test_numbers_of_examples_are_not_put_side_by_side():
    """Of parts (n,) the last axis is the examples': they run one by one."""

    def function(z):
        def body(k, s):
            return k + 1, tf.stack([tf.sigmoid(part) for part in tf.unstack(s, axis=1)], 1)

        return tf.reduce_sum(tf.while_loop(lambda k, _: k < 2, body, (0, z))[1], 1)

    assert side_by_side(lambda z: tf.stack([tf.sigmoid(p) for p in tf.unstack(z, axis=1)], 1), None, 2) != []
    e = tfxai.explain(function, X, baseline=X0)
    twice = lambda z: 1 / (1 + np.exp(-1 / (1 + np.exp(-z))))  # noqa: E731
    np.testing.assert_allclose(e.values, twice(X) - twice(X0), rtol=1e-10)
