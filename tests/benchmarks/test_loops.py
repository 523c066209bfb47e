"""Methods of many gradients against the loop that a user would write. `pytest -m benchmark -n 0 -s`.

Whole explain() calls, numpy in and out, against the same number of bare `tf.function` gradients: same model, same
micro-batch of 8, same process, median of paired ratios. A quarter of an hour.
"""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfxai
from tests.benchmarks.timing import bare_gradient, paired_ratio

pytestmark = pytest.mark.benchmark
LIMITS = {"MobileNetV2": 0.8, "EfficientNetB0": 0.9, "ResNet50": 1.0, "DenseNet121": 1.0, "ConvNeXtTiny": 0.2}
STEPS = dict.fromkeys(LIMITS, 50) | {"ConvNeXtTiny": 16}  # whose loop takes minutes; with fewer steps less is saved


@pytest.mark.parametrize("name", LIMITS)
def test_integrated_gradients_and_smoothgrad(name, at_most):
    keras.utils.set_random_seed(0)
    model = getattr(keras.applications, name)(weights=None, classifier_activation=None)
    x = np.random.default_rng(0).normal(size=(8, 224, 224, 3)).astype("float32")
    gradient, steps = bare_gradient(model, x), STEPS[name]

    def loop():
        for _ in range(steps):
            gradient()

    for method, options in (("integrated_gradients", {"steps": steps}), ("smoothgrad", {"samples": steps})):
        explainer = tfxai.Explainer(model, method, **options)
        ratio = paired_ratio(lambda e=explainer: e(x, target=0, seed=0, verbose=0), loop, 3)
        at_most(LIMITS[name], f"{method}, {name}, of the loop", ratio)


@pytest.mark.parametrize("name, layer", [("MobileNetV2", "out_relu"), ("ResNet50", "conv5_block3_out")])
def test_gradcam(name, layer, at_most):
    model = getattr(keras.applications, name)(weights=None, classifier_activation=None)
    both = keras.Model(model.inputs, [model.get_layer(layer).output, model.output])
    x = np.random.default_rng(0).normal(size=(8, 224, 224, 3)).astype("float32")
    tensor = tf.constant(x)

    @tf.function
    def by_hand(z):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            features, y = both(z, training=False)
            tape.watch(features)
        return features, y

    @tf.function
    def top(z):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(z)
            y = keras.ops.mean(z, axis=(1, 2)) @ model.layers[-1].kernel + model.layers[-1].bias
            score = y[:, 0]
        return tape.gradient(score, z)

    def bare():
        features, _ = by_hand(tensor)
        return top(features).numpy()

    explainer = tfxai.Explainer(model, "gradcam", layer=layer)
    ratio = paired_ratio(lambda: explainer(x, target=0, verbose=0), bare, 9)
    at_most(1.1, f"gradcam, {name}, of forward and backward to its layer", ratio)


@pytest.mark.parametrize("method, option", [("integrated_gradients", "steps"), ("smoothgrad", "samples")])
def test_memory_does_not_grow_with_steps(method, option, at_most):
    """Peak memory of a fresh process with 10 and with 1000."""
    code = """
import sys, keras, numpy as np, tfxai
model = keras.Sequential([keras.Input((64, 64, 3)), keras.layers.Conv2D(16, 3, activation="relu"),
                          keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)])
x = np.random.default_rng(0).normal(size=(8, 64, 64, 3)).astype("float32")
tfxai.explain(model, x, sys.argv[1], target=0, verbose=0, seed=0, **{sys.argv[2]: int(sys.argv[3])})
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""

    def peak(count):
        command = [sys.executable, "-c", code, method, option, str(count)]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])

    few, many = peak(10), peak(1000)
    at_most(1.1, f"peak memory of 1000 {option}, {method}, in that of 10", many / few)
