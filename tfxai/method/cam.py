"""Class activation maps: which places of a feature map speak for the target."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from tfxai.errors import OptionError, received
from tfxai.method.base import Method, Tensors
from tfxai.method.guided import rectified
from tfxai.method.places import FILTERS
from tfxai.model.attribution import Attribution
from tfxai.model.grid import Grid
from tfxai.model.scorer import Scorer
from tfxai.rules.gradient import OrdinaryGradient
from tfxai.support.checks import one_of, whole_number
from tfxai.support.numerics import widened

# (n, places..., channels) of features and of slopes -> one number per place, (n, places...)
Weighting = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


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

    Raises:
        LayerError: The model has no convolution, or the chosen layer no places.
        OptionError: When used: a resize or upsampling that is none of these.

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

    name: ClassVar[str] = "gradcam"
    reads_gradients: ClassVar[bool] = True
    reads_feature_maps: ClassVar[bool] = True
    one_map_per_layer: ClassVar[bool] = True

    def check(self) -> None:
        check_map(self.resize, self.upsampling)

    def __call__(self, scorer: Scorer, x: Tensors, reference: Tensors, rng: np.random.Generator) -> Attribution:
        return class_activation(scorer, x, by_mean_slope, self.resize, self.upsampling)


@dataclasses.dataclass(frozen=True)
class GradCAMPlusPlus(Method):
    """Grad-CAM with a weight for every place, for several objects of one class.

    w_k = sum over places of alpha * ReLU(g), alpha = g^2 / (2 g^2 + g^3 sum over places of A^k), g = dy/dA^k of
    exp(y), whose common factor is left out.  Chattopadhay et al. 2018, arXiv:1710.11063

    Args:
        resize, upsampling: As in `gradcam`.

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

    name: ClassVar[str] = "gradcam++"
    reads_gradients: ClassVar[bool] = True
    reads_feature_maps: ClassVar[bool] = True
    one_map_per_layer: ClassVar[bool] = True

    def check(self) -> None:
        check_map(self.resize, self.upsampling)

    def __call__(self, scorer: Scorer, x: Tensors, reference: Tensors, rng: np.random.Generator) -> Attribution:
        return class_activation(scorer, x, by_positive_slopes, self.resize, self.upsampling)


@dataclasses.dataclass(frozen=True)
class LayerCAM(Method):
    """Every place weighted by its own positive gradient: fine enough for shallow layers.

    L = ReLU(sum_k ReLU(dy/dA^k) A^k).  Jiang et al. 2021, IEEE TIP 30

    Args:
        resize, upsampling: As in `gradcam`.

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

    name: ClassVar[str] = "layercam"
    reads_gradients: ClassVar[bool] = True
    reads_feature_maps: ClassVar[bool] = True
    one_map_per_layer: ClassVar[bool] = True

    def check(self) -> None:
        check_map(self.resize, self.upsampling)

    def __call__(self, scorer: Scorer, x: Tensors, reference: Tensors, rng: np.random.Generator) -> Attribution:
        return class_activation(scorer, x, place_by_place, self.resize, self.upsampling)


@dataclasses.dataclass(frozen=True)
class HiResCAM(Method):
    """Every number of the feature maps times its own gradient: where Grad-CAM's mean blurs, this does not.

    L = ReLU(sum_k dy/dA^k * A^k).  Draelos and Carin 2020, arXiv:2011.08891

    In a network that ends in one dense layer on the flattened maps, the map before its ReLU is exactly what each place
    adds to the score.

    Args:
        resize, upsampling: As in `gradcam`.

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

    name: ClassVar[str] = "hirescam"
    reads_gradients: ClassVar[bool] = True
    reads_feature_maps: ClassVar[bool] = True
    one_map_per_layer: ClassVar[bool] = True

    def check(self) -> None:
        check_map(self.resize, self.upsampling)

    def __call__(self, scorer: Scorer, x: Tensors, reference: Tensors, rng: np.random.Generator) -> Attribution:
        return class_activation(scorer, x, by_own_slope, self.resize, self.upsampling)


