"""What tells one captured graph from another: two with the same key compute the same, from the same variables."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from tfxai.graph.capture import Graph


def key(graph: Graph) -> str:
    """A hash of the ops with all that decides what they compute, and of which tensors outside they read.

    Variables are told by their identity, so that the key of a graph is good while that graph lives. What the variables
    hold is no part of it. An op that calls back into Python is equal to none of another trace.
    """
    digest = hashlib.blake2b(digest_size=16)
    for part in _parts(graph):
        digest.update(part if isinstance(part, bytes) else repr(part).encode())
        digest.update(b"\0")
    return digest.hexdigest()


def _parts(graph: Graph) -> Iterator[Any]:
    """All that the key is made of, in the order of the ops."""
    yield [(n, str(graph.values[n].shape), graph.values[n].dtype.name) for n in graph.inputs]
    yield graph.outputs, repr(graph.structure)
    yield sorted((n, id(tensor)) for n, tensor in graph.captured.items())
    for op in graph.ops:
        yield op.type, op.inputs, op.outputs, op.slots
        for name, value in sorted(op.attrs.items()):
            yield name
            yield from _value(value)
        for body in op.bodies:
            yield from _parts(body)
        if op.backward is not None:  # equal forward ops may have other gradients
            backward, scope = op.backward
            outside = {i: scope[n] for i, n in enumerate(backward.captured)}
            yield sorted(outside.items())
            yield from _parts(_without_captured(backward))


def _value(value: Any) -> Iterator[Any]:
    """An attribute; of an array everything, of which `repr` shows the ends only."""
    if isinstance(value, np.ndarray):
        yield value.dtype.str, value.shape
        yield repr(value.tolist()) if value.dtype == object else np.ascontiguousarray(value).tobytes()
    else:
        yield value


def _without_captured(graph: Graph) -> Graph:
    """The graph of a backward pass, whose captured tensors belong to its own trace and are told by where they are."""
    return Graph(graph.ops, graph.inputs, graph.outputs, {}, graph.values, graph.structure)
