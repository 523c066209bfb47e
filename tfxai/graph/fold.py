"""Kernel, bias and batch normalisation as one affine step.

    (x * W + b) * s + t   becomes   x * (W s) + (b s + t)

The scaled weights are made from the live variables, once per call, so training goes on being seen. Rules that
need W and b together find them, and whole passes over the activations are saved forwards and backwards.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Mapping

import numpy as np

from tfxai.graph.activity import Kind
from tfxai.graph.capture import Graph, Op

KERNELS = frozenset({"Conv2D", "DepthwiseConv2dNative", "MatMul"})
BINARY = (("x", -1), ("y", -1))


def fold(graph: Graph, kinds: Mapping[int, Kind], keep: Collection[int]) -> tuple[Graph, dict[int, Kind]]:
    """The same function with fewer ops, and the kinds of its values.

    Args:
        graph: As captured.
        kinds: Of all its values.
        keep: Values that must go on existing: explained tensors, outputs, layers asked for.
    """
    folder = _Folder(_without_ones(graph, keep), dict(kinds), frozenset(keep))
    return dataclasses.replace(graph, ops=folder.run(), values=folder.values), folder.kinds


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


@dataclasses.dataclass
class _Step:
    """x * kernel + bias, ending at value `output`."""

    op: Op
    kernel: int
    bias: int | None
    output: int


class _Folder:
    def __init__(self, graph: Graph, kinds: dict[int, Kind], keep: frozenset[int]) -> None:
        self.graph, self.kinds, self.keep = graph, kinds, keep
        self.values = list(graph.values)
        self.uses = Counter(i for op in graph.ops for i in op.inputs)
        self.uses.update(graph.outputs)
        self.steps: dict[int, _Step] = {}  # by the value they end at
        self.ops: list[Op] = []

    def run(self) -> list[Op]:
        for op in self.graph.ops:
            step = self.start(op) or self.extend(op)
            self.ops.append(op)  # after the weights that were made for it
            if step:
                self.steps[step.output] = step
        ended = {id(s): s for s in self.steps.values()}
        replaced = {s.output: s for s in ended.values() if s.kernel != s.op.inputs[1] or s.bias is not None}
        return self.rewritten(replaced)

    def start(self, op: Op) -> _Step | None:
        if op.type not in KERNELS or op.bodies or self.kinds[op.outputs[0]] is not Kind.DATA:
            return None
        if self.kinds[op.inputs[1]] is not Kind.CONST or self.kinds[op.inputs[0]] is not Kind.DATA:
            return None
        channels_last = op.attrs.get("data_format", b"NHWC") == b"NHWC" and not op.attrs.get("transpose_b")
        known = self.values[op.inputs[1]].shape.is_fully_defined()
        return _Step(op, op.inputs[1], None, op.outputs[0]) if channels_last and known else None

    def extend(self, op: Op) -> _Step | None:
        """The step that ends before `op`, with `op` taken in, if `op` scales or shifts its channels."""
        step = next((self.steps[i] for i in op.inputs if i in self.steps), None)
        if step is None or len(op.inputs) < 2 or self.uses[step.output] > 1 or step.output in self.keep:
            return None
        if op.type in ("FusedBatchNormV3", "FusedBatchNormV2", "FusedBatchNorm"):
            return self.normalised(op, step)
        if op.type not in ("Mul", "AddV2", "Add", "BiasAdd", "Sub") or op.attrs.get("data_format", b"NHWC") != b"NHWC":
            return None
        other = op.inputs[1] if op.inputs[0] == step.output else op.inputs[0]
        if self.kinds[other] is not Kind.CONST or not self.per_channel(other, step):
            return None
        if op.type == "Sub" and other != op.inputs[1]:
            return None
        vector = self.vector(other, step)
        del self.steps[step.output]
        if op.type == "Mul":
            return self.scaled(step, vector, op.outputs[0])
        return self.shifted(
            step, self.make("Neg", [vector], (("x", -1),)) if op.type == "Sub" else vector, op.outputs[0]
        )

    def normalised(self, op: Op, step: _Step) -> _Step | None:
        if op.attrs["is_training"] or op.attrs.get("data_format") != b"NHWC" or op.inputs[0] != step.output:
            return None
        if any(self.kinds[i] is not Kind.CONST for i in op.inputs[1:]) or any(self.uses[o] for o in op.outputs[1:]):
            return None
        _, scale, offset, mean, variance = op.inputs
        epsilon = self.constant(np.array(op.attrs["epsilon"], np.float32))
        inverse = self.make("Rsqrt", [self.make("AddV2", [variance, epsilon])], (("x", -1),))
        factor = self.make("Mul", [inverse, scale])
        shift = self.make("Sub", [offset, self.make("Mul", [mean, factor])])
        del self.steps[step.output]
        return self.shifted(self.scaled(step, factor, op.outputs[0]), shift, op.outputs[0])

    def scaled(self, step: _Step, factor: int, output: int) -> _Step:
        shape = self.values[step.op.inputs[1]].shape.as_list()
        per_kernel = factor
        if step.op.type == "DepthwiseConv2dNative":
            per_kernel = self.reshaped(factor, shape[2:])
        kernel = self.make("Mul", [step.kernel, per_kernel])
        bias = None if step.bias is None else self.make("Mul", [step.bias, factor])
        return _Step(step.op, kernel, bias, output)

    def shifted(self, step: _Step, shift: int, output: int) -> _Step:
        bias = shift if step.bias is None else self.make("AddV2", [step.bias, shift])
        return _Step(step.op, step.kernel, bias, output)

    def per_channel(self, number: int, step: _Step) -> bool:
        shape = self.values[number].shape
        return shape.is_fully_defined() and shape.num_elements() in (1, self.channels(step)) and (
            shape.num_elements() == 1 or shape[-1] == self.channels(step)
        )  # fmt: skip

    def channels(self, step: _Step) -> int:
        shape = self.values[step.op.inputs[1]].shape.as_list()
        return shape[-1] * shape[-2] if step.op.type == "DepthwiseConv2dNative" else shape[-1]

    def vector(self, number: int, step: _Step) -> int:
        """A per-channel constant in the shape (channels,)."""
        shape, channels = self.values[number].shape, self.channels(step)
        if shape.rank == 1 and shape[0] == channels:
            return number
        if shape.num_elements() == channels:
            return self.reshaped(number, [channels])
        ones = self.constant(np.ones(channels, self.values[number].dtype.as_numpy_dtype))
        return self.make("Mul", [self.reshaped(number, [1]), ones])

    def reshaped(self, number: int, shape: list[int]) -> int:
        target = self.constant(np.array(shape, np.int32))
        return self.make("Reshape", [number, target], (("tensor", -1), ("shape", -1)))

    def constant(self, value: np.ndarray) -> int:
        return self.make("Const", [], (), {"value": value})

    def make(self, kind: str, inputs: list[int], slots=BINARY, attrs: dict | None = None) -> int:
        number = len(self.values)
        self.values.append(self.values[inputs[0]] if inputs else None)  # dtype and rank of what it is made from
        self.kinds[number] = Kind.CONST
        self.ops.append(Op(kind, f"folded/{kind}_{number}", tuple(inputs), (number,), attrs or {}, slots))
        return number

    def rewritten(self, steps: dict[int, _Step]) -> list[Op]:
        """Each step as its kernel op and one BiasAdd, in the place where it ended."""
        ends = {o: steps[o] for o in steps}
        result = []
        for op in self.ops:
            step = next((ends[o] for o in op.outputs if o in ends), None)
            if step is None:
                result.append(op)
                continue
            result.extend(self.as_ops(step, extra=op))
        return result

    def as_ops(self, step: _Step, extra: Op) -> list[Op]:
        raw = step.output if step.bias is None else len(self.values)
        if step.bias is not None:
            self.values.append(self.values[step.op.outputs[0]])
            self.kinds[raw] = Kind.DATA
        kernel = dataclasses.replace(step.op, inputs=(step.op.inputs[0], step.kernel), outputs=(raw,))
        if step.bias is None:
            return [kernel]
        bias = Op("BiasAdd", extra.name, (raw, step.bias), (step.output,), {}, (("value", -1), ("bias", -1)))
        return [kernel, bias]
