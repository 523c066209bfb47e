"""Where attributions come from: a method, arrays made elsewhere, or a baseline that knows nothing of the model."""

from __future__ import annotations

import abc
import dataclasses
import warnings
import zlib
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfxai.errors import InputError, MethodError, TargetError, received, suggest
from tfxai.explainer import Explainer
from tfxai.explanation import Explanation
from tfxai.method.base import Method, Tensors
from tfxai.method.lookup import class_of
from tfxai.method.noise import adopt
from tfxai.method.table import ALIASES, METHODS
from tfxai.metrics.probe import Probe
from tfxai.model.attribution import Attribution
from tfxai.model.scorer import Scorer
from tfxai.targets.bound import IndexTarget


class Shift(NamedTuple):
    """A small change of x: uniform numbers up to `radius` times each example's range, the same for all examples."""

    radius: float
    seed: tuple[int, ...]

    def of(self, arrays: list[Any]) -> list[np.ndarray]:
        """For each array (n, ...) what is added to it."""
        rng = np.random.default_rng(self.seed)
        found = []
        for array in map(np.asarray, arrays):
            if array.dtype.kind != "f":
                raise InputError(f"x is changed a little here, so it holds floats. Received: dtype {array.dtype}.")
            axes = tuple(range(1, array.ndim))
            width = np.max(array, axes, keepdims=True) - np.min(array, axes, keepdims=True)
            drawn = rng.uniform(-self.radius, self.radius, (1, *array.shape[1:]))
            found.append((drawn * width).astype(array.dtype))
        return found


@dataclasses.dataclass(frozen=True)
class Shifted(Method):
    """A method at a point beside x, of the class at x."""

    inner: Any
    shift: Shift

    def __post_init__(self) -> None:
        adopt(self)

    def __call__(self, scorer: Scorer, x: Tensors, reference: Tensors, rng: np.random.Generator) -> Attribution:
        scorer, score, target = scorer.with_target_of(x)
        points = [t + tf.constant(d) for t, d in zip(x, self.shift.of(x), strict=True)]
        return Attribution(self.inner(scorer, points, reference, rng).values, score, None, target)


class Attributor(abc.ABC):
    """Gives (n, F) one number per feature.

    Attributes:
        name: For tables.
        reads: Whether it reads the model, and can do so again after a change.
    """

    name: str
    reads: bool = False

    @abc.abstractmethod
    def __call__(self, probe: Probe, target: Any = None, shift: Shift | None = None, draw: int = 0) -> np.ndarray:
        """The numbers for the model as it is now.

        Args:
            probe: Of what.
            target: Instead of the probe's.
            shift: Beside x.
            draw: Which, of those that are random.
        """


@dataclasses.dataclass
class OfMethod(Attributor):
    """A method, whose Explainer shares what is prepared for the probe's model."""

    explainer: Explainer
    name: str
    reads = True

    def prepare(self, probe: Probe) -> None:
        """Traces and compiles all that explaining takes, on a few examples."""
        run = self.explainer.run(probe.x, probe.target, probe.baseline, probe.batch_size, probe.seed)
        rows = run.chunks()[0]
        few = run.model.rows is None and rows.stop > 2
        with warnings.catch_warnings():  # what is to be said is said of all examples
            warnings.simplefilter("ignore")
            run.attribution(slice(0, 2) if few else rows)

    def explain(self, probe: Probe, target: Any = None, shift: Shift | None = None) -> Explanation:
        """The explanation itself."""
        method = self.explainer.method
        explainer = self.explainer if shift is None else self.explainer.using(Shifted(method, shift))
        target = probe.target if target is None else target
        return explainer(probe.x, target, probe.baseline, probe.batch_size, probe.seed, 0)

    def numbers(self, probe: Probe, e: Explanation) -> np.ndarray:
        """(n, F) of an explanation that it gave."""
        return probe.features.of(e.values, self.name, self.explainer.method.reduction == "norm")

    def __call__(self, probe: Probe, target: Any = None, shift: Shift | None = None, draw: int = 0) -> np.ndarray:
        with warnings.catch_warnings():  # what is to be said of the method was said at x
            warnings.simplefilter("ignore")
            return self.numbers(probe, self.explain(probe, target, shift))


@dataclasses.dataclass
class Given(Attributor):
    """Numbers that were made elsewhere."""

    values: Any
    name: str = "the given values"
    sizes: bool = False  # of slopes

    def __call__(self, probe: Probe, target: Any = None, shift: Shift | None = None, draw: int = 0) -> np.ndarray:
        if target is not None or shift is not None or draw:
            raise MethodError(
                f"This metric explains again, after a change: it needs a method, not {self.name}, which are numbers "
                "already. Pass a method's name or object."
            )
        return probe.features.of(self.values, self.name, self.sizes)


