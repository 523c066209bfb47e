"""Kernel, bias and batch normalisation as one affine step.

    (x * W + b) * s + t   becomes   x * (W s) + (b s + t)

The scaled weights are made from the live variables, once per call, so training goes on being seen. Rules that
need W and b together find them, and whole passes over the activations are saved forwards and backwards.

Two passes: first the chains are recognised (a kernel, and the ops behind it that scale or shift its channels), then
the graph is written again with each chain as its kernel and one `BiasAdd`.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfxai.graph.activity import Activity
from tfxai.graph.capture import Graph, Op
from tfxai.graph.ops import FOLDABLE, NORMALISATIONS, SHIFTS

UNARY, BINARY = (("x", -1),), (("x", -1), ("y", -1))  # slots of ops that are made here


def fold(graph: Graph, activity: Mapping[int, Activity], keep: Collection[int]) -> tuple[Graph, dict[int, Activity]]:
    """The same function with fewer ops, and the activity of its values.

    Args:
        graph: As captured.
        activity: Of all its values.
        keep: Values that must go on existing: explained tensors, outputs, layers asked for.
    """
    graph = _without_ones(graph, keep)
    return _Writer(graph, dict(activity)).written(chains(graph, activity, keep))


def _without_ones(graph: Graph, keep: Collection[int]) -> Graph:
    """Drops products with a constant 1 (the `beta` of silu): three passes over the activations each."""
    ones = {op.outputs[0] for op in graph.ops if op.type == "Const" and np.all(op.attrs["value"] == 1)}
    same: dict[int, int] = {}
    ops = []
    for op in graph.ops:
        op = dataclasses.replace(op, inputs=tuple(same.get(i, i) for i in op.inputs))
        other = [i for i in op.inputs if i not in ones]
        if op.type == "Mul" and len(other) == 1 and op.outputs[0] not in keep:
            shapes = [graph.values[n].shape for n in (other[0], op.outputs[0])]
            if shapes[0].rank is not None and shapes[0].as_list() == shapes[1].as_list():
                same[op.outputs[0]] = other[0]
                continue
        ops.append(op)
    return dataclasses.replace(graph, ops=ops)


@dataclasses.dataclass(frozen=True)
class Chain:
    """A kernel op and the ops behind it, each of which scales or shifts its channels by constants."""

    kernel: Op
    links: tuple[Op, ...] = ()

    @property
    def end(self) -> int:
        """The value that the chain ends at."""
        return (self.links[-1] if self.links else self.kernel).outputs[0]


def chains(graph: Graph, activity: Mapping[int, Activity], keep: Collection[int]) -> dict[int, Chain]:
    """All chains with a link, by the value that they end at. What others read, or `keep` names, ends a chain."""
    uses = Counter(i for op in graph.ops for i in op.inputs)
    uses.update(graph.outputs)
    found: dict[int, Chain] = {}
    for op in graph.ops:
        if _starts(op, graph, activity):
            found[op.outputs[0]] = Chain(op)
            continue
        before = next((found[i] for i in op.inputs if i in found), None)
        if before is None or uses[before.end] > 1 or before.end in keep:
            continue
        if _normalises(op, before, activity, uses) or _scales_or_shifts(op, before, graph, activity):
            del found[before.end]
            found[op.outputs[0]] = Chain(before.kernel, (*before.links, op))
    return {end: chain for end, chain in found.items() if chain.links}


def _starts(op: Op, graph: Graph, activity: Mapping[int, Activity]) -> bool:
    """A kernel, channels last, of known shape, whose weights do not depend on the input."""
    if op.type not in FOLDABLE or [activity[i] for i in op.inputs] != [Activity.ACTIVE, Activity.CONST]:
        return False
    channels_last = op.attrs.get("data_format", b"NHWC") == b"NHWC" and not op.attrs.get("transpose_b")
    return channels_last and graph.values[op.inputs[1]].shape.is_fully_defined()


def _normalises(op: Op, chain: Chain, activity: Mapping[int, Activity], uses: Mapping[int, int]) -> bool:
    """Batch normalisation with fixed statistics, of which nothing else is read."""
    if op.type not in NORMALISATIONS or op.attrs["is_training"] or op.attrs.get("data_format") != b"NHWC":
        return False
    fixed = all(activity[i] is Activity.CONST for i in op.inputs[1:])
    return fixed and op.inputs[0] == chain.end and not any(uses[o] for o in op.outputs[1:])


def _scales_or_shifts(op: Op, chain: Chain, graph: Graph, activity: Mapping[int, Activity]) -> bool:
    """A product, sum or difference of the chain and one constant per channel."""
    if op.type not in SHIFTS | {"Mul", "Sub"} or op.attrs.get("data_format", b"NHWC") != b"NHWC":
        return False
    other = _other(op, chain)
    if op.type == "Sub" and other != op.inputs[1]:
        return False
    shape, channels = graph.values[other].shape, _channels(chain.kernel, graph)
    if activity[other] is not Activity.CONST or not shape.is_fully_defined():
        return False
    return shape.num_elements() == 1 or shape.num_elements() == channels == shape[-1]


def _other(op: Op, chain: Chain) -> int:
    """The operand that is not the chain."""
    return op.inputs[1] if op.inputs[0] == chain.end else op.inputs[0]


def _channels(kernel: Op, graph: Graph) -> int:
    shape = graph.values[kernel.inputs[1]].shape.as_list()
    return shape[-1] * shape[-2] if kernel.type == "DepthwiseConv2dNative" else shape[-1]


class _Writer:
    """Writes a graph again, with new constants among its values."""

    def __init__(self, graph: Graph, activity: dict[int, Activity]) -> None:
        self.graph, self.activity = graph, activity
        self.values = list(graph.values)
        self.ops: list[Op] = []

    def written(self, found: Mapping[int, Chain]) -> tuple[Graph, dict[int, Activity]]:
        """The graph with every chain where it ended, and the activity of its values."""
        inside = {o for c in found.values() for op in (c.kernel, *c.links) for o in op.outputs if o != c.end}
        for op in self.graph.ops:
            if op.outputs and op.outputs[0] in found:
                self.chain(found[op.outputs[0]])
            elif not inside.intersection(op.outputs):
                self.ops.append(op)
        return dataclasses.replace(self.graph, ops=self.ops, values=self.values), self.activity

    def chain(self, chain: Chain) -> None:
        """The weights that take in all links, then the kernel, then its bias."""
        kernel, bias = chain.kernel.inputs[1], None
        end = chain.kernel.outputs[0]
        for op in chain.links:
            factor, shift = self.parts(op, Chain(chain.kernel, chain.links[: chain.links.index(op)]))
            if factor is not None:
                kernel = self.made("Mul", [kernel, self.per_kernel(factor, chain.kernel)], BINARY)
                bias = None if bias is None else self.made("Mul", [bias, factor], BINARY)
            if shift is not None:
                bias = shift if bias is None else self.made("AddV2", [bias, shift], BINARY)
        end = chain.end if bias is None else self.number(self.graph.values[chain.kernel.outputs[0]], Activity.ACTIVE)
        self.ops.append(dataclasses.replace(chain.kernel, inputs=(chain.kernel.inputs[0], kernel), outputs=(end,)))
        if bias is not None:
            slots = (("value", -1), ("bias", -1))
            self.ops.append(Op("BiasAdd", chain.links[-1].name, (end, bias), (chain.end,), {}, slots))

    def parts(self, op: Op, before: Chain) -> tuple[int | None, int | None]:
        """The factor and the shift of a link, each a vector of the channels, or None."""
        if op.type in NORMALISATIONS:
            _, scale, offset, mean, variance = op.inputs
            epsilon = self.constant(np.array(op.attrs["epsilon"], np.float32))
            inverse = self.made("Rsqrt", [self.made("AddV2", [variance, epsilon], BINARY)], UNARY)
            factor = self.made("Mul", [inverse, scale], BINARY)
            return factor, self.made("Sub", [offset, self.made("Mul", [mean, factor], BINARY)], BINARY)
        vector = self.vector(_other(op, before), _channels(before.kernel, self.graph))
        if op.type == "Mul":
            return vector, None
        return None, self.made("Neg", [vector], UNARY) if op.type == "Sub" else vector

    def vector(self, number: int, channels: int) -> int:
        """A constant per channel, in the shape (channels,)."""
        shape = self.values[number].shape
        if shape.rank == 1 and shape[0] == channels:
            return number
        if shape.num_elements() == channels:
            return self.reshaped(number, [channels])
        ones = self.constant(np.ones(channels, self.values[number].dtype.as_numpy_dtype))
        return self.made("Mul", [ones, self.reshaped(number, [1])], BINARY)

    def per_kernel(self, factor: int, kernel: Op) -> int:
        """A factor per channel as one that the kernel's last axes can be multiplied with."""
        if kernel.type != "DepthwiseConv2dNative":
            return factor
        return self.reshaped(factor, self.graph.values[kernel.inputs[1]].shape.as_list()[2:])

    def reshaped(self, number: int, shape: list[int]) -> int:
        target = self.constant(np.array(shape, np.int32))
        slots = (("tensor", -1), ("shape", -1))
        return self.made("Reshape", [number, target], slots, tf.TensorSpec(shape, self.values[number].dtype))

    def constant(self, value: np.ndarray) -> int:
        return self.made("Const", [], (), tf.TensorSpec(value.shape, value.dtype), {"value": value})

    def made(
        self, kind: str, inputs: list[int], slots: tuple, spec: Any = None, attrs: dict[str, Any] | None = None
    ) -> int:
        """A new constant: the value of a new op, of the spec of its first input unless told."""
        number = self.number(self.values[inputs[0]] if spec is None else spec, Activity.CONST)
        self.ops.append(Op(kind, f"folded/{kind}_{number}", tuple(inputs), (number,), attrs or {}, slots))
        return number

    def number(self, spec: Any, activity: Activity) -> int:
        """A new value of this dtype and shape."""
        number = len(self.values)
        self.values.append(spec)
        self.activity[number] = activity
        return number