@dataclasses.dataclass(frozen=True)
class ScoreCAM(Method):
    """Feature maps weighted by the score of the input that each of them lets through: no gradient.

    L = ReLU(sum_k w_k A^k), w = softmax over k of f(x0 + (x - x0) H_k), H_k = A^k brought to the input's size and to
    [0, 1].  Wang et al. 2020, arXiv:1910.01279. One forward pass per channel.

    Args:
        channels: Only this many channels, those that vary most over each example's map; None: all.
        resize, upsampling: As in `gradcam`.

    Raises:
        LayerError, OptionError: As in `gradcam`; and channels below 1.

    Example:
        >>> import tfxai
        >>> demo = tfxai.demo.digits()
        >>> tfxai.explain(demo.model, demo.examples[:1], tfxai.ScoreCAM(channels=1)).values.shape
        (1, 28, 28, 1)
    """

    resize: bool = True
    upsampling: str = "bilinear"
    channels: int | None = None

    name: ClassVar[str] = "scorecam"
    uses_baseline: ClassVar[bool] = True
    reads_feature_maps: ClassVar[bool] = True
    one_map_per_layer: ClassVar[bool] = True
    quick: ClassVar[dict[str, Any]] = {"channels": 32}

    def check(self) -> None:
        check_map(self.resize, self.upsampling)
        if self.channels is not None:
            whole_number(self.channels, "channels")

    def __call__(self, scorer: Scorer, x: Tensors, reference: Tensors, rng: np.random.Generator) -> Attribution:
        scorer, score, target = scorer.with_target_of(x)
        features = scorer.features(OrdinaryGradient(), x).maps
        values = []
        for a, layer in zip(features, scorer.model.feature_maps, strict=True):
            places = self._strongest(_wide(a))
            weights = tf.nn.softmax(self._scores(scorer, x, reference, places, layer.grid), axis=-1)
            heat = tf.nn.relu(tf.einsum("n...k,nk->n...", places, tf.cast(weights, places.dtype)))
            values.append(finished(heat, layer.grid, scorer, self.resize, self.upsampling))
        return Attribution(values, score, None, target)

    def _strongest(self, places: tf.Tensor) -> tf.Tensor:
        """(n, places..., channels) -> only so many channels, those that vary most over each example's map."""
        if self.channels is None or self.channels >= places.shape[-1]:
            return places
        order = tf.math.top_k(_over_places(tf.math.reduce_variance, places), self.channels).indices
        rows = tf.transpose(places, [0, places.shape.rank - 1, *range(1, places.shape.rank - 1)])
        rows = tf.gather(rows, order, batch_dims=1)
        return tf.transpose(rows, [0, *range(2, places.shape.rank), 1])

    def _scores(self, scorer: Scorer, x: Tensors, reference: Tensors, places: tf.Tensor, grid: Grid) -> tf.Tensor:
        """(n, channels) the score of what each channel lets through, less that of the baseline."""
        n, channels = places.shape[0], places.shape[-1]
        base, _ = scorer.score(reference)
        found = []
        for part, some, repeat in scorer.copies(channels):
            which = range(part.start, part.stop)
            large = tf.stack([over_input(places[..., k], grid, scorer, self.upsampling) for k in which], axis=1)
            shown = _to_unit(tf.reshape(large, [-1, *large.shape[2:]]))
            points = [_let_through(repeat(t), repeat(r), shown, grid, scorer, k)
                      for k, (t, r) in enumerate(zip(x, reference, strict=True))]  # fmt: skip
            found.append(tf.reshape(some.score(points)[0], [n, len(which)]))
        return tf.concat(found, axis=1) - base[:, None]


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
        check_map(self.resize, self.upsampling)
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
            heat = tf.nn.relu(_weighted(by_mean_slope, _wide(a), _wide(slopes), layer.frame))
            heat = over_input(heat, layer.grid, scorer, self.upsampling)
            for k, g in enumerate(guided.values):
                if (mask := _mask_of(k, heat, layer.grid, scorer)) is not None:
                    values[k] = g * tf.cast(mask, g.dtype)
        return guided._replace(values=values)


# --- What the maps of a layer are weighted with -----------------------------------------------------------------------


def by_mean_slope(features: tf.Tensor, slopes: tf.Tensor) -> tf.Tensor:
    """Each channel by the mean of its slopes over the places."""
    return tf.einsum("n...k,nk->n...", features, _over_places(tf.reduce_mean, slopes))


