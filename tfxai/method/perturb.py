"""Occlusion and RISE: what the score does when parts of the input are replaced by the baseline."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from tfxai.errors import OptionError, received
from tfxai.method.base import Method, Tensors
from tfxai.method.by_input import by_input, each_value, of_input
from tfxai.method.coalitions import games
from tfxai.method.random_grids import Grid
from tfxai.model.attribution import Attribution
from tfxai.model.groups import Groups
from tfxai.model.hidden import Window, mixed, painted
from tfxai.model.scorer import Scorer
from tfxai.segments.given import given
from tfxai.support.checks import is_number, whole_number

WHOLE = slice(None)  # of a window: along an axis that it covers whole


@dataclasses.dataclass(frozen=True)
class Occlusion(Method):
    """The drop of the score when a window is replaced by the baseline, added up over all windows at a place.

    A_i = sum over windows w that cover i of f(x) - f(x with w replaced).  Zeiler and Fergus 2014, arXiv:1311.2901

    A window covers all channels of its places, which share the drop evenly; on tables it is one feature (ablation).
    With `groups` each group is hidden as a whole, once, and its features share the drop evenly, so that `e.grouped` of
    the same groups gives it.

    Args:
        window: Its size in places: one number, or a tuple of one per spatial axis (or per axis, channels included).
            None: one feature of a table, a 16th of a sequence, an 8th of each side of a picture. By input: a list with
            one of these for each of several inputs, or a dict by name, where None is for those it leaves out.
        stride: Steps between windows, likewise; None: half a window. The last window always touches the edge.
        fill: What replaces the window: None for the baseline, or a number.
        groups: Instead of windows, what is hidden together: whole numbers in the shape of the input or of its places,
            the same for all examples or with their axis before; of several inputs a list or dict of them, where the
            same number is the same group; a function of x, such as `tfxai.segments.grid(8)`; for data frames
            {group: names of columns}.

    Raises:
        OptionError: When used: a window larger than the input or of another number of axes, a stride below 1 or that
            leaves places out, a fill that is no number, an input that is not there; groups that do not fit, overlap or
            leave features out, or beside a window.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> e = tfxai.explain(model, np.array([[1.0, 2.0]]), tfxai.Occlusion(window=1))
        >>> e.values.round(3).tolist()
        [[1.0, 2.0]]
    """

    window: Any = None
    stride: Any = None
    fill: Any = None
    groups: Any = None

    name: ClassVar[str] = "occlusion"
    signed: ClassVar[bool] = True
    uses_baseline: ClassVar[bool] = True
    scores_only: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", given(self.groups))

    def check(self) -> None:
        if self.groups is not None and (self.window is not None or self.stride is not None):
            raise OptionError(
                "groups= says what is hidden together. Received: window= or stride= beside it. Leave one."
            )
        for value, name in ((self.window, "window"), (self.stride, "stride")):
            for size in each_value(value):
                whole_number(1 if size is None else size, name)
        for value in each_value(self.fill):
            if value is not None and not is_number(value):
                raise OptionError(f"fill is a number, or None for the baseline. {received(self.fill)}")

    def takes_missing(self) -> bool:
        return True

    def grouping(self) -> Any:
        return self.groups

    def options(self) -> dict[str, Any]:
        return super().options() | {"groups": None if self.groups is None else repr(self.groups)}

    def __call__(self, scorer: Scorer, x: Tensors, reference: Tensors, rng: np.random.Generator) -> Attribution:
        windows = by_input(self.window, "window", scorer, per_axis=True)
        strides, fills = by_input(self.stride, "stride", scorer, per_axis=True), by_input(self.fill, "fill", scorer)
        scorer, score, target = scorer.with_target_of(x)
        if scorer.groups is not None:
            return self._by_group(scorer, scorer.groups, x, reference, score)._replace(target=target)
        values = []
        for k, tensor in enumerate(x):
            shape = tuple(int(s) for s in tensor.shape[1:])
            with of_input(scorer, k):
                parts = _windows(shape, scorer.model.layout(k).places, windows[k], strides[k])
            start, blank = tensor.numpy(), _blank(tensor, reference[k], fills[k]).numpy()
            sizes = [1 if cut == WHOLE else size for size, cut in zip(shape, parts[0][1:], strict=True)]
            total = np.zeros([len(scorer), *sizes])
            for some, of_some, repeat in scorer.copies(len(parts)):
                points = [painted(start, blank, parts[some]) if j == k else repeat(t) for j, t in enumerate(x)]
                drops = score.numpy()[:, None] - of_some.score(points)[0].numpy().reshape(len(scorer), -1)
                for window, drop in zip(parts[some], drops.T, strict=True):
                    total[window] += drop.reshape(-1, *[1] * len(shape))
            values.append(_shared(total, tensor, score))
        return Attribution(values, score, None, target)

    def _by_group(
        self, scorer: Scorer, groups: Groups, x: Tensors, reference: Tensors, score: tf.Tensor
    ) -> Attribution:
        """The drop when each group is hidden, divided among its features."""
        blank = [_blank(*one) for one in zip(x, reference, by_input(self.fill, "fill", scorer), strict=True)]
        drops = np.zeros((len(scorer), int(groups.counts.max())))
        for game in games(scorer, groups, x, blank):
            all_but_one = ~np.eye(game.count, dtype=bool)
            for part, scores in game.scores(game.count, all_but_one.__getitem__):
                drops[game.rows, part] = score.numpy()[game.rows, None] - scores
        return Attribution(groups.shared(drops, x, score), score)


@dataclasses.dataclass(frozen=True)
class RISE(Method):
    """The mean score of randomly masked inputs, for every place over the masks that show it.

    A_i = 1/(N p) sum_k f(x0 + (x - x0) M_k) M_k(i), masks M_k in [0, 1] made from coarse random grids.
    Petsiuk et al. 2018, arXiv:1806.07421.  `standard_error` says how far the mean may be from its limit.

    Args:
        samples: Number N of masks, the same for all examples.
        grid: Cells per spatial axis of a mask; a table's features are drawn one by one.
        probability: Chance p of a cell to be shown.

    Raises:
        OptionError: When used: samples below 1, grid below 2, a probability that is not between 0 and 1.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> e = tfxai.explain(model, np.array([[1.0, 20.0]]), tfxai.RISE(samples=64), seed=0)
        >>> bool(e.values[0, 1] > e.values[0, 0])
        True
    """

    samples: int = 1000
    grid: int = 8
    probability: float = 0.5

    name: ClassVar[str] = "rise"
    uses_baseline: ClassVar[bool] = True
    scores_only: ClassVar[bool] = True
    random: ClassVar[bool] = True
    quick: ClassVar[dict[str, Any]] = {"samples": 64}

    def check(self) -> None:
        whole_number(self.samples, "samples")
        whole_number(self.grid, "grid", 2)
        if not is_number(self.probability) or not 0 < self.probability < 1:
            raise OptionError(f"probability is a number between 0 and 1. {received(self.probability)}")

    def takes_missing(self) -> bool:
        return True

    def __call__(self, scorer: Scorer, x: Tensors, reference: Tensors, rng: np.random.Generator) -> Attribution:
        scorer, score, target = scorer.with_target_of(x)
        finite = not scorer.missing and scorer.model.explained == scorer.model.embedded  # layers may have any numbers
        n, starts, blanks = len(scorer), [t.numpy() for t in x], [t.numpy() for t in reference]
        sums, squares = ([np.zeros(())] * len(x) for _ in range(2))
        for part, some, _ in scorer.copies(self.samples):
            masks = self._masks(rng, part.stop - part.start, scorer, x)
            points = [mixed(t, r, m, finite) for t, r, m in zip(starts, blanks, masks, strict=True)]
            scores = some.score(points)[0].numpy().reshape(n, -1)
            for k, mask in enumerate(masks):
                sums[k] = sums[k] + np.tensordot(scores, mask, 1)
                squares[k] = squares[k] + np.tensordot(scores**2, mask**2, 1)
        values, errors = [], []
        for tensor, once, twice in zip(x, sums, squares, strict=True):
            mean = once / self.samples
            values.append(_shared(mean / self.probability, tensor, score))
            deviation = np.sqrt(np.maximum(twice / self.samples - mean**2, 0) / max(self.samples - 1, 1))
            errors.append(_shared(deviation / self.probability, tensor, score))
        return Attribution(values, score, None, target, error=errors if self.samples > 1 else None)

    def _masks(self, rng: np.random.Generator, count: int, scorer: Scorer, x: Tensors) -> list[np.ndarray]:
        """Per tensor so many masks (count, ...) of its places or features, with 1 for channels."""
        grids = [Grid(tuple(t.shape[1:]), scorer.model.layout(k).places, self.grid) for k, t in enumerate(x)]
        drawn = [[grid.drawn(rng, self.probability) for grid in grids] for _ in range(count)]
        masks = [grid.masks(own) for grid, own in zip(grids, zip(*drawn, strict=True), strict=True)]
        return [
            (m >= 0.5).astype(m.dtype) if t.dtype in (tf.string, tf.bool) else m for t, m in zip(x, masks, strict=True)
        ]


def _windows(shape: tuple[int, ...], places: Sequence[int], window: Any, stride: Any) -> list[Window]:
    """The windows in examples of `shape`, `WHOLE` along axes that they cover whole.

    Args:
        shape: Of one example.
        places: Its axes of places, counted with that of the examples.
        window, stride: As in `Occlusion`.
    """
    axes = [a - 1 for a in places]
    if isinstance(window, (tuple, list)) and len(window) == len(shape):
        axes = list(range(len(shape)))
    lengths = [shape[a] for a in axes]
    # a table's feature, a stretch of a sequence, a patch
    parts = shape[0] if len(shape) == 1 else {1: 16}.get(len(places), 8)
    sizes = _per_axis(window, lengths, "window", [max(1, length // parts) for length in lengths])
    steps = _per_axis(stride, lengths, "stride", [max(1, s // 2) for s in sizes])
    starts = []
    for size, step, length in zip(sizes, steps, lengths, strict=True):
        if size > length:
            raise OptionError(f"window {size} is larger than the input's axis of {length}. Choose a smaller one.")
        starts.append(sorted({*range(0, length - size + 1, step), length - size}))
        if step > size < length:
            raise OptionError(
                f"With window={size} and stride={step} the windows leave places between them, which would get 0 as if "
                "they had no effect. Choose a stride up to the window."
            )
    along = dict(zip(axes, zip(starts, sizes, strict=True), strict=True))
    choices = [
        [slice(start, start + along[a][1]) for start in along[a][0]] if a in along else [WHOLE]
        for a in range(len(shape))
    ]
    return list(itertools.product([WHOLE], *choices))


def _per_axis(value: Any, lengths: Sequence[int], name: str, default: Sequence[int]) -> list[int]:
    """A size for every axis, from one number or one each."""
    if value is None:
        return list(default)
    sizes = list(value) if isinstance(value, (tuple, list)) else [value] * len(lengths)
    if len(sizes) != len(lengths):
        raise OptionError(f"{name} has one number, or one for each of the {len(lengths)} axes. {received(value)}")
    return sizes


def _blank(x: tf.Tensor, reference: tf.Tensor, fill: float | None) -> tf.Tensor:
    """What stands for hidden features."""
    return reference if fill is None else _filled(x, fill)


def _filled(x: tf.Tensor, number: float) -> tf.Tensor:
    """The number, in the place of all of x.

    Raises:
        OptionError: x holds text, or whole numbers, and this is none.
    """
    if x.dtype == tf.string or not x.dtype.is_floating and number != int(number):
        held = "text" if x.dtype == tf.string else f"whole numbers ({x.dtype.name})"
        raise OptionError(f"The input holds {held}, which fill replaces by such. Pass baseline=. {received(number)}")
    return tf.fill(x.shape, tf.cast(number, x.dtype))


def _shared(sums: np.ndarray, x: tf.Tensor, score: tf.Tensor) -> tf.Tensor:
    """Numbers of places, with 1 for channels, divided evenly among these, as values of x.

    In the precision of x, or that of the score where it holds whole numbers or text.
    """
    alike = max(int(np.prod(x.shape)), 1) // max(sums.size, 1)
    return tf.constant(np.broadcast_to(sums / alike, x.shape), x.dtype if x.dtype.is_floating else score.dtype)
