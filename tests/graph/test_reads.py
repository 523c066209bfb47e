"""Which places of its input a value is read from, against where the slope of GradientTape is not 0.

Weights are above 0, so that no two ways cancel; of maxima the slopes of many inputs are taken together.
"""

import functools

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings

from tests.graph.captured import captured, spec
from tfxai.graph.follow import Followed
from tfxai.graph.reads import everything, reads

MANY = 64


def weights(*shape):
    return tf.constant(np.random.default_rng(sum(shape)).uniform(0.5, 1.5, shape).astype("float32"))


def told(function, *shape):
    """(places...) bool: what the graph is said to read of the places of its one input, channels last."""
    graph = captured(function, spec(None, *shape))
    followed = Followed(graph)
    end, start = graph.outputs[0], graph.inputs[0]
    found = reads(graph.ops, followed, {end: everything(followed.axes[end])})[start]
    assert [len(masks) for masks in found] == [1] * (len(shape) + 1)
    each = [np.broadcast_to(masks[0], size) for masks, size in zip(found[1:-1], shape[:-1], strict=True)]
    return functools.reduce(np.logical_and.outer, each)


def seen(function, *shape):
    """(places...) bool: where the slopes of many examples are not all 0."""
    x = tf.constant(np.random.default_rng(0).uniform(0.1, 1, (MANY, *shape)).astype("float32"))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(function(x) ** 2)
    return (np.abs(tape.gradient(y, x).numpy()) > 1e-7).any((0, -1))


def causal(t, size, dilation):
    t = tf.pad(t, [[0, 0], [(size - 1) * dilation, 0], [0, 0]])
    return tf.nn.conv1d(t, weights(size, 2, 2), 1, "VALID", dilations=dilation)


def deep(t):
    for dilation in (1, 2, 4):
        t = tf.nn.relu(causal(t, 3, dilation))
    return t


def conv(padding, stride=1, dilation=1, size=3, channels=2):
    kernel = weights(size, size + 1, channels, 2)
    return lambda t: tf.nn.conv2d(t, kernel, stride, padding, dilations=dilation)


def grouped(t):
    return tf.nn.depthwise_conv2d(t, weights(3, 2, 2, 1), [1, 1, 1, 1], "SAME")


def transposed(padding, stride):
    def function(t):
        shape = [*SIZES[padding, stride], 2]
        grown = tf.nn.conv2d_transpose(t, weights(3, 3, 2, 2), [tf.shape(t)[0], *shape], stride, padding)
        return tf.ensure_shape(grown, [None, *shape])

    return function


SIZES = {("SAME", 2): (18, 14), ("VALID", 2): (19, 15), ("SAME", 1): (9, 7)}
SEQUENCES = {
    "causal": lambda t: causal(t, 3, 1)[:, -1],
    "causal and dilated": lambda t: causal(t, 2, 4)[:, -1],
    "a stack of them": lambda t: deep(t)[:, -1],
    "its last three steps": lambda t: deep(t)[:, -3:],
    "every fifth step of it": lambda t: deep(t)[:, 2::5],
    "backwards": lambda t: tf.reverse(deep(t[:, ::-1]), [1])[:, 3],
    "a sum with a shortcut": lambda t: (causal(t, 2, 3) + t)[:, -1],
    "two in turn beside each other": lambda t: tf.concat([causal(t, 2, 1), causal(t, 2, 5)], -1)[:, -2],
    "end to end": lambda t: tf.concat([causal(t, 2, 1)[:, -2:], t[:, :4]], 1)[:, 1:4],
    "mirrored ends": lambda t: tf.pad(t, [[0, 0], [5, 2], [0, 0]], "REFLECT")[:, 1:3],
    "mirrored ends, the last twice": lambda t: tf.pad(t, [[0, 0], [2, 3], [0, 0]], "SYMMETRIC")[:, -2:],
    "rolled": lambda t: tf.roll(causal(t, 2, 1), 3, 1)[:, 2],
    "chunks": lambda t: tf.reshape(causal(t, 2, 1), [-1, 5, 4, 2])[:, 2],
    "steps of chunks": lambda t: tf.reshape(causal(t, 2, 1), [-1, 5, 4, 2])[:, 1, 3],
    "means of chunks": lambda t: tf.reduce_mean(tf.reshape(causal(t, 2, 1), [-1, 5, 4, 2]), 2)[:, 1],
    "repeated": lambda t: tf.repeat(causal(t, 2, 1), 3, axis=1)[:, 7],
    "one step taken": lambda t: tf.gather(deep(t), 4, axis=1),
    "unstacked": lambda t: tf.unstack(deep(t), axis=1)[6],
    "split": lambda t: tf.split(deep(t), 5, axis=1)[2],
    "means of everything": lambda t: tf.reduce_mean(causal(t, 3, 2), 1),
    "sums so far": lambda t: tf.cumsum(t, 1)[:, 3] * 0 + tf.reduce_sum(t, 1),
}
PICTURES = {
    "same": lambda t: conv("SAME")(t)[:, 0, 3],
    "valid": lambda t: conv("VALID")(t)[:, -1, 3:5],
    "explicit": lambda t: conv([[0, 0], [2, 1], [0, 3], [0, 0]])(t)[:, 0, -1],
    "dilated": lambda t: conv("SAME", dilation=2)(t)[:, 4, -1],
    "dilated, valid": lambda t: conv("VALID", dilation=(2, 1))(t)[:, 1, 0],
    "strides": lambda t: conv("SAME", 2)(t)[:, 2, 1:],
    "strides, unlike": lambda t: conv("VALID", (1, 3), size=3)(t)[:, 2, 1],
    "depthwise": lambda t: grouped(t)[:, 5, 5],
    "one after the other": lambda t: conv("VALID")(conv("SAME", 2)(t))[:, 0, 0],
    "averages": lambda t: tf.nn.avg_pool2d(t, 3, 2, "SAME")[:, 1, 2],
    "maxima": lambda t: tf.nn.max_pool2d(t, (2, 3), 1, "VALID")[:, 1, 2],
    "all the places": lambda t: conv("VALID", size=6)(t)[:, 0],
    "transposed, same": lambda t: transposed("SAME", 2)(t)[:, 5, 8],
    "transposed, valid": lambda t: transposed("VALID", 2)(t)[:, :2, 8],
    "transposed, one by one": lambda t: transposed("SAME", 1)(t)[:, 3, -1],
    "enlarged": lambda t: tf.image.resize(t, (18, 21))[:, 4, 20],
    "enlarged to the nearest": lambda t: tf.image.resize(t, (18, 21), "nearest")[:, 4, 20],
    "bicubic": lambda t: tf.image.resize(t, (20, 13), "bicubic")[:, 7, 3],
    "blocks of channels": lambda t: tf.nn.depth_to_space(tf.concat([conv("SAME")(t)] * 2, -1), 2)[:, 5, 2],
    "channels of blocks": lambda t: tf.nn.space_to_depth(t[:, :8, :6], 2)[:, 1, 2],
    "rows into columns": lambda t: tf.transpose(conv("SAME")(t), [0, 2, 1, 3])[:, 1],
    "folded places": lambda t: tf.reshape(conv("SAME")(t), [-1, 63, 2])[:, 24],
}  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("name", SEQUENCES)
def test_steps(name):
    want = seen(SEQUENCES[name], 20, 2)
    assert want.any() and want.all() == (name in ("means of everything", "sums so far"))
    np.testing.assert_array_equal(told(SEQUENCES[name], 20, 2), want)


