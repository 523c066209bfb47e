"""Where gradients pass: the values that `tf.GradientTape` can differentiate, and the ops at which it stops.

What is asked here is whether there is a way at all. A slope that happens to be 0 (a ReLU that is dead at x) passes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from tensorflow.python.framework.ops import gradient_registry

from tfxai.graph.capture import Graph, Op, needed
from tfxai.graph.ops import ALIASES, BRANCHES, CASES, CONTROL, FLAT, LOOPS, SHAPE_ONLY, differentiable


def sloped(graph: Graph, sources: Iterable[int]) -> set[int]:
    """The values that have a gradient with respect to some of `sources`, these and function bodies included."""
    found = set(sources)
    _spread(graph, found)
    return found


def stops(graph: Graph, found: set[int], ends: Iterable[int]) -> list[Op]:
    """The ops on the way to `ends`, bodies included, into which a gradient would go and out of which none comes."""
    return [
        op for op in _all(needed(graph, list(ends)))
        if op.type not in CONTROL | SHAPE_ONLY and found.intersection(op.inputs) and found.isdisjoint(op.outputs)
    ]  # fmt: skip


def named(ops: Sequence[Op]) -> str:
    """The first of them, for an error."""
    names = list(dict.fromkeys(f"{op.type} at {op.name!r}" for op in ops))
    return ", ".join(names[:3]) or "an op that passes nothing on"


def _all(ops: Iterable[Op]) -> Iterator[Op]:
    for op in ops:
        yield op
        for body in op.bodies:
            yield from _all(body.ops)


def _spread(graph: Graph, found: set[int]) -> None:
    """Adds the outputs that have a gradient, op by op."""
    for op in graph.ops:
        if op.type in LOOPS:
            found.update(_after_loop(op, found))
        elif op.type in BRANCHES or op.type in CASES:
            found.update(_after_branches(op, found))
        elif not found.isdisjoint(op.inputs):
            found.update(o for o in _passed(op, found) if differentiable(graph.values[o]))


def _passed(op: Op, found: set[int]) -> Iterable[int]:
    """The outputs of an op that has no body, through which a gradient comes to some input in `found`."""
    if op.backward is not None:
        author, _ = op.backward
        gradients = zip(op.inputs, author.structure, strict=True)
        return op.outputs if any(i in found and not _nothing(author, g) for i, g in gradients) else ()
    if op.type in FLAT or op.type in SHAPE_ONLY or not _registered(op.type):
        return ()
    if op.type in ALIASES:
        return [o for i, o in zip(op.inputs, op.outputs, strict=False) if i in found]
    return op.outputs


def _registered(op_type: str) -> bool:
    """Whether TensorFlow sends something back through ops of a type; what it does not know, it will say itself."""
    try:
        return gradient_registry.lookup(op_type) is not None
    except LookupError:
        return True


def _nothing(author: Graph, number: int | None) -> bool:
    """Whether what an author's backward pass returns for an input is None, or zeros whatever arrives."""
    made = {o: op for op in author.ops for o in op.outputs}
    while number in made and made[number].type in ALIASES:
        number = made[number].inputs[0]
    if number is None or number not in made:
        return number is None
    op = made[number]
    if op.type in ("Fill", "BroadcastTo"):  # zeros of a size that is known only when it runs
        return _nothing(author, op.inputs[1 if op.type == "Fill" else 0])
    return op.type == "ZerosLike" or op.type == "Const" and not np.any(op.attrs["value"])


def _after_loop(op: Op, found: set[int]) -> list[int]:
    """Of the loop variables: the least fix-point over the body."""
    _, body = op.bodies
    current = {k for k, i in enumerate(op.inputs) if i in found}
    while True:
        found.update(body.inputs[k] for k in current)
        _spread(body, found)
        joined = current | {k for k, o in enumerate(body.outputs) if o in found}
        if joined == current:
            return [op.outputs[k] for k in current if body.outputs[k] in found]  # a loop is taken to run
        current = joined


def _after_branches(op: Op, found: set[int]) -> set[int]:
    """The results that have a gradient in some branch."""
    results: set[int] = set()
    for branch in op.bodies:
        found.update(b for b, i in zip(branch.inputs, op.inputs[1:], strict=True) if i in found)
        _spread(branch, found)
        results.update(o for o, b in zip(op.outputs, branch.outputs, strict=True) if b in found)
    return results
