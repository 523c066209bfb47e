"""Backward passes: of sums, scalings and choices that need no broadcasting, and of which ops there is none.

With an open batch dimension TensorFlow reduces every gradient of `Add`, `Mul` and `SelectV2` over axes that turn out
to be none at run time: a whole pass over memory each. Where the static shapes say there is nothing to reduce, the
gradient is written directly; the numbers are the same. By a complex number z = a + ib the gradient is d/da + i d/db,
hence the conjugates, which are nothing to do for real ones.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import tensorflow as tf
from tensorflow.python.framework.ops import gradient_registry

from tfxai.errors import UnsupportedOpError
from tfxai.graph.ops import STEPS_AS_ONE
from tfxai.graph.written import WRITTEN


def _scaled(inputs: Sequence[tf.Tensor], upstream: tf.Tensor) -> list[tf.Tensor | None]:
    return [upstream * tf.math.conj(inputs[1]), upstream * tf.math.conj(inputs[0])]


def _added(inputs: Sequence[tf.Tensor], upstream: tf.Tensor) -> list[tf.Tensor | None]:
    return [upstream, upstream]


def _subtracted(inputs: Sequence[tf.Tensor], upstream: tf.Tensor) -> list[tf.Tensor | None]:
    return [upstream, -upstream]


def _divided(inputs: Sequence[tf.Tensor], upstream: tf.Tensor) -> list[tf.Tensor | None]:
    return [upstream / tf.math.conj(inputs[1]), None]


def _chosen(inputs: Sequence[tf.Tensor], upstream: tf.Tensor) -> list[tf.Tensor | None]:
    condition, zero = inputs[0], tf.zeros([], upstream.dtype)
    return [None, tf.where(condition, upstream, zero), tf.where(condition, zero, upstream)]


BACKWARD: dict[str, tuple[Callable, tuple[int, ...]]] = {  # op type -> (gradients, which inputs they serve)
    "Add": (_added, (0, 1)),
    "AddV2": (_added, (0, 1)),
    "Sub": (_subtracted, (0, 1)),
    "Mul": (_scaled, (0, 1)),
    "RealDiv": (_divided, (0,)),
    "SelectV2": (_chosen, (1, 2)),
}


def backward(op_type: str, data: Sequence[int], inputs: Sequence[tf.Tensor]) -> Callable | None:
    """`upstream -> gradients of the inputs in data`, when no axis needs a sum; else None."""
    if op_type not in BACKWARD:
        return None
    function, served = BACKWARD[op_type]
    output = functools.reduce(tf.broadcast_static_shape, [t.shape for t in inputs])
    if not all(i in served and _same(inputs[i].shape, output) for i in data):
        return None
    return lambda upstream: [function(inputs, upstream)[i] for i in data]


def check(op_type: str, name: str) -> None:
    """Raises UnsupportedOpError for an op that TensorFlow cannot differentiate."""
    if op_type in WRITTEN or op_type in STEPS_AS_ONE:
        return
    try:
        gradient_registry.lookup(op_type)
    except LookupError:
        raise UnsupportedOpError(
            f"TensorFlow has no gradient of the op {op_type} at {name!r}, so nothing can be sent back through it. "
            "Methods that only run the model explain it: 'occlusion', 'rise', and 'scorecam' for feature maps. Or "
            "replace the layer by one made of ops that have gradients."
        ) from None


def _same(shape: tf.TensorShape, output: tf.TensorShape) -> bool:
    """Equal for certain: open dimensions only where the batch is, which every explained tensor has."""
    if shape.rank is None or output.rank is None or shape.rank != output.rank or shape.rank == 0:
        return False
    return shape[1:] == output[1:] and shape[1:].is_fully_defined() and shape[0] == output[0]
