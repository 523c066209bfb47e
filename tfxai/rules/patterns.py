"""Patterns: the direction in which the signal of a unit changes its input, and the tables that go back along them.

A unit's weights must cancel what distracts from its signal, so they do not point along it: x = a y + d, w^T x = y,
needs w^T a = 1 and w^T d = 0. The pattern a is estimated from data as what varies with y. Kindermans et al. 2018,
arXiv:1705.05598.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfxai.errors import UnsupportedOpError
from tfxai.graph.activity import Activity
from tfxai.graph.capture import Graph
from tfxai.graph.ops import ALIASES, MOVING, RECTIFIERS
from tfxai.graph.table import Annotation, Call, Program, RuleTable, linear, ruled
from tfxai.graph.value import Carried, Value
from tfxai.rules.annotations import graphs
from tfxai.rules.kernel_step import KernelStep, positions, units_of
from tfxai.rules.shares import as_relevance

PROGRAM = Program(affine_as_one=True)  # of what is gathered, and of what goes back along it


@dataclasses.dataclass(frozen=True, eq=False)
class PatternData:
    """A pattern for every dense layer and convolution of a model, in the order in which they run.

    Attributes:
        estimator: "linear", or "relu": of what varies where the unit is above 0, for units behind which a ReLU is.
        arrays: Per kernel, in the shape of its weights.
        names: Per kernel, the name of its op.
        fingerprint: Of the model that they were fitted on.
        examples: How many examples they were fitted on.
    """

    estimator: str
    arrays: tuple[np.ndarray, ...]
    names: tuple[str, ...]
    fingerprint: str
    examples: int


def numbered(graph: Graph, activity: Mapping[int, Activity]) -> dict[int, int]:
    """First output of each kernel with one input that varies -> its number, in the order of the graph.

    Raises:
        UnsupportedOpError: One of them is inside of a loop, where it runs as often as there are steps.
    """
    found: dict[int, int] = {}
    outside = {id(op) for op in graph.ops}
    for op in (op for part in graphs(graph) for op in part.ops):
        active = [k for k, i in enumerate(op.inputs) if activity.get(i) is Activity.ACTIVE]
        if positions(op, active) is None:
            continue
        if id(op) not in outside:
            raise UnsupportedOpError(
                f"Patterns are for dense layers and convolutions that run once; {op.type} at {op.name!r} is inside of "
                "a loop. Use 'lrp', 'deeplift' or 'integrated_gradients' for recurrent layers."
            )
        found[op.outputs[0]] = len(found)
    return found


def rectified(graph: Graph, activity: Mapping[int, Activity]) -> dict[int, bool]:
    """Values that a ReLU or its relatives read, moved perhaps -> True."""
    found: dict[int, bool] = {}
    for op in reversed(graph.ops):
        here = op.type in RECTIFIERS or op.type in ALIASES | MOVING and any(found.get(o) for o in op.outputs)
        if here:
            found.update(dict.fromkeys(op.inputs, True))
    return found


# --- What is gathered of a batch ------------------------------------------------------------------------------------


class Gathered(NamedTuple):
    """Sums over one batch, of z where it counts: everywhere, or where it is above 0.

    Attributes:
        count: How many z count, by unit; and how many there are.
        mean: The mean of all z of the batch, by unit.
        x: The sum of the x that each weight meets, where z counts.
        x_y: The same of x (z - mean).
        z, z_y: The sums of z less the bias, and of that times (z - mean), where z counts; by unit.
    """

    count: Any
    total: Any
    mean: Any
    x: Any
    x_y: Any
    z: Any
    z_y: Any


class Gathering(RuleTable):
    """The forward pass, that notes of every kernel what its pattern is estimated from."""

    program = PROGRAM

    def __init__(self, estimator: str) -> None:
        self.estimator = estimator
        self.found: dict[int, Gathered] = {}

    @property
    def annotations(self) -> tuple[Annotation, ...]:  # type: ignore[override]  # as the other tables have them
        return (numbered, rectified)

    def apply(self, call: Call, values: list[Carried]) -> list[Value]:
        outputs = call.run(call.x)
        number = call.note(numbered)
        if number is not None:
            call = dataclasses.replace(call, y=outputs)
            above = self.estimator == "relu" and bool(call.notes[rectified].get(call.op.outputs[0]))
            self.found[number] = gathered(KernelStep(call, *positions(call.op, call.active)), above)  # type: ignore[misc]
        return [Value(t) for t in outputs]

    def taken(self) -> list[Gathered]:
        """What was noted since it was last asked for."""
        found, self.found = self.found, {}
        return [found[k] for k in sorted(found)]


def gathered(step: KernelStep, above: bool) -> Gathered:
    """The sums of one kernel.

    Raises:
        UnsupportedOpError: It is not known which of its axes are units.
    """
    units = units_of(step)
    if units is None:
        op = step.call.op
        raise UnsupportedOpError(
            f"Patterns are for dense layers and convolutions, channels last; at {op.name!r} ({op.type}) it is not "
            "known which axes are its units."
        )
    z = step.output
    others = [k for k in range(z.shape.rank) if k not in units.z]

    def by_unit(tensor: tf.Tensor) -> tf.Tensor:
        return tf.reshape(tf.reduce_sum(tensor, others), units.w)

    counts = tf.cast(z > 0, z.dtype) if above else tf.ones_like(z)
    mean = tf.reduce_mean(z, others, keepdims=True)
    centred = (z - mean) * counts
    own = z if step.bias is None else step.sums(step.input, step.weights)
    return Gathered(
        by_unit(counts),
        tf.size(z, tf.int64) // tf.size(mean, tf.int64),
        tf.reshape(mean, units.w),
        step.onto_weights(step.input, counts),
        step.onto_weights(step.input, centred),
        by_unit(own * counts),
        by_unit(own * centred),
    )


class Sums:
    """What is gathered of all batches of one kernel, in double precision."""

    def __init__(self) -> None:
        self.total, self.parts = 0, dict.fromkeys(("count", "all_z", "x", "x_y", "z", "z_y"), np.zeros(()))

    def add(self, one: Gathered) -> None:
        """One batch more."""
        total = int(one.total)
        count, mean, x, x_y, z, z_y = (np.asarray(t, np.float64) for t in (one.count, *one[2:]))
        self.total += total
        new = {"count": count, "all_z": mean * total, "x": x, "x_y": x_y + mean * x, "z": z, "z_y": z_y + mean * z}
        self.parts = {name: part + new[name] for name, part in self.parts.items()}

    def pattern(self) -> np.ndarray:
        """a = (E[x y] - E[x] E[y]) / w^T (E[x y] - E[x] E[y]), E[x y] and E[x] where z counts; 0 where nothing varies.

        The denominator is that of y alone: w^T x is z less the bias.
        """
        p = self.parts
        with np.errstate(divide="ignore", invalid="ignore"):
            count, y = p["count"], p["all_z"] / self.total
            covariance = p["x_y"] / count - p["x"] / count * y
            scale = p["z_y"] / count - p["z"] / count * y
            pattern = covariance / scale
        alive = (count >= 2) & (np.abs(scale) > 1e-12 * np.abs(p["z_y"] / np.maximum(count, 1)))
        return np.where(alive & np.isfinite(pattern), pattern, 0).astype(np.float32)


# --- What goes back along them --------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class PatternRules(RuleTable):
    """The gradient, with patterns in the place of weights; or, for attribution, weights times patterns, from the score.

    Attributes:
        patterns: Of this model.
        attribution: Whether weights times patterns.
    """

    patterns: PatternData
    attribution: bool = False
    program = PROGRAM
    annotations = (numbered,)

    def start(self, output: tf.Tensor) -> tf.Tensor:
        return as_relevance(output) if self.attribution else output

    def apply(self, call: Call, values: list[Carried]) -> list[Value]:
        number = call.note(numbered)
        if number is None:
            return [Value(t) for t in linear(call)]
        pattern = self.patterns.arrays[number]

        def along(call: Call, upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
            step = KernelStep(call, *positions(call.op, call.active))  # type: ignore[misc]  # it has a number
            with tf.init_scope():  # beside the graph, not in it: patterns are as large as all weights
                held = tf.constant(pattern)
            a = tf.cast(held, step.weights.dtype)
            return [step.back(step.weights * a if self.attribution else a, upstream[0])]

        return [Value(t) for t in ruled(call, along)]
