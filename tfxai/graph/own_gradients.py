"""Ops whose author gave them a gradient that is not that of their function: reversed, scaled, clipped.

Many custom gradients are right (they save memory, or rounding errors), so it is measured, on random numbers and once
for all ops that are made alike: a right gradient, integrated from one point to another, is the function's change.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfxai.errors import UnsupportedOpError
from tfxai.graph.capture import Graph, Op, needed
from tfxai.graph.ops import CONTROL

DIRECTIONS = 4  # pairs of points
NODES = (16, 128)  # between them; functions with kinks need the many
# Of the change. Rounding to 8 bits, whose gradient passes straight through, stays below.
TOLERATED = 0.03


def own_gradients(graph: Graph, sloped: Collection[int], ends: Iterable[int]) -> list[Op]:
    """The ops on the way from sloped values to `ends`, bodies included, whose gradient is not their function's."""
    regions = [r for part, ops in _parts(graph, needed(graph, list(ends))) for r in _regions(part, graph, ops, sloped)]
    known: dict[Any, bool] = {}
    for region in sorted(regions, key=lambda r: r.size):  # of those made alike the smallest is looked at
        if region.signature not in known:
            known[region.signature] = region.differs()
    return [r.op for r in regions if known[r.signature]]


def _parts(graph: Graph, ops: Sequence[Op]) -> Iterator[tuple[Graph, Sequence[Op]]]:
    yield graph, ops
    for op in ops:
        for body in op.bodies if op.type in CONTROL else ():
            yield from _parts(body, body.ops)


def _regions(part: Graph, whole: Graph, ops: Sequence[Op], sloped: Collection[int]) -> Iterator[Region]:
    """What lies behind each custom gradient that a gradient meets."""
    for op in ops:
        if op.backward is None or not any(i in sloped for i in op.inputs):
            continue
        given = op.backward[0].structure
        arguments = [i for i, g in zip(op.inputs, given, strict=True) if g is not None and i in sloped]
        results = [i for i, g in zip(op.inputs, given, strict=True) if g is None]
        touched, between = set(arguments), []
        for inner in needed(part, results, arguments):
            if not touched.isdisjoint(inner.inputs):
                between.append(inner)
                touched.update(inner.outputs)
        if arguments:
            yield Region(op, part, whole, tuple(arguments), tuple(results), tuple(between))


