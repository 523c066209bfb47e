"""A captured model and what is compiled from it."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tfxai.graph.activity import Kind, classify
from tfxai.graph.capture import Graph, needed
from tfxai.graph.fold import fold
from tfxai.graph.rectifiers import composed
from tfxai.graph.replay import Replay, Table


@dataclasses.dataclass(frozen=True, eq=False)
class Engine:
    """What is prepared once per model and input form.

    Attributes:
        graph: The captured model.
        entries: Value numbers of the tensors that stand for the inputs: themselves, or their embeddings.
        owners: The flat input that each entry stands for.
        sources: Value numbers of the explained tensors: the entries, or a layer's output.
        heads: Value number of each flat output (its logit when `on="logit"`).
        taps: Value numbers of the feature maps that a class activation map reads.
        channels: The channel axis of each of them, 1 or -1.
        paths: The layer of each of them.
        layer: Path of the layer asked for, or of the taps.
        compiled: Traced functions by what they depend on; belongs to this object alone.
    """

    graph: Graph
    entries: tuple[int, ...]
    owners: tuple[int, ...]
    sources: tuple[int, ...]
    heads: tuple[int, ...]
    taps: tuple[int, ...] = ()
    channels: tuple[int, ...] = ()
    paths: tuple[str, ...] = ()
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
        """The folded graph that a table replays; where gradients are read, custom ones find what they use."""
        key = ("program", table.form)
        if key not in self.compiled:
            keep = {*self.sources, *self.heads, *self.taps}
            if not table.reads_function:
                for op in needed(self.graph, self.heads, self.sources, gradients=True):
                    keep.update(op.backward[1].values() if op.backward is not None else ())
            graph, kinds = fold(self.graph, self.kinds, keep)
            self.compiled[key] = (composed(graph, kinds, keep) if table.composes else graph, kinds)
        return self.compiled[key]

    def weights(self, table: Table) -> dict[int, tf.Tensor]:
        """What does not depend on the input, as it is now: read and folded once per call, not once per pass."""
        graph, kinds = self.program(table)
        made = {o: op for op in graph.ops for o in op.outputs}
        ops = needed(graph, self.heads, self.sources, gradients=not table.reads_function)
        inputs = [i for op in ops if any(kinds[o] > Kind.CONST for o in op.outputs) for i in op.inputs]
        fixed = [i for i in dict.fromkeys(inputs) if kinds[i] is Kind.CONST and i in made]
        numbers = [i for i in fixed if graph.values[i].dtype.is_floating and made[i].type != "Const"]

        def run():
            env = dict(self.graph.captured)
            Replay(kinds, Table())(needed(graph, numbers), env)
            return [env[n] for n in numbers]

        return dict(zip(numbers, self.function(("weights", table.form), run, [])(), strict=True))

    @property
    def shares_batch(self) -> bool:
        """Whether a reference must be repeated to the batch size of x; once seen, remembered."""
        if "whole batch" not in self.compiled:
            self.compiled["whole batch"] = self._meets_x()
        return self.compiled["whole batch"]

    def merge_batches(self) -> None:
        """Notes that the model folds its batch into another axis."""
        self.compiled["whole batch"] = True

    def _meets_x(self) -> bool:
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
        return self.function("enter", self._run_to(self.entries, ()), [self.inputs(), []])(list(inputs), [])

    def deepen(self, inputs: Sequence[tf.Tensor], entries: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """The explained tensors behind these entries; other things are taken from the raw inputs."""
        if self.sources == self.entries:
            return list(entries)
        specs = [self.inputs(), self.like(self.entries, None)]
        run = self._run_to(self.sources, self.entries)
        return self.function("deepen", run, specs)(list(inputs), repeated(entries, len(inputs[0])))

    def _run_to(self, goals: Sequence[int], given: Sequence[int]) -> Callable:
        def run(inputs, values):
            env = self.env(inputs) | dict(zip(given, values, strict=True))
            Replay(self.kinds, Table())(needed(self.graph, goals, given), env)
            return [env[g] for g in goals]

        return run

    def env(self, inputs) -> dict[int, Any]:
        return dict(self.graph.captured) | dict(zip(self.graph.inputs, inputs, strict=True))

    def inputs(self) -> list[tf.TensorSpec]:
        return [tf.TensorSpec(self.graph.values[i].shape, self.graph.values[i].dtype) for i in self.graph.inputs]

    def like(self, numbers: Sequence[int], batch: int | None) -> list[tf.TensorSpec]:
        traced = [self.graph.values[n] for n in numbers]
        return [tf.TensorSpec([batch, *t.shape[1:]], t.dtype) for t in traced]

    def once(self, key: str, function: Callable, arguments: Sequence[tf.Tensor]) -> Any:
        """`function(*arguments)`, traced at its first call and kept under `key`."""
        return self.function(key, function, [tf.TensorSpec.from_tensor(a) for a in arguments])(*arguments)

    def function(self, key: Any, function: Callable, specs: Sequence) -> Callable:
        with self.lock:  # two threads may share one explainer
            if key not in self.compiled:
                traced = tf.function(function, autograph=False, jit_compile=self.jit_compile or None)
                self.compiled[key] = traced.get_concrete_function(*specs)
            return self.compiled[key]


def repeated(reference: Sequence[tf.Tensor], n: int) -> list[tf.Tensor]:
    return [tf.repeat(r, n, axis=0) if r.shape[0] == 1 else r for r in reference]
