"""Capture: a flat list of ops that computes what the function computes, whatever it is made of."""

import numpy as np
import tensorflow as tf

from tests.graph.captured import captured, run, spec, types
from tfxai.graph.capture import needed

X = np.random.default_rng(0).uniform(0.1, 1, size=(3, 4)).astype("float32")
ROWS = spec(None, 4)


@tf.function
def inner(z):
    return tf.sin(z) + z


@tf.function
def nested(z):
    return inner(z) * inner(2 * z)


def test_calls_are_written_out():
    graph = captured(nested, ROWS)
    assert sorted(set(types(graph)) - {"Const"}) == ["AddV2", "Mul", "Sin"]
    np.testing.assert_allclose(run(graph, X)[0], (np.sin(X) + X) * (np.sin(2 * X) + 2 * X), rtol=1e-5)


def test_python_conditions_on_tensors_become_ops():
    def function(z):
        if tf.reduce_sum(z) > 0:
            return z * 2
        return z * 3

    graph = captured(function, ROWS)
    (branch,) = [op for op in graph.ops if op.type in ("If", "StatelessIf")]
    assert [len(body.outputs) for body in branch.bodies] == [len(branch.outputs)] * 2


def test_values_are_numbered_through_bodies():
    """So that one table of facts holds for all of them."""
    graph = captured(lambda z: tf.while_loop(lambda i, z: i < 3, lambda i, z: (i + 1, tf.tanh(z)), (0, z))[1], ROWS)
    (loop,) = [op for op in graph.ops if op.type in ("While", "StatelessWhile")]
    outside = {o for op in graph.ops for o in op.outputs} | set(graph.inputs)
    inside = [{*b.inputs} | {o for op in b.ops for o in op.outputs} for b in loop.bodies]
    assert not outside & inside[0] and not outside & inside[1] and not inside[0] & inside[1]
    assert max(outside | inside[0] | inside[1]) < len(graph.values)


def test_variables_are_read_when_the_ops_run():
    weight = tf.Variable([1.0, 2.0, 3.0, 4.0])
    graph = captured(lambda z: z * weight, ROWS)
    np.testing.assert_allclose(run(graph, X)[0], X * [1, 2, 3, 4])
    weight.assign([4.0, 3.0, 2.0, 1.0])
    np.testing.assert_allclose(run(graph, X)[0], X * [4, 3, 2, 1])


def test_structures_come_back():
    graph = captured(lambda a, b: {"sum": a + b, "both": [a * b, None]}, ROWS, ROWS)
    assert graph.structure["both"][1] is None and len(graph.inputs) == 2
    results = dict(zip(graph.outputs, run(graph, X, 2 * X), strict=True))
    np.testing.assert_allclose(results[graph.structure["sum"]], 3 * X)
    np.testing.assert_allclose(results[graph.structure["both"][0]], 2 * X * X)


def test_only_what_is_needed_is_run():
    graph = captured(lambda z: (tf.sin(z) * 2, tf.exp(tf.tanh(z))), ROWS)
    of = lambda *given: [op.type for op in needed(graph, graph.outputs[1:], given) if op.type != "Identity"]  # noqa: E731
    assert of() == ["Tanh", "Exp"]
    (tanh,) = [op.outputs[0] for op in graph.ops if op.type == "Tanh"]
    assert of(tanh) == ["Exp"]
