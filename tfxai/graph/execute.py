"""Run one captured op again: through its public `tf.raw_ops` function, or as it is registered."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.op_def_library import apply_op

from tfxai.graph.written import WRITTEN


@functools.cache  # of the package's lifetime: what tf.raw_ops has does not change while it runs
def public(op_type: str) -> Callable | None:
    """The function with which users call the op, or ours in its place; None for a plug-in's."""
    return WRITTEN.get(op_type) or getattr(tf.raw_ops, op_type, None)


@functools.cache
def parameters(op_type: str) -> tuple[str, ...] | None:
    """Names that the public function takes, without `name`."""
    function = public(op_type)
    return None if function is None else tuple(p for p in inspect.signature(function).parameters if p != "name")


def signature(op_def: Any) -> dict[str, str]:
    """Maps every input and free attribute of an op definition to the parameter of the function that runs it.

    raw_ops renames a few of them (`Mean.reduction_indices` is `axis`); what is left over on both sides
    corresponds in order. An op without a public function takes them as they are.
    """
    inputs = [a.name for a in op_def.input_arg]
    inferred = {n for a in op_def.input_arg for n in (a.type_attr, a.number_attr, a.type_list_attr) if n}
    names = inputs + [a.name for a in op_def.attr if a.name not in inferred]
    known = parameters(op_def.name)
    if known is None:
        return {n: n for n in names}
    renamed = zip([n for n in names if n not in known], [p for p in known if p not in names], strict=True)
    return {n: n for n in names if n in known} | dict(renamed)


def attributes(node: tf.Operation) -> dict[str, Any]:
    """The op's attributes, as keyword arguments for the function that runs it."""
    op_def, names = node.op_def, signature(node.op_def)
    inputs = {a.name for a in op_def.input_arg}
    found = {}
    for attr in op_def.attr:
        if attr.name in names and attr.name not in inputs and attr.type != "func":
            value = node.get_attr(attr.name)
            found[names[attr.name]] = tf.TensorShape(value) if attr.type == "shape" else value
    return found


def input_slots(node: tf.Operation) -> tuple[tuple[str, int], ...]:
    """The parameter of each declared input and how many tensors it takes (-1: one, not a list)."""
    slots = []
    names = signature(node.op_def)
    for arg in node.op_def.input_arg:
        if arg.number_attr:
            count = node.get_attr(arg.number_attr)
        elif arg.type_list_attr:
            count = len(node.get_attr(arg.type_list_attr))
        else:
            count = -1
        slots.append((names[arg.name], count))
    return tuple(slots)


def execute(op_type: str, slots: Sequence[tuple[str, int]], attrs: dict[str, Any], inputs: Sequence) -> list:
    """Runs the op and returns its outputs as a flat list of tensors."""
    arguments, position = dict(attrs), 0
    for name, count in slots:
        if count < 0:
            arguments[name] = inputs[position]
            position += 1
        else:
            arguments[name] = list(inputs[position : position + count])
            position += count
    result = (public(op_type) or functools.partial(apply_op, op_type))(**arguments)
    return tf.nest.flatten(result) if isinstance(result, (list, tuple)) else [result]
