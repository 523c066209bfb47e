"""What lies between the values of a model and a target: the function that a user gave, gradients that arrive."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from tfxai.graph.capture import Graph, Op, needed
from tfxai.graph.own_gradients import own_gradients
from tfxai.graph.slopes import sloped, stops
from tfxai.model import target_function
from tfxai.model.compiled import Compiled, of_target
from tfxai.model.target_function import Beside
from tfxai.targets.bound import BoundTarget, FunctionTarget

MOST_TRIED = 64  # rows, to see what a target function makes of them


@dataclasses.dataclass(frozen=True, eq=False)
class Toward:
    """The ways to a target. What is found is kept beside what is compiled: of a target function for a while.

    Attributes:
        whole: The captured model.
        outputs: Value number of each flat output.
        compiled: Of the model.
    """

    whole: Graph
    outputs: tuple[int, ...]
    compiled: Compiled
    _found: dict[Any, Any] = dataclasses.field(default_factory=dict)

    def graph(self, target: FunctionTarget) -> Graph:
        """The user's function of the outputs as a graph, captured once.

        Raises:
            TargetError: It is no function of the outputs that gives one number per example.
        """
        outputs = [self.whole.values[o] for o in self.outputs]
        return self.compiled.get(
            ("target", target.cache_key),
            lambda: target_function.captured(target.of, self.whole.structure, outputs, target.specs()),
            owner=of_target(target.cache_key),
        )

    def read(self, target: FunctionTarget) -> list[int]:
        """The outputs that a target function reads."""
        own = self.graph(target)
        read = {*own.outputs, *(i for op in needed(own, own.outputs) for i in op.inputs)}
        return [o for i, o in self.handed(own) if i in read]

    def handed(self, own: Graph) -> list[tuple[int, int]]:
        """The inputs of a target function's graph that are outputs of the model, and which; the others are its data."""
        return list(zip(own.inputs[: len(self.outputs)], self.outputs, strict=True))

    def beside(self, target: BoundTarget, n: int) -> Beside:
        """What the numbers of a target depend on beside their own row, for n examples: nothing should.

        A function that cannot be tried is taken to be one of each row alone.
        """
        if not isinstance(target, FunctionTarget) or n < 2:
            return Beside(False, False)
        return self._tried(target, min(n, MOST_TRIED)) or Beside(False, False)

    def row_by_row(self, target: BoundTarget) -> bool:
        """Whether the numbers of a target are known to depend on their own row alone, however many rows there are."""
        if not isinstance(target, FunctionTarget):
            return True
        return self._tried(target, 2) == Beside(False, False)

    def _tried(self, target: FunctionTarget, rows: int) -> Beside | None:
        def tried() -> Beside | None:
            return target_function.beside(self.graph(target), rows, target.data)

        return self.kept(target, ("beside", rows), tried)

    def gradient_cut(self, starts: Sequence[int], target: BoundTarget) -> list[Op] | None:
        """The ops that cut every way of a gradient from these values to what is explained; None where one arrives."""
        return self.kept(target, ("cut", tuple(starts)), lambda: self._cut(tuple(starts), target))

    def own_gradients(self, starts: Sequence[int], target: BoundTarget) -> list[Op]:
        """The ops between these values and what is explained whose gradient is not that of their function."""
        return self.kept(target, ("own gradients", tuple(starts)), lambda: self._own(tuple(starts), target))

    def kept(self, target: BoundTarget, key: Any, make: Callable[[], Any]) -> Any:
        """What was found for a target under `key`, made at its first use."""
        if not isinstance(target, FunctionTarget):
            key = target.output, key
            if key not in self._found:
                self._found[key] = make()
            return self._found[key]
        return self.compiled.get((target.cache_key, key), make, owner=of_target(target.cache_key), traced=False)

    def _cut(self, starts: tuple[int, ...], target: BoundTarget) -> list[Op] | None:
        found = self._sloped(starts)
        if not isinstance(target, FunctionTarget):
            ends = [self.outputs[target.output]]
            return None if found.intersection(ends) else stops(self.whole, found, ends)
        own = self.graph(target)
        inside = sloped(own, [i for i, o in self.handed(own) if o in found])
        if inside.intersection(own.outputs):
            return None
        return stops(own, inside, own.outputs) or stops(self.whole, found, self.read(target))

    def _own(self, starts: tuple[int, ...], target: BoundTarget) -> list[Op]:
        if not isinstance(target, FunctionTarget):
            return self._way(starts, (self.outputs[target.output],))
        own = self.graph(target)
        inside = sloped(own, [i for i, _ in self.handed(own)])
        return self._way(starts, tuple(self.read(target))) + own_gradients(own, inside, own.outputs)

    def _way(self, starts: tuple[int, ...], ends: tuple[int, ...]) -> list[Op]:
        """The same on the way to some outputs, whatever is made of them."""
        key = "way", starts, ends
        if key not in self._found:
            self._found[key] = own_gradients(self.whole, self._sloped(starts), ends)
        return self._found[key]

    def _sloped(self, starts: tuple[int, ...]) -> set[int]:
        """The values that have a gradient with respect to these."""
        key = "sloped", starts
        if key not in self._found:
            self._found[key] = sloped(self.whole, starts)
        return self._found[key]
