"""Ops that `tf.raw_ops` leaves out, or that TensorFlow cannot run or differentiate, written with ops that it can.

`keras.ops.slice_update` is one of them. Convolutions in groups, or channels first, are others on most processors: Keras
compiles them with XLA, which makes them slow. The arguments have the names of the op's definition.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf


def dynamic_slice(input: tf.Tensor, start_indices: tf.Tensor, size_indices: tf.Tensor) -> tf.Tensor:
    """A block of `input`; one that would reach over the end begins earlier."""
    return tf.slice(input, _start(input, start_indices, size_indices), size_indices)


def dynamic_update_slice(input: tf.Tensor, update: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
    """`input` with a block of it replaced; one that would reach over the end begins earlier."""
    size = tf.shape(update, out_type=indices.dtype)
    start = _start(input, indices, size)
    around = tf.stack([start, tf.shape(input, out_type=indices.dtype) - start - size], 1)
    inside = tf.pad(tf.ones_like(update, tf.bool), around)
    return tf.ensure_shape(tf.where(inside, tf.pad(update, around), input), input.shape)


def _start(whole: tf.Tensor, start: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Where a block of this size begins, inside of the whole."""
    return tf.clip_by_value(start, 0, tf.shape(whole, out_type=size.dtype) - size)


def convolution(name: str) -> Callable:
    """The convolution with this name, also where this machine has none for its groups or its order of axes."""
    plain = getattr(tf.raw_ops, name)

    @functools.wraps(plain)
    def written(input: tf.Tensor, filter: tf.Tensor, data_format: Any, **attrs: Any) -> tf.Tensor:
        order = tf.compat.as_str(data_format)
        groups = _groups(input.shape, tf.TensorShape(filter.shape), order.index("C"))
        if order.endswith("C") and groups == 1 or runs(name, input.dtype, order, groups > 1):
            return plain(input=input, filter=filter, data_format=order, **attrs)
        if not order.endswith("C"):
            last = [0, *range(2, len(order)), 1]
            moved = {n: _channels_last(attrs[n], last) for n in PER_AXIS if attrs.get(n)}
            y = written(tf.transpose(input, last), filter, f"N{order[2:]}C", **{**attrs, **moved})
            return tf.transpose(y, [0, len(order) - 1, *range(1, len(order) - 1)])
        parts = zip(tf.split(input, groups, -1), tf.split(filter, groups, -1), strict=True)
        return tf.concat([plain(input=a, filter=b, data_format=order, **attrs) for a, b in parts], -1)

    return written


def _groups(x: tf.TensorShape, kernel: tf.TensorShape, channels: int) -> int:
    """How many groups the shapes say; 1 where they are open."""
    known = x.rank is not None and kernel.rank is not None and x[channels] and kernel[-2]
    return int(x[channels] // kernel[-2]) if known else 1


PER_AXIS = ("strides", "dilations", "explicit_paddings")


def _channels_last(values: Sequence[int], last: Sequence[int]) -> list[int]:
    """An attribute with one number, or two, for every axis."""
    each = len(values) // len(last)
    return [values[each * axis + k] for axis in last for k in range(each)]


@functools.cache  # of the package's lifetime: what this TensorFlow can do does not change while it runs
def runs(name: str, dtype: tf.DType, order: str, grouped: bool) -> bool:
    """Whether this machine runs and differentiates such a convolution: tried on a small one.

    Not on the smallest: those of one place, or of kernels of 1, take other ways.
    """
    rank = len(order)
    shape = [4 if letter == "C" else 8 for letter in order]

    @tf.function
    def gradient(x: tf.Tensor, kernel: tf.Tensor) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            attrs = {"strides": [1] * rank, "padding": "VALID", "data_format": order}
            y = getattr(tf.raw_ops, name)(input=x, filter=kernel, **attrs)
        return y, tape.gradient(y, x)

    shapes = shape, [3] * (rank - 2) + [1 if grouped else 4, 4]
    traced = gradient.get_concrete_function(*(tf.TensorSpec(s, dtype) for s in shapes))
    with tf.init_scope():  # it runs at once, also while a pass is traced; a tape in here would record nothing
        try:
            traced(*(tf.ones(s, dtype) for s in shapes))
        except tf.errors.OpError:
            return False
    return True


WRITTEN: Mapping[str, Callable] = {
    "XlaDynamicSlice": dynamic_slice,
    "XlaDynamicUpdateSlice": dynamic_update_slice,
    "Conv2D": convolution("Conv2D"),
    "Conv3D": convolution("Conv3D"),
}
