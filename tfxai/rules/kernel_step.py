"""A dense layer or convolution as its rules see it: an input x, weights w, a bias b, and z = L(x, w) + b.

The graph that relevance rules replay has a kernel, the normalisation behind it and its bias as one op (`graph.affine`,
`graph.fold`); inside of loops a kernel stands alone. Both are read here as one thing that can be run on other inputs
and weights.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

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

    def back(self, w: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        """The upstream numbers sent back through the weights: for a dense layer, upstream w^T."""
        return self.call.vjp(self.inputs(self.input, w), [upstream])[0]

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
