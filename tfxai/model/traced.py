"""A captured model and what is compiled from it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfxai.graph import logsumexp, normalisations
from tfxai.graph.activity import Activity, classify
from tfxai.graph.affine import joined
from tfxai.graph.axes import Axes
from tfxai.graph.capture import Graph, Op, every, needed
from tfxai.graph.chains import linked
from tfxai.graph.fold import fold
from tfxai.graph.follow import Followed
from tfxai.graph.moves import AS_FIRST, BY_ELEMENT
from tfxai.graph.ops import ALIASES, OTHER_IN_LOOPS, STEPS
from tfxai.graph.override import tracing
from tfxai.graph.rectifiers import composed
from tfxai.graph.replay import Environment, Replay
from tfxai.graph.table import Program, RuleTable, annotated
from tfxai.model import draws
from tfxai.model.blocks import in_blocks, taken
from tfxai.model.compiled import Compiled, Owner
from tfxai.model.feature_maps import FeatureMap
from tfxai.model.fixed import READ, Fixed
from tfxai.model.layout import Layout, channels_in, layout_of, layouts
from tfxai.model.toward import Toward

FORWARD = RuleTable()


@dataclasses.dataclass(frozen=True, eq=False)
class TracedModel:
    """What is prepared once per model and form of input.

    Attributes:
        graph: The captured model.
        embedded: Value numbers of the tensors that stand for the inputs: themselves, or their embeddings.
        input_of: The flat input that each of these stands for.
        explained: Value numbers of the explained tensors: the embedded ones, or a layer's output.
        outputs: Value number of each flat output (its logit when `on="logit"`), or of what a layer inside returns.
        output_names: The names that each output answers to.
        owners: Value number of each variable of the model -> the name of its layer.
        feature_maps: What a class activation map reads.
        layer: Path of the layer asked for, or of the feature maps.
        unit_of: Path of the layer that returns `outputs`, where they are not the model's.
        jit_compile: Whether passes are compiled with XLA.
        compiled: Belongs to this object alone.
    """

    graph: Graph
    embedded: tuple[int, ...]
    input_of: tuple[int, ...]
    explained: tuple[int, ...]
    outputs: tuple[int, ...]
    output_names: tuple[tuple[str, ...], ...]
    owners: Mapping[int, str] = dataclasses.field(default_factory=dict)
    feature_maps: tuple[FeatureMap, ...] = ()
    layer: str | None = None
    unit_of: str | None = None
    jit_compile: bool = False
    compiled: Compiled = dataclasses.field(default_factory=Compiled)

    # --- What is known of the graph

    @functools.cached_property
    def activity(self) -> dict[int, Activity]:
        """Of every value, with respect to the explained tensors."""
        return classify(self.graph, self._known)

    @functools.cached_property
    def deciding(self) -> dict[int, Activity]:
        """The same, where numbers made of decisions count as well."""
        return classify(self.graph, self._known, decisions=True)

    @functools.cached_property
    def _known(self) -> dict[int, Activity]:
        """The activity of what is there before any op has run: a held draw may look like a weight, and is none."""
        held = {h.op.outputs[0]: Activity.CONTEXT for h in self.draws[0]}
        return held | dict.fromkeys(self.explained, Activity.ACTIVE)

    @functools.cached_property
    def rows(self) -> int | None:
        """How many examples it was traced for; None: that is open."""
        return self.graph.values[self.graph.inputs[0]].shape[0] if self.graph.inputs else None

    @functools.cached_property
    def followed(self) -> Followed:
        """The axes of every value."""
        return Followed(self.graph)

    @functools.cached_property
    def looks_at_its_batch(self) -> bool:
        """Whether the outputs may depend on how many examples there are."""
        return self.rows is not None or self.followed.looks_at_examples(needed(self.graph, self.outputs))

    @functools.cached_property
    def goes_back_in_a_loop(self) -> bool:
        """Whether one pass may be sent back for several targets, in a loop, as it would be for each alone."""
        return self.rows is None and not any(op.type in OTHER_IN_LOOPS for op in every(self.graph.ops))

    @functools.cached_property
    def layouts(self) -> list[Layout]:
        """Which axes of each flat input are places."""
        return layouts(self.graph, self.followed.axes)

    def layout(self, k: int) -> Layout:
        """Which axes of explained tensor number k are places."""
        number = self.explained[k]
        if number in self.graph.inputs:
            return self.layouts[self.graph.inputs.index(number)]
        return layout_of(self.followed.axes.get(number), self.graph.values[number].shape.rank or 0, self.layouts)

    def channels_of(self, output: int) -> int | None:
        """Which axis of an output holds its channels or classes, where that is known."""
        return channels_in(self.followed.axes.get(self.outputs[output]), self.layouts)

    def own_axes(self, k: int) -> Axes:
        """The axes of explained tensor number k."""
        return self.followed.axes.get(self.explained[k], Axes(()))

    @functools.cached_property
    def output_shapes(self) -> list[tuple | str]:
        """Of each output the shape without the batch axis, or in words why it cannot be explained: a loss, a count."""
        return [_shape_of(self.graph.values[o]) for o in self.outputs]

    @functools.cached_property
    def has_parts(self) -> list[bool]:
        """Whether each output is a vector of parts laid end to end: then the place in it says which is explained."""
        return [self._has_parts(number) for number in self.outputs]

    def _has_parts(self, output: int) -> bool:
        made = {o: op for op in needed(self.graph, [output]) for o in op.outputs}
        if self.graph.values[output].shape.rank != 2:
            return False
        while output in made and made[output].type in ALIASES | AS_FIRST | BY_ELEMENT:
            op = made[output]
            active = [i for i in op.inputs if self.activity.get(i) is Activity.ACTIVE]
            if not active:
                return False
            output = op.inputs[op.outputs.index(output)] if op.type in ALIASES else active[0]
        return output in made and made[output].type in ("ConcatV2", "Pack")

    @functools.cached_property
    def in_half_precision(self) -> bool:
        """Whether some value has it."""
        values = {*self.outputs, *self.explained, *(o for op in self.graph.ops for o in op.outputs)}
        return any(self.graph.values[v].dtype in (tf.float16, tf.bfloat16) for v in values)

    @functools.cached_property
    def _programs(self) -> dict[Program, tuple[Graph, dict[int, Activity]]]:
        return {}

    def program(self, table: RuleTable) -> tuple[Graph, dict[int, Activity]]:
        """The form of the graph that a table replays, and the activity of its values."""
        form = table.program
        if form not in self._programs:
            keep = {*self.explained, *self.outputs, *(v for m in self.feature_maps for v in m.values)}
            if form.gradients:  # custom ones find what they use
                for op in needed(self.graph, self.outputs, self.explained, gradients=True):
                    keep.update(op.backward[1].values() if op.backward is not None else ())
            activity = self.deciding if form.decisions else self.activity
            graph, activity = fold(self.graph, activity, keep)
            if form.normalisations_as_one:
                graph = normalisations.as_one(graph, activity, keep)
            if form.logsumexp_as_one:
                graph = logsumexp.as_one(graph, activity, keep)
            if form.affine_as_one:
                graph = joined(graph, activity, keep)
            if form.rectifiers_as_one:
                graph = composed(graph, activity, keep)
            if form.chains_as_one:
                graph = linked(graph, activity, keep, table.apart(graph, activity))
            self._programs[form] = graph, activity
        return self._programs[form]

    def replay(self, table: RuleTable, around: Any = None) -> Replay:
        """A run of the program under a table, whose rules find their annotations."""
        graph, activity = self.program(table)
        captured = graph.values if self.rows is None else None  # more rows than it was traced for may share a pass
        return Replay(activity, table, annotated(table, graph, activity), around, captured)

    def jumps(self) -> list[Op]:
        """The captured ops at which the score may jump: steps, and decisions that become numbers."""
        ops = needed(self.graph, self.outputs, self.explained)
        decides = any(self.activity[v] is not a for v, a in self.deciding.items())
        return [
            op for op in ops
            if any(self.deciding.get(i) is Activity.ACTIVE for i in op.inputs)
            and (op.type in STEPS or decides and self.deciding.get(op.outputs[0]) is Activity.DISCRETE)
        ]  # fmt: skip

    def carrying(self) -> list[Op]:
        """The captured ops through which the explained tensors reach the outputs."""
        active = {v for v, a in self.activity.items() if a is Activity.ACTIVE}
        ops = needed(self.graph, self.outputs, self.explained)
        return [op for op in ops if active.intersection(op.outputs) and active.intersection(op.inputs)]

    # --- What does not depend on the input

    def weights(self, table: RuleTable) -> dict[int, tf.Tensor]:
        """What does not depend on the input, as it is now: read and folded once per call, not once per pass."""
        if table.program not in self._fixed:
            numbers = self._fixed_of(table)
            ops = needed(self.program(table)[0], numbers)
            self._fixed[table.program] = Fixed(numbers, ops, self.graph.captured)
        fixed, activity = self._fixed[table.program], self.program(table)[1]

        def run(read: list[tf.Tensor]) -> list[tf.Tensor]:
            variables = zip([op.outputs[0] for op in fixed.variables], read, strict=True)
            env = Replay(activity, FORWARD)(fixed.ops, {**fixed.captured, **dict(variables)})
            return [env[n] for n in fixed.numbers]

        def make(read: list[tf.Tensor]) -> list[tf.Tensor]:
            if not fixed.pays(self.jit_compile):
                return run(read)
            specs = [tf.TensorSpec(t.shape, t.dtype) for t in read]
            return self.function(("weights", table.program), run, lambda: [specs])(read)

        for other in self._fixed.values():  # each has a copy of the weights: that of the last program is kept
            other.kept = other.kept if other is fixed else None
        return dict(zip(fixed.numbers, fixed.now(make), strict=True))

    @functools.cached_property
    def _fixed(self) -> dict[Program, Fixed]:
        return {}

    def _fixed_of(self, table: RuleTable) -> list[int]:
        """The floats that do not depend on the input and are read by ops that do; then all variables behind them."""
        graph, activity = self.program(table)
        made = {o: op for op in graph.ops for o in op.outputs}
        ops = needed(graph, self.outputs, self.explained, gradients=table.program.gradients)
        read = [i for op in ops if any(activity[o] > Activity.CONST for o in op.outputs) for i in op.inputs]
        fixed = [i for i in dict.fromkeys(read) if activity[i] is Activity.CONST and i in made]
        fixed = [i for i in fixed if graph.values[i].dtype.is_floating and made[i].type != "Const"]
        read = [op.outputs[0] for op in needed(graph, fixed) if op.type == READ]  # the fingerprint looks at them
        return list(dict.fromkeys(fixed + read))

    # --- From inputs to explained tensors

    @functools.cached_property
    def embeds_nothing(self) -> bool:
        """Whether the raw inputs stand for themselves."""
        return self.embedded == tuple(self.graph.inputs)

    @functools.cached_property
    def direct(self) -> bool:
        """Whether the raw inputs are the explained tensors."""
        return self.explained == tuple(self.graph.inputs)

    def explained_of(self, inputs: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """The explained tensors of these raw inputs."""
        return (
            list(inputs[: len(self.graph.inputs)])
            if self.direct
            else self.explained_at(inputs, self.embedded_at(inputs))
        )

    def embedded_at(self, inputs: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """The tensors that stand for these raw inputs."""
        if self.embeds_nothing:
            return list(inputs[: len(self.graph.inputs)])
        run = self._run_to(self.embedded, ())
        made = self.function("embedded", run, lambda: [self.input_specs(), []])
        return in_blocks(self.rows, len(inputs[0]), lambda some: made(taken(inputs, some), []))

    def explained_at(self, inputs: Sequence[tf.Tensor], embedded: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """The explained tensors behind these; other things are taken from the raw inputs."""
        if self.explained == self.embedded:
            return list(embedded)
        run = self._run_to(self.explained, self.embedded)
        made = self.function("explained", run, lambda: [self.input_specs(), self.specs(self.embedded)])
        n = len(inputs[0])
        given = repeated(embedded, n)
        return in_blocks(self.rows, n, lambda some: made(taken(inputs, some), taken(given, some)))

    def values_at(self, numbers: Sequence[int], inputs: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """The values of these numbers for raw inputs, for looking at what is inside."""
        made = self.function(("values", *numbers), self._run_to(numbers, ()), lambda: [self.input_specs(), []])
        return in_blocks(self.rows, len(inputs[0]), lambda some: made(taken(inputs, some), []))

    def _run_to(self, ends: Sequence[int], given: Sequence[int]) -> Callable:
        """A forward pass from the raw inputs, and values that are given, to other values."""

        def run(inputs: Sequence[tf.Tensor], values: Sequence[tf.Tensor]) -> list[tf.Tensor]:
            env = self.environment(inputs) | dict(zip(given, values, strict=True))
            env = Replay(self.activity, FORWARD)(needed(self.graph, ends, list(env)), env)
            return [env[e] for e in ends]

        return run

    def environment(self, inputs: Sequence[tf.Tensor]) -> Environment:
        """What is there before any op has run: inputs, and the draws behind them, as far as they are made."""
        env = dict(self.graph.captured) | dict(zip(self.graph.inputs, inputs, strict=False))
        for held, drawn in zip(self.draws[0], inputs[len(self.graph.inputs) :], strict=False):
            env[held.op.outputs[0]] = drawn if held.each else drawn[0]
        return env

    def classes(self, output: int | None = None) -> int | None:
        """How many classes an output has (None: the only one); None where that is not known, or there are several."""
        if output is None and len(self.output_shapes) > 1:
            return None
        shape = self.output_shapes[output or 0]
        return None if isinstance(shape, str) else shape[-1] if shape else 1

    def is_probability(self, output: int) -> bool:
        """Whether an output is what a sigmoid gives, as far as ops that only move numbers lead back to one."""
        made = {o: op for op in self.graph.ops for o in op.outputs}
        number = self.outputs[output]
        while number in made and made[number].type in ALIASES | {"Cast", "Reshape", "Squeeze", "ExpandDims"}:
            number = made[number].inputs[made[number].outputs.index(number)]
        return number in made and made[number].type == "Sigmoid"

    # --- Random draws

    @functools.cached_property
    def draws(self) -> tuple[list[draws.Held], list[Op]]:
        """What the model draws at inference: once for all passes, and anew in each of them."""
        return draws.split(self.graph, self.followed, self.outputs)

    def drawn(self, inputs: Sequence[tf.Tensor], seed: int | None) -> list[tf.Tensor]:
        """The draws of one explanation, (n, ...) each, at these raw inputs."""
        found: list[tf.Tensor] = []
        for k, held in enumerate(self.draws[0]):
            values = self._parameters(k, [*inputs, *found])
            found.append(held.drawn(self.graph, values, len(inputs[0]), [(seed or 0) % 2**31, k]))
        return found

    def _parameters(self, k: int, inputs: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """What the distribution of held draw number k has, where these inputs and draws are there."""
        parameters = self.draws[0][k].parameters
        if not parameters:
            return []
        run = self._run_to([number for number, _ in parameters], ())
        made = self.function(("parameters", k), run, lambda: [self.input_specs(k), []])
        if not any(each for _, each in parameters):
            return made(taken(inputs, None if self.rows is None else np.arange(self.rows) % len(inputs[0])), [])
        return in_blocks(self.rows, len(inputs[0]), lambda some: made(taken(inputs, some), []))

    @functools.cached_property
    def drawn_at_x(self) -> list[Op]:
        """The held draws of a distribution that depends on what is explained."""
        return [
            held.op for held in self.draws[0]
            if any(self.activity[number] > Activity.SHAPE for number, _ in held.parameters)
        ]  # fmt: skip

    # --- References of batch 1

    @property
    def whole_reference(self) -> bool:
        """Whether a reference must be repeated to the batch size of x."""
        return self.compiled.whole_reference or self.rows is not None or self.context_is_met

    @functools.cached_property
    def context_is_met(self) -> bool:
        """Whether something that belongs to x, of its batch size, meets the explained tensors on the way."""
        ops = needed(self.graph, self.outputs, self.explained)
        return any(
            self.activity[i] is Activity.CONTEXT for op in ops for i in op.inputs
            if any(self.activity[o] >= Activity.SHAPE for o in op.outputs)
        )  # fmt: skip

    @functools.cached_property
    def toward(self) -> Toward:
        """What lies between the model's values and a target."""
        return Toward(self.graph, self.outputs, self.compiled)

    # --- Compiled functions

    def input_specs(self, drawn: int | None = None) -> list[tf.TensorSpec]:
        """Of the raw inputs, and of the draws behind them: all, or the first so many."""
        inputs = [tf.TensorSpec(self.graph.values[i].shape, self.graph.values[i].dtype) for i in self.graph.inputs]
        for held in self.draws[0][:drawn]:
            value = self.graph.values[held.op.outputs[0]]
            inputs.append(tf.TensorSpec([self.rows, *(value.shape[1:] if held.each else value.shape)], value.dtype))
        return inputs

    def specs(self, numbers: Sequence[int], batch: int | None = None) -> list[tf.TensorSpec]:
        """Of these values, for a batch of this size, or of that of a pass."""
        traced = [self.graph.values[n] for n in numbers]
        return [tf.TensorSpec([batch or self.rows, *t.shape[1:]], t.dtype) for t in traced]

    def function(
        self, key: Any, function: Callable, specs: Callable[[], Sequence], owner: Owner | None = None
    ) -> Callable:
        """`function`, traced with `specs()` at its first use and kept under `key`, for a while if it has an owner."""

        def made() -> Callable:
            traced = tf.function(function, autograph=False, jit_compile=self.jit_compile or None)
            with tracing():
                concrete = traced.get_concrete_function(*specs())

            def called(*args: Any) -> Any:
                """Without a comparison of all weights with their specs, which takes a third of a small pass."""
                tensors = [t if isinstance(t, tf.Tensor) else tf.convert_to_tensor(t) for t in tf.nest.flatten(args)]
                return concrete._call_flat(tensors, concrete.captured_inputs)

            return called

        return self.compiled.get(key, made, owner)


def _shape_of(output: tf.Tensor) -> tuple | str:
    if output.shape.rank is None:
        return (
            "How many axes the model's output has is not known before it runs (tf.cond and keras.ops."
            "associative_scan lose it); expected one score or more per example. Give the output its shape with "
            "tf.ensure_shape(output, [None, ...])."
        )
    if output.shape.rank == 0:
        return "The model returns one number for the whole batch; expected one or more per example, first axis batch."
    if not output.dtype.is_floating:
        return f"The output has dtype {output.dtype.name}, which is no score; expected floats."
    return tuple(output.shape[1:])


def repeated(reference: Sequence[tf.Tensor], n: int) -> list[tf.Tensor]:
    """Tensors of batch 1 as often as there are examples."""
    return [tf.repeat(r, n, axis=0) if r.shape[0] == 1 else r for r in reference]
