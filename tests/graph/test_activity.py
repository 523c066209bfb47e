"""What a value is to the input: it decides which op gets a rule, so each case is written down by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfxai
from tests.graph.captured import ACTIVE, CONST, CONTEXT, DISCRETE, SHAPE, activity, captured, spec
from tfxai.graph.activity import classify

pytestmark = pytest.mark.usefixtures("seeded_tensorflow")

ROWS = spec(None, 4)
STEPS = spec(None, 5, 4)


def loop(body, *start):
    return tf.while_loop(lambda i, *_: i < 3, lambda i, *more: (i + 1, *body(*more)), (0, *start))[1:]


@pytest.mark.parametrize(
    "function, expected",
    [
        (lambda z: tf.constant(2.0), CONST),
        (lambda z: tf.exp(tf.constant(1.0)), CONST),
        (lambda z: tf.random.normal(tf.shape(z)), CONTEXT),
        (lambda z: tf.reduce_any(tf.not_equal(z, 0.0), axis=-1), CONTEXT),  # the mask of a Masking layer
        (lambda z: tf.shape(z), SHAPE),
        (lambda z: tf.zeros_like(z), SHAPE),
        (lambda z: tf.range(tf.shape(z)[0]), SHAPE),
        (lambda z: z > 0, DISCRETE),
        (lambda z: tf.cast(z > 0, tf.float32), DISCRETE),
        (lambda z: tf.argmax(z, 1), DISCRETE),
        (lambda z: tf.one_hot(tf.cast(z[:, 0], tf.int32), 3), DISCRETE),
        (lambda z: tf.reduce_any(z > 0, axis=-1), DISCRETE),
        (lambda z: tf.sin(z), ACTIVE),
        (lambda z: tf.stop_gradient(z), ACTIVE),  # its value passes through; gradients are the tables' business
        (lambda z: z * tf.cast(z > 0, tf.float32), ACTIVE),
        (lambda z: tf.gather(tf.constant([1.0, 2.0]), tf.cast(z, tf.int32)), DISCRETE),
        (lambda z: tf.complex(z, z), ACTIVE),
        (lambda z: tf.cast(z, tf.int32), DISCRETE),
        (lambda z: tf.cond(tf.reduce_sum(z) > 0, lambda: z, lambda: 2 * z), ACTIVE),
        (lambda z: tf.cond(tf.reduce_sum(z) > 0, lambda: 1.0, lambda: 2.0), DISCRETE),
        (lambda z: tf.cond(tf.shape(z)[0] > 1, lambda: 1.0, lambda: 2.0), SHAPE),
        (lambda z: loop(lambda s: (s * 2,), z)[0], ACTIVE),
        (lambda z: loop(lambda s: (s * 2,), 1.0)[0], CONST),
        (lambda z: loop(lambda s, t: (s + 1, s), 1.0, 0.0)[1], CONST),
        # What is constant at the start and reads, two rounds later, what varies.
        (lambda z: loop(lambda s, t, u: (t, u, u), 0.0, 0.0, tf.reduce_sum(z))[0], ACTIVE),
    ],
)
def test_by_hand(function, expected):
    assert activity(function, ROWS) == expected


def test_what_is_not_explained_is_context():
    graph = captured(lambda a, b: (a + b, tf.sin(b), a > b, tf.shape(b)), ROWS, ROWS)
    found = classify(graph, {graph.inputs[0]: ACTIVE})
    assert [found[o] for o in graph.outputs] == [ACTIVE, CONTEXT, DISCRETE, CONTEXT]


def test_an_explained_value_stays_active_whatever_made_it():
    """As an embedding that was looked up from token ids."""
    graph = captured(lambda ids: tf.sin(tf.gather(tf.ones((9, 3)), ids)), spec(None, dtype="int32"))
    (rows,) = [op.outputs[0] for op in graph.ops if op.type.startswith(("Gather", "ResourceGather"))]
    assert classify(graph, {})[graph.outputs[0]] == CONTEXT
    found = classify(graph, {rows: ACTIVE})
    assert found[rows] == ACTIVE and found[graph.outputs[0]] == ACTIVE


CELLS = {
    "LSTM": lambda: layers.LSTM(4),
    "GRU": lambda: layers.Bidirectional(layers.GRU(4)),
    "SimpleRNN": lambda: layers.SimpleRNN(4, go_backwards=True),
}


@pytest.mark.long
@pytest.mark.parametrize("cell", CELLS)
def test_masked_steps_get_nothing(cell, rng):
    """Which steps exist is said by x, for the reference too."""
    model = keras.Sequential([keras.Input((6, 3)), layers.Masking(), CELLS[cell](), layers.Dense(2)])
    x = rng.normal(size=(3, 6, 3)).astype("float32")
    x[1, 3:] = 0
    e = tfxai.explain(model, x, target=0, baseline=rng.normal(size=(6, 3)))
    np.testing.assert_allclose(e.delta, 0, atol=1e-5)
    assert np.abs(e.values[1, 3:]).max() == 0 and np.abs(e.values[1, :3]).min() > 0


def test_random_ops_are_drawn_once_for_both_streams(rng):
    """A model that adds noise at inference: the noise cancels in the difference."""
    noisy = lambda z: tf.reduce_sum(tf.nn.relu(z + tf.random.normal(tf.shape(z), dtype=z.dtype)), 1)  # noqa: E731
    e = tfxai.explain(noisy, rng.normal(size=(4, 6)))
    assert np.abs(e.delta).max() < 1e-12
