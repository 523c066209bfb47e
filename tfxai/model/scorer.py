"""f(x) for one target on the examples of one chunk, and its backward passes: what every method is written with."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import tensorflow as tf

from tfxai.errors import ModelError, TargetError
from tfxai.graph.activity import Activity, classify
from tfxai.graph.audit import Audit, Measure
from tfxai.graph.capture import Op, needed
from tfxai.graph.replay import Environment, MergedBatch, Replay
from tfxai.graph.table import Program, RuleTable, annotated
from tfxai.graph.value import Value, at_x, change
from tfxai.model.attribution import Attribution
from tfxai.model.blocks import in_blocks, taken
from tfxai.model.compiled import of_table, of_target
from tfxai.model.ends import rows_of
from tfxai.model.stops import NO_ROWS, SCOPE, by_position, understood_as
from tfxai.model.traced import FORWARD, TracedModel, repeated
from tfxai.targets.bound import BoundTarget, FunctionTarget

MOST_COPIES = 64  # examples in a pass of changed copies: a model may look at its batch size
Tensors = Sequence[tf.Tensor]
Repeat = Callable[[tf.Tensor], tf.Tensor]
T = TypeVar("T")
ZERO = tf.UnconnectedGradients.ZERO


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

    def __len__(self) -> int:
        return len(self.inputs[0])

    # --- Many passes

    def copies(self, count: int) -> Iterator[tuple[slice, Scorer, Repeat]]:
        """`count` changed copies of every example, as many at a time as fit in a pass.

        Yields:
            Which of the copies; the scorer of n * len(which) examples, all copies of one example after each other; and
            what repeats a tensor (n, ...) like that. A tensor of batch 1 stays: it is the same for all.
        """
        n, width = len(self), self.per_pass(len(self))
        for start in range(0, count, width):
            part = slice(start, min(start + width, count))
            yield part, *self.of(np.repeat(np.arange(n), part.stop - part.start))
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
        return max(1, min(self.limit, most) // n)

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
        if self.model.toward.beside(self.target, len(self)).position:
            raise TargetError(by_position(self.target))
        inputs = [tf.gather(t, rows) for t in self.inputs]
        return dataclasses.replace(self, inputs=inputs, feed=self.target.taken(self.feed, rows))

    def progress(self, done: int, steps: int) -> None:
        """Tells the progress bar how far this chunk is."""
        if self.bar is not None:
            self.bar.within(done / steps, len(self))

    # --- One pass

    def score(self, x: Tensors) -> tuple[tf.Tensor, tf.Tensor | None]:
        """f(x), and the class that is explained if it is one; for x of batch 1 and n classes, n scores."""
        if len(x[0]) == 1 and self.model.whole_reference:
            x = repeated(x, len(self))

        def run(inputs: Tensors, x: Tensors, feed: Tensors, *weights: tf.Tensor) -> tuple:
            replay = self.model.replay(FORWARD)
            env = self.beginning(FORWARD, inputs, [Value(t) for t in x], weights)
            self.forward(replay, env, self.ends())
            score, index = self.scored(FORWARD, env, feed)
            return score.x, index

        return self.call(("score",), FORWARD, run, x)

    def with_target_of(self, x: Tensors) -> tuple[Scorer, tf.Tensor, tf.Tensor | None]:
        """The scorer of the classes that are the target at x, however x is changed later; with f(x) and the classes."""
        score, target = self.score(x)
        if target is None:
            return self, score, None
        return dataclasses.replace(self, feed=[target, *self.feed[1:]]), score, target

    def features(self, table: RuleTable, x: Tensors) -> Features:
        """The feature maps at x and the gradient with respect to each, backward only as far as they are."""
        numbers = [v for m in self.model.feature_maps for v in m.values]

        def run(inputs: Tensors, x: Tensors, feed: Tensors, *weights: tf.Tensor) -> tuple:
            replay = self.model.replay(table)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                env = self.beginning(table, inputs, [Value(t) for t in x], weights)
                for number in sorted(numbers):  # from the first to the last: each is watched before it is read
                    self.forward(replay, env, [number])
                    tape.watch(env[number].x)
                self.forward(replay, env, self.ends())
                score, index = self.scored(table, env, feed)
            maps = [env[n].x for n in numbers]
            return score.x, index, maps, tape.gradient(score.x, maps, unconnected_gradients=ZERO)

        score, index, maps, slopes = self.call(("features", table), table, run, x)
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

        def attribution(reference: Tensors | None, key: tuple) -> Attribution:
            def run(inputs: Tensors, x: Tensors, feed: Tensors, *rest: Any) -> tuple:
                given, weights = (None, rest) if reference is None else (rest[0], rest[1:])
                audit = self._account(table, x) if table.keeps_account else None
                score, index, multipliers = self._pass(table, inputs, x, feed, given, weights, audit)
                kept = audit and {"arrived": audit.arrived, "left": audit.left}
                if given is None:
                    return (multipliers, score.x, None, index, None), kept
                parts = [m * moved(a, r) for m, a, r in zip(multipliers, x, given, strict=True)]
                return (parts, score.x, score.reference, index, multipliers), kept

            fields, kept = self.call(("backward", table, *key), table, run, x, reference)
            return Attribution(*fields)._replace(account=kept)

        return self._against(x, reference, attribution)

    def audit(
        self, measure: Measure, table: RuleTable, x: Tensors, reference: Tensors | None = None
    ) -> dict[str, tuple[tf.Tensor, tf.Tensor]]:
        """What a measure says of each op's outputs and inputs in a backward pass; other arguments as in `backward`."""
        table = table.for_missing() if self.missing else table

        def measured(reference: Tensors | None, key: tuple) -> tuple[dict, dict]:
            def run(inputs: Tensors, x: Tensors, feed: Tensors, *rest: Any) -> tuple[dict, dict]:
                given, weights = (None, rest) if reference is None else (rest[0], rest[1:])
                audit = Audit(measure)
                self._pass(table, inputs, x, feed, given, weights, audit)
                return audit.arrived, audit.left

            return self.call(("audit", measure, table, *key), table, run, x, reference)

        arrived, left = self._against(x, reference, measured)
        return {op: (arrived.get(op, 0), left.get(op, 0)) for op in arrived | left}

    def _against(self, x: Tensors, reference: Tensors | None, run: Callable[[Any, tuple], T]) -> T:
        """`run(reference, key)`, with the reference in batch 1 where the model allows it: then it runs once for all.

        Raises:
            ModelError: The model cannot be run at the reference.
        """
        if reference is not None and all(len(r) == 1 for r in reference) and not self.model.whole_reference:
            try:
                return run(reference, ("single",))
            except (MergedBatch, tf.errors.InvalidArgumentError, TargetError) as error:
                if isinstance(error, TargetError) and not isinstance(self.target, FunctionTarget):
                    raise
                # Somewhere the model folds its batch into another axis, or the target function holds data of each
                # example, where a reference of batch 1 does not fit. If that is not the reason, the same error comes
                # again, and nothing has been learnt about the model.
                found = self._whole(x, reference, run)
                self.model.compiled.whole_reference = True
                return found
        return self._whole(x, reference, run)

    def _whole(self, x: Tensors, reference: Tensors | None, run: Callable[[Any, tuple], T]) -> T:
        """`run` with a reference for every example."""
        try:
            if reference is None:
                return run(None, ())
            return run(repeated(reference, len(x[0])), ("whole",))
        except MergedBatch as error:
            raise ModelError(
                f"The model runs on x and not on the baseline, although they differ by their values alone: {error}. "
                "Pass a baseline with one example for each of x."
            ) from error

    # --- Inside of a compiled pass

    def _account(self, table: RuleTable, x: Tensors) -> Audit:
        """What sums, for each example, what arrives at the ops that the table keeps account of.

        Where it is known which numbers belong to which example: not inside of loops.
        """
        _, activity = self.model.program(table)
        axis_of = self.model.followed.axis_of_examples

        def summed(upstream: Tensors, value: Value, number: int) -> tf.Tensor:
            (arrived,), axis = upstream, axis_of(number)
            if axis == 0:  # which may hold the places of each example too
                arrived = tf.reshape(arrived, [tf.shape(x[0])[0], -1])
            others = [k for k in range(arrived.shape.rank) if k != axis]
            return tf.cast(tf.reduce_sum(arrived, others), tf.float64)

        def watched(op: Op) -> bool:
            active = [v for v in (*op.inputs, *op.outputs) if activity[v] is Activity.ACTIVE]
            apart = all(axis_of(v) is not None and self.model.graph.values[v].dtype.is_floating for v in active)
            return table.accounted(op, activity) and apart

        return Audit(summed, watched)

    def call(self, key: tuple, table: RuleTable, run: Callable, x: Tensors, reference: Tensors | None = None) -> Any:
        """`run(inputs, x, feed, [reference,] *weights)`, compiled once per `key` and kind of target.

        Raises:
            TargetError: The target is outside of an output whose size is known only now.
        """
        model = self.model
        if table.program not in self.weights:
            self.weights[table.program] = model.weights(table)
        weights = list(self.weights[table.program].values())
        given = [] if reference is None else [list(reference)]

        def specs() -> list:
            made = [model.input_specs(), model.specs(model.explained), self.target.specs()]
            made += [model.specs(model.explained, 1 if "single" in key else None) for _ in given]
            return made + [tf.TensorSpec(w.shape, w.dtype) for w in weights]

        target = self.target.cache_key
        owner = of_target(target) if isinstance(self.target, FunctionTarget) else of_table(table)
        compiled = model.function((*key, target), run, specs, owner)

        def called(some: Any) -> Any:
            scorer = self if some is None else self.take(some)
            points = [taken(tensors, some) for tensors in (x, *given)]
            return compiled(list(scorer.inputs), points[0], list(scorer.feed), *points[1:], *weights)

        try:
            return in_blocks(model.rows, len(self), called)
        except tf.errors.InvalidArgumentError as error:
            understood = understood_as(error.message, self.target, len(self))
            if understood is None:
                raise
            raise understood from error

    def _pass(
        self, table: RuleTable, inputs: Tensors, x: Tensors, feed: Tensors, reference: Tensors | None,
        weights: Tensors, audit: Audit | None = None,
    ) -> tuple[Value, tf.Tensor | None, list[tf.Tensor]]:  # fmt: skip
        """The score in every stream, the class, the multipliers; `audit` looks on."""
        watched = [tf.identity(t) for t in x]
        replay = self.model.replay(table, audit)
        with tf.GradientTape() as tape:
            tape.watch(watched)
            env = self.beginning(table, inputs, _values(table, watched, reference), weights)
            self.forward(replay, env, self.ends())
            score, index = self.scored(table, env, feed)
        multipliers = tape.gradient(score.x, watched, unconnected_gradients=ZERO)
        dense = [tf.convert_to_tensor(m) for m in multipliers]  # a gather's gradient comes sparse
        return score, index, dense

    def beginning(self, table: RuleTable, inputs: Tensors, values: Sequence[Value], weights: Tensors) -> Environment:
        """What is there before the first op behind the explained tensors: inputs, weights, masks, and these."""
        env = self.model.environment(inputs) | dict(zip(self.weights[table.program], weights, strict=True))
        env |= self._masks(table, env)
        env.update(zip(self.model.explained, values, strict=True))
        return env

    def _masks(self, table: RuleTable, env: Environment) -> Environment:
        """Values that say which steps exist, made from the user's x.

        They are needed as they are at x also where the pass runs at other points: on a path, with noise, at the
        baseline.
        """
        graph, activity = self.model.program(table)
        masks = [o for op in graph.ops for o in op.outputs if activity[o] is Activity.CONTEXT
                 and any(activity[i] > Activity.CONTEXT for i in op.inputs)]  # fmt: skip
        run = Replay(activity, FORWARD)(needed(graph, masks, list(env)), dict(env))
        return {m: run[m] for m in masks}

    def ends(self) -> list[int]:
        """The outputs that the target reads."""
        outputs = self.model.outputs
        return list(outputs) if isinstance(self.target, FunctionTarget) else [outputs[self.target.output]]

    def forward(self, replay: Replay, env: Environment, ends: Sequence[int]) -> None:
        """Adds to `env` what these values need and is not there yet."""
        graph, _ = self.model.program(replay.table)
        replay(needed(graph, ends, list(env), gradients=replay.table.program.gradients), env)

    def scored(self, table: RuleTable, env: Environment, feed: Tensors) -> tuple[Value, tf.Tensor | None]:
        """The explained number per example, in every stream that scores have (x and reference), and the class."""
        if isinstance(self.target, FunctionTarget):
            return self._function_score(self.target, table, env), None
        value = env[self.model.outputs[self.target.output]]
        value = value._replace(x=table.start(self._checked(value.x, env)))
        weights, index = self.target.weights(_column(value.x), feed)
        added = self.target.added(feed)

        def summed(output: tf.Tensor) -> tf.Tensor:
            score = weighted(_column(output), weights)
            return score if added is None else score + tf.cast(added, score.dtype)

        return Value(summed(value.x), None if value.reference is None else summed(value.reference)), index

    def _checked(self, output: tf.Tensor, env: Environment) -> tf.Tensor:
        """The output, which has a row for each example that was put in; else the pass stops."""
        rows = [tf.shape(at_x(env[i]))[0] for i in (*self.model.explained, *self.model.graph.inputs) if i in env]
        alike = tf.reduce_any(tf.equal(tf.stack(rows), tf.shape(output)[0]))
        with tf.control_dependencies([tf.debugging.Assert(alike, [NO_ROWS])]):
            return tf.identity(output)

    def _function_score(self, target: FunctionTarget, table: RuleTable, env: Environment) -> Value:
        """The user's function of the outputs is captured and replayed too: its ops follow the same rules."""
        outputs, own = self.model.outputs, self.model.toward.graph(target)
        pairs = list(zip(own.inputs, outputs, strict=True))
        _, known = self.model.program(table)
        activity = classify(own, {i: known[o] for i, o in pairs}, table.program.decisions)
        replay = Replay(activity, table, annotated(table, own, activity))
        ops = needed(own, own.outputs, gradients=table.program.gradients)
        with tf.name_scope(SCOPE):
            found = replay(ops, dict(own.captured) | {i: env[o] for i, o in pairs})
        score = found[own.outputs[0]]
        score = score if isinstance(score, Value) else Value(score, score if table.streams > 1 else None)
        return score._replace(x=table.start(self._checked(score.x, env)))


def weighted(output: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """(n,) the sum of an output (n, *shape) with weights (n or 1, *shape), or (n or 1,) where it is a column."""
    own = weights if output.shape.rank == weights.shape.rank else tf.reshape(weights, [-1, 1])
    return tf.reduce_sum(own * output, list(range(1, output.shape.rank)))


def _column(output: tf.Tensor) -> tf.Tensor:
    """(n,) one number per example as (n, 1)."""
    return output if output.shape.rank > 1 else output[:, None]


def _values(table: RuleTable, x: Tensors, reference: Tensors | None) -> list[Value]:
    """The explained tensors in every stream of the table."""
    if reference is None or table.streams == 1:
        return [Value(t) for t in x]
    if table.streams == 2:
        return [Value(t, r) for t, r in zip(x, reference, strict=True)]
    return [Value(t, r, tf.abs(t - r)) for t, r in zip(x, reference, strict=True)]
