"""What other packages do with the same ordinary Keras models: `python -m tests.benchmarks.comparison`.

Prints a table in Markdown. A package that is not installed is left out. Every cell is a measurement of this run: for
methods that promise to add up (DeepLIFT, DeepSHAP) the largest residual relative to the change of the score (or the
score itself, where that is larger); for Grad-CAM whether a map comes out that is finite and not constant; otherwise the
kind of error.

    pip install shap tf-explain tf-keras-vis xplique opencv-python-headless
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import subprocess
import sys
import warnings
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from keras import layers

IMAGE, STEPS = (64, 64, 3), (12, 5)


class Subclassed(keras.Model):
    """As in the guides: layers in `__init__`, Python in `call`."""

    def __init__(self):
        super().__init__()
        self.convolution = layers.Conv2D(8, 3, activation="relu")
        self.head = layers.Dense(3)

    def call(self, x):
        return self.head(keras.ops.mean(keras.ops.relu(self.convolution(x)), axis=(1, 2)))


def plain() -> keras.Model:
    i = keras.Input(IMAGE)
    return keras.Model(i, layers.Dense(3)(layers.Flatten()(layers.Conv2D(4, 3, strides=4, activation="relu")(i))))


def nested() -> keras.Model:
    base = keras.applications.MobileNetV2(weights=None, input_shape=IMAGE, include_top=False)
    return keras.Sequential([keras.Input(IMAGE), base, layers.GlobalAveragePooling2D(), layers.Dense(3)])


def subclassed() -> keras.Model:
    model = Subclassed()
    model(np.zeros((1, *IMAGE), "float32"))
    return model


def attention() -> keras.Model:
    s = keras.Input(STEPS)
    mixed = layers.LayerNormalization()(s + layers.MultiHeadAttention(1, 4)(s, s))
    return keras.Model(s, layers.Dense(3)(layers.GlobalAveragePooling1D()(mixed)))


def application(name: str) -> Callable:
    build = getattr(keras.applications, name)
    return lambda: build(weights=None, input_shape=IMAGE, classes=3, classifier_activation=None)


MODELS: dict[str, tuple[Callable, tuple]] = {
    "a plain CNN": (plain, IMAGE),
    "MobileNetV2": (application("MobileNetV2"), IMAGE),
    "EfficientNetB0": (application("EfficientNetB0"), IMAGE),
    "ConvNeXtTiny": (application("ConvNeXtTiny"), IMAGE),
    "transfer learning (a nested base)": (nested, IMAGE),
    "a subclassed model": (subclassed, IMAGE),
    "LSTM": (lambda: keras.Sequential([keras.Input(STEPS), layers.LSTM(6), layers.Dense(3)]), STEPS),
    "attention, layer normalisation": (attention, STEPS),
    "GELU": (
        lambda: keras.Sequential([keras.Input((8,)), layers.Dense(16, activation="gelu"), layers.Dense(3)]),
        (8,),
    ),
}


def tfxai_deeplift(model, x, zeros) -> str:
    import tfxai

    e = tfxai.explain(model, x, target=1, verbose=0)
    return residual(e.values, model, x, zeros)


def tfxai_gradcam(model, x, zeros) -> str:
    import tfxai

    return mapped(tfxai.explain(model, x, "gradcam", target=1, verbose=0).values) if x.ndim == 4 else ""


def shap_deep(model, x, zeros) -> str:
    import shap

    values = shap.DeepExplainer(model, zeros).shap_values(x, check_additivity=False)
    values = values[1] if isinstance(values, list) else values[..., 1]
    return residual(values, model, x, zeros)


def tf_explain_gradcam(model, x, zeros) -> str:
    from tf_explain.core.grad_cam import GradCAM

    return mapped(GradCAM().explain((x, None), model, class_index=1)[None]) if x.ndim == 4 else ""


def keras_vis_gradcam(model, x, zeros) -> str:
    from tf_keras_vis.gradcam import Gradcam
    from tf_keras_vis.utils.scores import CategoricalScore

    return (
        mapped(Gradcam(model, clone=False)(CategoricalScore([1] * len(x)), x, penultimate_layer=-1))
        if x.ndim == 4
        else ""
    )


def xplique_gradcam(model, x, zeros) -> str:
    from xplique.attributions import GradCAM

    return mapped(GradCAM(model)(x, np.eye(3, dtype="float32")[[1] * len(x)])) if x.ndim == 4 else ""


TOOLS: dict[str, tuple[str, Callable]] = {
    "tfxai DeepLIFT": ("tfxai", tfxai_deeplift),
    "shap DeepExplainer": ("shap", shap_deep),
    "tfxai Grad-CAM": ("tfxai", tfxai_gradcam),
    "tf-explain Grad-CAM": ("tf_explain", tf_explain_gradcam),
    "tf-keras-vis Grad-CAM": ("tf_keras_vis", keras_vis_gradcam),
    "xplique Grad-CAM": ("xplique", xplique_gradcam),
}


def residual(values, model, x, zeros) -> str:
    """What is missing of the change of the score, relative to it (or to the score, where that is larger)."""
    score = np.asarray(model(x))[:, 1]
    change = score - np.asarray(model(zeros))[:, 1]
    total = np.asarray(values).reshape(len(x), -1).sum(axis=1)
    return f"{np.abs(total - change).max() / max(np.abs(change).max(), np.abs(score).mean()):.0e}"


def mapped(values) -> str:
    values = np.asarray(values, float)
    return "a map" if np.isfinite(values).all() and np.ptp(values) > 0 else "an empty map"


def cell(name: str, tool: str) -> str:
    """One measurement: a number, or the kind of error."""
    logging.disable(logging.WARNING)
    keras.utils.set_random_seed(0)
    build, shape = MODELS[name]
    model, x = build(), np.random.default_rng(0).uniform(0, 1, (2, *shape)).astype("float32")
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return TOOLS[tool][1](model, x, np.zeros_like(x[:1]))
    except Exception as error:
        return type(error).__name__


def main() -> None:
    """Prints the table; every cell in its own process, since some packages leave TensorFlow changed behind them."""
    if len(sys.argv) == 3:
        print(cell(*sys.argv[1:]))
        return
    tools = [name for name, (package, _) in TOOLS.items() if importlib.util.find_spec(package)]
    print(f"TensorFlow {tf.__version__}, Keras {keras.__version__}\n")
    print("| model | " + " | ".join(tools) + " |\n|---|" + "---|" * len(tools))
    for name in MODELS:
        command = [sys.executable, "-m", "tests.benchmarks.comparison", name]
        cells = [subprocess.run([*command, tool], capture_output=True, text=True).stdout.strip() for tool in tools]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
