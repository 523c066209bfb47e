"""What of every value the explained output reads: all positions of an axis, or only some of them.

A class token cuts the other tokens off; one anchor of a detector reads one of its scales; the last step of causal
convolutions reads as many steps as their windows reach. What reads only a part of a map cannot be explained by it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from tfxai.graph.axes import Axes, Axis, Label, spans
from tfxai.graph.capture import Op
from tfxai.graph.follow import Followed
from tfxai.graph.moves import Move, Moves, joins_at, moves
from tfxai.graph.ops import ALIASES, CONTROL, MIXING_ALONG, SHAPE_ONLY
from tfxai.graph.windows import Back, picked

# All positions (True), some that are not known (False), or which; of those in phases (windows.py) a row for each phase.
Mask = bool | np.ndarray
Reads = list[list[Mask]]  # per axis, and per axis folded into it


def everything(axes: Axes) -> Reads:
    """All of a value."""
    return [[True] * len(label) for label in axes.labels]


def chosen(axes: Axes, index: Sequence[int]) -> Reads:
    """One element of an output: (example,) + index, by the axes that hold it."""
    found = everything(axes)
    for axis, at in enumerate(index, 1):
        size = _count(axes.labels[axis]) if axis < len(axes.labels) else None
        if size:
            found[axis] = _unfolded(_only(size, at), axes.labels[axis])
    return found


def _only(size: int, index: int) -> np.ndarray:
    mask = np.zeros(size, bool)
    mask[index] = True
    return mask


def is_whole(mask: Mask) -> bool:
    """Whether every position is read."""
    return bool(np.all(mask))


def reads(ops: Sequence[Op], followed: Followed, ends: Mapping[int, Reads]) -> dict[int, Reads]:
    """What these ends read of every value that they need.

    Args:
        ops: All of them, in order.
        followed: The axes of the values.
        ends: Value number -> what is read of it. Values that are not read at all are not in the result.
    """
    found = dict(ends)
    for op in reversed(ops):
        if not any(o in found for o in op.outputs):
            continue
        for number, read in _back(op, followed, found):
            known = found.get(number)
            found[number] = read if known is None else [_both(a, b) for a, b in zip(known, read, strict=True)]
    return found


def _both(a: list[Mask], b: list[Mask]) -> list[Mask]:
    """What one or the other reads."""

    def either(p: Mask, q: Mask) -> Mask:
        if p is True or q is True:
            return True
        return p | q if isinstance(p, np.ndarray) and isinstance(q, np.ndarray) and p.shape == q.shape else False

    return [either(p, q) for p, q in zip(a, b, strict=True)]


def _back(op: Op, followed: Followed, found: Mapping[int, Reads]) -> Iterable[tuple[int, Reads]]:
    """What an op reads of its inputs, for what is read of its outputs."""
    for k, output in enumerate(op.outputs):
        if output not in found or op.type in SHAPE_ONLY:
            continue
        if op.type in ALIASES:
            yield op.inputs[k], found[output]
            continue
        axes = followed.axes.get(output)
        same = op.type not in CONTROL and not op.type.startswith("TensorList") and axes is not None
        rule = moves(op, k, followed) if same and op.type not in MIXING_ALONG | {"Reshape"} else None
        for position, number in enumerate(op.inputs):
            own = followed.axes.get(number)
            if own is None:
                yield number, []
            elif same and axes is not None and op.type == "Reshape" and position == 0:
                yield number, _through(own, axes, found[output])
            elif rule is None or axes is None:
                yield number, everything(own)
            else:
                read = _by_moves(op, position, rule, followed, found[output], axes)
                if read is not None:
                    yield number, read


def _through(own: Axes, after: Axes, read: Reads) -> Reads:
    """A reshape: the same positions in the same order.

    Axes of one size at both beginnings, and at both ends, are the same positions. Those between are read as one.
    """
    axes, onto = own.flat(), after.flat()
    masks = [mask for per_axis in read for mask in per_axis]
    first = _alike(axes, onto)
    last = _alike(axes[first:][::-1], onto[first:][::-1])
    joint = _joint(masks[first : len(masks) - last], onto[first : len(onto) - last])
    middle = tuple(axes[first : len(axes) - last])
    if joint is not None and joint.ndim == 1 and joint.size == _count(middle):
        between = _unfolded(joint, middle)
    else:
        between = [all(map(is_whole, masks[first : len(masks) - last]))] * len(middle)
    flat = iter([*masks[:first], *between, *masks[len(masks) - last :]])
    return [[next(flat) for _ in label] for label in own.labels]


def _alike(axes: Sequence[Axis], onto: Sequence[Axis]) -> int:
    """How many of the first axes have the same sizes."""
    pairs = enumerate(zip(axes, onto, strict=False))
    unlike = (k for k, (a, b) in pairs if a.size != b.size or (a.size is None and a.where != b.where))
    return next(unlike, min(len(axes), len(onto)))


def _same(a: Axis, b: Axis) -> bool:
    return a.size == b.size and a.where == b.where


def _by_moves(op: Op, position: int, rule: Moves, followed: Followed, read: Reads, after: Axes) -> Reads | None:
    """What is read of one input of an op whose axes are followed; None: nothing."""
    own = followed.axes[op.inputs[position]]
    result = everything(own)
    for out, move in enumerate(rule.axes):
        for source, axis in move.sources:
            if source == position:
                result[axis] = _moved(move, own.labels[axis], after.labels[out], read[out])
    for source, axis, index in rule.taken:
        if source == position:
            label, size = own.labels[axis], _count(own.labels[axis])
            known = None if index is None or not size else _only(size, index)
            result[axis] = [False] * len(label) if known is None else _unfolded(known, label)
    if op.type == "ConcatV2" and position < len(op.inputs) - 1:
        along = joins_at(op, followed)
        sizes = [followed.axes[i].labels[along] for i in op.inputs[:-1]]
        return _part(result, along, position, sizes, read[along])
    if op.type == "Pack":
        masks = read[op.attrs["axis"] % len(read)]
        if len(masks) == 1 and isinstance(masks[0], np.ndarray) and not masks[0][position]:
            return None
    return result


def _moved(move: Move, before: Label, after: Label, masks: list[Mask]) -> list[Mask]:
    """What is read of an axis, for what is read of the one that it becomes.

    Where an op's windows or the length are not known: of what is read whole it reads the whole, else some, not all.
    What goes over to other positions in a way that is not followed is taken as read whole.
    """
    joint, size = _joint(masks, after), _count(before)
    back = move.back if move.cut is None else _stretch(*move.cut)
    if back is not None:
        found = None if joint is None or size is None else back(joint, size)
        if found is None:
            return [all(map(is_whole, masks)) and move.cut is None] * len(before)
        return _unfolded(found, before)
    if move.change is None and len(before) == len(after) and all(map(_same, before, after)):
        return list(masks)
    if move.change is None and joint is not None and joint.shape == (size,):
        return _unfolded(joint, before)
    return [True] * len(before)


def _stretch(start: int, stop: int, step: int) -> Back:
    """What a slice reads; a stop before the first position is None."""
    return picked(lambda positions: positions[start : None if stop < 0 else stop : step])


def _count(label: Label) -> int | None:
    """How many positions an axis has; None where that is open."""
    sizes = [axis.size or 0 for axis in label]
    return None if any(axis.size is None for axis in label) else int(np.prod(sizes, initial=1))


def _joint(masks: Sequence[Mask], label: Sequence[Axis]) -> np.ndarray | None:
    """What is read of axes that are folded into one; None where that is not known."""
    if len(masks) == 1 and isinstance(masks[0], np.ndarray):
        return masks[0]
    if _count(tuple(label)) is None or any(mask is False or np.ndim(mask) > 1 for mask in masks):
        return None
    each = [np.broadcast_to(mask, [axis.size or 0]) for mask, axis in zip(masks, label, strict=True)]
    return functools.reduce(np.logical_and.outer, each, np.ones((), bool)).ravel()


def _unfolded(mask: np.ndarray, label: Label) -> list[Mask]:
    """What is read of each of the axes folded into one, where that says the same; else some of them."""
    if len(label) < 2:
        return [mask] * len(label)
    if mask.ndim > 1:
        return [False] * len(label)
    all_axes = mask.reshape([axis.size or 0 for axis in label])
    each = [np.asarray(all_axes.any(tuple(b for b in range(len(label)) if b != a))) for a in range(len(label))]
    same = np.array_equal(functools.reduce(np.logical_and.outer, each), all_axes)
    return list(each) if same else [False] * len(label)


def _part(result: Reads, along: int, position: int, labels: Sequence[Label], masks: list[Mask]) -> Reads | None:
    """What is read of one of the axes that lie end to end."""
    if len(masks) != 1 or not isinstance(masks[0], np.ndarray) or masks[0].ndim > 1:
        return result
    sizes = [int(np.prod([a.size or 0 for a in label], initial=1)) for label in labels]
    start = sum(sizes[:position])
    mine = masks[0][start : start + sizes[position]]
    if not mine.any():
        return None
    result[along] = _unfolded(mine, labels[position])
    return result


def share(axes: Axes, read: Reads, wanted: frozenset[Axis]) -> float | None:
    """The share of these places that is read, from 0 to 1; None where it is some, but not known which."""
    shares: list[float | None] = []
    for label, masks in zip(axes.labels, read, strict=True):
        for axis, mask in zip(label, masks, strict=True):
            if axis in wanted:
                shares.append(_share(mask))
            for start, part in spans(axis):
                if wanted.intersection(part):
                    size = int(np.prod([a.size or 0 for a in part], initial=1))
                    shares.append(_share(mask[start : start + size] if isinstance(mask, np.ndarray) else mask))
    known = [s for s in shares if s is not None]
    return float(np.prod(known)) if len(known) == len(shares) else None


def _share(mask: Mask) -> float | None:
    return None if mask is False else float(np.mean(mask))
