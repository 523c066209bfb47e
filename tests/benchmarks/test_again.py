"""explain() in a loop: what a call costs when the model is known, what the first one costs, what stays in memory.

`pytest -m benchmark -n 0 -s tests/benchmarks/test_again.py`. Medians of ratios measured in turn, or in fresh processes.
"""

import ctypes
import gc
import statistics
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfxai
from tests.benchmarks.timing import seconds

pytestmark = pytest.mark.benchmark


def mlp():
    return keras.Sequential([keras.Input((30,)), *(layers.Dense(64, "relu") for _ in range(2)), layers.Dense(3)])


def gru():
    return keras.Sequential([keras.Input((20, 8)), layers.GRU(16), layers.Dense(2)])


def transformer():
    i = keras.Input((64,), dtype="int32")
    h = layers.Embedding(1000, 64)(i)
    for _ in range(2):
        a = layers.LayerNormalization()(h)
        h = layers.Add()([h, layers.MultiHeadAttention(4, 16)(a, a)])
        a = layers.Dense(256, activation="gelu")(layers.LayerNormalization()(h))
        h = layers.Add()([h, layers.Dense(64)(a)])
    return keras.Model(i, layers.Dense(5)(layers.GlobalAveragePooling1D()(h)))


def resnet50():
    return keras.applications.ResNet50(weights=None, classifier_activation=None)


# Of a first call, about as long as that of a bare gradient (below). The model is traced at every call, which is how
# a change of it is seen: 10 ms of the small ones, half a second of ResNet50, where the explanation takes as much again.
AGAIN = {mlp: 0.2, gru: 0.15, transformer: 0.2, resnet50: 0.5}


def examples(model, n):
    (one,) = model.inputs
    rng = np.random.default_rng(0)
    if one.dtype == "int32":
        return rng.integers(0, 1000, (n, *one.shape[1:])).astype("int32")
    return rng.normal(size=(n, *one.shape[1:])).astype("float32")


@pytest.mark.parametrize("make", AGAIN)
def test_explain_again(make, at_most):
    model, other = make(), make()
    x = examples(model, 1)
    call = lambda m=model: tfxai.explain(m, x, target=0, verbose=0)  # noqa: E731
    call(other)  # what TensorFlow and Keras do once
    ratios = []
    for _ in range(3):
        tfxai.forget()
        first = seconds(call)
        ratios += [seconds(call) / first for _ in range(3)]
    at_most(AGAIN[make], f"explain() again, {make.__name__}, of a first call", statistics.median(ratios))


CODE = """
import sys, time, keras, numpy as np, tensorflow as tf, tfxai
name, ours = sys.argv[1], sys.argv[2] == "ours"

def bare(model, x):
    @tf.function
    def gradient(z):
        with tf.GradientTape() as tape:
            tape.watch(z)
            y = model(z, training=False)[:, 0]
        return tape.gradient(y, z)
    gradient.get_concrete_function(tf.TensorSpec((None, *x.shape[1:])))(tf.constant(x)).numpy()

def explained(model, x):
    tfxai.explain(model, x, target=0, verbose=0)

call = explained if ours else bare
small = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
call(small, np.ones((1, 3), "float32"))  # what TensorFlow does once
model = getattr(keras.applications, name)(weights=None, classifier_activation=None)
x = np.random.default_rng(0).normal(size=(2, 224, 224, 3)).astype("float32")
start = time.perf_counter()
call(model, x)
print(time.perf_counter() - start)
"""
# EfficientNetB0: the SiLU of each block is explained op by op, which are more ops than the bare gradient has.
FIRST = {"ResNet50": 1.1, "EfficientNetB0": 1.4}


@pytest.mark.parametrize("name", FIRST)
def test_first_call(name, at_most):
    def taken(whose):
        done = subprocess.run([sys.executable, "-c", CODE, name, whose], capture_output=True, text=True, check=True)
        return float(done.stdout.split()[-1])

    taken("ours")  # files in the cache of the machine
    ratio = statistics.median(taken("ours") / taken("bare") for _ in range(5))
    at_most(FIRST[name], f"first call, {name}, of that of the bare gradient", ratio)


def resident():
    """Megabytes in use after everything that can be freed is (Linux)."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4 / 1024


CALLS = {
    "deeplift": {},
    "reveal_cancel": {"rule": "reveal_cancel"},
    "gradient": {"method": "gradient"},
    "a new target function each time": {"target": None},
}


def silu():
    return keras.Sequential([keras.Input((6,)), layers.Dense(8, activation="silu"), layers.Dense(2)])


@pytest.mark.parametrize("kind", CALLS)
@pytest.mark.parametrize("make", [gru, silu])
def test_memory_of_many_calls(make, kind, at_most):
    """At most half a megabyte per call more than a new `tf.function` of the same model keeps each time."""
    model = make()
    x, options = examples(model, 2), {"target": 0} | CALLS[kind]

    def explained(k):
        own = {} if options["target"] is not None else {"target": lambda outputs: outputs[:, 0] * (k + 1.0)}
        tfxai.explain(model, x, verbose=0, **options | own)

    def bare(k):
        @tf.function
        def gradient(z):
            with tf.GradientTape() as tape:
                tape.watch(z)
                y = model(z)[:, 0]
            return tape.gradient(y, z)

        gradient(tf.constant(x))

    def kept(call, calls):
        for k in range(5):
            call(k)
        before = resident()
        for k in range(calls):
            call(k)
        return (resident() - before) / calls

    own, floor = kept(explained, 200 if options["target"] is not None else 60), kept(bare, 40)
    at_most(0.5, f"MB kept per explain(), {make.__name__}, {kind}, more than a bare function", own - floor)
