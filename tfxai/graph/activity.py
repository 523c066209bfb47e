"""What each value of a graph is to the explained tensors: the one analysis behind every table."""

from __future__ import annotations

import enum
from collections.abc import Iterable

import tensorflow as tf

from tfxai.graph.capture import BRANCHES, CASES, LOOPS, Graph, Op


class Kind(enum.IntEnum):
    """From 'does not depend on the input' to 'carries what is explained'."""

    CONST = 0  # the same whatever the input
    SHARED = 1  # from the input, but not through an explained tensor: masks, positions, random draws
    SHAPE = 2  # from an explained tensor's shape only
    DECISION = 3  # from its values, without a gradient: comparisons, arg max
    DATA = 4  # from its values, differentiably


SHAPE_OPS = frozenset({
    "Shape", "ShapeN", "Size", "Rank", "ZerosLike", "OnesLike", "TensorListLength",
    "TensorListElementShape", "BroadcastGradientArgs",
})  # fmt: skip
DECISION_OPS = frozenset({"Bucketize", "StringToHashBucketFast", "OneHot"})
# The value passes through; what they say about gradients concerns only methods that read the gradient.
ALIASES = frozenset({
    "Identity", "IdentityN", "StopGradient", "PreventGradient", "Snapshot", "CheckNumerics", "Copy", "DeepCopy",
})  # fmt: skip
KERNELS = frozenset({
    "MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "Einsum", "Conv2D", "Conv3D",
    "DepthwiseConv2dNative", "Conv2DBackpropInput", "Conv3DBackpropInputV2",
})  # fmt: skip
RANDOM_OPS = (
    "Random", "StatelessRandom", "StatelessTruncated", "StatefulRandom", "StatefulUniform",
    "StatefulStandardNormal", "StatefulTruncatedNormal", "TruncatedNormal", "ParameterizedTruncated",
    "Multinomial", "StatelessMultinomial", "StatelessParameterized",
)  # fmt: skip


GRADIENTS = frozenset({
    tf.float16, tf.bfloat16, tf.float32, tf.float64, tf.complex64, tf.complex128, tf.variant,
})  # fmt: skip


def classify(graph: Graph, known: dict[int, Kind]) -> dict[int, Kind]:
    """Kinds of all values, function bodies included, given those of some (inputs, explained tensors).

    Values in `known` keep their kind even when an op would say otherwise: an explained tensor is DATA
    although it may be looked up from token ids.
    """
    kinds = dict.fromkeys(graph.captured, Kind.CONST) | dict.fromkeys(graph.inputs, Kind.SHARED) | known
    _spread(graph, kinds, frozenset(known))
    return kinds


def differentiable(tensor: tf.Tensor) -> bool:
    """Whether TensorFlow has gradients of this dtype; of float8, for one, it has none."""
    return tensor.dtype in GRADIENTS


def _spread(graph: Graph, kinds: dict[int, Kind], fixed: frozenset[int]) -> None:
    producers: dict[int, Op] = {}
    for op in graph.ops:
        producers.update(dict.fromkeys(op.outputs, op))
        if op.type in LOOPS:
            found: Iterable[Kind] = _loop(op, kinds, fixed)
        elif op.type in BRANCHES or op.type in CASES:
            found = _branches(op, kinds, fixed)
        else:
            found = [_kind(op, o, graph, kinds, producers) for o in op.outputs]
        kinds.update((o, k) for o, k in zip(op.outputs, found, strict=True) if o not in fixed)


def _kind(op: Op, output: int, graph: Graph, kinds: dict[int, Kind], producers: dict[int, Op]) -> Kind:
    if op.type in ALIASES:
        return kinds[op.inputs[op.outputs.index(output)]]
    top = max((kinds[i] for i in op.inputs), default=Kind.CONST)
    if top <= Kind.SHARED:
        return top
    if op.type.startswith(RANDOM_OPS):
        return Kind.SHARED
    if op.type in SHAPE_OPS:
        return Kind.SHAPE
    if _says_which_steps_exist(op, kinds, producers):
        return Kind.SHARED
    if top is Kind.DATA and (op.type in DECISION_OPS or not differentiable(graph.values[output])):
        return Kind.DECISION
    return top


def _says_which_steps_exist(op: Op, kinds: dict[int, Kind], producers: dict[int, Op]) -> bool:
    """The mask of a `Masking` layer: any(x != constant). It belongs to x, not to the reference."""
    if op.type not in ("Any", "All"):
        return False
    compare = producers.get(op.inputs[0])
    return (
        compare is not None
        and compare.type in ("NotEqual", "Equal")
        and sorted(kinds[i] for i in compare.inputs) == [Kind.CONST, Kind.DATA]
    )


def _loop(op: Op, kinds: dict[int, Kind], fixed: frozenset[int]) -> list[Kind]:
    """Kinds of the loop variables: the least fix-point over the body."""
    cond, body = op.bodies
    current = [kinds[i] for i in op.inputs]
    while True:
        kinds.update(zip(body.inputs, current, strict=True))
        _spread(body, kinds, fixed)
        joined = [max(a, kinds[o]) for a, o in zip(current, body.outputs, strict=True)]
        if joined == current:
            break
        current = joined
    kinds.update(zip(cond.inputs, current, strict=True))
    _spread(cond, kinds, fixed)
    return current


def _branches(op: Op, kinds: dict[int, Kind], fixed: frozenset[int]) -> list[Kind]:
    decided = kinds[op.inputs[0]]
    results = [decided] * len(op.outputs)
    for branch in op.bodies:
        kinds.update(zip(branch.inputs, (kinds[i] for i in op.inputs[1:]), strict=True))
        _spread(branch, kinds, fixed)
        results = [max(a, kinds[o]) for a, o in zip(results, branch.outputs, strict=True)]
    return results
