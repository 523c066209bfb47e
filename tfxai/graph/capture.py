"""Model or callable -> `Graph`: a flat list of ops, calls inlined, whatever the model was made of."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.function_def_to_graph import function_def_to_graph
from tensorflow.python.framework.ops import get_gradient_function

from tfxai.graph import execute
from tfxai.graph.expand import expanded
from tfxai.graph.ops import ALIASES, BRANCHES, CALLS, CASES, CHAIN, LOOPS, STEPS_AS_ONE
from tfxai.graph.override import KIND, capturing


@dataclasses.dataclass(frozen=True, eq=False)
class Op:
    """One operation. Values are numbered through the whole capture, function bodies included."""

    type: str
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    attrs: dict[str, Any]
    slots: tuple[tuple[str, int], ...] = ()
    bodies: tuple[Graph, ...] = ()
    node: tf.Operation | None = None
    author: Author | None = None  # who gave it a gradient of its own

    @property
    def said(self) -> str:
        """The type in words: of a chain, the types that it is made of."""
        if self.type != CHAIN:
            return self.type
        return "chain of " + ", ".join(op.type for op in self.bodies[0].ops if op.type not in ALIASES)

    def run(self, inputs: Sequence) -> list:
        """The op's outputs on these input tensors."""
        if self.type == "Const":
            return [tf.constant(self.attrs["value"])]
        if self.type in STEPS_AS_ONE:
            (body,) = self.bodies
            env = dict(zip(body.inputs, inputs, strict=True))
            for op in body.ops:
                env.update(zip(op.outputs, op.run([env[i] for i in op.inputs]), strict=True))
            return [env[o] for o in body.outputs]
        return execute.execute(self.type, self.slots, self.attrs, inputs)

    @property
    def backward(self) -> tuple[Graph, dict[int, int]] | None:
        """The backward pass that the author of the op gave it (`tf.custom_gradient`), or None; as `Author.backward`."""
        return None if self.author is None else self.author.backward


@dataclasses.dataclass(eq=False)
class Author:
    """The custom gradient of an op, shared by all copies of the op.

    Attributes:
        node: The op in its trace.
        scope: Tensor name -> value number of what the author's function could see.
        function: The gradient, until it is released: what it holds, such as its layer, need not live on.
    """

    node: tf.Operation
    scope: dict[str, int]
    function: Callable | None

    @functools.cached_property
    def backward(self) -> tuple[Graph, dict[int, int]]:
        """A graph that takes the upstream gradients, and, for each value that it takes from the scope, its number."""
        node, function = self.node, self.function
        specs = [tf.TensorSpec(t.shape, t.dtype) for t in node.outputs]
        with node.graph.as_default():
            graph = capture(lambda *upstream: function(node, *upstream), specs, convert=False)  # type: ignore[misc]
        inside = {n: t for n, t in graph.captured.items() if tf.is_symbolic_tensor(t)}  # others are variables
        return graph, {n: self.scope[_key(t)] for n, t in inside.items()}

    def release(self) -> None:
        """Lets go of the function, traced."""
        _ = self.backward
        self.function = None


@dataclasses.dataclass(frozen=True, eq=False)
class Graph:
    """A flat list of ops.

    Attributes:
        ops: In an order in which they can run.
        inputs: Value numbers of the arguments.
        outputs: Value numbers of the results, flat.
        captured: Value number -> tensor from outside (variable handles: weights are read when the ops run).
        values: Number -> the symbolic tensor of the trace (or a spec), for its dtype, static shape and name.
        structure: What the function returned, with value numbers for tensors; None for bodies.
        names: Tensor name in the outermost function -> value number.
        keep: The traced function, which must live as long as its ops are used.
    """

    ops: list[Op]
    inputs: list[int]
    outputs: list[int]
    captured: dict[int, tf.Tensor]
    values: list[tf.Tensor]
    structure: Any = None
    names: dict[str, int] = dataclasses.field(default_factory=dict)
    keep: Any = None


