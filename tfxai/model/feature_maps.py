"""Feature maps found in the graph: what comes out of convolutions, and still has the places of an input."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from tfxai.graph.activity import Activity
from tfxai.graph.axes import Axes, Axis, Kind
from tfxai.graph.capture import Graph, every, needed
from tfxai.graph.follow import Followed
from tfxai.graph.ops import ALIASES, CONVOLUTIONS, SHAPE_ONLY
from tfxai.graph.reads import Reads, reads, share
from tfxai.graph.rectifiers import functions_of
from tfxai.model.grid import Grid


class FeatureMap(NamedTuple):
    """A value that a class activation map is made of.

    Attributes:
        values: Its number; several for the frames of a film, one by one.
        path: Of the layer.
        grid: Where its places are.
        frame: The axis of places that counts the values, where there are several.
        of_picture: Whether it stands for its input, of several pictures that have one each.
    """

    values: tuple[int, ...]
    path: str
    grid: Grid
    frame: int | None = None
    of_picture: bool = False


class FeatureMaps:
    """The feature maps of one graph, for what is explained of its outputs.

    Attributes:
        ops: What the outputs need, in order.
        read: What is read of every value.
        convolutions: The op that made each output of a convolution, in loops and branches too.
        maps: Such an output -> the values that are maps of its resolution, in order.
    """

    def __init__(
        self, graph: Graph, activity: Mapping[int, Activity], followed: Followed, ends: Mapping[int, Reads]
    ) -> None:
        self.graph, self.activity, self.followed, self.ends = graph, activity, followed, ends
        self.ops = needed(graph, list(ends))
        self.read = reads(self.ops, followed, ends)
        self.made = {o: op for op in self.ops for o in op.outputs}
        self.order = {o: k for k, op in enumerate(self.ops) for o in op.outputs}
        self.convolutions = {o: op for op in every(self.ops) if op.type in CONVOLUTIONS for o in op.outputs}
        self.maps: dict[int, list[int]] = {}
        for op in self.ops:
            for output in op.outputs:
                if self._is_map(output):
                    self.maps.setdefault(self.grid(output), []).append(output)

    # --- What is a map

    def axes(self, number: int) -> Axes:
        """The axes of a value."""
        return self.followed.axes.get(number, Axes(()))

    def places(self, number: int) -> frozenset[Axis]:
        """The axes of places of a value, also of those that lie beside others."""
        inside = [a for axis in self.axes(number).flat() for part in axis.parts for a in part]
        return frozenset(a for a in [*self.axes(number).flat(), *inside] if a.kind is Kind.PLACE)

    def grid(self, number: int) -> int:
        """The convolution whose resolution a value has; -1: none's."""
        return max((a.grid for a in self.places(number) if a.grid in self.convolutions), default=-1)

    def _is_map(self, number: int) -> bool:
        """Examples first, all places of a convolution once, and channels, each on axes of their own.

        Places of another input beside them are no map: what a decoder's tokens make of an encoder's steps is one number
        for each pair.
        """
        source = self.grid(number)
        if self.activity.get(number) is not Activity.ACTIVE or number not in self.read or source < 0:
            return False
        if not self.graph.values[number].dtype.is_floating:
            return False
        labels = self.axes(number).labels
        others = {Kind.PLACE, Kind.JOINED}
        channels = [label for label in labels[1:] if label and not any(a.kind in others for a in label)]
        folded = [label for label in labels[1:] if label not in channels and {a.kind for a in label} - others]
        mine = [a for label in labels for a in _opened(label) if a.grid == source]
        return (
            [a.kind for a in labels[0]] == [Kind.EXAMPLES]
            and len(channels) <= 1
            and not folded
            and not any(a.kind is Kind.UNKNOWN for label in labels for a in label)
            and {a.where for a in mine} >= {a.where for a in self.places(source)}
            and len(mine) == len(set(mine))
            and len({a.input for label in labels for a in label if a.kind is Kind.PLACE}) <= 1
        )

    def share(self, number: int) -> float | None:
        """The share of a value's places that what is explained reads; None: some, but not known which."""
        wanted = frozenset(a for a in self.places(number) if a.grid == self.grid(number))
        return share(self.axes(number), self.read[number], wanted)

    # --- The deepest, and all

    def last_of_each(self, pictures: Collection[int]) -> list[tuple[int, ...]]:
        """The last map of each of these inputs, where several have one that reads no other of them.

        Else the last of all: what reads several pictures at once is a map of all of them.
        """
        found = {k: values for k in pictures if (values := self.last(k))}
        if len(found) > 1 and all(self._pictures(values[0], pictures) == {k} for k, values in found.items()):
            return list(found.values())
        return [values] if (values := self.last()) else []

    def _pictures(self, number: int, pictures: Collection[int]) -> set[int]:
        """Those inputs that a value is made of."""
        inputs = {i for op in needed(self.graph, [number]) for i in op.inputs}
        return {k for k in pictures if self.graph.inputs[k] in inputs}

    def last(self, owner: int | None = None) -> tuple[int, ...]:
        """The deepest map that comes out of a convolution, after its normalisation and activation.

        It is followed through everything that keeps its places (sums with a shortcut, concatenation, attention, dense
        layers on its channels), to where they are pooled, flattened or averaged, or where only some of them are read
        on. In a network whose output is itself a map, it is what feeds the last convolution. Maps with places of an
        input come before those that the network makes of a code, and maps that are read whole before others.

        For the last step of causal convolutions, or one pixel of a segmentation, none may be whole. Then it is the map
        of which the largest share of places is read, the deepest of those; where lengths are open and no share is
        known, the first of the network, as windows only reach further towards the input.

        Args:
            owner: The input whose maps are looked at; None: all.
        """
        before: set[int] | None = None
        shown: list[int] = []
        own: list[int] = []
        partly: list[int] = []
        sources = [g for g in self.maps if owner in (None, *(a.input for a in self.places(g)))]
        for source in sorted(sources, key=lambda g: self.order[self.maps[g][0]], reverse=True):
            values = [v for v in self.maps[source] if before is None or v in before]
            if values and before is None and self._is_shown(source):
                before = {o for op in needed(self.graph, list(self.made[values[0]].inputs)) for o in op.outputs}
                shown = values[:1]
                continue
            most = self._most_read(values)
            partly += [self._deepest(most, source)] if most else []
            values = [v for v in most if self.share(v) == 1]
            if values and all(a.input >= 0 for a in self.places(values[0]) if a.grid == source):
                return self.with_frames(self._deepest(values, source))
            own += [self._deepest(values, source)] if values else []
        known = [v for v in partly if self.share(v)]
        best = own[:1] or self._most_read(known)[:1] or partly[-1:] or shown
        return self.with_frames(best[0]) if best else ()

    def _most_read(self, values: Sequence[int]) -> list[int]:
        """Those of which the largest share is read, in their order; those of which none is known to be: all of them."""
        shares = {v: self.share(v) or 0.0 for v in values}
        most = max(shares.values(), default=0.0)
        return [v for v in values if shares[v] == most]

    def _is_shown(self, source: int) -> bool:
        """Whether an output has the places of this convolution."""
        wanted = {a.where for a in self.places(source)}
        return any({a.where for a in self.places(end) if a.grid == source} >= wanted for end in self.ends)

    def _deepest(self, values: Sequence[int], source: int) -> int:
        """The last one with the most places that carries all that the convolution has to say.

        The keys of an attention do not: its queries and values pass beside them. Better without the axes of 1 that
        one-dimensional ops put in.
        """
        most = max(len(self.places(v)) for v in values)
        values = [v for v in values if len(self.places(v)) == most]
        plain = [v for v in values if all(self.axes(v).labels)]
        return next((v for v in reversed(plain or values) if self._carriesevery(source, v)), values[0])

    def _carriesevery(self, source: int, number: int) -> bool:
        """Whether nothing gets from a convolution to the ends beside this value."""
        beside = {self.maps[source][0], source} - {number}
        for op in self.ops[self.order[self.maps[source][0]] :]:
            if any(i in beside for i in op.inputs) and op.type not in SHAPE_ONLY:
                beside.update(o for o in op.outputs if o != number and self.activity.get(o) is Activity.ACTIVE)
        return not beside.intersection(self.ends)

    def each(self) -> list[tuple[int, ...]]:
        """Every convolution's map, after its own normalisation and activation."""
        comes_from = functions_of(self.graph, self.activity, self.ops)
        found: dict[int, tuple[int, ...]] = {}
        for values in self.maps.values():
            own = values[0]
            after = [v for v, start in comes_from.items() if own in start and v not in self.ends and v in self.order]
            chosen = max(after, key=lambda v: self.order[v], default=own)
            if not any(chosen in frames for frames in found.values()):
                found[chosen] = self.with_frames(chosen)
        return list(dict.fromkeys(found.values()))

    # --- Films

    def with_frames(self, number: int) -> tuple[int, ...]:
        """The value; where it is that of one frame, the values of all of them, if the network treats them alike."""
        for place, index in self.axes(number).at:
            if index is None or not place.size:
                continue
            frames = {index: number}
            for other in self._alike(number):
                at = dict(self.axes(other).at).get(place)
                if at is not None:
                    frames.setdefault(at, other)
            if len(frames) == place.size:
                return tuple(frames[k] for k in sorted(frames, reverse=place.backwards))
        return (number,)

    def _alike(self, number: int) -> Iterator[int]:
        """Values made like this one, from a convolution with the same kernel."""
        source = self.grid(number)
        if source < 0:
            return
        position = self.maps[source].index(number) if number in self.maps.get(source, []) else 0
        kernel = self._root(self.convolutions[source].inputs[1])
        for other, values in self.maps.items():
            if self._root(self.convolutions[other].inputs[1]) == kernel and position < len(values):
                yield values[position]

    def _root(self, number: int) -> int:
        """Where a kernel is read from."""
        while number in self.made and self.made[number].inputs and self.made[number].type != "Const":
            number = self.made[number].inputs[0]
        return number

    def stacked(self, values: Sequence[int]) -> Axes:
        """The axes of values that are stacked behind the examples; of one value its own."""
        axes = self.axes(values[0])
        if len(values) == 1:
            return axes
        places = [p for p, index in axes.at if index is not None and dict(self.axes(values[1]).at).get(p) != index]
        return Axes((axes.labels[0], (places[0]._replace(backwards=False),), *axes.labels[1:]))

    def aliases(self, number: int) -> list[int]:
        """The value and what it is an alias of."""
        chain = [number]
        while chain[-1] in self.made and self.made[chain[-1]].type in ALIASES:
            op = self.made[chain[-1]]
            chain.append(op.inputs[op.outputs.index(chain[-1])])
        return chain


def _opened(label: Sequence[Axis]) -> Iterator[Axis]:
    """The axes in a label, those that lie end to end included."""
    for axis in label:
        yield axis
        for part in axis.parts:
            yield from part
