"""A dense layer or convolution as its rules see it: an input x, weights w, a bias b, and z = L(x, w) + b.

The graph that relevance rules replay has a kernel, the normalisation behind it and its bias as one op (`graph.affine`,
`graph.fold`); inside of loops a kernel stands alone. Both are read here as one thing that can be run on other inputs
and weights.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from tfxai.graph.capture import Op
from tfxai.graph.ops import AFFINE_STEP, CONVOLUTIONS, KERNELS, TRANSPOSED
from tfxai.graph.table import Call


@dataclasses.dataclass(frozen=True, eq=False)
class KernelStep:
    """z = L(x, w) + b with one input that carries what is explained.

    Attributes:
        call: The op, at x.
        x, w, b: Positions of the input, the weights, and the bias (None: there is none) among the op's inputs.
    """

    call: Call
    x: int
    w: int
    b: int | None

    @property
    def input(self) -> tf.Tensor:
        return self.call.x[self.x]

    @property
    def weights(self) -> tf.Tensor:
        return self.call.x[self.w]

    @property
    def bias(self) -> tf.Tensor | None:
        return None if self.b is None else self.call.x[self.b]

    @property
    def output(self) -> tf.Tensor:
        return self.call.y[0]

    def inputs(self, x: tf.Tensor, w: tf.Tensor, b: tf.Tensor | None = None) -> list[tf.Tensor]:
        """The op's inputs with these in their places; without a bias, zeros."""
        found = list(self.call.x)
        found[self.x], found[self.w] = x, w
        if self.b is not None:
            found[self.b] = tf.zeros_like(found[self.b]) if b is None else b
        return found

    def sums(self, x: tf.Tensor, w: tf.Tensor, b: tf.Tensor | None = None) -> tf.Tensor:
        """L(x, w) + b."""
        return self.call.run(self.inputs(x, w, b))[0]

    def back(self, w: tf.Tensor, upstream: tf.Tensor, x: tf.Tensor | None = None) -> tf.Tensor:
        """The upstream numbers sent back through the weights: for a dense layer, upstream w^T.

        Args:
            w: Weights.
            upstream: In the shape of the output.
            x: What the input is taken for, if it is of another size.
        """
        return self.call.vjp(self.inputs(self.input if x is None else x, w), [upstream])[0]

    @functools.cached_property
    def inputs_along(self) -> tuple[int, int] | None:
        """The axis of the input, and that of the weights, along which there may be more inputs to the same units.

        None where they are not known, or where a unit does not read all channels.
        """
        kernel = kernel_of(self.call.op)
        if kernel is None or kernel.type not in CONVOLUTIONS - {"DepthwiseConv2dNative"}:
            return None
        last = str(kernel.attrs.get("data_format", b"NHWC"), "ascii").endswith("C")
        x, w = self.input.shape.rank - 1 if last else 1, self.weights.shape.rank - 1 - (kernel.type not in TRANSPOSED)
        channels = self.input.shape[x]
        return (x, w) if channels is not None and channels == self.weights.shape[w] else None

    def onto_weights(self, x: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        """The sum over examples and places of upstream times the x that each weight meets: in the weights' shape."""
        call = dataclasses.replace(self.call, active=(self.w,))
        return call.vjp(self.inputs(x, self.weights), [upstream])[0]


def kernel_of(op: Op) -> Op | None:
    """The dense or convolution op that this one is, or begins with; None for other ops."""
    if op.type == AFFINE_STEP:
        return op.bodies[0].ops[0]
    return op if op.type in KERNELS else None


def positions(op: Op, active: Sequence[int]) -> tuple[int, int, int | None] | None:
    """Where an op has its input, its weights, and its bias; None where it is no kernel with one input that varies."""
    kernel = kernel_of(op)
    if kernel is None or len(active) != 1:
        return None
    (x,) = active
    operands = kernel.inputs[1:] if kernel.type in TRANSPOSED else kernel.inputs[:2]  # behind the size of the output
    if len(operands) != 2 or op.inputs[x] not in operands:
        return None
    other = operands[1] if operands[0] == op.inputs[x] else operands[0]
    bias = None
    if op.type == AFFINE_STEP:
        last = op.bodies[0].ops[-1]
        made = {o for inner in op.bodies[0].ops for o in inner.outputs}
        bias = next(op.inputs.index(i) for i in last.inputs if i not in made)
    return x, op.inputs.index(other), bias


def step_of(call: Call) -> KernelStep | None:
    """The call as a dense layer or convolution; None where it is none, or its weights vary as well."""
    found = None if call.discrete else positions(call.op, call.active)
    return None if found is None else KernelStep(call, *found)


def is_convolution(op: Op) -> bool:
    """Whether a kernel's op shares its weights between places."""
    kernel = kernel_of(op)
    return kernel is not None and kernel.type in CONVOLUTIONS


class Units(NamedTuple):
    """Where the units of a kernel are.

    Attributes:
        z: The axes of its output that tell them apart.
        w: The shape in which one number per unit meets the weights, 1 where an axis belongs to the inputs.
    """

    z: tuple[int, ...]
    w: tuple[int, ...]


def units_of(step: KernelStep) -> Units | None:
    """Where the units are in what the step takes and gives; None where they are not known."""
    kernel = kernel_of(step.call.op)
    shape, rank = step.weights.shape.as_list(), step.output.shape.rank
    if kernel is None or rank is None or None in shape:
        return None
    if kernel.type == "Einsum":
        return _units_of_einsum(step, kernel, shape)
    last = (rank - 1,)
    if kernel.type in CONVOLUTIONS:
        if not str(kernel.attrs.get("data_format", b"NHWC"), "ascii").endswith("C"):
            return None
        ones = [1] * (len(shape) - 2)
        if kernel.type == "DepthwiseConv2dNative":
            return Units(last, (*ones, *shape[-2:]))
        return Units(last, (*ones, shape[-2], 1) if kernel.type in TRANSPOSED else (*ones, 1, shape[-1]))
    flipped = kernel.attrs.get("transpose_b") or kernel.attrs.get("adj_y")
    second = kernel.inputs[1] == step.call.op.inputs[step.w]
    if len(shape) != 2 or not second:
        return None
    where = _trailing(step.output.shape.as_list(), shape[0] if flipped else shape[1])
    return None if where is None else Units(where, (shape[0], 1) if flipped else (1, shape[1]))


def _trailing(shape: list[int | None], count: int) -> tuple[int, ...] | None:
    """The last axes that are so many numbers together: a dense layer's units may be split into heads behind it."""
    size, k = 1, len(shape)
    while size < count and k > 0 and shape[k - 1] is not None:
        k -= 1
        size *= shape[k] or 1
    return tuple(range(k, len(shape))) if size == count else None


def _units_of_einsum(step: KernelStep, kernel: Op, shape: list[int]) -> Units | None:
    """The labels that weights and output share."""
    given, made = str(kernel.attrs["equation"], "ascii").replace(" ", "").split("->")
    labels = given.split(",")[kernel.inputs.index(step.call.op.inputs[step.w])]
    if "." in labels + made or len(made) != step.output.shape.rank or len(set(labels)) < len(labels):
        return None
    shared = [label for label in made if label in labels]
    if shared != [label for label in labels if label in made]:
        return None  # in another order
    where = tuple(made.index(label) for label in shared)
    return Units(where, tuple(s if label in made else 1 for label, s in zip(labels, shape, strict=True)))
