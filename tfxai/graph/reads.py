"""What of every value the explained output reads: all positions of an axis, or only some of them.

A class token cuts the other tokens off; one anchor of a detector reads one of its scales. What reads only a part of a
map cannot be explained by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from tfxai.graph.axes import Axes, Axis, Label, spans
from tfxai.graph.capture import Op
from tfxai.graph.follow import Followed
from tfxai.graph.moves import Move, Moves, joins_at, moves
from tfxai.graph.ops import ALIASES, CONTROL, MIXING_ALONG, SHAPE_ONLY

# All positions (True), some that are not known (False), or which.
Mask = bool | np.ndarray
Reads = list[list[Mask]]  # per axis, and per axis folded into it


def everything(axes: Axes) -> Reads:
    """All of a value."""
    return [[True] * len(label) for label in axes.labels]


def chosen(axes: Axes, index: Sequence[int]) -> Reads:
    """One element of an output: (example,) + index, by the axes that hold it."""
    found = everything(axes)
    for axis, at in enumerate(index, 1):
        label = axes.labels[axis] if axis < len(axes.labels) else ()
        if len(label) == 1 and label[0].size:
            found[axis] = [_only(label[0].size, at)]
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
    """A reshape: axes that are the same before and after, in their order."""
    passed = [(axis, mask) for label, masks in zip(after.labels, read, strict=True)
              for axis, mask in zip(label, masks, strict=True)]  # fmt: skip
    result: Reads = []
    start = 0
    for label in own.labels:
        masks: list[Mask] = []
        for axis in label:
            at = next((k for k in range(start, len(passed)) if _same(axis, passed[k][0])), None)
            masks.append(True if at is None else passed[at][1])
            start = start if at is None else at + 1
        result.append(masks)
    return result


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
        label = own.labels[axis] if source == position else ()
        if len(label) == 1:
            result[axis] = [False if index is None or not label[0].size else _only(label[0].size, index)]
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
    """What is read of an axis, for what is read of the one that it becomes."""
    if move.cut is not None:
        whole = np.zeros(before[0].size or 0, bool) if len(before) == 1 else None
        if whole is None or not len(whole):
            return [False] * len(before)
        whole[slice(*_ends(*move.cut))] = masks[0] if len(masks) == 1 and masks[0] is not False else True
        return [whole]
    if move.change is None and len(before) == len(after) and all(map(_same, before, after)):
        return list(masks)
    return [True] * len(before)


def _ends(start: int, stop: int, step: int) -> tuple[int, int | None, int]:
    """For a slice: a stop before the first position is None."""
    return start, None if stop < 0 else stop, step


def _part(result: Reads, along: int, position: int, labels: Sequence[Label], masks: list[Mask]) -> Reads | None:
    """What is read of one of the axes that lie end to end."""
    if len(masks) != 1 or not isinstance(masks[0], np.ndarray):
        return result
    sizes = [int(np.prod([a.size or 0 for a in label], initial=1)) for label in labels]
    start = sum(sizes[:position])
    mine = masks[0][start : start + sizes[position]]
    if not mine.any():
        return None
    if len(result[along]) == 1:
        result[along] = [mine]
    elif not mine.all():
        result[along] = [False] * len(result[along])
    return result


def whole_places(axes: Axes, read: Reads, wanted: frozenset[Axis]) -> bool:
    """Whether every position of these places is read."""
    for label, masks in zip(axes.labels, read, strict=True):
        for axis, mask in zip(label, masks, strict=True):
            if axis in wanted and not is_whole(mask):
                return False
            if axis.parts and isinstance(mask, np.ndarray):
                for start, part in spans(axis):
                    if wanted.intersection(part):
                        size = int(np.prod([a.size or 0 for a in part], initial=1))
                        if not mask[start : start + size].all():
                            return False
            elif axis.parts and mask is False and any(wanted.intersection(p) for p in axis.parts):
                return False
    return True
