"""Class activation maps by gradients: which places of a feature map speak for the target."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import tensorflow as tf

from tfxai.errors import OptionError
from tfxai.method.base import Method, Tensors
from tfxai.method.class_maps import (
    by_mean_slope,
    by_own_slope,
    by_positive_slopes,
    check_channels,
    check_map,
    class_activation,
    mask_of,
    over_input,
    place_by_place,
    take_sign,
    weighted,
    wide,
)
from tfxai.method.guided import rectified
from tfxai.model.attribution import Attribution
from tfxai.model.scorer import Scorer
from tfxai.rules.gradient import OrdinaryGradient


@dataclasses.dataclass(frozen=True)
class GradCAM(Method):
    """Feature maps summed with the mean of the gradient over each, and rectified.

    L = ReLU(sum_k alpha_k A^k), alpha_k = mean over places of dy/dA^k.  Selvaraju et al. 2017, arXiv:1610.02391

    The values are one channel, 0 or more: (n, height, width, 1) for images, (n, steps, 1) for sequences. `layer=` of
    `tfxai.explain` chooses A; None is the last convolution of which the score reads every place, found through any
    nesting. Of several pictures as inputs, each of which has convolutions of its own, each gets its own map: the values
    have the structure of the inputs (without those that are no pictures).

    Args:
        resize: Bring the map to the spatial size of the input; False gives it as it is.
        upsampling: "bilinear" or "nearest".
        relu: False leaves the ReLU out: below 0 is what speaks against the target.
        channels: "sum", or "each" for the terms of the sum, a map for each channel k of the layer: (n, height, width,
            K) of the layer's own size, so with resize=False. With relu=False they add up to the map without its ReLU;
            with relu=True each has a ReLU of its own.

    Raises:
        LayerError: The model has no convolution, or the chosen layer no places.
        OptionError: When used: a value that an option does not take; channels="each" without resize=False.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> layers = [keras.Input((4, 4, 1)), keras.layers.Conv2D(2, 3, name="conv", kernel_initializer="ones")]
        >>> layers += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1, kernel_initializer="ones")]
        >>> e = tfxai.explain(keras.Sequential(layers), np.ones((1, 4, 4, 1)), tfxai.GradCAM(resize=False))
        >>> e.layer, e.values.shape
        ('conv', (1, 2, 2, 1))
    """

    resize: bool = True
    upsampling: str = "bilinear"
    relu: bool = True
    channels: str = "sum"

    name: ClassVar[str] = "gradcam"
    reads_gradients: ClassVar[bool] = True
    reads_feature_maps: ClassVar[bool] = True
    one_map_per_layer: ClassVar[bool] = True

    def __post_init__(self) -> None:
        take_sign(self)

    def check(self) -> None:
        check_map(self)
        check_channels(self)

    def __call__(self, scorer: Scorer, x: Tensors, reference: Tensors, rng: np.random.Generator) -> Attribution:
        return class_activation(scorer, x, by_mean_slope, self)


@dataclasses.dataclass(frozen=True)
class GradCAMPlusPlus(Method):
    """Grad-CAM with a weight for every place, for several objects of one class.

    w_k = sum over places of alpha * ReLU(g), alpha = g^2 / (2 g^2 + g^3 sum over places of A^k), g = dy/dA^k of
    exp(y), whose common factor is left out.  Chattopadhay et al. 2018, arXiv:1710.11063

    Args:
        resize, upsampling, relu, channels: As in `gradcam`.

    Raises:
        LayerError, OptionError: As in `gradcam`.

    Example:
        >>> import tfxai
        >>> demo = tfxai.demo.digits()
        >>> tfxai.explain(demo.model, demo.examples[:1], tfxai.GradCAMPlusPlus()).values.shape
        (1, 28, 28, 1)
    """

    resize: bool = True
    upsampling: str = "bilinear"
    relu: bool = True
    channels: str = "sum"

    name: ClassVar[str] = "gradcam++"
    reads_gradients: ClassVar[bool] = True
    reads_feature_maps: ClassVar[bool] = True
    one_map_per_layer: ClassVar[bool] = True

    def __post_init__(self) -> None:
        take_sign(self)

    def check(self) -> None:
        check_map(self)
        check_channels(self)

    def __call__(self, scorer: Scorer, x: Tensors, reference: Tensors, rng: np.random.Generator) -> Attribution:
        return class_activation(scorer, x, by_positive_slopes, self)


@dataclasses.dataclass(frozen=True)
class LayerCAM(Method):
    """Every place weighted by its own positive gradient: fine enough for shallow layers.

    L = ReLU(sum_k ReLU(dy/dA^k) A^k).  Jiang et al. 2021, IEEE TIP 30

    Args:
        resize, upsampling, relu, channels: As in `gradcam`.

    Raises:
        LayerError, OptionError: As in `gradcam`.

    Example:
        >>> import tfxai
        >>> demo = tfxai.demo.digits()
        >>> tfxai.explain(demo.model, demo.examples[:1], tfxai.LayerCAM()).values.shape
        (1, 28, 28, 1)
    """

    resize: bool = True
    upsampling: str = "bilinear"
    relu: bool = True
    channels: str = "sum"

    name: ClassVar[str] = "layercam"
    reads_gradients: ClassVar[bool] = True
    reads_feature_maps: ClassVar[bool] = True
    one_map_per_layer: ClassVar[bool] = True

    def __post_init__(self) -> None:
        take_sign(self)

    def check(self) -> None:
        check_map(self)
        check_channels(self)

    def __call__(self, scorer: Scorer, x: Tensors, reference: Tensors, rng: np.random.Generator) -> Attribution:
        return class_activation(scorer, x, place_by_place, self)


@dataclasses.dataclass(frozen=True)
class HiResCAM(Method):
    """Every number of the feature maps times its own gradient: where Grad-CAM's mean blurs, this does not.

    L = ReLU(sum_k dy/dA^k * A^k).  Draelos and Carin 2020, arXiv:2011.08891

    In a network that ends in one dense layer on the flattened maps, the map before its ReLU is exactly what each place
    adds to the score.

    Args:
        resize, upsampling, relu, channels: As in `gradcam`.

    Raises:
        LayerError, OptionError: As in `gradcam`.

    Example:
        >>> import tfxai
        >>> demo = tfxai.demo.digits()
        >>> tfxai.explain(demo.model, demo.examples[:1], tfxai.HiResCAM()).values.shape
        (1, 28, 28, 1)
    """

    resize: bool = True
    upsampling: str = "bilinear"
    relu: bool = True
    channels: str = "sum"

    name: ClassVar[str] = "hirescam"
    reads_gradients: ClassVar[bool] = True
    reads_feature_maps: ClassVar[bool] = True
    one_map_per_layer: ClassVar[bool] = True

    def __post_init__(self) -> None:
        take_sign(self)

    def check(self) -> None:
        check_map(self)
        check_channels(self)

    def __call__(self, scorer: Scorer, x: Tensors, reference: Tensors, rng: np.random.Generator) -> Attribution:
        return class_activation(scorer, x, by_own_slope, self)


@dataclasses.dataclass(frozen=True)
class GuidedGradCAM(Method):
    """Guided backpropagation times Grad-CAM: fine lines, of the class in question only.

    Selvaraju et al. 2017, arXiv:1610.02391, section 3.1. The values have the input's shape.

    Args:
        resize: True: the product needs a map of the input's size.
        upsampling: As in `gradcam`.

    Raises:
        LayerError, NoRectifierError: The model lacks a convolution, or a rectifier.
        OptionError: When used: resize=False, or several layers.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> ones = {"kernel_initializer": "ones"}
        >>> layers = [keras.Input((4, 4, 1)), keras.layers.Conv2D(2, 3, activation="relu", **ones)]
        >>> layers += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1, **ones)]
        >>> e = tfxai.explain(keras.Sequential(layers), np.ones((1, 4, 4, 1)), tfxai.GuidedGradCAM())
        >>> e.values.shape, bool((e.values > 0).all())
        ((1, 4, 4, 1), True)
    """

    resize: bool = True
    upsampling: str = "bilinear"

    name: ClassVar[str] = "guided_gradcam"
    reads_gradients: ClassVar[bool] = True
    reduction: ClassVar[str] = "norm"
    reads_feature_maps: ClassVar[bool] = True

    def check(self) -> None:
        check_map(self)
        if not self.resize:
            raise OptionError("Guided Grad-CAM multiplies maps of the input's size: resize=False has no meaning.")

    def __call__(self, scorer: Scorer, x: Tensors, reference: Tensors, rng: np.random.Generator) -> Attribution:
        maps = scorer.model.feature_maps
        if len({m.grid.input for m in maps}) < len(maps):
            raise OptionError("Guided Grad-CAM has one layer. Received several; explain them one by one.")
        guided = rectified(scorer, x, "guided", self.name)
        found = scorer.features(OrdinaryGradient(), x)
        values = [tf.zeros_like(g) for g in guided.values]
        for a, slopes, layer in zip(found.maps, found.slopes, maps, strict=True):
            heat = tf.nn.relu(weighted(by_mean_slope, wide(a), wide(slopes), layer.frame))
            heat = over_input(heat, layer.grid, scorer, self.upsampling)
            for k, g in enumerate(guided.values):
                if (mask := mask_of(k, heat, layer.grid, scorer)) is not None:
                    values[k] = g * tf.cast(mask, g.dtype)
        return guided._replace(values=values)
