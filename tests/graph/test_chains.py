"""Elementwise ops that make one function of one tensor become one op, and nothing else does."""

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from tests.graph.captured import captured, run, spec, types
from tfxai.graph.activity import Activity, classify
from tfxai.graph.chains import linked

X = np.array([[-2.0, -0.3, 0.2, 1.0, 2.0, 7.0], [-4.0, 0.1, 0.7, 3.0, 8.0, -1.0]], "float32")
CONSTANT = {"Const", "Placeholder"}


def chained(graph, keep=(), apart=()):
    activity = classify(graph, dict.fromkeys(graph.inputs, Activity.ACTIVE), decisions=True)
    return linked(graph, activity, {*graph.inputs, *graph.outputs, *keep}, apart)


def kinds(graph):
    return [kind for kind in types(graph) if kind not in CONSTANT]


def inside(graph):
    """The types of the ops of each chain."""
    return [
        [op.type for op in op.bodies[0].ops if op.type not in ("Identity", "IdentityN")]
        for op in graph.ops
        if op.type == "Chain"
    ]


MADE = {
    "gelu": ops.gelu,
    "gelu by erf": lambda z: ops.gelu(z, approximate=False),
    "silu": ops.silu,
    "mish": lambda z: z * tf.tanh(tf.nn.softplus(z)),
    "hard swish": ops.hard_swish,
    "celu": ops.celu,
    "gate": lambda z: z * ops.cast(z > 0, "float32"),
    "where": lambda z: ops.where(z > 0, z, 0.1 * z),
    "where zeros": lambda z: tf.where(z > 0, z, tf.zeros_like(z)),
    "maximum of two": lambda z: ops.maximum(z, 0.2 * z),
    "polynomial": lambda z: z**3 - 2 * z * z + z,
    "quotient": lambda z: z / (1 + tf.exp(-z)),
    "scaled by channel": lambda z: tf.nn.silu(z) * [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
}


@pytest.mark.parametrize("name", MADE)
def test_each_make_is_one_op(name):
    graph = captured(lambda z: MADE[name](tf.reverse(z, [1])), spec(None, 6))
    found = chained(graph)
    left = [kind for kind in kinds(found) if kind not in ("Range", "ZerosLike")]
    assert left == ["ReverseV2", "Chain"]
    np.testing.assert_array_equal(run(found, X)[0], run(graph, X)[0])


@pytest.mark.parametrize(
    "function",
    [
        tf.tanh,
        lambda z: 2 * z + 1,
        lambda z: tf.nn.relu(z + 1),
        lambda z: z * tf.sigmoid(tf.reverse(z, [1])),
        lambda z: z * tf.reduce_mean(tf.sigmoid(z), 1, keepdims=True),
        lambda z: tf.maximum(z, tf.reverse(z, [1])),
        lambda z: tf.exp(z)[:, None] * tf.ones([2, 1]) * 2.0,
        lambda z: tf.cast(tf.cast(z, tf.float64) * 2, tf.float32),
        lambda z: tf.cast(tf.cast(z, tf.int32) > 0, tf.float32),
        lambda z: tf.cast(tf.logical_and(z > 0, z < 1), tf.float32),
        lambda z: tf.sqrt(z * z + 1.0),
        lambda z: tf.complex(z, z) * tf.complex(z, z),
    ],
    ids="one op|affine|affine before one op|gated by another|squeeze and excite|two tensors|broadcast|other floats|"
    "whole numbers|logic|root|complex".split("|"),
)
def test_nothing_else_is(function):
    graph = captured(function, spec(None, 6))
    assert kinds(chained(graph)) == kinds(graph)


def test_it_is_as_long_as_can_be_and_leaves_affine_steps_before_it():
    graph = captured(lambda z: tf.nn.silu(ops.gelu(2 * (z + 3)) - 1) / 4, spec(None, 6))
    found = chained(graph)
    assert kinds(found) == ["AddV2", "Mul", "Chain"]
    assert [len(ops) for ops in inside(found)] == [8 + 1 + 3 + 1]
    np.testing.assert_array_equal(run(found, X)[0], run(graph, X)[0])


def test_what_is_read_outside_is_no_inside():
    def function(z):
        gate = tf.sigmoid(z)
        return tf.concat([z * gate, gate], 1)

    assert "Chain" not in types(chained(captured(function, spec(None, 6))))


def test_what_must_go_on_existing_does():
    graph = captured(lambda z: tf.nn.silu(z) * tf.tanh(z), spec(None, 6))
    gate = next(op.outputs[0] for op in graph.ops if op.type == "Sigmoid")
    assert kinds(chained(graph)) == ["Chain"]
    assert "Sigmoid" in types(chained(graph, keep=[gate])) and "Sigmoid" in types(chained(graph, apart=[gate]))
    end = graph.ops[-1].inputs[0]
    assert kinds(chained(graph, apart=[end, *graph.outputs])) != ["Chain"]


def test_two_readers_of_one_activation_share_it():
    graph = captured(lambda z: tf.concat([tf.reverse(h := tf.nn.silu(z), [1]), h], 1), spec(None, 6))
    assert kinds(chained(graph)) == ["Chain", "ReverseV2", "ConcatV2"]


def test_bodies_of_loops_have_them_too():
    def function(z):
        return tf.while_loop(lambda i, _: i < 3, lambda i, s: (i + 1, tf.nn.silu(s + z)), (0, z))[1]

    found = chained(captured(function, spec(None, 6)))
    (loop,) = [op for op in found.ops if op.bodies]
    assert ["Mul", "Sigmoid", "Mul"] in inside(loop.bodies[1])


def test_constants_may_be_variables():
    scale = tf.Variable(tf.range(6.0))
    graph = captured(lambda z: tf.nn.silu(z) * scale, spec(None, 6))
    found = chained(graph)
    assert types(found).count("Chain") == 1
    scale.assign(tf.ones(6))
    np.testing.assert_allclose(run(found, X)[0], X / (1 + np.exp(-X)), rtol=1e-6)


def test_a_long_row_of_states_that_are_all_read_takes_no_time():
    """Hundreds of steps of a map, each of which is a result too: chains of one step, found in one go."""

    def function(z):
        states = [z]
        for _ in range(300):
            states.append(3.7 * states[-1] * (1 - states[-1]))
        return tf.stack(states, 1)

    found = chained(captured(function, spec(None, 6)))
    assert types(found).count("Chain") == 300
