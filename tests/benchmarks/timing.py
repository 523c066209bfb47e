"""Time as a ratio within one process: seconds alone say more about the machine than about the package."""

import statistics
import time

import tensorflow as tf


def seconds(function, clock=time.perf_counter):
    start = clock()
    function()
    return clock() - start


def paired_ratio(ours, bare, rounds=7, clock=time.perf_counter):
    """The median of ratios measured in turn, after one call of each to warm up; by `time.process_time` of all cores."""
    ours(), bare()
    return statistics.median(seconds(ours, clock) / seconds(bare, clock) for _ in range(rounds))


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