class _Flattener:
    """Numbers the values of one capture and collects the ops of nested calls into one list."""

    def __init__(self) -> None:
        self.values: list[tf.Tensor] = []

    def number(self, tensor: tf.Tensor | tf.TensorSpec) -> int:
        self.values.append(tensor)
        return len(self.values) - 1

    def body(self, func_graph: Any) -> Graph:
        """A loop body or branch, as a graph of its own that shares the numbering."""
        inputs = [self.number(t) for t in func_graph.inputs]
        ops: list[Op] = []
        env = self.collect(func_graph, inputs, ops)
        outputs = [env[_key(t)] for t in func_graph.outputs]
        return Graph(ops, inputs, outputs, {}, self.values)

    def collect(self, func_graph: Any, arguments: Sequence[int], ops: list[Op]) -> dict[str, int]:
        """Adds the ops of a function to `ops`, calls inlined; tensor name -> value number."""
        env = {_key(t): n for t, n in zip(func_graph.inputs, arguments, strict=True)}
        for node in func_graph.get_operations():
            if node.type == "Placeholder" and _key(node.outputs[0]) in env or node.type == "NoOp":
                continue
            inputs = tuple(env[_key(t)] for t in node.inputs)
            if node.type in CALLS:
                inner = _function(node, node.get_attr("f").name)
                inner_env = self.collect(inner, inputs, ops)
                results = [inner_env[_key(t)] for t in inner.outputs]
            else:
                results = [self.number(t) for t in node.outputs]
                ops += expanded(self.op(node, inputs, tuple(results), env), self.values, self.number)
            env.update((_key(t), n) for t, n in zip(node.outputs, results, strict=True))
        return env

    def op(self, node: tf.Operation, inputs: tuple[int, ...], outputs: tuple[int, ...], env: dict) -> Op:
        """One op with what is needed to run it again: attributes, slots, bodies, the scope of a custom gradient."""
        names = LOOPS.get(node.type) or BRANCHES.get(node.type)
        if names:
            functions = [node.get_attr(n).name for n in names]
        elif node.type in CASES:
            functions = [f.name for f in node.get_attr("branches")]
        else:
            if node.type == "Const":
                attrs = {"value": tf.make_ndarray(node.node_def.attr["value"].tensor)}
                return Op(node.type, node.name, inputs, outputs, attrs, node=node)
            if node.type == "Placeholder":
                return Op(node.type, node.name, inputs, outputs, {}, node=node)
            author = Author(node, env, get_gradient_function(node)) if _has_kind(node) else None
            attrs, slots = execute.attributes(node), execute.input_slots(node)
            return Op(node.type, node.name, inputs, outputs, attrs, slots, node=node, author=author)
        bodies = tuple(self.body(_function(node, f)) for f in functions)
        return Op(node.type, node.name, inputs, outputs, {}, bodies=bodies, node=node)


def _has_kind(node: tf.Operation) -> bool:
    return KIND in node.node_def.attr


def capture(function: Callable, arguments: Sequence[tf.TensorSpec], convert: bool = True) -> Graph:
    """Traces `function(*arguments)` once.

    Args:
        function: Takes tensors, returns any structure of tensors.
        arguments: One spec per argument; an open dimension is None.
        convert: Whether Python `if` and `while` on tensors in the user's code become graph ops.

    Returns:
        The flat graph. Nothing of the function's owner is changed; weights stay variables.
    """
    with capturing() as graphs:

        def noted(*given: tf.Tensor) -> Any:
            graphs.append(tf.compat.v1.get_default_graph())
            return function(*given)

        return flatten(tf.function(noted, autograph=convert).get_concrete_function(*arguments))


def flatten(concrete: Any) -> Graph:
    """The flat graph of a concrete function."""
    flattener = _Flattener()
    ops: list[Op] = []
    numbers = [flattener.number(t) for t in concrete.graph.inputs]
    env = flattener.collect(concrete.graph, numbers, ops)
    free = len(numbers) - len(concrete.captured_inputs)
    structure = tf.nest.map_structure(
        lambda t: env[_key(t)] if isinstance(t, tf.Tensor) else None, concrete.graph.structured_outputs
    )
    outputs = [n for n in tf.nest.flatten(structure) if n is not None]
    captured = dict(zip(numbers[free:], concrete.captured_inputs, strict=True))
    return Graph(ops, numbers[:free], outputs, captured, flattener.values, structure, env, concrete)


def needed(graph: Graph, outputs: Sequence[int], given: Sequence[int] = (), gradients: bool = False) -> list[Op]:
    """The ops that must run to get `outputs` when the values in `given` are already there.

    With `gradients`, also those whose values a custom gradient on the way uses.
    """
    wanted, known, kept = set(outputs), set(given), []
    for op in reversed(graph.ops):
        if any(o in wanted and o not in known for o in op.outputs):
            kept.append(op)
            wanted.update(op.inputs)
            if gradients and op.backward is not None:
                wanted.update(op.backward[1].values())
    return kept[::-1]


def every(ops: Iterable[Op]) -> Iterator[Op]:
    """The ops, each before those of its bodies."""
    for op in ops:
        yield op
        for body in op.bodies:
            yield from every(body.ops)


def types_of(ops: Sequence[Op], most: int = 20) -> str:
    """The types of ops that take something, in words for an error: the first so many by name."""
    return ", ".join(sorted({op.type for op in ops if op.inputs})[:most])


def _key(tensor: tf.Tensor) -> str:
    return tensor.name


def _function(node: tf.Operation, name: str) -> Any:
    """The graph of a function that `node` calls: the traced one if it lives, else read from its definition."""
    graph = node.graph
    while graph is not None:
        function = graph._get_function(name)
        if function is not None:
            traced = getattr(function, "graph", None)
            return traced if traced is not None else function_def_to_graph(function.cached_definition)
        graph = getattr(graph, "outer_graph", None)
    raise LookupError(f"function {name!r} called by {node.name!r} is not in its graph")
