"""Where each axis of an op's output comes from: one table, read forward (labels) and backward (what is needed)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np

from tfxai.graph import ops, windows
from tfxai.graph.axes import Axis, Kind, Label, Shape, flipped, resampled, rolled
from tfxai.graph.capture import Op


class Move(NamedTuple):
    """One axis of an output.

    Attributes:
        sources: (input, axis) of the axes that meet in it, position by position; none: it is the op's own.
        change: What happens to the label on the way.
        cut: (start, stop, step) where it is a stretch of its one source.
        back: What is read of the source for what is read of it, where they do not correspond position by position.
    """

    sources: tuple[tuple[int, int], ...] = ()
    change: Callable[[Label], Label] | None = None
    cut: tuple[int, int, int] | None = None
    back: windows.Back | None = None


class Moves(NamedTuple):
    """All axes of an output.

    Attributes:
        axes: One move per axis.
        taken: (input, axis, index) of axes of which one position is read; index None: which one is not known.
    """

    axes: Sequence[Move]
    taken: Sequence[tuple[int, int, int | None]] = ()


class Facts(Protocol):
    """What is known of the values of a graph."""

    def shape(self, number: int) -> Shape | None: ...

    def constant(self, number: int) -> np.ndarray | None: ...


Rule = Callable[[Op, int, Facts], "Moves | None"]  # of the output with this position; None: it cannot be followed
OWN = Move()


def kept(source: int, axis: int) -> Move:
    """An axis of an input as it is."""
    return Move(((source, axis),))


def _shape(see: Facts, number: int) -> Shape:
    found = see.shape(number)
    if found is None:
        raise Unfollowed
    return found


def _constant(see: Facts, number: int) -> np.ndarray:
    found = see.constant(number)
    if found is None:
        raise Unfollowed
    return found


class Unfollowed(Exception):
    """A rule lacks a rank, or a number that the graph computes; its op is one that cannot be followed."""


# --- Element by element -----------------------------------------------------------------------------------------------


def by_element(op: Op, k: int, see: Facts) -> Moves:
    """Axes meet from the last one on."""
    rank = len(_shape(see, op.outputs[k]))
    ranks = [len(_shape(see, i)) for i in op.inputs]
    axes = [[(i, a - rank + r) for i, r in enumerate(ranks) if a - rank + r >= 0] for a in range(rank)]
    return Moves([Move(tuple(sources)) for sources in axes])


def as_first(op: Op, k: int, see: Facts) -> Moves:
    """The first output has the axes of the first input."""
    return Moves([kept(0, a) if k == 0 else OWN for a in range(len(_shape(see, op.outputs[k])))])


def by_key(op: Op, k: int, see: Facts) -> Moves:
    """An entry of a hash table for every key."""
    return Moves([kept(1, a) for a in range(len(_shape(see, op.inputs[1])))])


def last_own(count: int) -> Rule:
    """The last axes are the op's own, the others those of the first input: spectra, the largest k."""

    def rule(op: Op, k: int, see: Facts) -> Moves:
        rank = len(_shape(see, op.outputs[k]))
        return Moves([kept(0, a) if a < rank - count else OWN for a in range(rank)])

    return rule


# --- Sums over axes ---------------------------------------------------------------------------------------------------


def reduction(op: Op, k: int, see: Facts) -> Moves:
    """Some axes go, or have one position."""
    rank = len(_shape(see, op.inputs[0]))
    gone = {int(a) % rank for a in np.ravel(_constant(see, op.inputs[1]))}
    if len(_shape(see, op.outputs[k])) == rank:
        return Moves([OWN if a in gone else kept(0, a) for a in range(rank)])
    return Moves([kept(0, a) for a in range(rank) if a not in gone])


def matrix_product(op: Op, k: int, see: Facts) -> Moves:
    """Rows of the first, columns of the second, the axes before them together."""
    rank, left, right = (len(_shape(see, n)) for n in (op.outputs[0], *op.inputs[:2]))
    first = op.attrs.get("adj_x", op.attrs.get("transpose_a", False))
    second = op.attrs.get("adj_y", op.attrs.get("transpose_b", False))
    before = [
        Move(tuple((i, a - rank + r) for i, r in ((0, left), (1, right)) if a - rank + r >= 0)) for a in range(rank - 2)
    ]
    return Moves([*before, kept(0, left - 1 if first else left - 2), kept(1, right - 2 if second else right - 1)])


