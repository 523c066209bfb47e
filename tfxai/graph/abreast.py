"""Ops of a loop's body that do the same to tensors of the same shape, as the gates of a recurrent cell: run as one.

The time of a loop lies in the number of its ops, whatever they compute: one sigmoid of three gates side by side takes
as long as that of one, and so does every op of its rule, and what is kept of it for the way back.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfxai.graph.activity import Activity
from tfxai.graph.capture import Graph, Op
from tfxai.graph.ops import ABREAST, BY_ELEMENT, PIECEWISE, SMOOTH, SUMS
from tfxai.graph.override import custom_gradient
from tfxai.graph.value import Carried, Value

ELEMENT_WISE = SMOOTH | PIECEWISE | BY_ELEMENT | SUMS | {"BiasAdd"}


def grouped(body: Graph, activity: Mapping[int, Activity]) -> Graph:
    """The body in which ops of one varying tensor that are alike are one op each, with these as its body."""
    forms, groups = _forms(body), dict[Any, list[Op]]()
    for op in body.ops:
        if op.type in SMOOTH | PIECEWISE and len(op.inputs) == 1 and activity[op.outputs[0]] is Activity.ACTIVE:
            groups.setdefault(forms[op.outputs[0]], []).append(op)
    several = [_as_one(body, ops) for ops in groups.values() if len(ops) > 1]
    return dataclasses.replace(body, ops=_in_order(body.ops, several)) if several else body


def _forms(body: Graph) -> dict[int, Any]:
    """Values that have the same form have the same shape, also where it is open, and none is made of another.

    They are parts of one value that are as long along every axis, or made of such by the same ops, number by number.
    Of constants, whatever they are, that is said too.
    """
    made = {o: op for op in body.ops for o in op.outputs}
    forms: dict[int, Any] = {}
    known: dict[Any, str] = {}  # each form under a short name
    for op in body.ops:
        for o in op.outputs:
            key: Any = None
            if op.type in ELEMENT_WISE:
                key = op.type, repr(op.attrs), *(forms.get(i, i) for i in op.inputs)
            elif op.type == "Const":
                key = op.type, str(body.values[o].shape)
            elif op.type in ("Split", "Unpack"):
                key = op.type, op.outputs[0]
            elif op.type == "StridedSlice" and _cuts(op, body, made):
                key = op.type, op.inputs[0], str(body.values[o].shape)
            forms[o] = o if key is None else known.setdefault(key, f"form {len(known)}")
    return forms


def _cuts(op: Op, body: Graph, made: Mapping[int, Op]) -> bool:
    """Whether a slice is a block of its input, the whole of it along axes whose length is open."""
    shape, steps = body.values[op.outputs[0]].shape, made.get(op.inputs[3])
    whole = op.attrs["begin_mask"] & op.attrs["end_mask"]
    moved = any(op.attrs[f"{name}_mask"] for name in ("ellipsis", "new_axis", "shrink_axis"))
    known = shape.rank is not None and all(size or whole >> axis & 1 for axis, size in enumerate(shape))
    return known and not moved and steps is not None and steps.type == "Const" and (steps.attrs["value"] == 1).all()


def _as_one(body: Graph, ops: Sequence[Op]) -> Op:
    inputs, outputs = tuple(op.inputs[0] for op in ops), tuple(op.outputs[0] for op in ops)
    inside = Graph(list(ops), list(inputs), list(outputs), {}, body.values)
    return Op(ABREAST, ops[0].name, inputs, outputs, {}, bodies=(inside,))


def _in_order(ops: Sequence[Op], groups: Sequence[Op]) -> list[Op]:
    """All ops, each group where its first member was, and before it what the others need."""
    instead = {id(member): group for group in groups for member in group.bodies[0].ops}
    ops = [instead.get(id(op), op) for op in ops]
    made, found = {o: op for op in ops for o in op.outputs}, dict[int, Op]()

    def emit(op: Op) -> None:
        if id(op) not in found:
            for i in op.inputs:
                if i in made:
                    emit(made[i])
            found[id(op)] = op

    for op in ops:
        emit(op)
    return list(found.values())


# --- Side by side -----------------------------------------------------------------------------------------------------


def joined(values: Sequence[Carried]) -> Value | None:
    """Values side by side along their last axis, in every stream; None where they are not alike in that."""
    fields = zip(*[tuple(v) if isinstance(v, Value) else () for v in values], strict=False)
    made: list[tf.Tensor | None] = []
    for tensors in fields:
        if all(t is None for t in tensors):
            made.append(None)
        elif any(t is None for t in tensors) or not _fit(tensors):
            return None
        else:
            made.append(_beside(tensors))
    return Value(*made) if made else None


def parted(value: Value, count: int) -> list[Carried]:
    """The values that are side by side in one."""
    fields = [[None] * count if t is None else tf.split(t, count, -1) for t in value]
    return [Value(*part) for part in zip(*fields, strict=True)]


def _fit(tensors: Sequence[tf.Tensor]) -> bool:
    """Whether the last axis of these is not the examples', and as long in all of them."""
    shapes = [t.shape.as_list() if t.shape.rank is not None else [] for t in tensors]
    return all(len(s) > 1 and s == shapes[0] and s[-1] is not None for s in shapes)


def _beside(tensors: Sequence[tf.Tensor]) -> tf.Tensor:
    """As `tf.concat`, whose gradient looks at shapes."""

    @custom_gradient
    def beside(*tensors: tf.Tensor) -> Any:
        return tf.concat(tensors, -1), lambda upstream: tf.split(upstream, len(tensors), -1)

    return beside(*tensors)
