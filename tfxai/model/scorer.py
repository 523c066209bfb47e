"""f(x) for one target on the examples of one chunk, and its backward passes: what every method is written with."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import tensorflow as tf

from tfxai.graph.audit import Audit, Measure
from tfxai.graph.table import Program, RuleTable
from tfxai.graph.value import Value, change
from tfxai.model import several
from tfxai.model.attribution import Attribution
from tfxai.model.blocks import taken
from tfxai.model.ends import rows_of
from tfxai.model.groups import Groups
from tfxai.model.passes import ZERO, Passes, Tensors
from tfxai.model.points import Points, again, one_by_one, points
from tfxai.model.traced import FORWARD, TracedModel, repeated
from tfxai.targets.bound import BoundTarget

MOST_COPIES = 64  # examples in a pass of changed copies: a model may look at its batch size
Repeat = Callable[[tf.Tensor], tf.Tensor]


class Bar(Protocol):
    """What shows how far the work is."""

    def within(self, fraction: float, examples: int) -> None: ...


class Features(NamedTuple):
    """f(x) (n,), the class (n,) or None, and per feature map itself and df / d(map), both (n, places..., channels)."""

    score: tf.Tensor
    target: tf.Tensor | None
    maps: list[tf.Tensor]
    slopes: list[tf.Tensor]


@dataclasses.dataclass(frozen=True, eq=False)
class Scorer:
    """The scores of some examples.

    Attributes:
        model: The traced model.
        inputs: Raw model inputs, n examples; what is not explained is taken from them.
        target: What is explained.
        feed: The target's data for these examples.
        limit: The size of a chunk, and so about how many examples a pass of changed copies should hold.
        weights: Read so far in this call, by the form of the graph they belong to; shared by all its chunks.
        references: How many references the method is averaged over.
        bar: The call's progress bar, for methods of many passes.
        unvaried: Positions of explained tensors to which a method that adds noise could add none, noted by it; shared
            by all chunks.
        missing: Whether numbers of the explained tensors may be missing (NaN).
        targets: How many rows an example has: one for each of its targets, after each other.
        points: (n,) where there are several: rows of the same number differ by their target, and by nothing else as
            long as a method changes them alike.
        positions: What each flat input answers to (name, position) -> its position.
        groups: What is hidden together, for methods that hide groups.
        start: What stands for the inputs at the reference, for methods that follow a layer while the input moves.
    """

    model: TracedModel
    inputs: list[tf.Tensor]
    target: BoundTarget
    feed: list[tf.Tensor]
    limit: int = 8
    weights: dict[Program, dict[int, tf.Tensor]] = dataclasses.field(default_factory=dict)
    references: int = 1
    bar: Bar | None = None
    unvaried: set[int] = dataclasses.field(default_factory=set)
    missing: bool = False
    targets: int = 1
    points: np.ndarray | None = None
    positions: Mapping[Any, int] = dataclasses.field(default_factory=dict)
    groups: Groups | None = None
    start: list[tf.Tensor] | None = None

    def __len__(self) -> int:
        return len(self.inputs[0])

    @property
    def passes(self) -> Passes:
        """Its passes through the model."""
        return Passes(self.model, self.inputs, self.target, self.feed, self.weights)

    # --- Many passes

    def copies(self, count: int) -> Iterator[tuple[slice, Scorer, Repeat]]:
        """`count` changed copies of every example, as many at a time as fit in a pass.

        Yields:
            Which of the copies; the scorer of n * len(which) examples, all copies of one example after each other; and
            what repeats a tensor (n, ...) like that. A tensor of batch 1 stays: it is the same for all.
        """
        n, width, size, made = len(self), self.per_pass(len(self)), 0, None
        for start in range(0, count, width):
            part = slice(start, min(start + width, count))
            if made is None or part.stop - start != size:  # all but the last hold as many
                size = part.stop - start
                made = self.of(np.repeat(np.arange(n), size))
            yield part, *made
            self.progress(part.stop, count)

    def each(self, rows: Sequence[int]) -> Iterator[tuple[slice, Scorer, Repeat]]:
        """A changed copy of each of these examples, which may repeat, as many at a time as fit in a pass.

        Yields:
            As `copies`: which of the rows, their scorer, and what takes their part of a tensor (n, ...).
        """
        width = self.per_pass(1)
        for start in range(0, len(rows), width):
            part = slice(start, min(start + width, len(rows)))
            yield part, *self.of(np.asarray(rows[part]))

    def per_pass(self, n: int) -> int:
        """How many changed copies of n examples share a pass; none, where a model makes one prediction of them all."""
        apart = rows_of(self.model, self.target)
        if apart is False:
            return 1
        most = MOST_COPIES if apart is None or self.model.looks_at_its_batch else self.limit
        return max(1, min(self.limit, most) * self.targets // n)

    def of(self, rows: np.ndarray) -> tuple[Scorer, Repeat]:
        """The scorer of these examples, and what takes their part of a tensor."""
        n = len(self)
        if np.array_equal(rows, np.arange(n)):
            return self, lambda tensor: tensor
        return self.take(rows), lambda tensor: tf.gather(tensor, rows) if len(tensor) == n else tensor

    def take(self, rows: Any) -> Scorer:
        """The same for examples `rows`, which may repeat.

        Raises:
            TargetError: The target is a function that knows the examples by their position.
        """
        here = self.passes.take(rows)
        rows = np.asarray(rows)
        return dataclasses.replace(
            self, inputs=here.inputs, feed=here.feed, points=None if self.points is None else again(self.points, rows),
            groups=None if self.groups is None else self.groups.take(rows),
            start=None if self.start is None else some(self.start, rows),
        )  # fmt: skip

    def progress(self, done: int, steps: int) -> None:
        """Tells the progress bar how far this chunk is."""
        if self.bar is not None:
            self.bar.within(done / steps, len(self))

    # --- One pass

    def score(self, x: Tensors) -> tuple[tf.Tensor, tf.Tensor | None]:
        """f(x), and the class that is explained if it is one; for x of batch 1 and n classes, n scores."""
        if len(x[0]) == 1 and self.model.whole_reference:
            x = repeated(x, len(self))
        if self.points is not None and len(x[0]) == len(self):
            if (shared := self.shared(x)) is not None:
                return several.score(self.at(shared), taken(x, shared.first), shared)
            return self.apart(lambda scorer, rows: scorer.score(taken(x, rows)))
        passes = self.passes

        def run(inputs: Tensors, x: Tensors, feed: Tensors, *weights: tf.Tensor) -> tuple:
            env = passes.run(FORWARD, inputs, [Value(t) for t in x], weights)
            score, index = passes.scored(FORWARD, env, feed)
            return score.x, index

        return passes.call(("score",), FORWARD, run, x)

    def with_target_of(self, x: Tensors) -> tuple[Scorer, tf.Tensor, tf.Tensor | None]:
        """The scorer of the classes that are the target at x, however x is changed later; with f(x) and the classes."""
        score, target = self.score(x)
        if target is None:
            return self, score, None
        return dataclasses.replace(self, feed=[target, *self.feed[1:]]), score, target

    def features(self, table: RuleTable, x: Tensors) -> Features:
        """The feature maps at x and the gradient with respect to each, backward only as far as they are."""
        numbers, passes = [v for m in self.model.feature_maps for v in m.values], self.passes
        if self.points is not None:
            if (shared := self.shared(x)) is None:
                return self.apart(lambda scorer, rows: scorer.features(table, taken(x, rows)))
            found = several.features(self.at(shared), table, taken(x, shared.first), shared, numbers)
            return Features(*found[:2], *map(self._on_grids, found[2:]))

        def run(inputs: Tensors, x: Tensors, feed: Tensors, *weights: tf.Tensor) -> tuple:
            replay = self.model.replay(table)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                env = passes.beginning(table, inputs, [Value(t) for t in x], weights)
                for number in sorted(numbers):  # from the first to the last: each is watched before it is read
                    passes.forward(replay, env, [number])
                    tape.watch(env[number].x)
                passes.forward(replay, env, passes.ends())
                score, index = passes.scored(table, env, feed)
            maps = [env[n].x for n in numbers]
            return score.x, index, maps, tape.gradient(score.x, maps, unconnected_gradients=ZERO)

        score, index, maps, slopes = passes.call(("features", table), table, run, x)
        return Features(score, index, *map(self._on_grids, (maps, slopes)))

    def _on_grids(self, tensors: list[tf.Tensor]) -> list[tf.Tensor]:
        """Per feature map (n, places..., channels), the frames of a film stacked."""
        given, found = iter(tensors), []
        for one in self.model.feature_maps:
            frames = [next(given) for _ in one.values]
            found.append(one.grid.features(tf.stack(frames, axis=1) if len(frames) > 1 else frames[0]))
        return found

    def backward(self, table: RuleTable, x: Tensors, reference: Tensors | None = None) -> Attribution:
        """f and its backward pass under a table.

        Args:
            table: The rules.
            x: Explained tensors (n, ...).
            reference: Their reference values, of batch 1 (for all) or n; None when the table needs none.

        Returns:
            Multipliers as values; with a reference, the contributions m * (x - reference), and the multipliers beside.
        """
        table = table.for_missing() if self.missing else table
        moved = change if self.missing else tf.subtract
        if self.points is not None:
            return self._backward_of_several(table, x, reference, moved)
        passes = self.passes

        def attribution(reference: Tensors | None, key: tuple) -> Attribution:
            def run(inputs: Tensors, x: Tensors, feed: Tensors, *rest: Any) -> tuple:
                given, weights = (None, rest) if reference is None else (rest[0], rest[1:])
                audit = passes.account(table, x) if table.keeps_account else None
                score, index, multipliers = passes.slopes(table, inputs, x, feed, given, weights, audit)
                kept = audit and {"arrived": audit.arrived, "left": audit.left}
                if given is None:
                    return (multipliers, score.x, None, index, None), kept
                parts = [m * moved(a, r) for m, a, r in zip(multipliers, x, given, strict=True)]
                return (parts, score.x, score.reference, index, multipliers), kept

            fields, kept = passes.call(("backward", table, *key), table, run, x, reference)
            return Attribution(*fields)._replace(account=kept)

        return passes.against(x, reference, attribution)

    def _backward_of_several(
        self, table: RuleTable, x: Tensors, reference: Tensors | None, moved: several.Move
    ) -> Attribution:
        """The same, where rows may differ by their target alone."""

        def at(rows: np.ndarray) -> list[tf.Tensor] | None:
            return None if reference is None else some(reference, rows)

        shared = self.shared([*x, *(reference or ())])
        if shared is None:
            return self.apart(lambda scorer, rows: scorer.backward(table, taken(x, rows), at(rows)))
        first = at(shared.first)
        fields, kept = several.backward(self.at(shared), table, taken(x, shared.first), first, shared, moved)
        return Attribution(*fields)._replace(account=kept)

    def audit(
        self, measure: Measure, table: RuleTable, x: Tensors, reference: Tensors | None = None
    ) -> dict[str, tuple[tf.Tensor, tf.Tensor]]:
        """What a measure says of each op's outputs and inputs in a backward pass; other arguments as in `backward`."""
        table = table.for_missing() if self.missing else table
        passes = self.passes

        def measured(reference: Tensors | None, key: tuple) -> tuple[dict, dict]:  # looks at both ends of every op
            def run(inputs: Tensors, x: Tensors, feed: Tensors, *rest: Any) -> tuple[dict, dict]:
                given, weights = (None, rest) if reference is None else (rest[0], rest[1:])
                audit = Audit(measure)
                passes.slopes(table, inputs, x, feed, given, weights, audit)
                return audit.arrived, audit.left

            return passes.call(("audit", measure, table, *key), table, run, x, reference)

        arrived, left = passes.whole(x, reference, measured)
        return {op: (arrived.get(op, 0), left.get(op, 0)) for op in arrived | left}

    # --- Several targets

    def shared(self, tensors: Tensors) -> Points | None:
        """Which rows differ by their target alone, where each point has as many and these are indeed the same.

        Args:
            tensors: Of all rows, or of batch 1.
        """
        tensors = [t for t in tensors if len(t) == len(self)]
        found = None if self.points is None or not self.model.goes_back_in_a_loop else points(self.points)
        return None if found is None or not found.same(tensors) else found

    def at(self, shared: Points) -> Passes:
        """Passes of the points, with the data of all their targets."""
        return dataclasses.replace(self.passes, inputs=taken(self.inputs, shared.first))

    def apart(self, run: Callable[[Scorer, np.ndarray], Any]) -> Any:
        """What passes of some rows at a time give, put together: of one target each, or of as many as fit."""
        found = None if self.points is None else points(self.points)
        blocks = range(self.limit, len(self), self.limit)
        order = np.split(np.arange(len(self)), blocks) if found is None else list(found.order)

        def ordinary(rows: np.ndarray) -> Any:
            return run(dataclasses.replace(self.take(rows), points=None, targets=1), rows)

        return one_by_one(order, ordinary)


def some(tensors: Tensors, rows: np.ndarray) -> list[tf.Tensor]:
    """These rows of tensors; those of batch 1 stay, as they are for all."""
    return [t if len(t) == 1 else tf.gather(t, rows) for t in tensors]
