"""SmoothGrad and its relatives: any method's map averaged over noisy copies of the input."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from tfxai.errors import OptionError, received
from tfxai.method.base import Method, Tensors
from tfxai.method.by_input import by_input, each_value
from tfxai.method.gradient import Gradient
from tfxai.method.lookup import get
from tfxai.model.attribution import Attribution
from tfxai.model.scorer import Scorer
from tfxai.support.checks import is_number, whole_number


@dataclasses.dataclass(frozen=True)
class SmoothGrad(Method):
    """The mean of a method's map over noisy copies of the input.

    M(x) = 1/n sum_k M_k(x + N(0, sigma^2)).  Smilkov et al. 2017, arXiv:1706.03825

    The values have the shape and unit of the inner method's; `standard_error` says how far the mean may still be from
    its limit.

    Args:
        inner: The method whose map is smoothed: a name, or a method object such as
            `tfxai.IntegratedGradients(steps=16)`.
        samples: Noisy copies per example.
        noise: Standard deviation of the noise, as a fraction of each example's own max - min. Where that is 0 (one
            feature, equal numbers) there is none, with a warning. By input: a list, or a dict that names each.
        antithetic: Draw them in pairs +e, -e: what is odd in the noise cancels exactly.
        noise_std: Instead of `noise`, its standard deviation in the input's own units, the same for all examples; by
            input likewise, None for an input whose noise is a share.

    Raises:
        OptionError: When used: samples below 1, a negative noise or noise_std, or an inner method that is none.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> smooth = tfxai.SmoothGrad("gradient", samples=4, noise=0.1)
        >>> e = tfxai.explain(model, np.array([[1.0, 2.0]]), smooth, seed=0)
        >>> e.values.round(3).tolist()
        [[1.0, 1.0]]
    """

    inner: Any = dataclasses.field(default_factory=Gradient)
    samples: int = 50
    noise: Any = 0.15
    antithetic: bool = True
    noise_std: Any = None

    name: ClassVar[str] = "smoothgrad"
    random: ClassVar[bool] = True
    quick: ClassVar[dict[str, Any]] = {"samples": 16}

    def __post_init__(self) -> None:
        adopt(self)

    def check(self) -> None:
        check_noise(self.inner, self.samples, self.noise, self.noise_std)

    def __call__(self, scorer: Scorer, x: Tensors, reference: Tensors, rng: np.random.Generator) -> Attribution:
        scorer, score, target = scorer.with_target_of(x)
        means = mean_of_draws(_maps(self, scorer, x, reference, rng), self.antithetic)
        return Attribution(means.mean, score, None, target, error=means.standard_error())


@dataclasses.dataclass(frozen=True)
class SmoothGradSquared(Method):
    """The mean of the squared map over noisy copies of the input: how strong, without a sign.

    M(x) = 1/n sum_k M_k(x + N(0, sigma^2))^2.  Hooker et al. 2019, arXiv:1806.10758

    The unit is that of the inner method's values, squared.

    Args:
        inner, samples, noise, antithetic, noise_std: As in `smoothgrad`.

    Raises:
        OptionError: As in `smoothgrad`.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> e = tfxai.explain(model, np.array([[1.0, 2.0]]), tfxai.SmoothGradSquared(samples=4), seed=0)
        >>> e.values.round(3).tolist()
        [[1.0, 1.0]]
    """

    inner: Any = dataclasses.field(default_factory=Gradient)
    samples: int = 50
    noise: Any = 0.15
    antithetic: bool = True
    noise_std: Any = None

    name: ClassVar[str] = "smoothgrad_squared"
    random: ClassVar[bool] = True
    quick: ClassVar[dict[str, Any]] = {"samples": 8}

    def __post_init__(self) -> None:
        adopt(self)

    def check(self) -> None:
        check_noise(self.inner, self.samples, self.noise, self.noise_std)

    def __call__(self, scorer: Scorer, x: Tensors, reference: Tensors, rng: np.random.Generator) -> Attribution:
        scorer, score, target = scorer.with_target_of(x)
        squares = ([tf.square(v) for v in values] for values in _maps(self, scorer, x, reference, rng))
        means = mean_of_draws(squares, self.antithetic)
        return Attribution(means.mean, score, None, target, error=means.standard_error())


@dataclasses.dataclass(frozen=True)
class VarGrad(Method):
    """The variance of a method's map over noisy copies of the input.

    M(x) = 1/n sum_k (M_k - mean M)^2.  Adebayo et al. 2018, arXiv:1810.03307

    The unit is that of the inner method's values, squared.

    Args:
        inner, samples, noise, antithetic, noise_std: As in `smoothgrad`.

    Raises:
        OptionError: As in `smoothgrad`.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> e = tfxai.explain(model, np.array([[1.0, 2.0]]), tfxai.VarGrad(samples=4), seed=0)
        >>> e.values.round(3).tolist()
        [[0.0, 0.0]]
    """

    inner: Any = dataclasses.field(default_factory=Gradient)
    samples: int = 50
    noise: Any = 0.15
    antithetic: bool = True
    noise_std: Any = None

    name: ClassVar[str] = "vargrad"
    random: ClassVar[bool] = True
    quick: ClassVar[dict[str, Any]] = {"samples": 8}

    def __post_init__(self) -> None:
        adopt(self)

    def check(self) -> None:
        check_noise(self.inner, self.samples, self.noise, self.noise_std)

    def __call__(self, scorer: Scorer, x: Tensors, reference: Tensors, rng: np.random.Generator) -> Attribution:
        scorer, score, target = scorer.with_target_of(x)
        means = mean_of_draws(_maps(self, scorer, x, reference, rng), pairs=False)
        return Attribution([s / means.count for s in means.squares], score, None, target)


FACTS = ("uses_baseline", "reads_feature_maps", "usual_layer", "one_map_per_layer", "reads_gradients", "reduction",
         "scores_only")  # fmt: skip


def adopt(method: Any) -> None:
    """Makes `inner` a method object, and takes over what it needs: a baseline, feature maps, the form of its values."""
    if isinstance(method.inner, str):
        object.__setattr__(method, "inner", get(method.inner, {}))
    for fact in FACTS:
        object.__setattr__(method, fact, getattr(method.inner, fact, False))


def check_noise(inner: Any, samples: Any, noise: Any, noise_std: Any) -> None:
    """Raises OptionError when one of them cannot be used."""
    whole_number(samples, "samples")
    for value in each_value(noise):
        if not is_number(value) or value < 0:
            raise OptionError(f"noise is a number from 0, such as 0.15. {received(noise)}")
    for value in each_value(noise_std):
        if value is not None and (not is_number(value) or value < 0):
            raise OptionError(f"noise_std is a number from 0, or None for noise as a share. {received(noise_std)}")
    if not isinstance(inner, Method):
        raise OptionError(f"inner is a method's name or object. {received(inner)}")
    inner.check()


def _maps(method: Any, scorer: Scorer, x: Tensors, reference: Tensors, rng: np.random.Generator) -> Iterator[Tensors]:
    """The values (n, ...) of `method.inner` at x + N(0, sigma^2), one noisy copy after the other.

    All examples meet the same standard normal draws, scaled alike or by their own range: an example's result depends
    neither on its neighbours nor on the batch size.
    """
    inner_seed = int(rng.integers(2**32))
    spread = _spreads(method, scorer, x)
    noises = _draws(rng, x, method.samples, method.antithetic)
    for part, some, repeat in scorer.copies(method.samples):
        count = part.stop - part.start
        drawn = zip(*itertools.islice(noises, count), strict=True)  # per tensor, the noises of these copies
        points = [_around(t, s, np.stack(e)) for t, s, e in zip(x, spread, drawn, strict=True)]
        against = [r if len(r) == 1 else repeat(r) for r in reference]
        inner = dataclasses.replace(some, bar=None)
        found = method.inner(inner, points, against, np.random.default_rng(inner_seed)).values
        for k in range(count):
            yield [v[k::count] for v in found]


def mean_of_draws(maps: Iterator[Tensors], pairs: bool) -> Moments:
    """Mean and spread of independent draws: of single maps, or of the means of two that had opposite noise."""
    moments = Moments()
    while held := list(itertools.islice(maps, 2 if pairs else 1)):
        moments.add([tf.add_n(list(one)) / len(held) for one in zip(*held, strict=True)])
    return moments


class Moments:
    """Mean and sum of squared deviations of a stream of tensors (Welford): memory for two, however many come."""

    def __init__(self) -> None:
        self.count = 0
        self.mean: list[tf.Tensor] = []
        self.squares: list[tf.Tensor] = []

    def add(self, values: Sequence[tf.Tensor]) -> None:
        """Takes one draw in."""
        self.count += 1
        if self.count == 1:
            self.mean, self.squares = list(values), [tf.zeros_like(v) for v in values]
            return
        for k, value in enumerate(values):
            off = value - self.mean[k]
            self.mean[k] += off / self.count
            self.squares[k] += off * (value - self.mean[k])

    def standard_error(self) -> list[tf.Tensor] | None:
        """Of the mean; None for a single draw."""
        if self.count < 2:
            return None
        return [tf.sqrt(s / (self.count * (self.count - 1))) for s in self.squares]


def _draws(rng: np.random.Generator, x: Tensors, samples: int, antithetic: bool) -> Iterator[list[np.ndarray]]:
    """Standard normal noise for one example, one array per tensor, sample after sample."""
    noise: list[np.ndarray] = []
    for k in range(samples):
        if antithetic and k % 2:
            yield [-e for e in noise]
        else:
            noise = [rng.standard_normal(t.shape[1:], np.float32) for t in x]
            yield noise


def _spreads(method: Any, scorer: Scorer, x: Tensors) -> Tensors:
    """(n, 1, ...) the standard deviation of each example's noise; notes the tensors in which some example gets none."""
    shares = by_input(method.noise, "noise", scorer, whole=True)
    found = []
    for k, std in enumerate(by_input(method.noise_std, "noise_std", scorer, whole=True)):
        if std is not None:
            found.append(tf.fill([len(x[k])] + [1] * (x[k].shape.rank - 1), tf.cast(std, x[k].dtype)))
            continue
        width = _range(x[k])
        if shares[k] and not tf.reduce_all(width > 0):
            scorer.unvaried.add(k)
        found.append(shares[k] * width)
    return found


def _range(x: tf.Tensor) -> tf.Tensor:
    """(n, 1, ...) largest minus smallest number of each example."""
    axes = list(range(1, x.shape.rank))
    return tf.reduce_max(x, axes, keepdims=True) - tf.reduce_min(x, axes, keepdims=True)


def _around(x: tf.Tensor, spread: tf.Tensor, noises: np.ndarray) -> tf.Tensor:
    """x + spread * noise: for every example (n, ...) all the noises (count, ...), as (n * count, ...)."""
    if len(noises) == 1:
        return x + spread * tf.cast(noises[0], x.dtype)
    points = x[:, None] + spread[:, None] * tf.cast(noises, x.dtype)
    return tf.reshape(points, [-1, *x.shape[1:]])
