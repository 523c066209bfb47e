"""Time as a ratio within one process: seconds alone say more about the machine than about the package."""

import statistics
import time

import tensorflow as tf


def seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def paired_ratio(ours, bare, rounds=7):
    """The median of ratios measured in turn, after one call of each to warm up."""
    ours(), bare()
    return statistics.median(seconds(ours) / seconds(bare) for _ in range(rounds))


def bare_gradient(model, x):
    """What a user would write by hand: the gradient of the first logit in a `tf.function`."""
    tensor = tf.constant(x)

    @tf.function
    def gradient(z):
        with tf.GradientTape() as tape:
            tape.watch(z)
            y = model(z, training=False)[:, 0]
        return tape.gradient(y, z)

    return lambda: gradient(tensor).numpy()
