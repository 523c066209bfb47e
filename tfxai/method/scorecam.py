"""Score-CAM: a class activation map without gradients."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from tfxai.method.base import Method, Tensors
from tfxai.method.class_maps import (
    check_map,
    finished,
    mask_of,
    over_input,
    over_places,
    summed,
    take_sign,
    wide,
)
from tfxai.model.attribution import Attribution
from tfxai.model.grid import Grid
from tfxai.model.scorer import Scorer
from tfxai.rules.gradient import OrdinaryGradient
from tfxai.support.checks import whole_number


@dataclasses.dataclass(frozen=True)
class ScoreCAM(Method):
    """Feature maps weighted by the score of the input that each of them lets through: no gradient.

    L = ReLU(sum_k w_k A^k), w = softmax over k of f(x0 + (x - x0) H_k), H_k = A^k brought to the input's size and to
    [0, 1].  Wang et al. 2020, arXiv:1910.01279. One forward pass per channel.

    Args:
        channels: Only this many channels, those that vary most over each example's map; None: all.
        resize, upsampling: As in `gradcam`.
        relu: As in `gradcam`; what is below 0 in the feature maps stays, as no weight is.

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
    relu: bool = True

    name: ClassVar[str] = "scorecam"
    uses_baseline: ClassVar[bool] = True
    reads_feature_maps: ClassVar[bool] = True
    one_map_per_layer: ClassVar[bool] = True
    quick: ClassVar[dict[str, Any]] = {"channels": 32}

    def __post_init__(self) -> None:
        take_sign(self)

    def check(self) -> None:
        check_map(self)
        if self.channels is not None:
            whole_number(self.channels, "channels")

    def __call__(self, scorer: Scorer, x: Tensors, reference: Tensors, rng: np.random.Generator) -> Attribution:
        scorer, score, target = scorer.with_target_of(x)
        features = scorer.features(OrdinaryGradient(), x).maps
        values = []
        for a, layer in zip(features, scorer.model.feature_maps, strict=True):
            places = self._strongest(wide(a))
            weights = tf.nn.softmax(self._scores(scorer, x, reference, places, layer.grid), axis=-1)
            heat = summed(tf.cast(weights, places.dtype), places)
            values.append(finished(heat, layer.grid, scorer, self))
        return Attribution(values, score, None, target)

    def _strongest(self, places: tf.Tensor) -> tf.Tensor:
        """(n, places..., channels) -> only so many channels, those that vary most over each example's map."""
        if self.channels is None or self.channels >= places.shape[-1]:
            return places
        order = tf.math.top_k(over_places(tf.math.reduce_variance, places), self.channels).indices
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


def _to_unit(maps: tf.Tensor) -> tf.Tensor:
    """(n, places...) each from 0 to 1; one that is the same everywhere becomes 0."""
    axes = list(range(1, maps.shape.rank))
    low, high = tf.reduce_min(maps, axes, keepdims=True), tf.reduce_max(maps, axes, keepdims=True)
    return tf.math.divide_no_nan(maps - low, high - low)


def _let_through(x: tf.Tensor, reference: tf.Tensor, heat: tf.Tensor, grid: Grid, scorer: Scorer, k: int) -> tf.Tensor:
    """Explained tensor number k where the map shows it; one of another input stays whole."""
    mask = mask_of(k, heat, grid, scorer)
    return x if mask is None else reference + (x - reference) * tf.cast(mask, x.dtype)