class Random(Attributor):
    """Normal numbers, new ones at every call: what a metric says of no knowledge at all.

    Each example has its own, which depend on the seed and on what it holds: not on where it stands among others.
    """

    name = "random"

    def __call__(self, probe: Probe, target: Any = None, shift: Shift | None = None, draw: int = 0) -> np.ndarray:
        which = (probe.seed, 1, draw, *(() if shift is None else shift.seed))
        arrays, count = probe.run.inputs.arrays, probe.features.count
        held = [[zlib.crc32(_bytes(a[i])) for a in arrays] for i in range(len(probe))]
        return np.stack([np.random.default_rng((*which, *own)).standard_normal(count) for own in held])


def _bytes(row: np.ndarray) -> bytes:
    """What an example holds: of text the text, and not where it lies in memory."""
    return repr(row.tolist()).encode() if row.dtype == object else np.asarray(row).tobytes()


class Edges(Attributor):
    """How steep the input itself is at each place: an edge detector, which looks convincing and knows no model.

    The root of the sum over axes and channels of squared central differences.  Adebayo et al. 2018, arXiv:1810.03292
    """

    name = "edges"

    def __call__(self, probe: Probe, target: Any = None, shift: Shift | None = None, draw: int = 0) -> np.ndarray:
        parts, arrays = probe.features.parts, probe.run.inputs.arrays
        if not self.fits(probe):
            raise InputError("An edge detector needs pictures or sequences of numbers.")
        seen = [arrays[p.input].astype(np.float64) if p.channels and max(p.grid) > 1 else None for p in parts]
        if shift is not None:
            shifts = iter(shift.of([a for a in seen if a is not None]))
            seen = [None if a is None else a + next(shifts) for a in seen]
        return np.concatenate(
            [np.zeros((len(probe), p.features.stop - p.features.start)) if a is None else _steepness(a, p.places,
             p.channels) for a, p in zip(seen, parts, strict=True)], axis=1)  # fmt: skip

    @staticmethod
    def fits(probe: Probe) -> bool:
        """Whether some input has places beside channels, and is long enough to have differences."""
        parts, arrays = probe.features.parts, probe.run.inputs.arrays
        seen = [arrays[p.input] for p in parts if p.channels and max(p.grid) > 1]
        return any(a.dtype.kind == "f" for a in seen) and all(np.isfinite(a).all() for a in seen if a.dtype.kind == "f")


def _steepness(array: np.ndarray, places: tuple[int, ...], channels: tuple[int, ...]) -> np.ndarray:
    slopes = [np.gradient(array, axis=a) ** 2 for a in places if array.shape[a] > 1]
    return np.sqrt(sum(slopes).sum(axis=channels)).reshape(len(array), -1)


BASELINES: dict[str, type[Attributor]] = {"random": Random, "edges": Edges}


def attributor(source: Any, probe: Probe, name: str | None = None) -> Attributor:
    """What makes attributions of a method's name or object, an Explanation, arrays, or a baseline's name.

    Raises:
        MethodError: No such method.
    """
    if isinstance(source, str) and source in BASELINES:
        return BASELINES[source]()
    if isinstance(source, Explanation):
        return _of_explanation(source, probe, name or source.method)
    if isinstance(source, (str, Method)):
        if isinstance(source, str) and ALIASES.get(source, source) not in METHODS:
            raise MethodError(f"No method {source!r}. {suggest(source, [*METHODS, *BASELINES])} {received(source)}")
        explainer = probe.explainer.using(source)
        return OfMethod(explainer, name or explainer.method.name)
    return Given(source, name or "the given values")


def _of_explanation(e: Explanation, probe: Probe, name: str) -> Given:
    """The values of an explanation, which must be of these inputs and of what is measured.

    Raises:
        InputError: It is of a layer.
        TargetError: It is of other classes.
    """
    kind = class_of(e.method) if e.method in METHODS else Method
    if e.layer is not None and not kind.reads_feature_maps:
        raise InputError(f"Metrics are of inputs. Received: an explanation of layer {e.layer!r}.")
    own, asked = e.target, probe.run.target
    if isinstance(own, np.ndarray) and isinstance(asked, IndexTarget):
        other = np.flatnonzero(own != np.broadcast_to(asked.data[0], len(probe))[: len(own)])
        if len(other):
            raise TargetError(
                f"The explanation {name!r} is of other classes than what is measured, in {len(other)} examples (first: "
                f"example {other[0]}, class {own[other[0]]}). Pass target=e.target."
            )
    return Given(e.values, name, kind.reduction == "norm")
