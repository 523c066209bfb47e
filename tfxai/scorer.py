"""A captured model, ready to be asked for f(x) and for its backward pass under any rule table."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from tfxai.errors import TargetError
from tfxai.graph.audit import Audit
from tfxai.graph.capture import Graph, capture, needed
from tfxai.graph.fold import fold
from tfxai.graph.kinds import Kind, classify
from tfxai.graph.replay import MergedBatch, Replay, Table, Value
from tfxai.targets import Resolved


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
class Engine:
    """What is prepared once per model and input form.

    Attributes:
        graph: The captured model.
        entries: Value numbers of the tensors that stand for the inputs: themselves, or their embeddings.
        owners: The flat input that each entry stands for.
        sources: Value numbers of the explained tensors: the entries, or a layer's output.
        heads: Value number of each flat output (its logit when `on="logit"`).
        layer: Path of the layer asked for, if one was.
        compiled: Traced functions by what they depend on; belongs to this object alone.
    """

    graph: Graph
    entries: tuple[int, ...]
    owners: tuple[int, ...]
    sources: tuple[int, ...]
    heads: tuple[int, ...]
    layer: str | None = None
    jit_compile: bool = False
    compiled: dict = dataclasses.field(default_factory=dict)
    lock: Any = dataclasses.field(default_factory=threading.RLock)

    @property
    def kinds(self) -> dict[int, Kind]:
        if "kinds" not in self.compiled:
            self.compiled["kinds"] = classify(self.graph, dict.fromkeys(self.sources, Kind.DATA))
        return self.compiled["kinds"]

    def program(self, table: Table) -> tuple[Graph, dict[int, Kind]]:
        """The graph that a table replays: folded where only the function counts."""
        if not table.reads_function:
            return self.graph, self.kinds
        if "folded" not in self.compiled:
            keep = {*self.sources, *self.heads}
            self.compiled["folded"] = fold(self.graph, self.kinds, keep)
        return self.compiled["folded"]

    def _shares_batch(self) -> bool:
        """Whether something that belongs to x, of its batch size, meets the explained tensors on the way."""
        ops = needed(self.graph, self.heads, self.sources)
        return any(
            self.kinds[i] is Kind.SHARED for op in ops for i in op.inputs
            if any(self.kinds[o] >= Kind.SHAPE for o in op.outputs)
        )  # fmt: skip

    def enter(self, inputs: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """The entries of these raw inputs."""
        if self.entries == tuple(self.graph.inputs):
            return list(inputs)
        return self._function("enter", self._run_to(self.entries, ()), [self._inputs(), []])(list(inputs), [])

    def deepen(self, inputs: Sequence[tf.Tensor], entries: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """The explained tensors behind these entries; other things are taken from the raw inputs."""
        if self.sources == self.entries:
            return list(entries)
        specs = [self._inputs(), self._like(self.entries, None)]
        run = self._run_to(self.sources, self.entries)
        return self._function("deepen", run, specs)(list(inputs), _repeated(entries, len(inputs[0])))

    def _run_to(self, goals: Sequence[int], given: Sequence[int]) -> Callable:
        def run(inputs, values):
            env = self._env(inputs) | dict(zip(given, values, strict=True))
            Replay(self.kinds, Table())(needed(self.graph, goals, given), env)
            return [env[g] for g in goals]

        return run

    def backward(self, table: Table, inputs, x, reference, target: Resolved, feed, residuals=False) -> Pass:
        """f and its multipliers under `table`, for the tensors of one chunk.

        Args:
            inputs: Raw model inputs.
            x: Explained tensors, one per source.
            reference: Their reference values, of batch 1 (for all) or n; None when the table needs none.
            feed: `target.chunk(rows)`.
        """
        if "whole batch" not in self.compiled:
            self.compiled["whole batch"] = self._shares_batch()
        if reference is not None and self.compiled["whole batch"]:
            reference = _repeated(reference, len(x[0]))
        try:
            return self._pass(table, inputs, x, reference, target, feed, residuals)
        except (MergedBatch, ValueError, tf.errors.InvalidArgumentError):
            # Somewhere the model folds its batch into another axis, and a reference of batch 1 does not fit.
            if reference is None or not _single(reference) or self.compiled.get("whole batch"):
                raise
            self.compiled["whole batch"] = True
            return self._pass(table, inputs, x, _repeated(reference, len(x[0])), target, feed, residuals)

    def _pass(self, table: Table, inputs, x, reference, target: Resolved, feed, residuals: bool) -> Pass:
        single = reference is not None and _single(reference) and not self.compiled.get("whole batch")
        key = (table, reference is not None, single, target.form, residuals)
        specs = [self._inputs(), self._like(self.sources, None), target.specs()]
        arguments = [list(inputs), list(x), list(feed)]
        if reference is not None:
            specs.append(self._like(self.sources, 1 if single else None))
            arguments.append(list(reference))

        def run(inputs, x, feed, *reference):
            return self._backward(table, target, residuals, inputs, x, feed, *reference or (None,))

        return Pass(*self._function(key, run, specs)(*arguments))

    def _backward(self, table, target, residuals, inputs, x, feed, reference):
        watched = [tf.identity(t) for t in x]
        audit = Audit() if residuals else None
        with tf.GradientTape() as tape:
            tape.watch(watched)
            values = self._values(table, watched, reference)
            env = self._env(inputs) | dict(zip(self.sources, values, strict=True))
            graph, kinds = self.program(table)
            ops = needed(graph, self._wanted(target), self.sources, gradients=not table.reads_function)
            Replay(kinds, table, audit)(ops, env, self.heads)
            score, index = self._score(table, target, env, feed)
        multipliers = tape.gradient(score.x, watched, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        multipliers = tf.nest.map_structure(tf.convert_to_tensor, multipliers)  # a gather's gradient comes sparse
        if reference is None:
            return score.x, None, multipliers, None, index, {}
        contributions = [m * (a - r) for m, a, r in zip(multipliers, x, reference, strict=True)]
        found = audit.totals if audit else {}
        return score.x, score.reference, multipliers, contributions, index, found

    def _values(self, table: Table, watched, reference) -> list[Value]:
        if table.streams == 1:
            return [Value(w) for w in watched]
        if table.streams == 2:
            return [Value(w, r) for w, r in zip(watched, reference, strict=True)]
        return [Value(w, r, tf.abs(w - r)) for w, r in zip(watched, reference, strict=True)]

    def _wanted(self, target: Resolved) -> Sequence[int]:
        return self.heads if target.function else [self.heads[target.head]]

    def _score(self, table: Table, target: Resolved, env, feed) -> tuple[Value, tf.Tensor | None]:
        """The explained number per example, in every stream the table carries."""
        if target.function:
            return self._function_score(table, target, env), None
        value = env[self.heads[target.head]]
        if value.x.shape.rank == 1:
            value = Value(*[None if t is None else t[:, None] for t in value[:2]])
        weights, index = target.weights(value.x, feed)
        if value.x.shape.rank != weights.shape.rank:
            weights = tf.reshape(weights, [-1, 1])
        axes = list(range(1, value.x.shape.rank))
        x, x0 = (None if t is None else tf.reduce_sum(weights * t, axes) for t in value[:2])
        return Value(x, x0), index

    def _function_score(self, table: Table, target: Resolved, env) -> Value:
        """The user's function of the outputs is captured and replayed too: its ops follow the same rules."""
        specs = [tf.TensorSpec(self.graph.values[h].shape, self.graph.values[h].dtype) for h in self.heads]
        structure, function = self.graph.structure, target.function
        if function is None:
            raise TypeError("the target is not a function")
        graph = capture(lambda *flat: function(tf.nest.pack_sequence_as(structure, flat)), specs)
        kinds = classify(graph, {i: self.kinds[h] for i, h in zip(graph.inputs, self.heads, strict=True)})
        inner = dict(graph.captured) | {i: env[h] for i, h in zip(graph.inputs, self.heads, strict=True)}
        Replay(kinds, table)(needed(graph, graph.outputs), inner, graph.outputs)
        score = inner[graph.outputs[0]]
        if len(graph.outputs) != 1 or score.x.shape.rank != 1:
            raise TargetError(
                "A target function takes the model's outputs and returns one number per example, shape (batch,). "
                f"Received: {len(graph.outputs)} tensors, the first of shape {score.x.shape}."
            )
        return score

    def _env(self, inputs) -> dict[int, Any]:
        return dict(self.graph.captured) | dict(zip(self.graph.inputs, inputs, strict=True))

    def _inputs(self) -> list[tf.TensorSpec]:
        return [tf.TensorSpec(self.graph.values[i].shape, self.graph.values[i].dtype) for i in self.graph.inputs]

    def _like(self, numbers: Sequence[int], batch: int | None) -> list[tf.TensorSpec]:
        traced = [self.graph.values[n] for n in numbers]
        return [tf.TensorSpec([batch, *t.shape[1:]], t.dtype) for t in traced]

    def once(self, key: str, function: Callable, arguments: Sequence[tf.Tensor]) -> Any:
        """`function(*arguments)`, traced at its first call and kept under `key`."""
        return self._function(key, function, [tf.TensorSpec.from_tensor(a) for a in arguments])(*arguments)

    def _function(self, key: Any, function: Callable, specs: Sequence) -> Callable:
        with self.lock:  # two threads may share one explainer
            if key not in self.compiled:
                traced = tf.function(function, autograph=False, jit_compile=self.jit_compile or None)
                self.compiled[key] = traced.get_concrete_function(*specs)
            return self.compiled[key]


def _single(reference: Sequence[tf.Tensor]) -> bool:
    return all(r.shape[0] == 1 for r in reference)


def _repeated(reference: Sequence[tf.Tensor], n: int) -> list[tf.Tensor]:
    return [tf.repeat(r, n, axis=0) if r.shape[0] == 1 else r for r in reference]
