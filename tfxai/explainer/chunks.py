"""One call of an explainer: what its chunks of examples share, and how one of them is explained."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfxai.errors import InputError, ModelError, NoGradientError, TargetError
from tfxai.explainer.inputs import Inputs
from tfxai.explainer.progress import Progress
from tfxai.explainer.references import References
from tfxai.graph.audit import broken, contribution
from tfxai.graph.slopes import named
from tfxai.graph.table import Program
from tfxai.method.base import Method
from tfxai.model import pairs
from tfxai.model.attribution import Attribution
from tfxai.model.ends import rows_of
from tfxai.model.groups import Groups
from tfxai.model.opaque import BoxScorer, Opaque
from tfxai.model.scorer import Scorer
from tfxai.model.stops import NO_ROWS, ONE_EACH, by_position, stopped
from tfxai.model.traced import TracedModel
from tfxai.rules.gradient import OrdinaryGradient
from tfxai.support.arrays import as_tensor
from tfxai.targets.bound import BoundTarget, interleaved


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """What one call explains.

    Attributes:
        method: How.
        model: The traced model.
        inputs: The examples.
        target: What of the output.
        references: Against what.
        size: Most examples, or pairs of an example and a reference, in a pass.
        seed: Of the random draws, the same for every chunk.
        bar: Shows the progress.
        reduction: How the channels of an embedding become one value: "sum", "norm", or as the method has it.
        weights: What does not depend on the input, read at the first pass.
        unvaried: Positions of explained tensors that some example has without a range, where noise is a share of it.
        labels: Names of the classes.
        targets: All that share the passes, where they are several: `alike`, the first of them `target`.
        groups: What is hidden together, for methods that hide groups.
        game_rows: How many rows go through the model for sets of groups, for methods that hide such.
    """

    method: Method
    model: TracedModel
    inputs: Inputs
    target: BoundTarget
    references: References
    size: int = 1
    seed: int | None = None
    bar: Progress | None = None
    reduction: str | None = None
    weights: dict[Program, dict[int, tf.Tensor]] = dataclasses.field(default_factory=dict)
    unvaried: set[int] = dataclasses.field(default_factory=set)
    labels: Any = None
    targets: tuple[BoundTarget, ...] = ()
    groups: Groups | None = None
    game_rows: int | None = None

    @property
    def alone(self) -> list[Run]:
        """A run of each target alone."""
        return [dataclasses.replace(self, target=target, targets=()) for target in self.targets] or [self]

    def check(self) -> None:
        """Looks at what is known before anything is computed.

        Where it cannot be followed whether the model returns a row for each example, it is tried: where they would go
        through it one by one, whether two come out of it; where its ops are of so many rows, whether those are apart.

        Raises:
            InputError: A number is missing in what is explained, and the method cannot say what it contributes.
            ModelError: The model does not return a row for each example.
            NoGradientError: The method follows slopes, and none arrives.
            TargetError: A target function mixes the examples, or knows them by their position and sees some at a time.
        """
        if self.missing and not self.method.takes_missing():
            rule = f" by rule={self.method.rule!r}" if hasattr(self.method, "rule") else ""
            raise InputError(
                f"Input {self.missing[0]!r} has NaN, and {self.method.name}{rule} cannot say what a missing number "
                "contributes: it has no slope, no way leads to it, it has no positive and no negative part. Use "
                "method='deeplift' (rule='rescale'), 'occlusion' or 'rise'; or leave the input out with fixed=."
            )
        n, rows = self.inputs.n, rows_of(self.model, self.target)
        if n > 1 and not rows and self.model.rows is not None:
            rows = self._apart()
        if rows is False and n > 1:
            raise ModelError(f"{NO_ROWS}: one prediction for all of them. Received: {n} examples. {ONE_EACH}")
        if self.method.reads_gradients:
            for values in self.differentiated:
                if (cuts := self.model.toward.gradient_cut(values, self.target)) is not None:
                    raise NoGradientError(
                        f"No gradient arrives, so {self.method.name} would be zero: every way to what is explained is "
                        f"cut, at {named(cuts)}. Use method='deeplift' or 'occlusion', which need no slopes."
                    )
        beside = self.model.toward.beside(self.target, n)
        if beside.others:
            raise TargetError(
                f"What the target function {self.target.label!r} returns for one example depends on the outputs of "
                "others, as a mean over the batch does; expected one number per example, made of its own outputs."
            )
        if beside.position and n > self.size:
            raise TargetError(by_position(self.target))
        if rows is None and self.size == 1 and n > 1:
            scorer, x = self.scorer(slice(0, 2))
            scorer.score(x)

    def _apart(self) -> bool:
        """Whether each example has a score that the others do not change, seen where the first or the last is another.

        In its place comes its neighbour, the numbers in another order, so that the model knows all of them; floats are
        made smaller, in case that all are equal.
        """
        rows, rng = np.arange(self.model.rows or 1) % self.inputs.n, np.random.default_rng(0)

        def scores(changed: int | None = None) -> np.ndarray:
            arrays = [a[rows] for a in self.inputs.arrays]
            if changed is not None:
                for a in arrays:
                    numbers = rng.permuted(a[changed + 1].reshape(-1)).reshape(a.shape[1:])
                    a[changed] = 0.75 * numbers if a.dtype.kind == "f" else numbers
            scorer, x = self._scorer_of(arrays, rows)
            return scorer.score(x)[0].numpy()

        def tried() -> bool:
            before = scores()
            pairs = [(before[1:], scores(0)[1:]), (before[:-1], scores(-1)[:-1])]
            return all(np.allclose(a, b, rtol=1e-4, atol=1e-6, equal_nan=True) for a, b in pairs)

        return self.model.toward.kept(self.target, "apart", tried)

    @functools.cached_property
    def missing(self) -> list[str]:
        """The names of the inputs that are explained themselves (not by a layer), and in which numbers are missing."""
        explained = [k for k in self.inputs.missing if self.model.graph.inputs[k] in self.model.explained]
        return [self.inputs.names[k] for k in explained]

    @property
    def differentiated(self) -> list[tuple[int, ...]]:
        """With respect to which values a method of gradients differentiates: maps, the explained tensors, or both."""
        maps = [m.values for m in self.model.feature_maps]
        return maps if self.method.one_map_per_layer else [*maps, self.model.explained]

    def own_gradients(self) -> str:
        """The ops on the way of the gradients that have one of their own, which is not that of their function."""
        if not self.method.reads_gradients:
            return ""
        found = [op for values in self.differentiated for op in self.model.toward.own_gradients(values, self.target)]
        return named(found) if found else ""

    def chunks(self) -> list[slice]:
        """Which examples are explained together."""
        n, size = self.inputs.n, self.size
        if self.in_pairs:  # as many references beside: then the fewest rows go forward; each target has rows of its own
            size = max(max(math.isqrt(size), size // self.references.count) // len(self.alone), 1)
            size = -(-n // -(-n // size))  # of about the same size
        return [slice(start, min(start + size, n)) for start in range(0, n, size)]

    @functools.cached_property
    def in_pairs(self) -> bool:
        """Whether several references that all examples share go through a pass as they are."""
        table = self.method.rules()
        several = self.method.shares_references and self.references.count > 1 and self.references.shared
        return several and table is not None and not self.missing and pairs.hold(self.model, self.target, table)

    @property
    def _repeats(self) -> bool:
        """Whether examples may be repeated in a pass, each time against another reference."""
        alone = not self.model.looks_at_its_batch and self.model.toward.row_by_row(self.target)
        return alone and not self.method.random and not self.method.follows_input()

    def attribution(self, rows: slice) -> Attribution:
        """The mean over the references of the method's attribution of some examples, as numpy.

        With several targets an example has a row for each of them, after each other. The sum over the references is
        kept, not its terms: memory does not grow with their number.

        Raises:
            ModelError: Not one score per example, or TensorFlow cannot run the model.
        """
        n = rows.stop - rows.start
        try:
            result = self._mean(rows)
        except tf.errors.OpError as error:
            raise stopped(error, self.size) from error
        scores = len(result.score) / max(1, len(self.targets))
        if scores != n:
            raise ModelError(
                f"For {n} examples the model returned {scores:g} scores; expected one each. A layer with stateful=True "
                "keeps the state of so many examples: pass as many, and batch_size= that number."
            )
        return result

    def _mean(self, rows: slice) -> Attribution:
        scorer, x = self.scorer(rows)
        rng = np.random.default_rng(self.seed)
        shares = (
            self._against(part, self._repeated(rows), scorer, x, rng).times(len(part) / scorer.references)
            for part in self._parts(scorer)
        )
        return functools.reduce(Attribution.plus, shares).numpy()

    def _repeated(self, rows: slice) -> Any:
        """The examples of some rows, each as often as there are targets."""
        return np.repeat(np.arange(rows.start, rows.stop), len(self.targets)) if self.targets else rows

    def _parts(self, scorer: Scorer) -> list[range]:
        """Which references share a pass: as many as fit in one, in parts of about the same size."""
        count, most = scorer.references, 1
        if count > 1 and (self.in_pairs or self._repeats):
            most = max(1, scorer.per_pass(len(scorer)) // (scorer.targets if self.in_pairs else 1))
        parts = -(-count // most)
        return [range(k * count // parts, (k + 1) * count // parts) for k in range(parts)]

    def _against(
        self, part: range, rows: Any, scorer: Scorer, x: list[tf.Tensor], rng: np.random.Generator
    ) -> Attribution:
        """The mean over some of the references."""
        if self.in_pairs:
            return self.method.mean(scorer, x, self.references.together(part, rows, self.model, scorer.inputs))
        if len(part) == 1:
            if self.method.follows_input() and self.model.explained != self.model.embedded:
                start = self.references.entering(part[0], rows, self.model, scorer.inputs)
                scorer = dataclasses.replace(scorer, start=start)
            return self.method(scorer, x, self.references.at(part[0], rows, self.model, scorer.inputs), rng)
        some, repeat = scorer.of(np.repeat(np.arange(len(scorer)), len(part)))
        tiled = self.references.tiled(part, rows, self.model, scorer.inputs)
        return self.method(some, [repeat(t) for t in x], tiled, rng).mean_of(len(part))

    def delta_alone(self, example: int) -> float:
        """The delta of an example that is explained without the others; infinite where it cannot be."""
        try:
            return float(self.attribution(slice(example, example + 1)).delta()[0])
        except ModelError:  # only whole batches can be run
            return np.inf

    def leaks(self, example: int) -> dict[str, float]:
        """How much every op loses of one example's change of the score; nothing for methods without a rule table."""
        table = self.method.rules()
        if table is None:
            return {}
        rows = slice(example, example + 1)
        scorer, x = self.scorer(rows)
        found = scorer.audit(contribution, table, x, self.references.at(0, rows, self.model, scorer.inputs))
        return {op: float(arrived - left) for op, (arrived, left) in found.items()}

    def breaks(self, example: int) -> str | None:
        """An op whose inputs get infinite multipliers, or none that are numbers, although its outputs have finite ones.

        Looked for at x, and for methods without a rule table at the reference too; where the score itself is no number,
        no op's gradient is to blame.
        """
        table, rows = self.method.rules(), slice(example, example + 1)
        scorer, x = self.scorer(rows)
        reference = self.references.at(0, rows, self.model, scorer.inputs)
        for point in (x, reference) if table is None else (x,):
            if not np.isfinite(scorer.score(point)[0]).all():
                continue
            found = scorer.audit(broken, *((OrdinaryGradient(), point) if table is None else (table, x, reference)))
            origins = [op for op, (arrived, left) in found.items() if arrived == 0 and left > 0]
            if origins:
                return origins[0]
        return None

    def scorer(self, rows: slice) -> tuple[Scorer, list[tf.Tensor]]:
        """The scorer of some examples, and their explained tensors."""
        return self._scorer_of([a[rows] for a in self.inputs.arrays], rows)

    def _scorer_of(self, arrays: Sequence[np.ndarray], rows: Any) -> tuple[Scorer, list[tf.Tensor]]:
        """The same for these raw inputs in the place of the examples' own."""
        raw = [as_tensor(a) for a in arrays]
        raw += self.model.drawn(raw, self.seed)
        count = self.references.count if self.method.uses_baseline else 1
        feed = interleaved(self.targets or [self.target], rows)
        kind = BoxScorer if isinstance(self.model, Opaque) else Scorer
        groups = None if self.groups is None else self.groups.take(np.arange(self.inputs.n)[rows])
        scorer = kind(self.model, raw, self.target, feed, self.size, self.weights, count, self.bar, self.unvaried,
                      missing=bool(self.missing), positions=self.inputs.positions, groups=groups)  # fmt: skip
        x = self.model.explained_of(raw)
        if not self.targets:
            return scorer, x
        points = np.repeat(np.arange(len(scorer)), len(self.targets))
        raw, x = ([tf.gather(t, points) for t in tensors] for tensors in (raw, x))
        groups = None if groups is None else groups.take(points)
        return dataclasses.replace(scorer, inputs=raw, groups=groups, targets=len(self.targets), points=points), x
