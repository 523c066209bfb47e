"""`tf.custom_gradient` that gives back what it takes.

In a graph TensorFlow registers every custom gradient under a name of its own, for ever, and the entry holds the whole
graph. Ours are used up when a trace is done, as no one differentiates a finished pass again: their names are noted
while it is traced, and taken out of the registry at its end. So are those that a model's own layers register in a
capture of it, which is read and not differentiated.
"""

from __future__ import annotations

import contextlib
import contextvars
import types
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.ops import gradient_registry

from tfxai.graph.sealed import opened, sealed

KIND = "_gradient_op_type"  # the attribute with the name
_noted: contextvars.ContextVar[list[str] | None] = contextvars.ContextVar("names", default=None)


def custom_gradient(function: Callable) -> Callable:
    """As `tf.custom_gradient`, for functions that return a tensor or a sequence of them, and read no variables.

    TensorFlow looks for variables in all that lies between the function's arguments and its results, and where that
    reads a tensor from outside, in all before it: the square of the graph's size. What the function has made is
    handed to it as an argument, so there is nothing between; sealed, as it would build a gradient of the argument too.
    """

    def noting(*inputs: tf.Tensor) -> Any:
        result, backward = function(*inputs)
        outputs = list(result) if isinstance(result, (list, tuple)) else [result]

        def handed_on(*tensors: tf.Tensor) -> Any:
            def back(*upstream: tf.Tensor) -> list:
                found = backward(*upstream)
                found = list(found) if isinstance(found, (list, tuple)) else [found]
                return found + [None] * len(outputs)

            given = zip(tensors[len(inputs) :], outputs, strict=True)
            return [tf.identity(opened(t, made.dtype)) for t, made in given], back

        made = tf.custom_gradient(handed_on)(*inputs, *map(sealed, outputs))
        names = _noted.get()
        if names is not None and tf.is_symbolic_tensor(made[0]):
            names.append(made[0].op.get_attr(KIND).decode())
        return made if isinstance(result, (list, tuple)) else made[0]

    return noting


@contextlib.contextmanager
def tracing() -> Iterator[None]:
    """Within it a pass is traced, gradients and all."""
    names: list[str] = []
    token = _noted.set(names)
    try:
        yield
    finally:
        _noted.reset(token)
        forget(names)


@contextlib.contextmanager
def capturing() -> Iterator[list[tf.Graph]]:
    """Within it someone else's function is traced, in graphs that are put into the list that it yields.

    The custom gradients of these graphs are read within it, and taken out of the registry at its end; after an error
    too. Those of functions that the traced one calls stay: whoever owns these may differentiate them.
    """
    graphs: list[tf.Graph] = []
    before = set(_known())
    try:
        yield graphs
    finally:
        forget(name for name in set(_known()) - before if _is_of(_graph_of(name), graphs))


def _graph_of(name: str) -> tf.Graph | None:
    """The graph in which a custom gradient was registered: that of the results, which its function holds."""
    held: list[Any] = [_known().get(name, {}).get("type")]
    for _ in range(3):  # the entry, the wrapper of TensorFlow inside of it, what that holds
        tensors = [t for t in tf.nest.flatten(held) if tf.is_symbolic_tensor(t)]
        if tensors:
            return tensors[0].graph
        functions = [f for f in held if isinstance(f, types.FunctionType)]
        held = [c.cell_contents for f in functions for c in f.__closure__ or () if c != types.CellType()]
    return None


def _is_of(graph: tf.Graph | None, graphs: Collection[tf.Graph]) -> bool:
    """Whether a graph is one of these, or the body of a loop or a branch inside of one."""
    while graph is not None and getattr(graph, "is_control_flow_graph", False):
        graph = graph.outer_graph
    return any(graph is one for one in graphs)


def forget(names: Iterable[str]) -> None:
    """Takes custom gradients out of the registry."""
    known = _known()
    for name in names:
        known.pop(name, None)


def _known() -> dict[str, Any]:
    """What is registered. There is no public way to take something out: without this one it stays, as before."""
    return getattr(gradient_registry, "_registry", {})
