"""Class activation maps: which places of a feature map speak for the target."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import tensorflow as tf

from tfxai.errors import OptionError, received
from tfxai.method.base import Attribution, Method
from tfxai.method.guided import rectified
from tfxai.method.places import FILTERS, as_places, resized, size_of
from tfxai.model.scorer import Scorer
from tfxai.support.checks import one_of, whole_number


@dataclasses.dataclass(frozen=True)
class CAM(Method):
    """Abstract: `weighted(map, slope) -> one number per place`, rectified and brought to the input's size.

    `GradCAM` describes the fields.
    """

    resize: bool = True
    upsampling: str = "bilinear"

    maps: ClassVar[bool] = True
    per_map: ClassVar[bool] = True

    def check(self) -> None:
        one_of(self.upsampling, "upsampling", FILTERS)
        if not isinstance(self.resize, bool):
            raise OptionError(f"resize is True or False. {received(self.resize)}")

    def weighted(self, features: tf.Tensor, slopes: tf.Tensor) -> tf.Tensor:
        """(n, places..., channels) twice -> (n, places...)."""
        raise NotImplementedError

    def __call__(self, scorer: Scorer, x, baseline, rng) -> Attribution:
        score, chosen, features, slopes = scorer.features(x)
        values = []
        for a, g, axis in zip(features, slopes, scorer.engine.channels, strict=True):
            places, grads = (as_places(t, axis, scorer) for t in (a, g))
            values.append(self.finished(tf.nn.relu(self.weighted(places, grads)), axis, scorer))
        return Attribution(values, score, None, chosen)

    def finished(self, heat: tf.Tensor, axis: int, scorer: Scorer) -> tf.Tensor:
        """One channel, of the input's size."""
        if self.resize:
            heat = resized(heat, size_of(scorer, heat.shape.rank - 1), self.upsampling)
        return tf.expand_dims(heat, axis)