def einsum(op: Op, k: int, see: Facts) -> Moves:
    """Letter by letter."""
    terms, out = op.attrs["equation"].decode().replace(" ", "").split("->")
    names = [_letters(term, len(_shape(see, i))) for term, i in zip(terms.split(","), op.inputs, strict=True)]
    wanted = _letters(out, len(_shape(see, op.outputs[0])))
    return Moves([Move(tuple((i, own.index(c)) for i, own in enumerate(names) if c in own)) for c in wanted])


def _letters(term: str, rank: int) -> list[str]:
    """A name for every axis; those of an ellipsis are counted from its end."""
    before, dots, after = term.partition("...")
    return [*before, *(f".{n}" for n in range(rank - len(before) - len(after), 0, -1)), *after] if dots else list(term)


# --- Places -----------------------------------------------------------------------------------------------------------


def spatial(source: int, mixes: bool) -> Rule:
    """Convolutions (which mix the channels), pooling and resizing: the axes of places have another resolution."""

    def rule(op: Op, k: int, see: Facts) -> Moves:
        rank = len(_shape(see, op.inputs[source]))
        if k:
            return Moves([OWN] * len(_shape(see, op.outputs[k])))
        channels = channels_of(op, rank)
        sizes, number = _shape(see, op.outputs[0]), op.outputs[0]
        kernel = see.shape(op.inputs[1]) if op.type in ops.CONVOLUTIONS else None
        axes = [kept(source, 0)]
        for a in range(1, rank):
            if a == channels:
                axes.append(OWN if mixes else kept(source, a))
            else:
                change = partial(resampled, size=sizes[a], grid=number, axis=a)
                back = windows.window_of(op, a, a - 1 - (channels < a), kernel)
                axes.append(Move(((source, a),), change, back=back))
        return Moves(axes)

    return rule


def channels_of(op: Op, rank: int) -> int:
    """The axis of channels of a convolution or pooling."""
    return 1 if b"NC" in op.attrs.get("data_format", b"") else rank - 1


def padded(op: Op, k: int, see: Facts) -> Moves:
    """More positions at the ends of some axes."""
    paddings, sizes, number = _constant(see, op.inputs[1]), _shape(see, op.outputs[0]), op.outputs[0]

    def change(label: Label, a: int) -> Label:
        if any(axis.kind is Kind.PLACE for axis in label):
            return resampled(label, sizes[a], number, a)
        return tuple(axis._replace(size=sizes[a]) for axis in label[:1])

    ends = [windows.padded(op, int(first), int(last)) for first, last in paddings]
    return Moves([
        Move(((0, a),), partial(change, a=a), back=ends[a]) if pad.any() else kept(0, a)
        for a, pad in enumerate(paddings)
    ])  # fmt: skip


def to_batch(op: Op, k: int, see: Facts) -> Moves:
    """Dilated convolutions move places into the examples, and back."""
    rank, blocks = len(_shape(see, op.inputs[0])), np.ravel(_constant(see, op.inputs[1]))
    sizes, back = _shape(see, op.outputs[0]), op.type == "BatchToSpaceND"
    phases = Axis(Kind.MADE, int(np.prod(blocks)))
    ends = see.constant(op.inputs[2])  # None: the graph computes them from an open length

    def examples(label: Label) -> Label:
        return label[1:] if back else (phases, *label)

    def places(label: Label, a: int) -> Label:
        if len(label) == 1:
            return (label[0]._replace(size=sizes[a]),)
        return resampled(label, sizes[a], op.outputs[0], a)

    def read(a: int) -> windows.Back:
        make = windows.from_phases if back else windows.to_phases
        return windows.untold if ends is None else make(int(blocks[a - 1]), int(ends[a - 1][0]))

    moved = [Move(((0, 0),), examples)]
    for a in range(1, rank):
        moved.append(Move(((0, a),), partial(places, a=a), back=read(a)) if a <= len(blocks) else kept(0, a))
    return Moves(moved)


# --- Moving values ----------------------------------------------------------------------------------------------------


def transpose(op: Op, k: int, see: Facts) -> Moves:
    """The axes in another order."""
    return Moves([kept(0, int(a)) for a in _constant(see, op.inputs[1])])


