"""SmoothGrad and its relatives: any method's map averaged over noisy copies of the input."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from tfxai.errors import OptionError, received
from tfxai.method.base import Attribution, Method
from tfxai.method.gradient import Gradient
from tfxai.model.scorer import Scorer
from tfxai.support.checks import is_number, whole_number


@dataclasses.dataclass(frozen=True)
class Noise(Method):
    """Abstract: statistics of `inner`'s values over samples x + N(0, (noise * (max x - min x))^2).

    All examples meet the same standard normal draws, scaled by their own range: an example's result depends
    neither on its neighbours nor on the batch size. `SmoothGrad` describes the fields.
    """

    inner: Any = dataclasses.field(default_factory=Gradient)
    samples: int = 50
    noise: float = 0.15
    antithetic: bool = True

    draws: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if isinstance(self.inner, str):
            from tfxai.method.table import get  # the table lists this method too

            object.__setattr__(self, "inner", get(self.inner, {}))

    @property
    def uses_baseline(self) -> bool:  # type: ignore[override]
        return self.inner.uses_baseline

    @property
    def maps(self) -> bool:  # type: ignore[override]
        return self.inner.maps

    @property
    def per_map(self) -> bool:  # type: ignore[override]
        return self.inner.per_map

    def check(self) -> None:
        whole_number(self.samples, "samples")
        if not is_number(self.noise) or self.noise < 0:
            raise OptionError(f"noise is a number from 0, such as 0.15. {received(self.noise)}")
        if not isinstance(self.inner, Method):
            raise OptionError(f"inner is a method's name or object. {received(self.inner)}")
        self.inner.check()

    def __call__(self, scorer: Scorer, x, baseline, rng) -> Attribution:
        scorer, score, chosen = scorer.fixed(x)
        means, held = Moments(), []
        for k, values in enumerate(self._samples(scorer, x, baseline, rng)):
            held.append(values)
            if len(held) == self.together() or k == self.samples - 1:
                means.add(self.draw(held))
                held = []
        values, error = self.result(means)
        return Attribution(values, score, None, chosen, error=error)

    def together(self) -> int:
        """How many samples make one independent draw."""
        return 1 + self.antithetic

    def draw(self, samples: Sequence[list[tf.Tensor]]) -> list[tf.Tensor]:
        """The quantity whose mean is estimated, from the samples of one draw."""
        return [tf.add_n(list(one)) / len(samples) for one in zip(*samples, strict=True)]

    def result(self, means: Moments) -> tuple[list[tf.Tensor], list[tf.Tensor] | None]:
        """Values, and their standard error."""
        return means.mean, means.standard_error()

    def _samples(self, scorer: Scorer, x, baseline, rng: np.random.Generator) -> Iterator[list[tf.Tensor]]:
        """The inner method's values at one noisy copy after the other; few examples share a pass."""
        n, inner_seed = len(x[0]), int(rng.integers(2**32))
        spread = [self.noise * (tf.reduce_max(t, axes, True) - tf.reduce_min(t, axes, True))
                  for t in x for axes in [list(range(1, t.shape.rank))]]  # fmt: skip
        noises = _draws(rng, x, self.samples, self.antithetic)
        width = scorer.per_pass(n)
        for start in range(0, self.samples, width):
            some = list(itertools.islice(noises, width))
            points = [_around(t, s, e) for t, s, e in zip(x, spread, zip(*some, strict=True), strict=True)]
            rows = np.repeat(np.arange(n), len(some))
            inner = dataclasses.replace(scorer.take(rows) if len(some) > 1 else scorer, bar=None)
            against = [tf.gather(b, rows) if len(b) == n > 1 else b for b in baseline]
            found = self.inner(inner, points, against, np.random.default_rng(inner_seed)).values
            scorer.progress(start + len(some), self.samples)
            for k in range(len(some)):
                yield [v[k :: len(some)] for v in found]


