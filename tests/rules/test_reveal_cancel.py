"""RevealCancel: what is positive and what is negative in a change, as deeplift's own tests have it."""

import numpy as np
import tensorflow as tf

from tests.graph.captured import captured, replayed, spec
from tfxai.rules.reveal_cancel import RevealCancelRules


def test_sign_split_of_a_convolution():
    """deeplift's tests/layers/test_conv1d.py: positive and negative part of a convolution's output."""
    first = np.array([[-2, -1], [0, 1]], "float32").T  # (position, channel)
    kernel = np.stack([first, -first], axis=-1)
    graph = captured(lambda z: tf.nn.conv1d(z, kernel, 1, "VALID") + [-1.0, 1.0], spec(2, 4, 2))
    x = np.stack([np.arange(-8, 0), np.arange(0, 8)]).reshape(2, 2, 4).transpose(0, 2, 1).astype("float32")
    reference = np.ones_like(x)
    (out,) = replayed(graph, RevealCancelRules(), map(tf.constant, (x, reference, np.abs(x - reference))))
    positive, negative = (np.transpose(t, (0, 2, 1)) for t in (out.positive, out.negative))
    np.testing.assert_allclose(positive, [[[26, 23, 20], [4, 3, 2]], [[6, 5, 6], [0, 1, 4]]], atol=1e-5)
    np.testing.assert_allclose(negative, [[[-4, -3, -2], [-26, -23, -20]], [[0, -1, -4], [-6, -5, -6]]], atol=1e-5)
