"""What an axis of a value is said to be, against where its numbers really come from.

The input holds its own positions, so every number that is only moved says where it was.
"""

import hypothesis
import hypothesis.strategies as st
import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings

from tests.graph.captured import captured, spec
from tfxai.graph.axes import Kind
from tfxai.graph.capture import capture
from tfxai.graph.follow import Followed
from tfxai.graph.reads import everything, reads

N, SHAPE = 3, (4, 6, 2)
MOVES = {
    "swap": lambda t: tf.transpose(t, [0, *range(t.shape.rank - 1, 0, -1)]),
    "examples inside": lambda t: tf.transpose(t, [1, 0, *range(2, t.shape.rank)]),
    "fold two": lambda t: tf.reshape(t, [-1, *t.shape[1:-2], t.shape[-2] * t.shape[-1]]) if t.shape.rank > 3 else t,
    "fold all": lambda t: tf.reshape(t, [tf.shape(t)[0], -1]),
    "split the last": lambda t: tf.reshape(t, [-1, *t.shape[1:-1], t.shape[-1] // 2, 2]) if _even(t) else t,
    "flip": lambda t: tf.reverse(t, [1]),
    "flip by a slice": lambda t: t[:, ::-1],
    "stretch": lambda t: t[:, 1:] if t.shape[1] != 1 else t,
    "every second": lambda t: t[:, ::2],
    "one by one": lambda t: tf.stack(tf.unstack(t, axis=1), axis=2) if t.shape.rank > 2 else t,
    "two halves, the second first": lambda t: tf.concat(tf.split(t, 2, -1)[::-1], -1) if _even(t) else t,
    "another axis": lambda t: t[..., None],
    "on by one": lambda t: tf.roll(t, 1, 1),
    "back by one": lambda t: tf.roll(t, -1, 1),
}


def _even(t):
    return t.shape[-1] is not None and t.shape[-1] % 2 == 0


def positions(*shape):
    return np.arange(np.prod(shape)).reshape(shape).astype("float32")


def told(axes, shape):
    """Per input axis the position that the labels say every number of a value has; None where they say nothing."""
    found = {}
    index = np.indices(shape)
    for k, label in enumerate(axes.labels):
        rest = index[k]
        for axis in reversed(label):
            size = N if axis.kind is Kind.EXAMPLES else axis.size
            here, rest = rest % size, rest // size
            if axis.kind is Kind.EXAMPLES:
                found[0] = here
            elif axis.kind in (Kind.PLACE, Kind.ROLLED) and axis.input == 0:
                low, high = (np.array(axis.window) * axis.extent).round()
                here = (here + axis.roll) % axis.size
                here = axis.size - 1 - here if axis.backwards else here
                step = round((high - low) / axis.size)
                found.setdefault(axis.axis, 0)
                found[axis.axis] = found[axis.axis] + (low + here * step) * axis.stride
    return found


@pytest.mark.long
@settings(max_examples=40, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@given(st.lists(st.sampled_from(sorted(MOVES)), min_size=1, max_size=5))
def test_positions_are_where_the_axes_say(names):
    def function(t):
        for name in names:
            if t.shape.rank > 1 and all(t.shape[1:]):
                t = MOVES[name](t)
        return t

    graph = capture(function, [spec(None, *SHAPE)])
    axes = Followed(graph).axes[graph.outputs[0]]
    x = positions(N, *SHAPE)
    y = graph.keep(tf.constant(x)).numpy()
    where = np.array(np.unravel_index(y.astype(int), x.shape))
    joined = any(a.kind is Kind.JOINED for a in axes.flat())
    for axis, position in told(axes, y.shape).items():
        whole = [a for a in axes.flat() if a.kind in (Kind.PLACE, Kind.ROLLED) and a.axis == axis]
        covered = axis == 0 or np.prod([a.size for a in whole]) * whole[-1].stride >= SHAPE[axis - 1] or len(whole) == 1
        if covered and not joined and (axis == 0 or whole[-1].stride == 1):
            steps = 1 if axis == 0 else 2 if names.count("every second") else 1
            assert np.abs(position - where[axis]).max() < steps, (names, axes)


def labels_of(function, *specs):
    graph = captured(function, *specs)
    return Followed(graph).axes[graph.outputs[0]].labels


def kinds(labels):
    return ["*".join(f"{a.kind.value}{a.axis if a.kind is Kind.PLACE else ''}" for a in la) or "1" for la in labels]


def test_convolutions_give_places_another_resolution_and_make_channels():
    kernel = tf.ones((3, 3, 2, 5))
    labels = labels_of(lambda t: tf.nn.conv2d(t, kernel, 2, "SAME"), spec(None, 8, 6, 2))
    assert kinds(labels) == ["examples", "place1", "place2", "made"]
    assert [label[0].size for label in labels[1:]] == [4, 3, 5] and labels[1][0].extent == 8
    dilated = labels_of(lambda t: tf.nn.conv2d(t, kernel, 1, "SAME", dilations=2), spec(None, 8, 6, 2))
    assert kinds(dilated) == ["examples", "place1", "place2", "made"]


def test_steps_of_a_loop_and_what_its_body_makes():
    def function(t):
        steps, kernel = tf.transpose(t, [1, 0, 2]), tf.ones((2, 4))
        states = tf.scan(lambda state, step: state + step @ kernel, steps, steps[0] @ kernel)
        return tf.transpose(states, [1, 0, 2])

    labels = labels_of(function, spec(None, 7, 2))
    assert kinds(labels) == ["examples", "place1", "made"]


def test_attention_keeps_the_places_of_its_queries():
    def function(a, b):
        scores = tf.nn.softmax(tf.matmul(a, b, transpose_b=True))
        return tf.concat([tf.matmul(scores, b), a], axis=-1)

    first, second, third = labels_of(function, spec(None, 4, 3), spec(None, 5, 3))
    assert kinds([first, second]) == ["examples", "place1"] and second[0].input == 0 and third


def test_shapes_that_the_graph_computes_fold_and_unfold_exactly():
    def function(t):  # as layers do: (n, open, 3) -> (n * open, 3) -> (n, open, 4)
        shape = tf.shape(t)
        flat = tf.reshape(t, tf.stack([shape[0] * shape[1], 3]))
        return tf.reshape(flat @ tf.ones((3, 4)), tf.concat([shape[:2], [4]], 0))

    assert kinds(labels_of(function, spec(None, None, 3))) == ["examples", "place1", "made"]


def test_an_op_that_scrambles_is_named():
    (_, label, _) = labels_of(lambda t: tf.tile(t, [1, 2, 1]), spec(None, 5, 3))
    assert (label[0].kind, label[0].op) == (Kind.UNKNOWN, "Tile")
    (_, label, _) = labels_of(lambda t: tf.roll(t, 2, 1)[:, 1:], spec(None, 5, 3))
    assert (label[0].kind, label[0].op) == (Kind.UNKNOWN, "StridedSlice")
    (_, label, _) = labels_of(lambda t: tf.reshape(t, [-1, 10, 3]) + tf.range(10.0)[:, None], spec(None, 5, 2, 3))
    assert [a.kind for a in label] == [Kind.PLACE, Kind.PLACE]
    (rows, label, _) = labels_of(lambda t: tf.roll(t, tf.shape(t)[0], 1), spec(None, 5, 3))
    assert rows[0].kind is Kind.EXAMPLES and (label[0].kind, label[0].op) == (Kind.UNKNOWN, "Roll")
    (rows, _) = labels_of(lambda t: t[1:] - t[:-1], spec(None, 3))
    assert rows[0].kind is Kind.UNKNOWN
    (row, _) = labels_of(lambda t: tf.reduce_mean(t, 0, keepdims=True), spec(None, 3))
    assert row == ()


def test_windows_that_are_rolled_and_rolled_back():
    def windows(t):  # (n, 8, 3) -> (n, 2, 4, 3), something of each window, and back
        t = tf.reshape(t, [-1, 2, 4, 3])
        t = tf.matmul(tf.nn.softmax(tf.matmul(t, t, transpose_b=True)), t)
        return tf.reshape(t, [-1, 8, 3])

    rolled = labels_of(lambda t: windows(tf.roll(t, -2, 1)), spec(None, 8, 3))
    assert kinds(rolled) == ["examples", "rolled", "place2"] and (rolled[1][0].roll, rolled[1][0].op) == (2, "Roll")
    back = labels_of(lambda t: t + tf.roll(windows(tf.roll(t, -2, 1)), 2, 1), spec(None, 8, 3))
    assert kinds(back) == ["examples", "place1", "place2"] and back[1][0].op == ""
    both = labels_of(lambda t: t + tf.roll(t, 1, 1), spec(None, 8, 3))
    assert (both[1][0].kind, both[1][0].op) == (Kind.UNKNOWN, "AddV2")


def test_windows_of_a_map_of_another_resolution():
    kernel = tf.ones((2, 2, 1, 5))

    def function(t):
        t = tf.nn.conv2d(t, kernel, 2, "SAME")
        t = tf.transpose(tf.reshape(t, [-1, 2, 2, 3, 2, 5]), [0, 1, 3, 2, 4, 5])
        t = tf.reshape(t, [-1, 2 * 3, 2 * 2, 5]) * 2.0
        t = tf.transpose(tf.reshape(t, [-1, 2, 3, 2, 2, 5]), [0, 1, 3, 2, 4, 5])
        return tf.reshape(t, [-1, 4, 6, 5])

    labels = labels_of(function, spec(None, 8, 12, 1))
    assert kinds(labels) == ["examples", "place1", "place2", "made"]
    assert [(label[0].size, label[0].extent, label[0].stride) for label in labels[1:3]] == [(4, 8, 1), (6, 12, 1)]


def test_every_second_place_from_both_first_ones():
    labels = labels_of(lambda t: tf.concat([t[:, ::2], t[:, 1::2]], -1), spec(None, 8, 3))
    assert kinds(labels) == ["examples", "place1", "joined"]
    assert (labels[1][0].size, labels[1][0].window) == (4, (0.0, 1.0))
    moved = labels_of(lambda t: t[:, :-1] + t[:, 1:], spec(None, 8, 3))
    assert (moved[1][0].kind, moved[1][0].op) == (Kind.UNKNOWN, "AddV2")
    far = labels_of(lambda t: t[:, :6:2] + t[:, 2::2], spec(None, 8, 3))
    assert (far[1][0].kind, far[1][0].op) == (Kind.UNKNOWN, "AddV2")


def test_places_that_are_repeated_meet_those_of_the_resolution_they_come_to():
    kernel, enlarged = tf.ones((2, 2, 1, 5)), keras.layers.UpSampling2D

    def function(t):
        small = tf.nn.conv2d(t, kernel, 2, "SAME")
        return tf.concat([t, enlarged(2)(small)], -1)

    labels = labels_of(function, spec(None, 8, 6, 1))
    assert kinds(labels) == ["examples", "place1", "place2", "made"]
    assert [label[0].size for label in labels[1:3]] == [8, 6]


def test_a_dilated_convolution_of_open_length():
    kernel = tf.ones((3, 3, 4))
    labels = labels_of(lambda t: tf.nn.conv1d(t, kernel, 1, "SAME", dilations=2), spec(None, None, 3))
    assert kinds(labels) == ["examples", "place1", "made"]


def test_paddings_that_the_graph_computes():
    def function(t):  # to a multiple of 4
        more = tf.math.floormod(-tf.shape(t)[1], 4)
        return tf.pad(t, tf.stack([[0, 0], tf.stack([0, more]), [0, 0]]))

    assert kinds(labels_of(function, spec(None, 6, 3))) == ["examples", "place1", "place2"]
    opened = labels_of(function, spec(None, None, 3))
    assert [a.kind for label in opened for a in label] == [Kind.UNKNOWN] * 3


def test_tensors_from_outside_are_the_networks_own():
    table = tf.constant(np.arange(8.0, dtype="float32").reshape(4, 2))
    labels = labels_of(lambda t: t + tf.gather(table, tf.range(4) % 4), spec(None, 4, 2))
    assert kinds(labels) == ["examples", "place1", "place2"]


def test_what_is_read_of_tokens_before_and_after_they_meet():
    def function(t):
        token = tf.zeros_like(t[:, :1]) + 1.0
        joined = tf.concat([token, t], 1)
        met = tf.matmul(tf.nn.softmax(tf.matmul(joined, joined, transpose_b=True)), joined) * 2.0
        return met[:, 0]

    graph = captured(function, spec(None, 4, 3))
    followed = Followed(graph)
    found = reads(graph.ops, followed, {graph.outputs[0]: everything(followed.axes[graph.outputs[0]])})
    by_type = {op.type: found[op.outputs[0]] for op in graph.ops if op.outputs[0] in found}
    assert by_type["Mul"][1][0].tolist() == [True, False, False, False, False]  # the class token alone
    assert by_type["ConcatV2"][1] == [True]  # all of them, by the attention


def test_one_anchor_reads_one_part():
    def function(t):
        return tf.concat([t[:, :2] * 3.0, tf.exp(t[:, 2:])], 1)

    graph = captured(function, spec(None, 5))
    followed = Followed(graph)
    (end,) = graph.outputs
    mask = np.array([False, True, False, False, False])
    found = reads(graph.ops, followed, {end: [[True], [mask]]})
    made = {op.type: op.outputs[0] for op in graph.ops}
    assert found[made["Mul"]][1][0].tolist() == [False, True] and made["Exp"] not in found