@dataclasses.dataclass(frozen=True)
class SmoothGrad(Noise):
    """The mean of a method's map over noisy copies of the input.

    M(x) = 1/n sum_k M_k(x + N(0, sigma^2)).  Smilkov et al. 2017, arXiv:1706.03825

    The values have the shape and unit of the inner method's; `standard_error` says how far the mean may still be from
    its limit.

    Args:
        inner: The method whose map is smoothed: a name, or a method object such as
            `tfxai.IntegratedGradients(steps=16)`.
        samples: Noisy copies per example.
        noise: Standard deviation of the noise, as a fraction of each example's own max - min.
        antithetic: Draw them in pairs +e, -e: what is odd in the noise cancels exactly.

    Raises:
        OptionError: When used: samples below 1, a negative noise, or an inner method that is none.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> smooth = tfxai.SmoothGrad("gradient", samples=4, noise=0.1)
        >>> e = tfxai.explain(model, np.array([[1.0, 2.0]]), smooth, seed=0)
        >>> e.values.round(3).tolist()
        [[1.0, 1.0]]
    """

    name: ClassVar[str] = "smoothgrad"


@dataclasses.dataclass(frozen=True)
class SmoothGradSquared(Noise):
    """The mean of the squared map over noisy copies of the input: how strong, without a sign.

    M(x) = 1/n sum_k M_k(x + N(0, sigma^2))^2.  Hooker et al. 2019, arXiv:1806.10758

    The unit is that of the inner method's values, squared.

    Args:
        inner, samples, noise, antithetic: As in `smoothgrad`.

    Raises:
        OptionError: As in `smoothgrad`.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> e = tfxai.explain(model, np.array([[1.0, 2.0]]), tfxai.SmoothGradSquared(samples=4), seed=0)
        >>> e.values.round(3).tolist()
        [[1.0, 1.0]]
    """

    name: ClassVar[str] = "smoothgrad_squared"

    def draw(self, samples) -> list[tf.Tensor]:
        return super().draw([[tf.square(v) for v in values] for values in samples])


@dataclasses.dataclass(frozen=True)
class VarGrad(Noise):
    """The variance of a method's map over noisy copies of the input.

    M(x) = 1/n sum_k (M_k - mean M)^2.  Adebayo et al. 2018, arXiv:1810.03307

    The unit is that of the inner method's values, squared.

    Args:
        inner, samples, noise, antithetic: As in `smoothgrad`.

    Raises:
        OptionError: As in `smoothgrad`.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> e = tfxai.explain(model, np.array([[1.0, 2.0]]), tfxai.VarGrad(samples=4), seed=0)
        >>> e.values.round(3).tolist()
        [[0.0, 0.0]]
    """

    name: ClassVar[str] = "vargrad"

    def together(self) -> int:
        return 1

    def result(self, means: Moments) -> tuple[list[tf.Tensor], None]:
        return [s / means.count for s in means.squares], None


class Moments:
    """Mean and sum of squared deviations of a stream of tensors (Welford): memory for two, however many come."""

    def __init__(self) -> None:
        self.count = 0
        self.mean: list[tf.Tensor] = []
        self.squares: list[tf.Tensor] = []

    def add(self, values: Sequence[tf.Tensor]) -> None:
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


def _draws(rng: np.random.Generator, x, samples: int, antithetic: bool) -> Iterator[list[np.ndarray]]:
    """Standard normal noise for one example, sample after sample."""
    noise: list[np.ndarray] = []
    for k in range(samples):
        if antithetic and k % 2:
            yield [-e for e in noise]
        else:
            noise = [rng.standard_normal(t.shape[1:], np.float32) for t in x]
            yield noise


def _around(x: tf.Tensor, spread: tf.Tensor, noise: Sequence[np.ndarray]) -> tf.Tensor:
    """x + spread * noise, for every example all the noises: (n * len(noise), ...)."""
    if len(noise) == 1:
        return x + spread * tf.cast(noise[0], x.dtype)
    points = x[:, None] + spread[:, None] * tf.cast(np.stack(noise), x.dtype)
    return tf.reshape(points, [-1, *x.shape[1:]])
