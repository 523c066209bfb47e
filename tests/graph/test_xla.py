"""Ops that tf.raw_ops leaves out, ops without a gradient, and values whose number of axes is not known."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops
from tensorflow.compiler.tf2xla.ops import gen_xla_ops

import tfxai
from tests.graph.captured import captured, run, spec
from tfxai import errors

X = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
BLOCK = np.random.default_rng(1).normal(size=(2, 2, 3)).astype("float32")


@pytest.mark.parametrize("start", [[0, 0, 0], [0, 1, 0], [0, 3, 0], [1, 9, 2], [0, -2, 0]])
def test_blocks_begin_where_xla_lets_them(start):
    """Against XLA's own ops: a block that would reach over an end is moved inside."""
    specs = spec(2, 4, 3), spec(2, 2, 3), spec(3, dtype="int32")
    both = [gen_xla_ops.xla_dynamic_update_slice, lambda x, b, s: gen_xla_ops.xla_dynamic_slice(x, s, [2, 2, 3]) + b]
    for function in both:
        graph = captured(function, *specs)
        assert {op.type for op in graph.ops} & {"XlaDynamicUpdateSlice", "XlaDynamicSlice"}
        traced = tf.function(function, autograph=False)
        given = X, BLOCK, np.array(start, "int32")
        np.testing.assert_array_equal(run(graph, *given)[0], traced(*given))


class _Inner(layers.Layer):
    def __init__(self, function):
        super().__init__(name="inner")
        self.function = function

    def call(self, x):
        return self.function(x)

    def compute_output_shape(self, shape):
        return shape


UPDATES = {  # with slice_update, and the same without
    "of the input": (
        lambda x: ops.slice_update(x * 2, [0, 1, 0], x[:, :2]),
        lambda x: tf.concat([2 * x[:, :1], x[:, :2], 2 * x[:, 3:]], 1),
    ),
    "by a constant": (
        lambda x: ops.slice_update(x, [0, 2, 0], ops.ones((2, 1, 3))),
        lambda x: tf.concat([x[:, :2], tf.ones((2, 1, 3)), x[:, 3:]], 1),
    ),
    "at a computed place, in a loop": (
        lambda x: ops.fori_loop(0, 2, lambda i, h: ops.slice_update(h, [0, i, 0], h[:, 2:3] * x[:, 3:]), x),
        lambda x: tf.concat([x[:, 2:3] * x[:, 3:]] * 2 + [x[:, 2:]], 1),
    ),
}


@pytest.mark.parametrize("name", UPDATES)
def test_slice_update(name):
    """Multipliers of every table are those of the twin."""
    with_op, without = UPDATES[name]
    tail = [layers.Dense(4, activation="relu"), layers.Flatten(), layers.Dense(2)]
    head = keras.Input((4, 3), batch_size=2)
    model, twin = (keras.Sequential([head, _Inner(f), *tail]) for f in (with_op, without))
    for method, options in (("gradient", {}), ("deeplift", {"rule": "reveal_cancel"})):
        got, wanted = (
            tfxai.explain(m, X, method, target=1, batch_size=2, verbose=0, **options).values for m in (model, twin)
        )
        assert np.abs(wanted).max() > 0.1
        np.testing.assert_allclose(got, wanted, atol=1e-5, err_msg=f"{method} {options}")


def test_other_ops_run_as_they_are_registered():
    function = lambda x: gen_xla_ops.xla_optimization_barrier([x * 2.0])[0]  # noqa: E731
    graph = captured(function, spec(2, 4, 3))
    assert "XlaOptimizationBarrier" in [op.type for op in graph.ops]
    traced = tf.function(lambda: run(graph, X)[0])
    np.testing.assert_array_equal(traced(), X * 2)


@pytest.mark.parametrize("method", ["gradient", "integrated_gradients", "deeplift"])
def test_an_op_without_a_gradient_is_named_and_what_works(method):
    resize = layers.Lambda(lambda t: tf.image.resize(t, (2, 2), "area"), name="smaller")
    model = keras.Sequential([keras.Input((4, 4, 1)), resize, layers.Flatten(), layers.Dense(1)])
    x = np.arange(16.0, dtype="float32").reshape(1, 4, 4, 1)
    said = r"no gradient of the op ResizeArea at '.*smaller.*'.* 'occlusion', 'rise'"
    for options in ({}, {"unknown_ops": "average"}) if method == "deeplift" else ({},):
        with pytest.raises(tfxai.UnsupportedOpError, match=said):
            tfxai.explain(model, x, method, verbose=0, **options)
    assert np.abs(tfxai.explain(model, x, "occlusion", target=0, verbose=0).values).max() > 0


def test_an_unknown_number_of_axes():
    """Keras' associative scan loses the rank of its result: rules do without it, a score needs it."""
    scan = lambda t: ops.associative_scan(lambda a, b: a * b + b, t, axis=1)  # noqa: E731
    f = lambda t: tf.ensure_shape(tf.reduce_sum(tf.nn.softplus(scan(t)), (1, 2)), [None])  # noqa: E731
    x = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = f(x)
    np.testing.assert_allclose(tfxai.explain(f, X, "gradient", verbose=0).values, tape.gradient(y, x), atol=1e-5)
    for rule in ("rescale", "reveal_cancel"):
        values = tfxai.explain(f, X, rule=rule, verbose=0).values
        np.testing.assert_allclose(values.sum((1, 2)), f(X) - f(0 * X), rtol=1e-5)
    with pytest.raises(errors.TargetError, match=r"How many axes the model's output has is not known.*ensure_shape"):
        tfxai.explain(scan, X, verbose=0)
