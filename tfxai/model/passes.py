"""Compiled passes of some examples through the model, to what is explained of them: the inside of a scorer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import tensorflow as tf

from tfxai.errors import ModelError, TargetError
from tfxai.graph.activity import Activity, classify
from tfxai.graph.audit import Audit
from tfxai.graph.capture import Op, needed
from tfxai.graph.replay import Environment, MergedBatch, Replay
from tfxai.graph.table import Program, RuleTable, annotated
from tfxai.graph.value import Value, at_x
from tfxai.model.blocks import in_blocks, taken
from tfxai.model.compiled import of_table, of_target
from tfxai.model.stops import NO_ROWS, SCOPE, by_position, understood_as
from tfxai.model.traced import FORWARD, TracedModel, repeated
from tfxai.targets.bound import BoundTarget, FunctionTarget

Tensors = Sequence[tf.Tensor]
T = TypeVar("T")
ZERO = tf.UnconnectedGradients.ZERO


@dataclasses.dataclass(frozen=True, eq=False)
class Passes:
    """What one pass is made of.

    Attributes:
        model: The traced model.
        inputs: Raw model inputs, n examples; what is not explained is taken from them.
        target: What is explained.
        feed: The target's data for these examples.
        weights: Read so far in this call, by the form of the graph they belong to; shared by all its chunks.
    """

    model: TracedModel
    inputs: list[tf.Tensor]
    target: BoundTarget
    feed: list[tf.Tensor]
    weights: dict[Program, dict[int, tf.Tensor]]

    def __len__(self) -> int:
        return len(self.inputs[0])

    def take(self, rows: Any) -> Passes:
        """The same for examples `rows`, which may repeat.

        Raises:
            TargetError: The target is a function that knows the examples by their position.
        """
        self.refuse_positions()
        inputs = [tf.gather(t, rows) for t in self.inputs]
        return dataclasses.replace(self, inputs=inputs, feed=self.target.taken(self.feed, rows))

    def refuse_positions(self) -> None:
        """Raises TargetError where the target knows the examples by their position, which is to change."""
        if self.model.toward.beside(self.target, len(self)).position:
            raise TargetError(by_position(self.target))

    def against(self, x: Tensors, reference: Tensors | None, run: Callable[[Any, tuple], T]) -> T:
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
                found = self.whole(x, reference, run)
                self.model.compiled.whole_reference = True
                return found
        return self.whole(x, reference, run)

    def whole(self, x: Tensors, reference: Tensors | None, run: Callable[[Any, tuple], T]) -> T:
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

    def call(
        self, key: tuple, table: RuleTable, run: Callable, x: Tensors, reference: Tensors | None = None,
        beside: Sequence[Tensors] = (), shared: Tensors = (),
    ) -> Any:  # fmt: skip
        """`run(inputs, x, feed, [reference,] *beside, *shared, *weights)`, compiled once per `key` and kind of target.

        Args:
            key: Tells this function from others.
            table: Whose program is replayed.
            run: The function.
            x: Explained tensors (n, ...).
            reference: Their reference values.
            beside: More lists like x.
            shared: Tensors that belong to no example, of any size.

        Raises:
            TargetError: The target is outside of an output whose size is known only now.
        """
        model = self.model
        if table.program not in self.weights:
            self.weights[table.program] = model.weights(table)
        weights = list(self.weights[table.program].values())
        given = [list(tensors) for tensors in (reference, *beside) if tensors is not None]

        def specs() -> list:
            made = [model.input_specs(), model.specs(model.explained), self.target.specs()]
            made += [model.specs(model.explained, 1 if "single" in key else None) for _ in given]
            made += [tf.TensorSpec([None] * t.shape.rank, t.dtype) for t in shared]
            return made + [tf.TensorSpec(w.shape, w.dtype) for w in weights]

        target = self.target.cache_key
        owner = of_target(target) if isinstance(self.target, FunctionTarget) else of_table(table)
        compiled = model.function((*key, target), run, specs, owner)

        def called(some: Any) -> Any:
            passes = self if some is None else self.take(some)
            points = [taken(tensors, some) for tensors in (x, *given)]
            return compiled(list(passes.inputs), points[0], list(passes.feed), *points[1:], *shared, *weights)

        try:
            return in_blocks(model.rows, len(self), called)
        except tf.errors.InvalidArgumentError as error:
            understood = understood_as(error.message, self.target, len(self))
            if understood is None:
                raise
            raise understood from error

    # --- Inside of a compiled pass

    def account(self, table: RuleTable, x: Tensors) -> Audit:
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

    def slopes(
        self, table: RuleTable, inputs: Tensors, x: Tensors, feed: Tensors, reference: Tensors | None,
        weights: Tensors, audit: Audit | None = None,
    ) -> tuple[Value, tf.Tensor | None, list[tf.Tensor]]:  # fmt: skip
        """The score in every stream, the class, the multipliers; `audit` looks on."""
        watched = [tf.identity(t) for t in x]
        with tf.GradientTape() as tape:
            tape.watch(watched)
            env = self.run(table, inputs, streams(table, watched, reference), weights, audit)
            score, index = self.scored(table, env, feed)
        multipliers = tape.gradient(score.x, watched, unconnected_gradients=ZERO)
        return score, index, dense(multipliers)

    def run(
        self, table: RuleTable, inputs: Tensors, values: Sequence[Value], weights: Tensors, audit: Audit | None = None
    ) -> Environment:
        """All values up to what is explained, where these are those of the explained tensors."""
        env = self.beginning(table, inputs, values, weights)
        self.forward(self.model.replay(table, audit), env, self.ends())
        return env

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
            return self._function_score(self.target, table, env, feed), None
        return self.summed(self.ended(table, env), feed)

    def ended(self, table: RuleTable, env: Environment) -> Value:
        """The output of which a weighted sum is explained: what is sent back is sent from here."""
        value = env[self.model.outputs[self.target.output]]
        return value._replace(x=table.start(self._checked(value.x, env)))

    def summed(self, output: Value, feed: Tensors) -> tuple[Value, tf.Tensor | None]:
        """The weighted sum of an output, and the class."""
        weights, index = self.target.weights(_column(output.x), feed)
        added = self.target.added(feed if index is None else [index, *feed[1:]])

        def total(y: tf.Tensor) -> tf.Tensor:
            y = _column(y)
            own = weights if y.shape.rank == weights.shape.rank else tf.reshape(weights, [-1, 1])
            score = tf.reduce_sum(own * y, list(range(1, y.shape.rank)))
            return score if added is None else score + tf.cast(added, score.dtype)

        return Value(total(output.x), None if output.reference is None else total(output.reference)), index

    def _checked(self, output: tf.Tensor, env: Environment, data: Tensors = ()) -> tf.Tensor:
        """The output, which has a row for each example that was put in (or of data beside it); else the pass stops."""
        put_in = [at_x(env[i]) for i in (*self.model.explained, *self.model.graph.inputs) if i in env]
        rows = [tf.shape(t)[0] for t in data or put_in]
        alike = tf.reduce_any(tf.equal(tf.stack(rows), tf.shape(output)[0]))
        with tf.control_dependencies([tf.debugging.Assert(alike, [NO_ROWS])]):
            return tf.identity(output)

    def _function_score(self, target: FunctionTarget, table: RuleTable, env: Environment, feed: Tensors) -> Value:
        """The user's function of the outputs is captured and replayed too: its ops follow the same rules."""
        own = self.model.toward.graph(target)
        pairs = self.model.toward.handed(own)
        _, known = self.model.program(table)
        activity = classify(own, {i: known[o] for i, o in pairs}, table.program.decisions)
        replay = Replay(activity, table, annotated(table, own, activity))
        ops = needed(own, own.outputs, gradients=table.program.gradients)
        with tf.name_scope(SCOPE):
            given = {i: self._beside(env[o], o, feed) for i, o in pairs}
            data = dict(zip(own.inputs[len(pairs) :], feed, strict=True))
            found = replay(ops, dict(own.captured) | given | data)
        score = found[own.outputs[0]]
        score = score if isinstance(score, Value) else Value(score, score if table.streams > 1 else None)
        return score._replace(x=table.start(self._checked(score.x, env, feed)))

    def _beside(self, output: Any, number: int, feed: Tensors) -> Any:
        """An output beside data of each example: where it is there once, as at a shared reference, once for each."""
        known = self.model.graph.values[number].shape
        if not feed or not known.rank or known[0] is not None:
            return output

        def full(y: tf.Tensor) -> tf.Tensor:
            return tf.broadcast_to(y, tf.concat([tf.shape(feed[0])[:1], tf.shape(y)[1:]], 0))

        if not isinstance(output, Value):
            return full(output)
        return Value(*(None if y is None else full(y) for y in output))


def _column(output: tf.Tensor) -> tf.Tensor:
    """(n,) one number per example as (n, 1)."""
    return output if output.shape.rank > 1 else output[:, None]


def streams(table: RuleTable, x: Tensors, reference: Tensors | None) -> list[Value]:
    """The explained tensors in every stream of the table."""
    if reference is None or table.streams == 1:
        return [Value(t) for t in x]
    if table.streams == 2:
        return [Value(t, r) for t, r in zip(x, reference, strict=True)]
    return [Value(t, r, tf.abs(t - r)) for t, r in zip(x, reference, strict=True)]


def dense(multipliers: Sequence[Any]) -> list[tf.Tensor]:
    """Gradients as tensors: a gather's comes sparse."""
    return [tf.convert_to_tensor(m) for m in multipliers]