def by_positive_slopes(features: tf.Tensor, slopes: tf.Tensor) -> tf.Tensor:
    """Each channel by its positive slopes, places with large features less."""
    g = slopes
    total = _over_places(tf.reduce_sum, features)
    total = tf.reshape(total, [-1] + [1] * (g.shape.rank - 2) + [g.shape[-1]])
    alpha = tf.math.divide_no_nan(g**2, 2 * g**2 + total * g**3)
    weights = _over_places(tf.reduce_sum, alpha * tf.nn.relu(g))
    return tf.einsum("n...k,nk->n...", features, weights)


def place_by_place(features: tf.Tensor, slopes: tf.Tensor) -> tf.Tensor:
    """Each number by its own slope, where that is positive."""
    return tf.reduce_sum(tf.nn.relu(slopes) * features, axis=-1)


def by_own_slope(features: tf.Tensor, slopes: tf.Tensor) -> tf.Tensor:
    """Each number by its own slope."""
    return tf.reduce_sum(slopes * features, axis=-1)


# --- What all of them share -------------------------------------------------------------------------------------------


def check_map(resize: Any, upsampling: Any) -> None:
    """Raises OptionError when one of them cannot be used."""
    one_of(upsampling, "upsampling", FILTERS)
    if not isinstance(resize, bool):
        raise OptionError(f"resize is True or False. {received(resize)}")


def class_activation(scorer: Scorer, x: Tensors, weighting: Weighting, resize: bool, upsampling: str) -> Attribution:
    """ReLU(the weighted sum over the channels) of each feature map, one value (n, places..., 1) per map."""
    found = scorer.features(OrdinaryGradient(), x)
    values = []
    for a, g, layer in zip(found.maps, found.slopes, scorer.model.feature_maps, strict=True):
        heat = tf.nn.relu(_weighted(weighting, _wide(a), _wide(g), layer.frame))
        values.append(finished(heat, layer.grid, scorer, resize, upsampling))
    return Attribution(values, found.score, None, found.target)


def _weighted(weighting: Weighting, features: tf.Tensor, slopes: tf.Tensor, frame: int | None) -> tf.Tensor:
    """One number per place; of a film, which a network reads frame by frame, every frame with weights of its own."""
    if frame is None:
        return weighting(features, slopes)
    frames = zip(tf.unstack(features, axis=frame + 1), tf.unstack(slopes, axis=frame + 1), strict=True)
    return tf.stack([weighting(a, g) for a, g in frames], axis=frame + 1)


def finished(heat: tf.Tensor, grid: Grid, scorer: Scorer, resize: bool, upsampling: str) -> tf.Tensor:
    """(n, places...) with a channel axis, and of the input's size if that is wanted."""
    return grid.with_channels(over_input(heat, grid, scorer, upsampling) if resize else heat)


def over_input(heat: tf.Tensor, grid: Grid, scorer: Scorer, upsampling: str) -> tf.Tensor:
    """(n, places...) of the size of the input that the places are of."""
    return grid.restored(heat, scorer.inputs[grid.input].shape, upsampling)


def _wide(tensor: tf.Tensor) -> tf.Tensor:
    """In single precision or better: sums over a map, and powers of slopes, do not fit into half precision."""
    return tf.cast(tensor, widened(tensor.dtype))


def _over_places(reduce: Callable, tensor: tf.Tensor) -> tf.Tensor:
    """(n, places..., channels) -> (n, channels)."""
    return reduce(tensor, axis=list(range(1, tensor.shape.rank - 1)))


def _to_unit(maps: tf.Tensor) -> tf.Tensor:
    """(n, places...) each from 0 to 1; one that is the same everywhere becomes 0."""
    axes = list(range(1, maps.shape.rank))
    low, high = tf.reduce_min(maps, axes, keepdims=True), tf.reduce_max(maps, axes, keepdims=True)
    return tf.math.divide_no_nan(maps - low, high - low)


def _mask_of(k: int, heat: tf.Tensor, grid: Grid, scorer: Scorer) -> tf.Tensor | None:
    """A map of an input's places as a factor of explained tensor number k; None where that is of another input."""
    model = scorer.model
    if model.input_of[k] != grid.input:
        return None
    return grid.spread(heat, model.own_axes(k), model.graph.values[model.explained[k]].shape.rank)


def _let_through(x: tf.Tensor, reference: tf.Tensor, heat: tf.Tensor, grid: Grid, scorer: Scorer, k: int) -> tf.Tensor:
    """Explained tensor number k where the map shows it; one of another input stays whole."""
    mask = _mask_of(k, heat, grid, scorer)
    return x if mask is None else reference + (x - reference) * tf.cast(mask, x.dtype)
