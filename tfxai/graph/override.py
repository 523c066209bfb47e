"""`tf.custom_gradient` that gives back what it takes.

In a graph TensorFlow registers every custom gradient under a name of its own, for ever, and the entry holds the whole
graph. Ours are used up when a trace is done, as no one differentiates a finished pass again: their names are noted
while it is traced, and taken out of the registry at its end.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.ops import gradient_registry

KIND = "_gradient_op_type"  # the attribute with the name
_noted: contextvars.ContextVar[list[str] | None] = contextvars.ContextVar("names", default=None)


def custom_gradient(function: Callable) -> Callable:
    """As `tf.custom_gradient`, for functions that return a tensor or a sequence of them, and read no variables.

    TensorFlow looks for variables in all that lies between the function's arguments and its results, and where that
    reads a tensor from outside, in all before it: the square of the graph's size. What the function has made is
    handed to it as an argument, so there is nothing between.
    """

    def noting(*inputs: tf.Tensor) -> Any:
        result, backward = function(*inputs)
        outputs = list(result) if isinstance(result, (list, tuple)) else [result]

        def handed_on(*tensors: tf.Tensor) -> Any:
            def back(*upstream: tf.Tensor) -> list:
                found = backward(*upstream)
                found = list(found) if isinstance(found, (list, tuple)) else [found]
                return found + [None] * len(outputs)

            return [tf.identity(t) for t in tensors[len(inputs) :]], back

        made = tf.custom_gradient(handed_on)(*inputs, *outputs)
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


def forget(names: Iterable[str]) -> None:
    """Takes custom gradients out of the registry. There is no public way: without this one they stay, as before."""
    known = getattr(gradient_registry, "_registry", {})
    for name in names:
        known.pop(name, None)
