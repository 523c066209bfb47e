"""Sizes that a graph computes from shapes: which axes of which values they are the product of.

`reshape(x, (shape(x)[0] * shape(x)[1], 8))` says exactly which axes it folds, although no number is known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from tfxai.graph.axes import Label
from tfxai.graph.capture import Op

LONGEST = 16  # elements of a list of sizes: a shape has no more axes


class Size(NamedTuple):
    """A product: a number, times the sizes of open axes, each told by where it comes from."""

    number: int
    axes: tuple[tuple, ...] = ()

    def times(self, other: Size) -> Size:
        """The product of two."""
        return Size(self.number * other.number, (*self.axes, *other.axes))


Sizes = list["Size | None"]  # the elements of a whole number, or of a list of them; None: not known


def of_label(label: Label) -> Size:
    """The size of an axis."""
    total = Size(1)
    for axis in label:
        total = total.times(Size(1, (axis.where,)) if axis.size is None else Size(axis.size))
    return total


def constant(array: np.ndarray) -> Sizes | None:
    """Of a constant, where it may be a list of sizes."""
    if array.ndim > 1 or array.size > LONGEST or not np.issubdtype(array.dtype, np.integer):
        return None
    return [Size(int(v)) for v in np.ravel(array)]


def computed(op: Op, given: Sequence[Sizes | None]) -> Sizes | None:
    """What an op makes of sizes; None where it is none of those that shapes are computed with."""
    rule = RULES.get(op.type)
    if rule is None or any(sizes is None for sizes in given):
        return None
    return rule(op, [sizes or [] for sizes in given])


def _numbers(sizes: Sizes) -> list[int] | None:
    found = [s.number for s in sizes if s is not None and not s.axes]
    return found if len(found) == len(sizes) else None


def _gathered(op: Op, given: Sequence[Sizes]) -> Sizes | None:
    which = _numbers(given[1])
    return None if which is None else [given[0][k] for k in which]


def _sliced(op: Op, given: Sequence[Sizes]) -> Sizes | None:
    """A stretch, or one, of a list."""
    values, *bounds = given
    begin, end, step = map(_numbers, bounds)
    if begin is None or end is None or step is None or len(begin) != 1:
        return None
    if op.attrs.get("shrink_axis_mask"):
        return [values[begin[0]]]
    start = None if op.attrs.get("begin_mask") else begin[0]
    return values[slice(start, None if op.attrs.get("end_mask") else end[0], step[0])]


def _product(op: Op, given: Sequence[Sizes]) -> Sizes | None:
    total = Size(1)
    for size in [*given[0], *(given[1] if op.type == "Mul" else [])]:
        if size is None:
            return [None]
        total = total.times(size)
    return [total]


def _end_to_end(op: Op, given: Sequence[Sizes]) -> Sizes | None:
    return [size for sizes in (given[:-1] if op.type == "ConcatV2" else given) for size in sizes]


def _same(op: Op, given: Sequence[Sizes]) -> Sizes | None:
    return given[0]


RULES: dict[str, Callable[[Op, Sequence[Sizes]], Sizes | None]] = {
    "GatherV2": _gathered,
    "StridedSlice": _sliced,
    "Prod": _product,
    "Pack": _end_to_end,
    "ConcatV2": _end_to_end,
    **dict.fromkeys(("Identity", "Cast", "Reshape", "ExpandDims", "Squeeze"), _same),
    "Mul": lambda op, given: _product(op, given) if len(given[0]) == len(given[1]) == 1 else None,
}
