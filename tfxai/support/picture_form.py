"""The form in which a model takes pictures, told by the shape of its input."""

from __future__ import annotations

from typing import NamedTuple

CHANNELS = ((3, (1, 3)), (1, (1, 3)), (3, (4,)), (1, (4,)))  # axes of four that can be them, the likely ones first


class Form(NamedTuple):
    """What a model takes: None is any."""

    height: int | None = None
    width: int | None = None
    channels: int | None = None
    first: bool = False  # channels before the places
    flat: bool = False  # no axis of channels


def form(shape: tuple | None) -> Form:
    """The form that an input of this shape, the batch first, has pictures in."""
    if shape is not None and len(shape) == 3:
        return Form(*shape[1:], channels=1, flat=True)
    if shape is None or len(shape) != 4:
        return Form()
    axis = next((axis for axis, counts in CHANNELS if shape[axis] in counts), 3)
    return Form(*shape[2:], channels=shape[1], first=True) if axis == 1 else Form(*shape[1:])
