"""f(x) for one target on the examples of one chunk, and its backward passes: what every method is written with."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from tfxai.errors import TargetError
from tfxai.graph.activity import Kind, classify
from tfxai.graph.audit import Audit
from tfxai.graph.capture import capture, needed
from tfxai.graph.replay import MergedBatch, Replay, Table, Value
from tfxai.model.traced import Engine, repeated
from tfxai.rules.gradient import Plain
from tfxai.targets.bound import Goal

FORWARD = Table()


class Pass(NamedTuple):
    """One backward pass over a chunk of n examples.

    `score` (n,) and `baseline_score` (n,) or (1,) are f at x and at the reference; `multipliers` and
    `contributions` hold one tensor per explained tensor, of its shape; `chosen` (n,) is the class that was explained,
    if it is one; `residuals` says per op how much it leaked, summed over the chunk, if asked.
    """

    score: tf.Tensor
    baseline_score: tf.Tensor | None
    multipliers: list[tf.Tensor]
    contributions: list[tf.Tensor] | None
    chosen: tf.Tensor | None
    residuals: dict[str, tf.Tensor]


@dataclasses.dataclass(frozen=True, eq=False)
class Scorer:
    """The scores of some examples.

    Attributes:
        engine: The prepared model.
        inputs: Raw model inputs, n examples; what is not explained is taken from them.
        target: What is explained.
        feed: `target.chunk(rows)`.
        limit: About how many examples one pass should hold.
        read: Weights read so far in this call, shared by all its chunks.
        references: How many references the method is averaged over.
        bar: The call's progress bar, for methods of many passes.
    """

    engine: Engine
    inputs: list[tf.Tensor]
    target: Goal
    feed: list[tf.Tensor]
    limit: int = 8
    read: dict[tuple, dict[int, tf.Tensor]] = dataclasses.field(default_factory=dict)
    references: int = 1
    bar: Any = None

    def __len__(self) -> int:
        return len(self.inputs[0])

    def per_pass(self, n: int) -> int:
        """How many changed copies of n examples share a pass. (A model may look at its batch size: stay modest.)"""
        return max(1, min(self.limit, 64) // n)

    def progress(self, done: int, steps: int) -> None:
        """Tells the progress bar how far this chunk is."""
        if self.bar is not None:
            self.bar.within(done / steps)

    def take(self, rows: Any) -> Scorer:
        """The same for examples `rows`, which may repeat."""
        inputs = [tf.gather(t, rows) for t in self.inputs]
        return dataclasses.replace(self, inputs=inputs, feed=self.target.rows(self.feed, rows))

    def fixed(self, x: Sequence[tf.Tensor]) -> tuple[Scorer, tf.Tensor, tf.Tensor | None]:
        """The scorer of the classes chosen at x, however x is changed later; with f(x) and the classes."""
        score, chosen = self.score(x)
        if chosen is None:
            return self, score, None
        return dataclasses.replace(self, feed=[chosen, *self.feed[1:]]), score, chosen

    def score(self, x: Sequence[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor | None]:
        """f(x), and the class that is explained if it is one; for x of batch 1 and n classes, n scores."""
        if len(x[0]) == 1 and self.engine.shares_batch:
            x = repeated(x, len(self))

        def run(inputs, x, feed, *weights):
            env = self._replayed(FORWARD, inputs, [Value(t) for t in x], weights)
            score, index = self._score(FORWARD, env, feed)
            return score.x, index

        return self._call(("score",), FORWARD, run, x)

    def features(self, x: Sequence[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor | None, list[tf.Tensor], list[tf.Tensor]]:
        """f(x), the class, the engine's feature maps, and df / d(each map): backward only as far as they are."""
        table = Plain()

        def run(inputs, x, feed, *weights):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                env = self._replayed(table, inputs, [Value(t) for t in x], weights, tape)
                score, index = self._score(table, env, feed)
            maps = [env[t].x for t in self.engine.taps]
            slopes = tape.gradient(score.x, maps, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            return score.x, index, maps, slopes

        return self._call(("features",), table, run, x)

    def backward(self, table: Table, x: Sequence[tf.Tensor], reference=None, residuals: bool = False) -> Pass:
        """f and its multipliers under `table`.

        Args:
            table: The rules.
            x: Explained tensors, one per source.
            reference: Their reference values, of batch 1 (for all) or n; None when the table needs none.
            residuals: Whether to say how much each op leaks.
        """
        if reference is not None and self.engine.shares_batch:
            reference = repeated(reference, len(x[0]))
        try:
            return self._backward(table, x, reference, residuals)
        except (MergedBatch, ValueError, tf.errors.InvalidArgumentError):
            # Somewhere the model folds its batch into another axis, and a reference of batch 1 does not fit.
            if reference is None or not _single(reference) or self.engine.shares_batch:
                raise
            self.engine.merge_batches()
            return self._backward(table, x, repeated(reference, len(x[0])), residuals)

    def _backward(self, table: Table, x, reference, residuals: bool) -> Pass:
        single = reference is not None and _single(reference) and not self.engine.shares_batch
        extra = []
        if reference is not None:
            extra = [(list(reference), self.engine.like(self.engine.sources, 1 if single else None))]

        def run(inputs, x, feed, *rest):
            reference, weights = (rest[0], rest[1:]) if extra else (None, rest)
            return self._pass(table, residuals, inputs, x, feed, reference, weights)

        return Pass(*self._call((table, bool(extra), single, residuals), table, run, x, *extra))

    def _pass(self, table: Table, residuals: bool, inputs, x, feed, reference, weights) -> tuple:
        watched = [tf.identity(t) for t in x]
        audit = Audit() if residuals else None
        with tf.GradientTape() as tape:
            tape.watch(watched)
            values = _values(table, watched, reference)
            env = self._replayed(table, inputs, values, weights, audit=audit)
            score, index = self._score(table, env, feed)
        multipliers = tape.gradient(score.x, watched, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        multipliers = tf.nest.map_structure(tf.convert_to_tensor, multipliers)  # a gather's gradient comes sparse
        if reference is None:
            return score.x, None, multipliers, None, index, {}
        contributions = [m * (a - r) for m, a, r in zip(multipliers, x, reference, strict=True)]
        return score.x, score.reference, multipliers, contributions, index, audit.totals if audit else {}

    def _call(self, key: tuple, table: Table, run: Callable, x, *extra) -> Any:
        """`run(inputs, x, feed, *extra, *weights)`, compiled once per `key` and form of target."""
        engine = self.engine
        if table.form not in self.read:
            self.read[table.form] = engine.weights(table)
        weights = list(self.read[table.form].values())
        specs = [engine.inputs(), engine.like(engine.sources, None), self.target.specs(), *[s for _, s in extra]]
        specs += [tf.TensorSpec(w.shape, w.dtype) for w in weights]
        compiled = engine.function((*key, self.target.form), run, specs)
        return compiled(list(self.inputs), list(x), list(self.feed), *[a for a, _ in extra], *weights)

    def _replayed(self, table: Table, inputs, values, weights, tape=None, audit=None) -> dict[int, Any]:
        """Every value that the target needs, under the table; `tape` watches the taps as they come by."""
        engine = self.engine
        graph, kinds = engine.program(table)
        fixed = dict(zip(self.read[table.form], weights, strict=True))
        env = engine.env(inputs) | fixed | self._masks(graph, kinds, inputs, fixed)
        env.update(zip(engine.sources, values, strict=True))
        wanted = engine.heads if self.target.function else [engine.heads[self.target.head]]
        gradients = not table.reads_function
        for tap in [*sorted(engine.taps), None] if tape else [None]:
            goals = wanted if tap is None else [tap]
            ops = needed(graph, goals, [*engine.sources, *fixed], gradients=gradients)
            Replay(kinds, table, audit)(ops, env, engine.heads)
            if tap is not None:
                tape.watch(env[tap].x)
        return env

    def _masks(self, graph, kinds, inputs, fixed) -> dict[int, tf.Tensor]:
        """Which steps exist is said by the user's x, wherever the explained tensors have been moved to."""
        masks = [o for op in graph.ops for o in op.outputs
                 if kinds[o] is Kind.SHARED and any(kinds[i] > Kind.SHARED for i in op.inputs)]  # fmt: skip
        env = self.engine.env(inputs) | fixed
        Replay(kinds, Table())(needed(graph, masks, fixed), env)
        return {m: env[m] for m in masks}

    def _score(self, table: Table, env, feed) -> tuple[Value, tf.Tensor | None]:
        """The explained number per example, in every stream the table carries."""
        if self.target.function:
            return self._function_score(table, env), None
        value = env[self.engine.heads[self.target.head]]
        if value.x.shape.rank == 1:
            value = Value(*[None if t is None else t[:, None] for t in value[:2]])
        weights, index = self.target.weights(value.x, feed)
        if value.x.shape.rank != weights.shape.rank:
            weights = tf.reshape(weights, [-1, 1])
        axes = list(range(1, value.x.shape.rank))
        x, x0 = (None if t is None else tf.reduce_sum(weights * t, axes) for t in value[:2])
        return Value(x, x0), index

    def _function_score(self, table: Table, env) -> Value:
        """The user's function of the outputs is captured and replayed too: its ops follow the same rules."""
        graph, heads = self.engine.graph, self.engine.heads
        specs = [tf.TensorSpec(graph.values[h].shape, graph.values[h].dtype) for h in heads]
        structure, function = graph.structure, self.target.function
        if function is None:
            raise TypeError("the target is not a function")
        own = capture(lambda *flat: function(tf.nest.pack_sequence_as(structure, flat)), specs)
        kinds = classify(own, {i: self.engine.kinds[h] for i, h in zip(own.inputs, heads, strict=True)})
        inner = dict(own.captured) | {i: env[h] for i, h in zip(own.inputs, heads, strict=True)}
        Replay(kinds, table)(needed(own, own.outputs), inner, own.outputs)
        score = inner[own.outputs[0]]
        if len(own.outputs) != 1 or score.x.shape.rank != 1:
            raise TargetError(
                "A target function takes the model's outputs and returns one number per example, shape (batch,). "
                f"Received: {len(own.outputs)} tensors, the first of shape {score.x.shape}."
            )
        return score


def _values(table: Table, watched, reference) -> list[Value]:
    if table.streams == 1:
        return [Value(w) for w in watched]
    if table.streams == 2:
        return [Value(w, r) for w, r in zip(watched, reference, strict=True)]
    return [Value(w, r, tf.abs(w - r)) for w, r in zip(watched, reference, strict=True)]


def _single(reference: Sequence[tf.Tensor]) -> bool:
    return all(r.shape[0] == 1 for r in reference)
