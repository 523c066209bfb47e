"""Chains: several elementwise ops that make one function y = f(x) of one tensor, as one op.

GELU, SiLU, mish, hard swish, `x * cast(x > 0)`: paths of ops leave x and join again, and nothing else is read of what
lies between. From each end the farthest such x is looked for, so a chain is as long as can be. Affine steps behind x
stay outside: they belong to the kernel before them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping

import tensorflow as tf

from tfxai.graph.activity import Activity
from tfxai.graph.capture import Graph, Op, needed
from tfxai.graph.functions import Functions
from tfxai.graph.ops import ALIASES, CHAIN, CHAIN_AFFINE, CHAIN_BENT, COMPARISONS, CONTROL, SELECTS
from tfxai.graph.regions import step_of


def linked(graph: Graph, activity: Mapping[int, Activity], keep: Collection[int], apart: Collection[int] = ()) -> Graph:
    """The same graph with every chain as one `Chain`, in the bodies of loops and branches too.

    Args:
        graph: Folded or not.
        activity: Of all its values, numbers made of decisions counted as ACTIVE.
        keep: Values that must go on existing.
        apart: Values that no chain makes, of which rules know more than that they are functions of others.
    """
    graph = dataclasses.replace(graph, ops=needed(graph, list(keep)))
    return _written(graph, activity, frozenset(keep), frozenset(apart))


def _written(graph: Graph, activity: Mapping[int, Activity], keep: frozenset[int], apart: frozenset[int]) -> Graph:
    """The graph, and the bodies in it, written again."""
    finder = _Finder(graph, activity, keep, apart)
    chains = finder.chains()
    inside = {v for y, x in chains.items() for v in finder.between(x, y, finder.made) if v != y}
    ops = []
    for op in graph.ops:
        end = next((o for o in op.outputs if o in chains), None)
        if end is not None:
            x = chains[end]
            parts = finder.ops_between(x, end, finder.made)
            name = [part.name for part in parts if part.type not in ALIASES][-1]
            ops.append(step_of(CHAIN, name, graph, x, parts, [end]))
        elif not inside.intersection(op.outputs):
            bodies = op.bodies if op.type in CONTROL else ()
            bodies = tuple(_written(body, activity, frozenset(body.outputs), apart) for body in bodies)
            ops.append(dataclasses.replace(op, bodies=bodies) if bodies else op)
    return dataclasses.replace(graph, ops=ops)


class _Finder(Functions):
    """Looks for the chains of one graph."""

    def __init__(
        self, graph: Graph, activity: Mapping[int, Activity], keep: frozenset[int], apart: frozenset[int]
    ) -> None:
        super().__init__(graph, activity, CHAIN_AFFINE, CHAIN_BENT)
        self.keep, self.apart = keep, apart
        self.made = {o: op for op in graph.ops for o in op.outputs}
        self.readers: dict[int, list[Op]] = {}
        for op in graph.ops:
            for i in dict.fromkeys(op.inputs):
                self.readers.setdefault(i, []).append(op)

    def chains(self) -> dict[int, int]:
        """y -> x of every chain; none is inside of another."""
        for op in self.graph.ops:
            self.note(op)
        found: dict[int, int] = {}
        inside: set[int] = set()
        for op in reversed(self.graph.ops):
            for y in op.outputs:
                x = None if y in inside else self.start(y)
                if x is not None:
                    found[y] = x
                    inside |= self.between(x, y, self.made)
        return found

    def note(self, op: Op) -> list[int]:
        """As for any function; what no chain can have starts anew."""
        if self.fits(op):
            return super().note(op)
        self.found.update({output: {output: True} for output in op.outputs})
        return []

    # --- Which ops can be in a chain

    def fits(self, op: Op) -> bool:
        """Whether the op works on one kind of real numbers, beside constants; or decides, or reads such a decision."""
        if op.type not in CHAIN_AFFINE | CHAIN_BENT or not op.inputs or not all(map(self.constant, self.steady(op))):
            return False
        dtypes = [self.graph.values[i].dtype for i in op.inputs]
        if op.type in ALIASES:
            return True
        if op.type in COMPARISONS:
            return self.real(op.inputs[0]) and all(self.activity[i] is Activity.ACTIVE for i in self.varying(op))
        y = op.outputs[0]
        if not self.real(y) or self.activity[y] is not Activity.ACTIVE:
            return False
        if op.type == "Cast":
            return dtypes[0] is tf.bool
        if op.type in SELECTS:
            dtypes = dtypes[1:]
            if op.type == "Select" and not self.same_shape(op.inputs[0], y):  # which picks whole rows
                return False
        return all(dtype is self.graph.values[y].dtype for dtype in dtypes)

    def steady(self, op: Op) -> list[int]:
        """The inputs that do not vary."""
        return [i for i in op.inputs if not self.varies(i)]

    def constant(self, value: int) -> bool:
        """Whether it is the same whatever x is: zeros of x's shape are, too."""
        zeros = value in self.made and self.made[value].type in ("ZerosLike", "OnesLike")
        return zeros or self.activity.get(value, Activity.CONST) is Activity.CONST

    def real(self, value: int) -> bool:
        return bool(self.graph.values[value].dtype.is_floating)

    # --- Where a chain begins

    def start(self, y: int) -> int | None:
        """The x of the chain that ends in y, if there is one."""
        if not self.real(y) or y in self.apart or self.activity.get(y) is not Activity.ACTIVE:
            return None
        found, inside = None, set()
        for x in reversed(self.of(y)):
            between = self.between(x, y, self.made)
            if not self.closed(between, y):
                break  # what is read outside of it lies before y from all that are farther, too
            if not self.of(y)[x] and self.carries(x, y) and self.alone(x, between):
                found, inside = x, between
        if found is None:
            return None
        x = self.behind_affine(found, inside)
        return x if self.long_enough(x, y) else None

    def carries(self, x: int, y: int) -> bool:
        """Whether x can be what a chain is a function of."""
        dtypes = [self.graph.values[v].dtype for v in (x, y)]
        return dtypes[0] is dtypes[1] and self.activity.get(x) is Activity.ACTIVE

    def alone(self, x: int, inside: set[int]) -> bool:
        """Whether the ops of what lies between read nothing that varies but x and each other."""
        return all(i in inside or i == x for v in inside for i in self.varying(self.made[v]))

    def closed(self, inside: set[int], y: int) -> bool:
        """Whether nothing but y is read of what lies between, and none of it must go on existing."""
        for value in inside:
            if any(o not in inside and (o in self.readers or o in self.keep) for o in self.made[value].outputs):
                return False
            if value == y:
                continue
            read_outside = any(inside.isdisjoint(op.outputs) for op in self.readers[value])
            if value in self.keep or value in self.apart or read_outside:
                return False
        return True

    def behind_affine(self, x: int, inside: set[int]) -> int:
        """x, moved over the affine steps of it that come first."""
        while True:
            readers = [op for op in self.readers[x] if not inside.isdisjoint(op.outputs)]
            after = readers[0].outputs[0] if len(readers) == 1 and len(readers[0].outputs) == 1 else None
            if after is None or readers[0].inputs.count(x) > 1 or not self.of(after).get(x, False):
                return x
            if not self.carries(after, x):
                return x
            x = after

    def long_enough(self, x: int, y: int) -> bool:
        """Whether there are two ops or more."""
        ops = {id(self.made[v]): self.made[v] for v in self.between(x, y, self.made)}
        return sum(op.type not in ALIASES | {"Cast"} for op in ops.values()) >= 2