@dataclasses.dataclass(frozen=True, eq=False)
class Region:
    """The function that an op with a custom gradient stands for: the ops between its arguments and its results."""

    op: Op
    part: Graph
    whole: Graph
    arguments: tuple[int, ...]
    results: tuple[int, ...]
    between: tuple[Op, ...]

    @property
    def size(self) -> int:
        """How many numbers its arguments have, for one example."""
        return sum(int(np.prod([s or 1 for s in self.part.values[a].shape or ()])) for a in self.arguments)

    @property
    def signature(self) -> tuple:
        """What the answer depends on: which ops are made of which, forwards and backwards."""
        author, scope = self.op.backward  # type: ignore[misc]  # only ops with one have a region
        made = (o for b in self.between for o in b.outputs)
        place: dict[int, Any] = {n: k for k, n in enumerate((*self.arguments, *self.results, *made))}
        inner = place | {n: ("scope", place.get(outer)) for n, outer in scope.items()}
        inner |= {n: ("author", k) for k, n in enumerate((*author.inputs, *(o for b in author.ops for o in b.outputs)))}
        return tuple(_made(b, place) for b in self.between), tuple(_made(b, inner) for b in author.ops)

    def differs(self) -> bool:
        """Whether the author's gradient is not that of the function, as far as they can be run alone."""
        rng = np.random.default_rng(0)
        try:
            around = self._around(rng)
            return all(self._misses(around, rng, nodes) for nodes in NODES)
        except (ValueError, TypeError, LookupError, tf.errors.OpError, UnsupportedOpError):
            return False  # it is not known

    def _misses(self, around: dict[int, Any], rng: np.random.Generator, nodes: int) -> bool:
        """Whether the gradient misses the change, integrated with so many nodes."""
        pairs = [self._along(around, rng, nodes) for _ in range(DIRECTIONS)]
        change, integral = np.array(pairs, np.float64).T
        return bool(np.linalg.norm(change - integral) > TOLERATED * np.linalg.norm(change) + 1e-6)

    def _along(self, around: dict[int, Any], rng: np.random.Generator, nodes: int) -> tuple[float, float]:
        """On a straight line, for random weights of the results: their change, and the author's gradient integrated."""
        start, end = ([self._drawn(a, rng) for a in self.arguments] for _ in range(2))
        first, last = (self._run(around, point) for point in (start, end))
        weights = [self._drawn(r, rng, first[r].shape) for r in self.results]
        change = sum(_dot(w, last[r] - first[r]) for w, r in zip(weights, self.results, strict=True))
        integral, moved = 0.0, [b - a for a, b in zip(start, end, strict=True)]
        for node, share in zip(*np.polynomial.legendre.leggauss(nodes), strict=True):
            point = [a + tf.cast((node + 1) / 2, a.dtype) * m for a, m in zip(start, moved, strict=True)]
            gradients = self._backward(self._run(around, point), weights)
            integral += share / 2 * sum(_dot(g, m) for g, m in zip(gradients, moved, strict=True))
        return change, integral

    def _run(self, around: dict[int, Any], point: Sequence[tf.Tensor]) -> dict[int, Any]:
        """The function at a point: every value in it."""
        env = around | dict(zip(self.arguments, point, strict=True))
        for op in self.between:
            env.update(zip(op.outputs, op.run([env[i] for i in op.inputs]), strict=True))
        return env

    def _backward(self, env: dict[int, Any], weights: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """What the author's backward pass gives the arguments for these gradients of the results."""
        author, scope = self.op.backward  # type: ignore[misc]
        upstream = dict(zip(self.results, weights, strict=True))
        known = dict(author.captured) | {n: env[outer] for n, outer in scope.items()}
        for number, i in zip(author.inputs, self.op.inputs, strict=True):
            known[number] = upstream[i] if i in upstream else tf.zeros_like(env[i])
        for op in author.ops:
            known.update(zip(op.outputs, op.run([known[i] for i in op.inputs]), strict=True))
        given = dict(zip(self.op.inputs, author.structure, strict=True))
        return [known[given[a]] for a in self.arguments]

    def _around(self, rng: np.random.Generator) -> dict[int, Any]:
        """What the function and its gradient read beside the arguments: as it is where it is fixed, or else drawn."""
        _, scope = self.op.backward  # type: ignore[misc]
        inside = {*self.arguments, *(o for b in self.between for o in b.outputs)}
        read = {*(i for b in self.between for i in b.inputs), *scope.values(), *self.op.inputs} - inside
        fixed = set(self.whole.captured)
        for op in self.part.ops:
            if not op.bodies and fixed.issuperset(op.inputs) and op.type != "Placeholder":
                fixed.update(op.outputs)
        env: dict[int, Any] = dict(self.whole.captured)
        for op in needed(self.part, [n for n in read if n in fixed]):
            env.update(zip(op.outputs, op.run([env[i] for i in op.inputs]), strict=True))
        return env | {n: self._drawn(n, rng) for n in read - fixed}

    def _drawn(self, number: int, rng: np.random.Generator, shape: Any = None) -> tf.Tensor:
        """Random numbers in the place of a value; open axes get the length 2."""
        value = self.part.values[number]
        if not value.dtype.is_floating:
            raise TypeError(f"{value.dtype.name} cannot be drawn")
        sizes = [s or 2 for s in (value.shape if shape is None else shape)]
        return tf.cast(rng.normal(size=sizes), value.dtype)


def _made(op: Op, place: dict[int, Any]) -> tuple:
    """An op in terms of the places of its inputs; of a constant its numbers, if they are few."""
    attrs = {k: v for k, v in op.attrs.items() if k != "value"}
    value = op.attrs.get("value", np.zeros(0))
    return (
        op.type,
        repr(attrs),
        value.shape,
        value.tobytes() if value.size <= 16 else b"",
        *(place.get(i) for i in op.inputs),
    )


def _dot(a: tf.Tensor, b: tf.Tensor) -> float:
    return float(np.sum(a.numpy().astype(np.float64) * b.numpy().astype(np.float64)))