def reverse(op: Op, k: int, see: Facts) -> Moves:
    """Some axes backwards."""
    rank = len(_shape(see, op.inputs[0]))
    axes = {int(a) % rank for a in np.ravel(_constant(see, op.inputs[1]))}
    turned = windows.picked(lambda positions: positions[::-1])
    return Moves([Move(((0, a),), flipped, back=turned) if a in axes else kept(0, a) for a in range(rank)])


def roll(op: Op, k: int, see: Facts) -> Moves:
    """Some axes begin elsewhere."""
    rank = len(_shape(see, op.inputs[0]))
    along = [int(a) % rank for a in np.ravel(_constant(see, op.inputs[2]))]
    shifts = see.constant(op.inputs[1])
    if shifts is None:  # only the axes along which it rolls are lost
        return Moves([Move(((0, a),), _scrambled(op.type)) if a in along else kept(0, a) for a in range(rank)])
    by = np.zeros(rank, int)
    np.add.at(by, along, np.ravel(shifts))

    def moved(a: int) -> Move:
        change = partial(rolled, shift=int(by[a]), op=op.type)
        return Move(((0, a),), change, back=windows.picked(partial(np.roll, shift=by[a])))

    return Moves([moved(a) if a in along else kept(0, a) for a in range(rank)])


def _scrambled(op: str) -> Callable[[Label], Label]:
    """Positions in an order that is not followed."""
    return lambda label: tuple(a if a.kind is Kind.MADE else Axis(Kind.UNKNOWN, a.size, op=op) for a in label)


def expand_dims(op: Op, k: int, see: Facts) -> Moves:
    """An axis of one position more."""
    rank = len(_shape(see, op.inputs[0])) + 1
    new = int(np.ravel(_constant(see, op.inputs[1]))[0]) % rank
    return Moves([OWN if a == new else kept(0, a - (a > new)) for a in range(rank)])


def squeeze(op: Op, k: int, see: Facts) -> Moves:
    """Axes of one position fewer: those it names, or all of them."""
    sizes, rank = _shape(see, op.inputs[0]), len(_shape(see, op.outputs[k]))
    gone = {a % len(sizes) for a in op.attrs["axis"]} or {a for a, size in enumerate(sizes) if size == 1}
    if len(sizes) - len(gone) != rank:
        raise Unfollowed  # of an open size, that may be 1
    return Moves([kept(0, a) for a in range(len(sizes)) if a not in gone])


def tile(op: Op, k: int, see: Facts) -> Moves:
    """Axes that are repeated: what had one position is spread, other axes cannot be followed."""
    before, after = _shape(see, op.inputs[0]), _shape(see, op.outputs[0])
    times = see.constant(op.inputs[1])
    moves = []
    for a, (p, q) in enumerate(zip(before, after, strict=True)):
        same = times[a] == 1 if times is not None else p is not None and p == q
        moves.append(kept(0, a) if same else OWN if p == 1 else Move(((0, a),), _scrambled(op.type)))
    return Moves(moves)


def one_hot(op: Op, k: int, see: Facts) -> Moves:
    """An axis more."""
    rank = len(_shape(see, op.outputs[0]))
    new = op.attrs.get("axis", -1) % rank
    return Moves([OWN if a == new else kept(0, a - (a > new)) for a in range(rank)])


def pack(op: Op, k: int, see: Facts) -> Moves:
    """An axis more, which the follower names; the others meet."""
    rank = len(_shape(see, op.outputs[0]))
    new = op.attrs["axis"] % rank
    every = range(len(op.inputs))
    return Moves([OWN if a == new else Move(tuple((i, a - (a > new)) for i in every)) for a in range(rank)])


def unpack(op: Op, k: int, see: Facts) -> Moves:
    """One position of an axis."""
    rank = len(_shape(see, op.inputs[0]))
    gone = op.attrs["axis"] % rank
    return Moves([kept(0, a) for a in range(rank) if a != gone], [(0, gone, k)])


def split(op: Op, k: int, see: Facts) -> Moves:
    """A stretch of an axis."""
    source, where = (1, 0) if op.type == "Split" else (0, 2)
    rank = len(_shape(see, op.inputs[source]))
    along = int(_constant(see, op.inputs[where])) % rank
    sizes = [_shape(see, o)[along] for o in op.outputs]
    if None in sizes:
        raise Unfollowed
    start = sum(s or 0 for s in sizes[:k])
    stretch = Move(((source, along),), cut=(start, start + (sizes[k] or 0), 1))
    return Moves([stretch if a == along else kept(source, a) for a in range(rank)])