@pytest.mark.long
@pytest.mark.parametrize("name", PICTURES)
def test_pixels(name):
    want = seen(PICTURES[name], 9, 7, 2)
    assert want.any() and not want.all()
    np.testing.assert_array_equal(told(PICTURES[name], 9, 7, 2), want)


@pytest.mark.long
@settings(max_examples=60, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@given(
    st.sampled_from(["VALID", "SAME", (3, 1), (0, 2)]),
    *[st.integers(1, 4)] * 3,
    st.slices(6),
    st.booleans(),
)  # fmt: skip
def test_any_window(padding, size, stride, dilation, part, pooled):
    """Exact among the places that are in any window."""
    if pooled:
        padding, dilation = padding if isinstance(padding, str) else "SAME", 1
        window = functools.partial(tf.nn.avg_pool1d, ksize=size, strides=stride, padding=padding)
        asked = window
    else:
        ends = [[0, 0], [0, 0], padding, [0, 0]] if isinstance(padding, tuple) else padding
        kernel = weights(1, size, 2, 2)
        # the oracle has the dilation as zeros in a larger kernel: TensorFlow has no slopes of the other on a CPU
        spread = np.zeros((1, (size - 1) * dilation + 1, 2, 2), "float32")
        spread[:, ::dilation] = kernel

        def window(t, kernel=spread, dilation=1):
            return tf.nn.conv2d(t[:, None], kernel, (1, stride), ends, dilations=(1, dilation))[:, 0]

        asked = functools.partial(window, kernel=kernel, dilation=dilation)

    after = window(tf.zeros((1, 17, 2))).shape[1]
    hypothesis.assume(len(range(after)[part]) > 0)
    want, all_windows = seen(lambda t: window(t)[:, part], 17, 2), seen(window, 17, 2)
    found = told(lambda t: asked(t)[:, part], 17, 2)
    np.testing.assert_array_equal(found & all_windows, want)
    assert told(asked, 17, 2).all()


def test_axes_without_a_position():
    assert not told(lambda t: tf.reduce_sum(t[:, 3:3], 1), 3, 2).any()


def test_places_between_windows_belong_to_the_one_before():
    for function, want in (
        (lambda t: tf.nn.max_pool1d(t, 2, 2, "VALID"), range(9)),  # 8 is left over
        (lambda t: tf.nn.max_pool1d(t, 2, 2, "VALID")[:, -1], [6, 7, 8]),
        (lambda t: tf.nn.max_pool1d(t, 2, 2, "VALID")[:, 1], [2, 3]),
        (lambda t: tf.nn.conv1d(t, weights(1, 2, 2), 3, "SAME")[:, 1], [3, 4, 5]),
        (lambda t: tf.image.resize(t[:, :, None], (3, 1), "nearest")[:, 1, 0], [3, 4, 5]),
        (lambda t: t[:, ::2], [0, 2, 4, 6, 8]),  # a slice has no windows
    ):
        assert np.flatnonzero(told(function, 9, 2)).tolist() == list(want)


@pytest.mark.parametrize("dilation", [1, 2])
def test_windows_of_an_open_length_reach_some_places(dilation):
    def read(function):
        graph = captured(function, spec(None, None, 2))
        followed = Followed(graph)
        end = graph.outputs[0]
        return reads(graph.ops, followed, {end: everything(followed.axes[end])})[graph.inputs[0]][1]

    assert read(lambda t: causal(t, 3, dilation)[:, -1]) == [False]
    assert read(lambda t: tf.reduce_mean(causal(t, 3, dilation), 1)) == [True]
    assert read(lambda t: tf.cumsum(causal(t, 3, dilation), 1)[:, -1]) == [True]