@dataclasses.dataclass(frozen=True)
class GradCAM(CAM):
    """Feature maps summed with the mean of the gradient over each, and rectified.

    L = ReLU(sum_k alpha_k A^k), alpha_k = mean over places of dy/dA^k.  Selvaraju et al. 2017, arXiv:1610.02391

    The values are one channel, 0 or more: (n, height, width, 1) for images, (n, steps, 1) for sequences. `layer=` of
    `tfxai.explain` chooses A; None is the last convolution, found through any nesting.

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

    name: ClassVar[str] = "gradcam"

    def weighted(self, features, slopes) -> tf.Tensor:
        return tf.einsum("n...k,nk->n...", features, _over_places(tf.reduce_mean, slopes))


@dataclasses.dataclass(frozen=True)
class GradCAMPlusPlus(CAM):
    """Grad-CAM with a weight for every place, for several objects of one class.

    w_k = sum over places of alpha * ReLU(g), alpha = g^2 / (2 g^2 + g^3 sum over places of A^k), g = dy/dA^k of
    exp(y), whose common factor is left out.  Chattopadhay et al. 2018, arXiv:1710.11063

    Args:
        resize, upsampling: As in `gradcam`.

    Raises:
        LayerError, OptionError: As in `gradcam`.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> layers = [keras.Input((4, 4, 1)), keras.layers.Conv2D(2, 3, name="conv", kernel_initializer="ones")]
        >>> layers += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1, kernel_initializer="ones")]
        >>> e = tfxai.explain(keras.Sequential(layers), np.ones((1, 4, 4, 1)), tfxai.GradCAMPlusPlus())
        >>> e.layer, e.values.shape
        ('conv', (1, 4, 4, 1))
    """

    name: ClassVar[str] = "gradcam++"

    def weighted(self, features, slopes) -> tf.Tensor:
        g = slopes
        total = _over_places(tf.reduce_sum, features)
        total = tf.reshape(total, [-1] + [1] * (g.shape.rank - 2) + [g.shape[-1]])
        alpha = tf.math.divide_no_nan(g**2, 2 * g**2 + total * g**3)
        weights = _over_places(tf.reduce_sum, alpha * tf.nn.relu(g))
        return tf.einsum("n...k,nk->n...", features, weights)


@dataclasses.dataclass(frozen=True)
class LayerCAM(CAM):
    """Every place weighted by its own positive gradient: fine enough for shallow layers.

    L = ReLU(sum_k ReLU(dy/dA^k) A^k).  Jiang et al. 2021, IEEE TIP 30

    Args:
        resize, upsampling: As in `gradcam`.

    Raises:
        LayerError, OptionError: As in `gradcam`.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> layers = [keras.Input((4, 4, 1)), keras.layers.Conv2D(2, 3, name="conv", kernel_initializer="ones")]
        >>> layers += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1, kernel_initializer="ones")]
        >>> e = tfxai.explain(keras.Sequential(layers), np.ones((1, 4, 4, 1)), tfxai.LayerCAM())
        >>> e.layer, e.values.shape
        ('conv', (1, 4, 4, 1))
    """

    name: ClassVar[str] = "layercam"

    def weighted(self, features, slopes) -> tf.Tensor:
        return tf.reduce_sum(tf.nn.relu(slopes) * features, axis=-1)


@dataclasses.dataclass(frozen=True)
class ScoreCAM(CAM):
    """Feature maps weighted by the score of the input that each of them lets through: no gradient.

    L = ReLU(sum_k w_k A^k), w = softmax over k of f(x0 + (x - x0) H_k), H_k = A^k brought to the input's size and to
    [0, 1].  Wang et al. 2020, arXiv:1910.01279. One forward pass per channel.

    Args:
        channels: Only this many channels, those that vary most over each example's map; None: all.
        resize, upsampling: As in `gradcam`.

    Raises:
        LayerError, OptionError: As in `gradcam`; and channels below 1.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> layers = [keras.Input((4, 4, 1)), keras.layers.Conv2D(2, 3, name="conv", kernel_initializer="ones")]
        >>> layers += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1, kernel_initializer="ones")]
        >>> e = tfxai.explain(keras.Sequential(layers), np.ones((1, 4, 4, 1)), tfxai.ScoreCAM(channels=1))
        >>> e.layer, e.values.shape
        ('conv', (1, 4, 4, 1))
    """

    channels: int | None = None

    name: ClassVar[str] = "scorecam"
    uses_baseline: ClassVar[bool] = True

    def check(self) -> None:
        super().check()
        if self.channels is not None:
            whole_number(self.channels, "channels")

    def __call__(self, scorer: Scorer, x, baseline, rng) -> Attribution:
        scorer, score, chosen = scorer.fixed(x)
        _, _, features, _ = scorer.features(x)
        values = []
        for a, axis in zip(features, scorer.engine.channels, strict=True):
            places = self._strongest(as_places(a, axis, scorer))
            weights = tf.nn.softmax(self._scores(scorer, x, baseline, places), axis=-1)
            heat = tf.nn.relu(tf.einsum("n...k,nk->n...", places, tf.cast(weights, places.dtype)))
            values.append(self.finished(heat, axis, scorer))
        return Attribution(values, score, None, chosen)

    def _strongest(self, places: tf.Tensor) -> tf.Tensor:
        if self.channels is None or self.channels >= places.shape[-1]:
            return places
        order = tf.math.top_k(_over_places(tf.math.reduce_variance, places), self.channels).indices
        rows = tf.transpose(places, [0, places.shape.rank - 1, *range(1, places.shape.rank - 1)])
        rows = tf.gather(rows, order, batch_dims=1)
        return tf.transpose(rows, [0, *range(2, places.shape.rank), 1])

    def _scores(self, scorer: Scorer, x, baseline, places: tf.Tensor) -> tf.Tensor:
        """(n, channels) the score of what each channel lets through, less that of the baseline."""
        n, channels = places.shape[0], places.shape[-1]
        low, high = (_over_places(f, places, True) for f in (tf.reduce_min, tf.reduce_max))
        masks = tf.math.divide_no_nan(places - low, high - low)
        size, width = size_of(scorer, places.shape.rank - 2), scorer.per_pass(n)
        base, _ = scorer.score(baseline)
        found = []
        for start in range(0, channels, width):
            part = tf.stack([resized(masks[..., k], size, self.upsampling)
                             for k in range(start, min(start + width, channels))], axis=1)  # fmt: skip
            count = part.shape[1]
            rows = tf.repeat(tf.range(n), count)
            part = tf.reshape(part, [n * count, *part.shape[2:]])
            points = [_let_through(tf.gather(t, rows), b, part)
                      for t, b in zip(x, _each(baseline, rows, n), strict=True)]  # fmt: skip
            some = scorer.take(rows)
            found.append(tf.reshape(some.score(points)[0], [n, count]))
            scorer.progress(start + count, channels)
        return tf.concat(found, axis=1) - base[:, None]


@dataclasses.dataclass(frozen=True)
class GuidedGradCAM(GradCAM):
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

    name: ClassVar[str] = "guided_gradcam"
    per_map: ClassVar[bool] = False

    def check(self) -> None:
        super().check()
        if not self.resize:
            raise OptionError("Guided Grad-CAM multiplies maps of the input's size: resize=False has no meaning.")

    def __call__(self, scorer: Scorer, x, baseline, rng) -> Attribution:
        if len(scorer.engine.taps) > 1:
            raise OptionError("Guided Grad-CAM has one layer. Received several; explain them one by one.")
        guided = rectified(scorer, x, "guided", self.name)
        (heat,) = super().__call__(scorer, x, baseline, rng).values
        channels = scorer.engine.channels[0]
        places = tf.squeeze(heat, channels)
        values = [_masked(g, places) if g.shape.rank == heat.shape.rank else tf.zeros_like(g) for g in guided.values]
        return guided._replace(values=values)


def _over_places(reduce, tensor: tf.Tensor, keepdims: bool = False) -> tf.Tensor:
    """(n, places..., channels) -> (n, channels)."""
    return reduce(tensor, axis=list(range(1, tensor.shape.rank - 1)), keepdims=keepdims)


def _masked(x: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """x times a mask of its places, whichever axis its channels are on."""
    mask = tf.cast(mask, x.dtype)
    if x.shape.rank == mask.shape.rank:
        return x * mask
    return x * tf.expand_dims(mask, -1 if x.shape[1 : mask.shape.rank] == mask.shape[1:] else 1)


def _let_through(x: tf.Tensor, baseline: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """x where the mask shows it; an input that has no such places stays whole."""
    if x.shape.rank not in (mask.shape.rank, mask.shape.rank + 1):
        return x
    return baseline + _masked(x - baseline, mask)


def _each(baseline, rows, n: int) -> list[tf.Tensor]:
    return [tf.gather(b, rows) if len(b) == n > 1 else b for b in baseline]