def concat(op: Op, k: int, see: Facts) -> Moves:
    """Axes end to end, which the follower joins; the others meet."""
    rank = len(_shape(see, op.outputs[0]))
    along, every = joins_at(op, see), range(len(op.inputs) - 1)
    return Moves([OWN if a == along else Move(tuple((i, a) for i in every)) for a in range(rank)])


def joins_at(op: Op, see: Facts) -> int:
    """The axis of a concatenation."""
    return int(_constant(see, op.inputs[-1])) % len(_shape(see, op.outputs[0]))


def slice_(op: Op, k: int, see: Facts) -> Moves:
    """A stretch of every axis."""
    before, after = _shape(see, op.inputs[0]), _shape(see, op.outputs[0])
    begin = _constant(see, op.inputs[1])
    moves = []
    for a, (start, size) in enumerate(zip(np.ravel(begin), after, strict=True)):
        whole = start == 0 and (size is None or size == before[a])
        moves.append(kept(0, a) if whole else _stretch(a, int(start), int(start) + (size or 0), 1))
    return Moves(moves)


def _stretch(axis: int, start: int, stop: int, step: int) -> Move:
    return Move(((0, axis),), cut=(start, stop, step))


def strided_slice(op: Op, k: int, see: Facts) -> Moves:
    """Python's slicing: new axes, one position of others, stretches."""
    sizes = _shape(see, op.inputs[0])
    begin, end, steps = (see.constant(i) for i in op.inputs[1:4])
    count = len(steps) if steps is not None else _shape(see, op.inputs[3])[0] or 0
    bits = {name: op.attrs.get(f"{name}_mask", 0) for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")}
    moves: list[Move] = []
    taken: list[tuple[int, int, int | None]] = []
    axis = 0
    for s in range(count):
        on = {name for name, mask in bits.items() if mask >> s & 1}
        if "ellipsis" in on:
            after = sum(not bits["new_axis"] >> t & 1 for t in range(s + 1, count))
            moves += [kept(0, a) for a in range(axis, len(sizes) - after)]
            axis = len(sizes) - after
        elif "new_axis" in on:
            moves.append(OWN)
        elif "shrink_axis" in on:
            size, index = sizes[axis], None if begin is None else int(begin[s])
            known = index is not None and (index >= 0 or size is not None)
            taken.append((0, axis, index if index is None or index >= 0 else index + (size or 0)) if known
                         else (0, axis, None))  # fmt: skip
            axis += 1
        else:
            moves.append(_sliced(axis, sizes[axis], "begin" not in on and begin, "end" not in on and end, steps, s))
            axis += 1
    moves += [kept(0, a) for a in range(axis, len(sizes))]
    return Moves(moves, taken)


def _sliced(axis: int, size: int | None, begin: object, end: object, steps: np.ndarray | None, s: int) -> Move:
    """One `start:stop:step`; False for an end that is left open, None for one that the graph computes."""
    step = None if steps is None else int(steps[s])
    if begin is False and end is False and step == 1:
        return kept(0, axis)
    if begin is None or end is None or step is None:
        return Move(((0, axis),), _scrambled("StridedSlice"))
    start, stop = (None if bound is False else int(bound[s]) for bound in (begin, end))  # type: ignore[index]
    if size is None:
        if start in (None, 0) and stop is None and step == 1:
            return kept(0, axis)
        return Move(((0, axis),), flipped if (start, stop, step) == (None, None, -1) else _scrambled("StridedSlice"))
    return _stretch(axis, *slice(start, stop, step).indices(size))


def gather(op: Op, k: int, see: Facts) -> Moves:
    """Rows of a table, one position, or a stretch; where the graph computes which, the axes of the indices."""
    indices = _shape(see, op.inputs[1])
    if op.type == "ResourceGather":
        rank, along, batch = len(_shape(see, op.outputs[0])) - len(indices) + 1, 0, 0
    else:
        rank = len(_shape(see, op.inputs[0]))
        along, batch = int(_constant(see, op.inputs[2])) % rank, op.attrs.get("batch_dims", 0)
    before, after = [kept(0, a) for a in range(along)], [kept(0, a) for a in range(along + 1, rank)]
    if op.type == "ResourceGather":
        before, after = [], [OWN] * (rank - 1)
    which = see.constant(op.inputs[1])
    if which is not None and which.ndim == 0:
        return Moves([*before, *after], [(0, along, int(which) if which >= 0 else None)])
    if which is not None and which.ndim == 1 and len(which) and (np.diff(which) == 1).all() and which[0] >= 0:
        return Moves([*before, _stretch(along, int(which[0]), int(which[-1]) + 1, 1), *after])
    own = [kept(1, a) for a in range(batch, len(indices))]
    return Moves([*before, *own, *after], [(0, along, None)])


def gather_nd(op: Op, k: int, see: Facts) -> Moves:
    """The axes of the indices, then those of the table that they do not choose from."""
    indices, rank = _shape(see, op.inputs[1]), len(_shape(see, op.inputs[0]))
    depth = indices[-1]
    if depth is None:
        raise Unfollowed
    own = [kept(1, a) for a in range(len(indices) - 1)]
    return Moves([*own, *(kept(0, a) for a in range(depth, rank))], [(0, a, None) for a in range(depth)])


# --- The table --------------------------------------------------------------------------------------------------------

BY_ELEMENT = (
    ops.SMOOTH | ops.PIECEWISE | ops.STEPS | ops.PAIRWISE | ops.SELECTS | ops.SUMS | ops.COMPARISONS | ops.LOGIC
    | {"Square", "SquaredDifference", "Mul", "MulNoNan", "BroadcastTo"}
)  # fmt: skip
AS_FIRST = (
    ops.NORMALISATIONS | ops.ROWS | {ops.CHAIN}
    | {"BiasAdd", "BiasAddV1", "Cast", "Cumsum", "Cumprod", "CumulativeLogsumexp", "LRN", "ZerosLike", "OnesLike",
       "Bucketize", "EnsureShape", "MatrixBandPart", "Bitcast", "Real", "Imag", "Conj", "Angle", "ComplexAbs",
       "LogicalNot", "IsNan", "IsInf", "IsFinite"}
    | ops.TEXTS
)  # fmt: skip

TABLE: dict[str, Rule] = {
    **dict.fromkeys(BY_ELEMENT, by_element),
    **dict.fromkeys(AS_FIRST, as_first),
    **dict.fromkeys(
        ("Sum", "Mean", "Max", "Min", "Prod", "All", "Any", "EuclideanNorm", "ArgMax", "ArgMin"), reduction
    ),
    **dict.fromkeys(("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"), matrix_product),
    "Einsum": einsum,
    **dict.fromkeys(("Conv2D", "Conv3D", "DepthwiseConv2dNative"), spatial(0, mixes=True)),
    **dict.fromkeys(("Conv2DBackpropInput", "Conv3DBackpropInputV2"), spatial(2, mixes=True)),
    **dict.fromkeys(ops.POOLINGS | ops.RESIZINGS, spatial(0, mixes=False)),
    **dict.fromkeys(("DepthToSpace", "SpaceToDepth"), spatial(0, mixes=True)),
    **dict.fromkeys(("Pad", "PadV2", "MirrorPad"), padded),
    **dict.fromkeys(("SpaceToBatchND", "BatchToSpaceND"), to_batch),
    "LookupTableFindV2": by_key,
    "Transpose": transpose,
    "ReverseV2": reverse,
    "Roll": roll,
    "ExpandDims": expand_dims,
    "Squeeze": squeeze,
    "Tile": tile,
    "OneHot": one_hot,
    "TopKV2": last_own(1),
    **dict.fromkeys(("FFT", "IFFT", "RFFT", "IRFFT"), last_own(1)),
    **dict.fromkeys(("FFT2D", "IFFT2D", "RFFT2D", "IRFFT2D"), last_own(2)),
    **dict.fromkeys(("FFT3D", "IFFT3D"), last_own(3)),
    "Pack": pack,
    "Unpack": unpack,
    "Split": split,
    "SplitV": split,
    "ConcatV2": concat,
    "Slice": slice_,
    "StridedSlice": strided_slice,
    "GatherV2": gather,
    "ResourceGather": gather,
    "GatherNd": gather_nd,
}


def moves(op: Op, k: int, see: Facts) -> Moves | None:
    """How the axes of output k of an op come about, or None where that cannot be followed."""
    rule = TABLE.get(op.type)
    try:
        return rule(op, k, see) if rule is not None else None
    except Unfollowed:
        return None
