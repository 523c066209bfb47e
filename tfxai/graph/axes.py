"""What each axis of each value is: examples, places of an input, or something that the network made.

A place of a feature map is told by where it comes from, never by a size that happens to fit: the axes of the inputs are
followed op by op, through transposes, reshapes, flips, slices, convolutions, stacks and loops.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

Shape = list[int | None]


class Kind(enum.Enum):
    """What the positions along an axis stand for."""

    EXAMPLES = "examples"
    PLACE = "place"  # positions along an axis of an input, or along an axis of a convolution's own
    ROLLED = "rolled"  # places that begin elsewhere and go round, until they are rolled back
    MADE = "made"  # channels, heads, units, constants
    JOINED = "joined"  # several of these laid end to end
    UNKNOWN = "unknown"


class Axis(NamedTuple):
    """An axis, or one of several that are folded into one.

    Attributes:
        kind: What its positions stand for.
        size: How many there are; None where that is open.
        input: Of a place: the flat input; -1 for a convolution whose places are those of no input.
        axis: The axis of that input, or of that convolution's output.
        grid: The value whose resolution it has: that of the last convolution, pooling or resizing on the way.
        extent, stride: The positions of the input's axis that it runs over, and how far apart they are: all of them and
            1, unless the axis was split.
        window: The stretch of the input's axis that it covers, from 0 to 1.
        backwards: Whether it runs against the input's axis.
        roll: Of rolled ones: the position of the first place.
        parts: Of joined ones: each of them.
        op: Of an unknown one: the op that cannot be followed. Of a rolled one: the op that rolled it.
    """

    kind: Kind
    size: int | None = None
    input: int = -1
    axis: int = -1
    grid: int = -1
    extent: int | None = None
    stride: int = 1
    window: tuple[float, float] = (0.0, 1.0)
    backwards: bool = False
    roll: int = 0
    parts: tuple[Label, ...] = ()
    op: str = ""

    @property
    def where(self) -> tuple:
        """What it stands for, whatever its resolution."""
        inside = tuple(tuple(a.where for a in part) for part in self.parts)
        return (
            self.kind,
            self.input,
            self.axis,
            self.extent,
            self.stride,
            self.window,
            self.backwards,
            self.roll,
            inside,
            self.op,
        )


Label = tuple[Axis, ...]  # the axes folded into one, outermost first; none for an axis of one position


class Axes(NamedTuple):
    """The axes of one value.

    Attributes:
        labels: One per axis.
        at: Places of which it has one position only: (where it is, its index), or None for several at once.
    """

    labels: tuple[Label, ...]
    at: tuple[tuple[Axis, int | None], ...] = ()

    def flat(self) -> list[Axis]:
        """All axes, folded or not."""
        return [a for label in self.labels for a in label]


def made(shape: Iterable[int | None]) -> Axes:
    """Axes that stand for nothing outside of the network."""
    return Axes(tuple(() if size == 1 else (Axis(Kind.MADE, size),) for size in shape))


def unknown(shape: Sequence[int | None], op: str) -> Axes:
    """Axes that cannot be followed through an op."""
    return Axes(tuple(() if size == 1 else (Axis(Kind.UNKNOWN, size, op=op),) for size in shape))


def of_input(number: int, shape: Sequence[int | None]) -> Axes:
    """The axes of a model input: the examples, and its own."""
    own = [Axis(Kind.PLACE, s, number, k, extent=s) for k, s in enumerate(shape) if k]
    return Axes(((Axis(Kind.EXAMPLES, shape[0]),), *(() if a.size == 1 else (a,) for a in own)))


def agreed(labels: Iterable[Label], op: str) -> Label:
    """The axis at which several values meet element by element.

    What has one position is spread over the others. Positions along a known axis stay what they are when something
    unknown, or made by the network, is added to them; what is unknown stays so when the network's own is added.
    """
    met = [label for label in labels if label]
    unclear = [label for label in met if any(a.kind is Kind.UNKNOWN for a in label)]
    known = [label for label in met if label not in unclear and any(a.kind is not Kind.MADE for a in label)]
    if not known:
        return next(iter([*unclear, *met]), ())
    best = max(known, key=lambda label: max(a.grid for a in label))
    if all(_where(label) == _where(best) for label in known):
        return best
    if all(_where(_repeated(label)) == _where(_repeated(best)) for label in known):
        return _repeated(best)
    return _phases(known) or (Axis(Kind.UNKNOWN, _size(best), op=op),)


def _repeated(label: Label) -> Label:
    """Places of which each is there several times (enlarged to the nearest), as places of a finer resolution."""
    if label[0].kind is Kind.PLACE and all(axis.kind is Kind.MADE for axis in label[1:]):
        return (label[0]._replace(size=_size(label)),)
    return label


def _phases(labels: Sequence[Label]) -> Label | None:
    """Every so many-th place from several first ones, as `x[::2] + x[1::2]`: places of that size. None: not such."""
    first = labels[0][0]
    if any(len(la) != 1 or la[0].kind is not Kind.PLACE or la[0].size != first.size for la in labels) or not first.size:
        return None
    starts, stops = zip(*(la[0].window for la in labels), strict=True)
    whole = (min(starts), max(stops))
    each = max(stop - start for start, stop in zip(starts, stops, strict=True)) / first.size
    same = all(la[0]._replace(window=whole).where == first._replace(window=whole).where for la in labels)
    return (first._replace(window=whole),) if same and max(starts) - min(starts) < 0.999 * each else None


def _where(label: Label) -> tuple:
    return tuple(axis.where for axis in label)


def _size(label: Label) -> int | None:
    size = 1
    for axis in label:
        if axis.size is None:
            return None
        size *= axis.size
    return size


def reshaped(labels: Sequence[Label], sizes: Sequence[tuple[int, tuple] | None]) -> list[Label] | None:
    """The same positions in the same order, folded and split to another shape; None where sizes do not tell.

    Args:
        labels: Of the axes before.
        sizes: Of each axis after: a number, and the open axes that it is multiplied with; None: not known.
    """
    axes = deque(a for label in labels for a in label)
    found: list[Label | None] = [None] * len(sizes)
    ways: tuple[tuple[Iterable[int], bool], ...] = ((range(len(sizes)), True), (range(len(sizes) - 1, -1, -1), False))
    for order, first in ways:
        for k in order:
            size = sizes[k]
            if found[k] is not None or size is None:
                break
            found[k] = _taken(axes, size[0], list(size[1]), first)
            if found[k] is None:
                return None
    rest = [k for k, label in enumerate(found) if label is None]
    if len(rest) == 1:
        found[rest[0]] = tuple(axes)
    elif len(rest) == len(axes) and all(a.size is None for a in axes):
        for k, axis in zip(rest, axes, strict=True):
            found[k] = (axis,)
    elif rest or axes:
        return None
    return [_fused(label or ()) for label in found]


def _taken(axes: deque[Axis], size: int, spread: list[tuple], first: bool) -> Label | None:
    """As many of the first (or last) axes as make this size, the last of them split where it is larger.

    `spread` are the open axes that must be among them.
    """
    taken: list[Axis] = []
    while size > 1 or spread:
        axis = axes[0 if first else -1] if axes else None
        if axis is None or (axis.size is None and axis.where not in spread):
            return None
        if axis.size is None or size % axis.size == 0:
            if axis.size is None:
                spread.remove(axis.where)
            else:
                size //= axis.size
            taken.append(axes.popleft() if first else axes.pop())
        elif axis.size % size == 0 and axis.kind is not Kind.JOINED:
            outer, inner = _split(axis, size if first else axis.size // size)
            axes[0 if first else -1] = inner if first else outer
            taken.append(outer if first else inner)
            size = 1
        else:
            return None
    return tuple(taken if first else taken[::-1])


def _split(axis: Axis, size: int) -> tuple[Axis, Axis]:
    """An axis as so many stretches (the outer part), and the positions in a stretch (the inner)."""
    within = (axis.size or 0) // size
    whole = axis.extent is not None and axis.extent % size == 0 and axis.window == (0.0, 1.0)
    if axis.kind in (Kind.PLACE, Kind.ROLLED) and whole:
        extent = (axis.extent or 0) // size
        outer = axis._replace(size=size, extent=size, stride=axis.stride * extent)
        return outer, axis._replace(size=within, extent=extent)
    return axis._replace(size=size), Axis(axis.kind if axis.kind is Kind.UNKNOWN else Kind.MADE, within, op=axis.op)


def _fused(label: Label) -> Label:
    """The label with the parts of a split axis put together again."""
    fused: list[Axis] = []
    for axis in label:
        before = fused[-1] if fused else None
        if before is not None and _continues(before, axis):
            size, extent = (before.size or 0) * (axis.size or 0), (before.extent or 0) * (axis.extent or 0)
            fused[-1] = axis._replace(size=size, extent=extent)
        else:
            fused.append(axis)
    return tuple(fused)


def _continues(outer: Axis, inner: Axis) -> bool:
    if outer.kind not in (Kind.PLACE, Kind.ROLLED) or inner.extent is None or outer.size != outer.extent:
        return False
    same = ("kind", "input", "axis", "grid", "window", "backwards", "roll")
    return all(getattr(outer, n) == getattr(inner, n) for n in same) and outer.stride == inner.stride * inner.extent


def cut(label: Label, start: int, stop: int, step: int, op: str) -> Label:
    """The positions start, start + step... before stop; start is the last one where step is negative."""
    size = _size(label)
    length = len(range(start, stop, step))
    if length == 1:
        return ()
    if size is not None and (length, abs(step)) == (size, 1):
        return label if step > 0 else flipped(label)
    if len(label) == 1 and label[0].kind is Kind.JOINED and step == 1:
        return _of_parts(label[0], start, stop, op)
    if len(label) == 1 and label[0].kind is Kind.PLACE and size:
        return (_cut_place(label[0], sorted((start, start + (length - 1) * step)), length, step, size),)
    kinds = {axis.kind for axis in label}
    return (Axis(Kind.MADE, length),) if kinds == {Kind.MADE} else (Axis(Kind.UNKNOWN, length, op=op),)


def _cut_place(axis: Axis, ends: Sequence[int], length: int, step: int, size: int) -> Axis:
    """A stretch of places, of `size` of them."""
    low, high = axis.window
    share = [ends[0] / size, min(1.0, (ends[1] + abs(step)) / size)]
    if axis.backwards:
        share = [1 - share[1], 1 - share[0]]
    window = (low + (high - low) * share[0], low + (high - low) * share[1])
    return axis._replace(size=length, window=window, backwards=axis.backwards ^ (step < 0))


def _of_parts(joined: Axis, start: int, stop: int, op: str) -> Label:
    """A stretch of axes that lie end to end."""
    kept: list[Label] = []
    for low, part in spans(joined):
        size = _size(part) or 1
        first, last = max(start, low), min(stop, low + size)
        if first < last:
            kept.append(cut(part, first - low, last - low, 1, op) if size > 1 else part)
    return kept[0] if len(kept) == 1 else joined_of(kept)


def spans(joined: Axis) -> list[tuple[int, Label]]:
    """Where each part of a joined axis begins, and the part."""
    found, start = [], 0
    for part in joined.parts:
        found.append((start, part))
        start += _size(part) or 1
    return found


def joined_of(labels: Sequence[Label]) -> Label:
    """Axes laid end to end; those in it that are joined are opened."""
    parts: list[Label] = []
    for label in labels:
        parts.extend(label[0].parts if len(label) == 1 and label[0].kind is Kind.JOINED else [label])
    sizes = [_size(part) for part in parts]
    total = None if None in sizes else sum(s or 0 for s in sizes)
    kinds = {axis.kind for part in parts for axis in part}
    if kinds <= {Kind.MADE}:
        return (Axis(Kind.MADE, total),)
    unclear = next((a.op for part in parts for a in part if a.kind is Kind.UNKNOWN), None)
    if unclear is not None or None in sizes or Kind.EXAMPLES in kinds:
        return (Axis(Kind.UNKNOWN, total, op=unclear or "ConcatV2"),)
    return (Axis(Kind.JOINED, total, parts=tuple(parts)),)


def flipped(label: Label) -> Label:
    """The positions in reverse."""
    return tuple(
        axis._replace(backwards=not axis.backwards) if axis.kind is Kind.PLACE
        else axis._replace(parts=tuple(flipped(p) for p in axis.parts[::-1])) if axis.kind is Kind.JOINED
        else axis._replace(kind=Kind.UNKNOWN, op="ReverseV2") if axis.kind in (Kind.EXAMPLES, Kind.ROLLED) else axis
        for axis in label
    )  # fmt: skip


def rolled(label: Label, shift: int, op: str) -> Label:
    """The positions moved on by so many, those at the end to the beginning."""
    if len(label) != 1 or label[0].kind not in (Kind.PLACE, Kind.ROLLED) or not label[0].size:
        return tuple(a if a.kind is Kind.MADE else Axis(Kind.UNKNOWN, a.size, op=op) for a in label)
    roll = (label[0].roll - shift) % label[0].size
    return (label[0]._replace(kind=Kind.ROLLED if roll else Kind.PLACE, roll=roll, op=op if roll else ""),)


def resampled(label: Label, size: int | None, grid: int, axis: int) -> Label:
    """An axis after a convolution, pooling or resizing along it, at the value `grid`.

    Places that were repeated, or that hold several numbers each, are places still. What is no place of an input becomes
    a place of its own: `axis` of that value.
    """
    if size == 1 or not label:
        return () if size == 1 else (Axis(Kind.MADE, size),)
    if label[0].kind is Kind.PLACE and all(axis.kind is Kind.MADE for axis in label[1:]):
        return (label[0]._replace(size=size, grid=grid),)
    return (Axis(Kind.PLACE, size, -1, axis, grid, extent=size),)
