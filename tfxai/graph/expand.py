"""Ops as the simpler ones that they are made of, where only those can be followed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

Number = Callable[[Any], int]


def expanded(op: Any, values: list[Any], number: Number) -> list[Any]:
    """The ops that an op stands for: itself, or those that it counts with.

    Args:
        op: As captured.
        values: Number -> tensor or spec.
        number: Takes a spec, adds it to the values.
    """
    return _counted(op, values, number) if op.type == "DenseBincount" and _counts(op, values) else [op]


def _counts(op: Any, values: list[Any]) -> bool:
    """Whether it counts ids per row, unweighted, into slots of a number that is known."""
    ids, _, weights = (values[i].shape for i in op.inputs)
    return bool(ids.rank == 2 and weights.num_elements() == 0 and values[op.outputs[0]].shape[-1] is not None)


def _counted(op: Any, values: list[Any], number: Number) -> list[Any]:
    """A count of ids as what it is of each: the sum of their one-hot vectors, or the maximum where it is binary."""
    rows, slots = values[op.outputs[0]].shape.as_list()
    dtype = values[op.outputs[0]].dtype
    ops = []

    def made(kind: str, inputs: tuple[int, ...], spec: Any, attrs: dict[str, Any], names: tuple[str, ...]) -> int:
        result = number(spec)
        where = tuple((name, -1) for name in names)
        ops.append(type(op)(kind, f"{op.name}/{kind}", inputs, (result,), attrs, where))
        return result

    def constant(value: Any, kind: Any) -> int:
        array = np.array(value, kind)
        return made("Const", (), tf.TensorSpec(array.shape, array.dtype), {"value": array}, ())

    per_id = tf.TensorSpec([rows, values[op.inputs[0]].shape[1], slots], dtype)
    parts = (
        op.inputs[0],
        constant(slots, np.int32),
        constant(1, dtype.as_numpy_dtype),
        constant(0, dtype.as_numpy_dtype),
    )
    hot = made("OneHot", parts, per_id, {"axis": -1}, ("indices", "depth", "on_value", "off_value"))
    kind = "Max" if op.attrs["binary_output"] else "Sum"
    total = type(op)(
        kind, op.name, (hot, constant(1, np.int32)), op.outputs, {"keep_dims": False}, (("input", -1), ("axis", -1))
    )
    return [*ops, total]
