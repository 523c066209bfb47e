"""What tells one captured graph from another: two with the same key compute the same, from the same variables."""

from __future__ import annotations

import hashlib
import types
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfxai.graph.capture import Author, Graph

PYTHON = frozenset({"PyFunc", "PyFuncStateless", "EagerPyFunc"})
UNKNOWN = object()  # part of a key that is equal to no other


def key(graph: Graph) -> str | None:
    """A hash of the ops with all that decides what they compute, and of which tensors outside they read.

    Variables are told by their identity, so that the key of a graph is good while that graph lives. What the variables
    hold is no part of it. Names of ops are: messages and results speak of them. None, where an op calls back into
    Python: nothing says what it does there.

    Custom gradients that are not TensorFlow's own are traced for it, and their functions released.
    """
    return _hashed(_parts(graph, Told(id, names=True)))


def content(graph: Graph) -> str | None:
    """A hash of what the graph computes and of all numbers that its variables hold: equal in every process.

    Names are no part of it. Tables that texts are looked up in are told by their kind alone. None, where an op calls
    back into Python.
    """
    return _hashed(_parts(graph, Told(_held_by, names=False)))


class Told(NamedTuple):
    """How tensors from outside are told from each other, and whether by names too."""

    tensor: Callable[[tf.Tensor], Any]
    names: bool


def _hashed(parts: Iterator[Any]) -> str | None:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        if part is UNKNOWN:
            return None
        digest.update(part if isinstance(part, bytes) else repr(part).encode())
        digest.update(b"\0")
    return digest.hexdigest()


def _held_by(tensor: tf.Tensor) -> Any:
    """The numbers of a variable or a constant."""
    if tensor.dtype == tf.resource:
        (known, *_) = tensor._handle_data.shape_and_type if tensor._handle_data else [None]
        if known is None:
            return "table"
        tensor = tf.raw_ops.ReadVariableOp(resource=tensor, dtype=known.dtype)
    if tensor.dtype == tf.variant:
        return "variant"
    return _hashed(_value(np.asarray(tensor)))


def _parts(graph: Graph, told: Told) -> Iterator[Any]:
    """All that the key is made of, in the order of the ops."""
    yield [(n, str(graph.values[n].shape), graph.values[n].dtype.name) for n in graph.inputs]
    yield graph.outputs, repr(graph.structure)
    yield [(n, told.tensor(tensor)) for n, tensor in sorted(graph.captured.items())]
    for op in graph.ops:
        yield UNKNOWN if op.type in PYTHON else op.type
        # what is captured from outside has a new number each time
        yield op.name if told.names and not op.name.isdigit() else None
        yield op.inputs, op.outputs, op.slots
        for name, value in sorted(op.attrs.items()):
            yield name
            yield from _value(value)
        for body in op.bodies:
            yield from _parts(body, told)
        if op.author is not None:  # equal forward ops may have other gradients
            yield from _library_gradient(op.author) or _traced_gradient(op.author, told)


def _value(value: Any) -> Iterator[Any]:
    """An attribute; of an array everything, of which `repr` shows the ends only."""
    if isinstance(value, np.ndarray):
        yield value.dtype.str, value.shape
        yield repr(value.tolist()) if value.dtype == object else np.ascontiguousarray(value).tobytes()
    else:
        yield value


def _library_gradient(author: Author) -> tuple | None:
    """TensorFlow's own gradient of an activation, told by its name and by what it reads: it need not be traced."""
    function = _held(_held(author.function).get("tape_grad_fn")).get("grad_fn")
    if function is None or not str(function.__module__).startswith("tensorflow.") or function.__defaults__:
        return None
    held = _held(function)
    read = {name: author.scope.get(t.name) for name, t in held.items() if tf.is_symbolic_tensor(t)}
    if held.keys() != read.keys() or None in read.values():
        return None
    return function.__module__, function.__qualname__, tuple(sorted(read.items()))


def _held(function: Any) -> dict[str, Any]:
    """The variables of its surroundings that a function has in its closure."""
    cells = getattr(function, "__closure__", None) or ()
    names = function.__code__.co_freevars if cells else ()
    return {name: c.cell_contents for name, c in zip(names, cells, strict=True) if c != types.CellType()}


def _traced_gradient(author: Author, told: Told) -> Iterator[Any]:
    """Any other gradient: the graph of it."""
    author.release()
    backward, scope = author.backward
    yield sorted((i, scope[n]) for i, n in enumerate(backward.captured) if n in scope)
    yield from _parts(_without_symbolic(backward), told)


def _without_symbolic(graph: Graph) -> Graph:
    """The graph of a backward pass; captured tensors that belong to its own trace are told by where they are."""
    captured = {n: t for n, t in graph.captured.items() if not tf.is_symbolic_tensor(t)}
    return Graph(graph.ops, graph.inputs, graph.outputs, captured, graph.values, graph.structure)
