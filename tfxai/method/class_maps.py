"""What class activation maps share: the weights of feature maps, their sum, and its way to the input's size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfxai.errors import OptionError, received
from tfxai.method.base import Tensors
from tfxai.method.places import FILTERS
from tfxai.model.attribution import Attribution
from tfxai.model.grid import Grid
from tfxai.model.scorer import Scorer
from tfxai.rules.gradient import OrdinaryGradient
from tfxai.support.checks import either, one_of
from tfxai.support.numerics import widened

# (n, places..., channels) of features and of slopes -> weights, (n, channels) or (n, places..., channels)
Weighting = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
Combining = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]  # weights and features -> what is made of them


# --- What the maps of a layer are weighted with -----------------------------------------------------------------------


def by_mean_slope(features: tf.Tensor, slopes: tf.Tensor) -> tf.Tensor:
    """Each channel by the mean of its slopes over the places."""
    return over_places(tf.reduce_mean, slopes)


def by_positive_slopes(features: tf.Tensor, slopes: tf.Tensor) -> tf.Tensor:
    """Each channel by its positive slopes, places with large features less."""
    g = slopes
    total = over_places(tf.reduce_sum, features)
    total = tf.reshape(total, [-1] + [1] * (g.shape.rank - 2) + [g.shape[-1]])
    alpha = tf.math.divide_no_nan(g**2, 2 * g**2 + total * g**3)
    return over_places(tf.reduce_sum, alpha * tf.nn.relu(g))


def place_by_place(features: tf.Tensor, slopes: tf.Tensor) -> tf.Tensor:
    """Each number by its own slope, where that is positive."""
    return tf.nn.relu(slopes)


def by_own_slope(features: tf.Tensor, slopes: tf.Tensor) -> tf.Tensor:
    """Each number by its own slope."""
    return slopes


# --- What is made of them ---------------------------------------------------------------------------------------------


def summed(weights: tf.Tensor, features: tf.Tensor) -> tf.Tensor:
    """(n, places...) the sum over the channels."""
    if weights.shape.rank == 2:
        return tf.einsum("n...k,nk->n...", features, weights)
    return tf.reduce_sum(weights * features, axis=-1)


def terms(weights: tf.Tensor, features: tf.Tensor) -> tf.Tensor:
    """(n, places..., channels) the terms of that sum."""
    if weights.shape.rank == 2:
        weights = tf.reshape(weights, [-1] + [1] * (features.shape.rank - 2) + [features.shape[-1]])
    return weights * features


def weighted(
    weighting: Weighting, features: tf.Tensor, slopes: tf.Tensor, frame: int | None, combined: Combining = summed
) -> tf.Tensor:
    """What is made of a map; of a film, which a network reads frame by frame, every frame with weights of its own."""
    if frame is None:
        return combined(weighting(features, slopes), features)
    frames = zip(tf.unstack(features, axis=frame + 1), tf.unstack(slopes, axis=frame + 1), strict=True)
    return tf.stack([combined(weighting(a, g), a) for a, g in frames], axis=frame + 1)


def class_activation(scorer: Scorer, x: Tensors, weighting: Weighting, method: Any) -> Attribution:
    """The map of each layer, one value (n, places..., 1 or channels) per layer, as the method's options say."""
    found = scorer.features(OrdinaryGradient(), x)
    combined = terms if method.channels == "each" else summed
    values = []
    for a, g, layer in zip(found.maps, found.slopes, scorer.model.feature_maps, strict=True):
        heat = weighted(weighting, wide(a), wide(g), layer.frame, combined)
        values.append(finished(heat, layer.grid, scorer, method, each=combined is terms))
    return Attribution(values, found.score, None, found.target)


def finished(heat: tf.Tensor, grid: Grid, scorer: Scorer, method: Any, each: bool = False) -> tf.Tensor:
    """(n, places...) rectified if that is wanted, with a channel axis, and of the input's size if that is wanted.

    Where each channel has a map, (n, places..., channels), they stay of the layer's size.
    """
    heat = tf.nn.relu(heat) if method.relu else heat
    if each:
        return grid.like_input(heat)
    return grid.with_channels(over_input(heat, grid, scorer, method.upsampling) if method.resize else heat)


def over_input(heat: tf.Tensor, grid: Grid, scorer: Scorer, upsampling: str) -> tf.Tensor:
    """(n, places...) of the size of the input that the places are of."""
    return grid.restored(heat, scorer.inputs[grid.input].shape, upsampling)


def wide(tensor: tf.Tensor) -> tf.Tensor:
    """In single precision or better: sums over a map, and powers of slopes, do not fit into half precision."""
    return tf.cast(tensor, widened(tensor.dtype))


def over_places(reduce: Callable, tensor: tf.Tensor) -> tf.Tensor:
    """(n, places..., channels) -> (n, channels)."""
    return reduce(tensor, axis=list(range(1, tensor.shape.rank - 1)))


def mask_of(k: int, heat: tf.Tensor, grid: Grid, scorer: Scorer) -> tf.Tensor | None:
    """A map of an input's places as a factor of explained tensor number k; None where that is of another input."""
    model = scorer.model
    if model.input_of[k] != grid.input:
        return None
    return grid.spread(heat, model.own_axes(k), model.graph.values[model.explained[k]].shape.rank)


# --- Their options ----------------------------------------------------------------------------------------------------


def take_sign(method: Any) -> None:
    """Without its ReLU a map speaks for and against, and is drawn so whatever the examples."""
    object.__setattr__(method, "signed", method.relu is False)


def check_map(method: Any) -> None:
    """Raises OptionError when an option that all maps have cannot be used."""
    one_of(method.upsampling, "upsampling", FILTERS)
    for option in ("resize", "relu"):
        value = getattr(method, option, True)
        if not isinstance(value, bool):
            raise OptionError(f"{option} is True or False. {received(value)}")


def check_channels(method: Any) -> None:
    """Raises OptionError when channels= cannot be used, or would bring every channel to the input's size."""
    either(method.channels, "channels", "sum", "each")
    if method.channels == "each" and method.resize:
        raise OptionError(
            'channels="each" gives a map for each channel, of the size of the layer. Received: resize=True. '
            "Pass resize=False."
        )
