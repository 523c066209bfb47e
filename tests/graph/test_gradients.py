"""Backward passes written directly: the tape's numbers, where the shapes say that no axis needs a sum."""

import numpy as np
import pytest
import tensorflow as tf

from tests.graph.captured import gradient_ops, spec
from tfxai.graph.gradients import backward

SERVED = {"Add": (0, 1), "AddV2": (0, 1), "Sub": (0, 1), "Mul": (0, 1), "RealDiv": (0,)}  # op type -> its inputs
SUMS = {"Sum", "BroadcastGradientArgs"}


def by_the_tape(op_type, inputs, upstream, data):
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        y = getattr(tf.raw_ops, op_type)(x=inputs[0], y=inputs[1])
    return tape.gradient(y, [inputs[i] for i in data], upstream)


@pytest.fixture
def operands(rng):
    return [tf.constant(rng.uniform(0.5, 2, size=(3, 4, 5))) for _ in "xy"], tf.constant(rng.normal(size=(3, 4, 5)))


@pytest.mark.parametrize("op_type", SERVED)
def test_equals_the_tape(op_type, operands):
    inputs, upstream = operands
    for data in {(i,) for i in SERVED[op_type]} | {SERVED[op_type]}:
        found = backward(op_type, data, inputs)(upstream)
        for a, b in zip(found, by_the_tape(op_type, inputs, upstream, data), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("op_type", SERVED)
def test_a_constant_may_be_broadcast_and_what_is_explained_may_not(op_type, operands):
    (x, y), upstream = operands
    for small in (y[0, 0], y[:, :1], y[0, 0, 0]):
        (found,) = backward(op_type, (0,), [x, small])(upstream)
        np.testing.assert_allclose(found, by_the_tape(op_type, [x, small], upstream, (0,))[0], rtol=1e-12)
        assert backward(op_type, (1,), [x, small]) is None and backward(op_type, (0, 1), [x, small]) is None


@pytest.mark.parametrize("width", [5, 1])
@pytest.mark.parametrize("data", [(1,), (2,), (1, 2)])
def test_a_choice_equals_the_tape(operands, data, width):
    branches, upstream = operands
    condition = upstream[..., :width] > 0
    with tf.GradientTape() as tape:
        tape.watch(branches)
        y = tf.raw_ops.SelectV2(condition=condition, t=branches[0], e=branches[1])
    expected = tape.gradient(y, branches, upstream)
    for i, found in zip(data, backward("SelectV2", data, [condition, *branches])(upstream), strict=True):
        np.testing.assert_array_equal(found, expected[i - 1])


def test_a_choice_of_what_is_broadcast_is_left_to_the_tape(operands):
    (x, y), upstream = operands
    small = y[:, :1]
    (found,) = backward("SelectV2", (1,), [upstream > 0, x, small])(upstream)
    np.testing.assert_array_equal(found, np.where(upstream > 0, upstream, 0))
    assert backward("SelectV2", (2,), [upstream > 0, x, small]) is None
    assert backward("SelectV2", (1,), [upstream > 0, small, small]) is None


def test_a_divisor_is_left_to_the_tape(operands):
    inputs, _ = operands
    assert backward("RealDiv", (1,), inputs) is None and backward("RealDiv", (0, 1), inputs) is None


@pytest.mark.parametrize("op_type", ["Maximum", "MatMul", "Pow"])
def test_other_ops_are_left_to_the_tape(op_type, operands):
    assert backward(op_type, (0,), operands[0]) is None


FUNCTIONS = {
    "sum": lambda a, b: a + b,
    "difference": lambda a, b: a - b,
    "product": lambda a, b: a * b,
    "choice": lambda a, b: tf.where(a[..., :1] > 0.0, a, b),
    "by constants": lambda a, b: (a * 3.0 + 1.0) / 7.0 + 0.0 * b,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_with_an_open_batch_nothing_is_summed(name):
    """As an explainer runs it: were the direct passes not used, TensorFlow's own would be here."""
    assert not SUMS & set(gradient_ops(FUNCTIONS[name], spec(None, 4, 5), spec(None, 4, 5)))


@pytest.mark.parametrize(
    "specs",
    [
        [spec(None, 4, 5), spec(1, 4, 5)],
        [spec(None, 4, 5), spec(None, 1, 5)],
        [spec(None, None), spec(None, None)],
        [spec(None, 5), spec(5)],
    ],
    ids=["one for all", "an axis of one", "open axes", "another rank"],
)
def test_where_an_axis_may_need_a_sum_it_is_there(specs):
    assert "Sum" in gradient_ops(lambda a, b: a * b, *specs)
