"""Along one axis: the positions that an op reads of its input, for those that are read of its output.

Between `SpaceToBatchND` and `BatchToSpaceND`, where a dilated convolution runs, every n-th position is in an example of
its own: there what is read has a row for each of these phases, and windows go along the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfxai.graph.capture import Op

# (..., positions after), number of positions before -> (..., before); None where that is not known.
Back = Callable[[np.ndarray, int], "np.ndarray | None"]


def untold(read: np.ndarray, count: int) -> None:
    """Of windows that are not known: some positions, nobody knows which."""


class Window(NamedTuple):
    """Position o of the output reads the input at o * stride - padding + k * dilation for k = 0..size - 1.

    Attributes:
        size, stride, dilation: Of the window.
        padding: Positions put before the first; None: as "SAME" has them.
    """

    size: int
    stride: int = 1
    dilation: int = 1
    padding: int | None = 0

    def back(self, read: np.ndarray, count: int) -> np.ndarray:
        """Of a convolution or pooling.

        A position of a coarser output stands for all places up to the next one: those that windows step over, or leave
        over at the end for want of room for another, are no less seen than others. So a map before a pooling of 2 is
        whole whether its size is odd or even.
        """
        found = self._within(read, count)
        starts = self._starts(count, read.shape[-1])
        if self.stride > 1 and len(starts):
            nobodys = ~self._within(np.ones(read.shape[-1], bool), count)
            last = np.clip((np.arange(count) - starts[0]) // self.stride, 0, len(starts) - 1)
            found |= read[..., last] & nobodys
        return found

    def _within(self, read: np.ndarray, count: int) -> np.ndarray:
        starts, found = self._starts(count, read.shape[-1]), np.zeros((*read.shape[:-1], count), bool)
        for step in self._steps():
            at = starts + step
            inside = (at >= 0) & (at < count)
            found[..., at[inside]] |= read[..., inside]
        return found

    def forth(self, read: np.ndarray, count: int) -> np.ndarray:
        """Of a transposed convolution, which has the output of this window as its input."""
        starts, found = self._starts(read.shape[-1], count), np.zeros((*read.shape[:-1], count), bool)
        for step in self._steps():
            at = starts + step
            inside = (at >= 0) & (at < read.shape[-1])
            found[..., inside] |= read[..., at[inside]]
        return found

    def _steps(self) -> range:
        return range(0, self.size * self.dilation, self.dilation)

    def _starts(self, before: int, after: int) -> np.ndarray:
        lacking = (after - 1) * self.stride + (self.size - 1) * self.dilation + 1 - before
        padding = max(lacking, 0) // 2 if self.padding is None else self.padding
        return np.arange(after) * self.stride - padding


def picked(order: Callable[[np.ndarray], np.ndarray]) -> Back:
    """Positions moved: `order` takes their numbers to where they are afterwards; -1 is none of them."""

    def back(read: np.ndarray, count: int) -> np.ndarray:
        found, where = np.zeros((*read.shape[:-1], count), bool), order(np.arange(count))
        for row, one in zip(np.atleast_2d(found), np.atleast_2d(read), strict=True):
            row[where[one & (where >= 0)]] = True
        return found

    return back


def padded(op: Op, before: int, after: int) -> Back:
    """With so many more at the ends: nothing, or mirrored ones."""
    mode = op.attrs.get("mode", b"").decode().lower()

    def order(positions: np.ndarray) -> np.ndarray:
        if mode:
            return np.pad(positions, (before, after), mode=mode)
        return np.pad(positions, (before, after), constant_values=-1)

    return picked(order)


def to_phases(block: int, padding: int) -> Back:
    """Of `SpaceToBatchND`: position p is p // block of the phase p % block, counted with the padding."""

    def back(read: np.ndarray, count: int) -> np.ndarray:
        rows = np.broadcast_to(read, (block, read.shape[-1]))
        return rows.T.ravel()[padding : padding + count]

    return back


def from_phases(block: int, crop: int) -> Back:
    """Of `BatchToSpaceND`, which cuts so many of the first positions off."""

    def back(read: np.ndarray, count: int) -> np.ndarray:
        every = np.zeros(count * block, bool)
        every[crop : crop + read.shape[-1]] = read
        return every.reshape(count, block).T

    return back


def resized(op: Op, place: int) -> Back:
    """What a resizing weighs is asked of its gradient, under numbers of which no two cancel.

    A position of a smaller output stands for its share of the larger input.
    """
    how = {name: op.attrs[name] for name in ("align_corners", "half_pixel_centers")}
    gradient = getattr(tf.raw_ops, f"{op.type}Grad")

    def back(read: np.ndarray, count: int) -> np.ndarray:
        after = read.shape[-1]
        small = [count, 1] if place == 0 else [1, count]
        source = {"size": small} if "Nearest" in op.type else {"original_image": np.zeros((1, *small, 1), "float32")}
        slopes = np.expand_dims(read * np.sqrt(np.arange(after) + 2.0), (0, 2 - place, 3)).astype("float32")
        with tf.init_scope():
            found = np.abs(gradient(grads=slopes, **source, **how).numpy().ravel()) > 1e-6
        shares = np.minimum(np.arange(count) * after // count, after - 1)
        return found | (read[shares] if after < count else False)

    return back


def window_of(op: Op, axis: int, place: int, kernel: Sequence[int | None] | None) -> Back:
    """What an op reads along an axis of places.

    Args:
        op: A convolution, pooling or resizing.
        axis: The axis.
        place: Which one of those of places it is.
        kernel: The shape of what a convolution multiplies with.
    """
    if op.type.startswith("Resize"):
        return resized(op, place)
    if "block_size" in op.attrs:
        block = Window(op.attrs["block_size"], op.attrs["block_size"])
        return block.back if op.type == "SpaceToDepth" else block.forth
    size = op.attrs["ksize"][axis] if "ksize" in op.attrs else kernel[place] if kernel is not None else None
    if size is None or "strides" not in op.attrs:
        return untold
    dilations, explicit = op.attrs.get("dilations"), op.attrs.get("explicit_paddings")
    padding = {b"SAME": None, b"VALID": 0}.get(op.attrs["padding"], explicit[2 * axis] if explicit else 0)
    window = Window(size, op.attrs["strides"][axis], dilations[axis] if dilations else 1, padding)
    return window.forth if "Backprop" in op.type else window.back
