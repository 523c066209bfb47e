"""Decisions: comparisons, casts to whole numbers, buckets, look-ups. They have no slope, but a change of their own.

A decision is a step function of the numbers that decide, as `sign` is. What the score changes by them is their credit.
It travels back beside the decision, whose own dtype takes no gradient, as the gradient of a number that is 0
(`decided`): from where the decision becomes a number again (a cast, an encoding, a row of a constant table), by
u (y - y0), to the numbers that decided, where the credit divided by their change is a multiplier.

Who shares it: of a comparison a > b both sides, as of a step of a - b; of an arg max the winner at x and that of the
reference, as of a step of their difference. Decisions that meet share by what each of them changes: two of them by
their Shapley value (of a conjunction that both turned, half each), those of a sum by their own change, and others that
changed in equal parts. A choice among computed values, and a decision that is in no table here, is taken from x at the
reference too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tfxai.graph import moves, ops
from tfxai.graph.override import custom_gradient
from tfxai.graph.table import Call, Rule
from tfxai.graph.value import Carried, Value
from tfxai.support.numerics import unbroadcast

# (call, credit: what the score changes by a decision, in its shape) -> the multipliers of the active inputs
Enter = Callable[[Call, tf.Tensor], "list[tf.Tensor]"]
Zeros = Sequence["tf.Tensor | None"]  # what stands beside the inputs of an op
WIDE = tf.float64  # whole numbers that differ, up to 2 ** 53, do so in it


# --- Where numbers decide ---------------------------------------------------------------------------------------------


def compared(call: Call, credit: tf.Tensor) -> list[tf.Tensor]:
    """A step of a - b."""
    (a, b), (a0, b0) = call.x, call.x0
    multiplier = tf.math.divide_no_nan(credit, (a - b) - (a0 - b0))
    return [unbroadcast(multiplier if i == 0 else -multiplier, call.x[i]) for i in call.active]


def rounded(call: Call, credit: tf.Tensor) -> list[tf.Tensor]:
    """A step of x, element by element."""
    (i,) = call.active
    return [tf.math.divide_no_nan(credit, call.x[i] - call.x0[i])]


def won(call: Call, credit: tf.Tensor) -> list[tf.Tensor]:
    """A step of the difference of the winner at x and that at the reference."""
    axis, depth = int(tf.get_static_value(call.x[1])), tf.shape(call.x[0])
    axis %= call.x[0].shape.rank
    hot = [tf.one_hot(y[0], depth[axis], axis=axis, dtype=credit.dtype) for y in (call.y, call.y0)]
    turn = hot[0] - hot[1]
    margin = tf.reduce_sum(turn * (call.x[0] - call.x0[0]), axis, keepdims=True)
    return [turn * tf.math.divide_no_nan(tf.expand_dims(credit, axis), margin)]


ENTER: dict[str, Enter] = {
    **dict.fromkeys(ops.COMPARISONS, compared),
    "Cast": rounded,
    **dict.fromkeys(("Bucketize", "AsString", "LowerBound", "UpperBound"), rounded),
    **dict.fromkeys(("IsNan", "IsFinite", "IsInf"), rounded),
    "ArgMax": won,
    "ArgMin": won,
}
# Of several inputs the one that has to decide: what is sought, not the bounds that it is sought among.
DECIDES = {"LowerBound": (1,), "UpperBound": (1,)}


def _entered(call: Call, around: Callable[[Enter], Enter] | None) -> tf.Tensor | None:
    """The 0 beside a decision that active numbers make; None where no table says how they share."""
    enter = ENTER.get(call.op.type)
    active = [call.x[i] for i in call.active]
    if enter is None or call.discrete or not all(t.dtype.is_floating for t in active):
        return None
    if call.active != DECIDES.get(call.op.type, call.active):
        return None
    if enter is won and tf.get_static_value(call.x[1]) is None:
        return None
    dtype = active[0].dtype
    if around is not None and enter is not won:
        enter = around(enter)

    @custom_gradient
    def zero(*inputs: tf.Tensor) -> Any:
        shape = tf.shape(call.y[0])
        return tf.zeros(shape, dtype), lambda credit: enter(call, credit)

    return zero(*active)


# --- Where decisions meet and move ------------------------------------------------------------------------------------


def meeting(call: Call, zeros: Zeros) -> tf.Tensor | None:
    """Element by element: two by their Shapley value; of more, those that changed share in equal parts."""
    shape = tf.shape(call.y[0])
    held = [(i, z) for i, z in enumerate(zeros) if z is not None]
    if len(held) == 1:
        return tf.broadcast_to(held[0][1], shape)
    by_value = len(call.x) == 2 and call.y[0].dtype != tf.string
    parts = _gains(call) if by_value else _changed(call, [i for i, _ in held])
    total = tf.add_n([tf.broadcast_to(part, shape) for part in parts])
    return tf.add_n([_share(part, total, z) for part, (_, z) in zip(parts, held, strict=True)])


def _gains(call: Call) -> list[tf.Tensor]:
    """Of two decisions: what the output changes by each, averaged over both orders."""
    ends = call.x0, call.x

    def at(first: int, second: int) -> tf.Tensor:
        return tf.cast(call.run([ends[first][0], ends[second][1]])[0], WIDE)

    whole, apart = at(1, 1) - at(0, 0), at(1, 0) - at(0, 1)
    return [(whole + apart) / 2, (whole - apart) / 2]


def _changed(call: Call, held: Sequence[int]) -> list[tf.Tensor]:
    """1 for each decision that changed."""
    return [tf.cast(call.x[i] != call.x0[i], WIDE) for i in held]


def _share(part: tf.Tensor, total: tf.Tensor, zero: tf.Tensor) -> tf.Tensor:
    """What one of those that meet takes of the credit."""
    return tf.cast(tf.math.divide_no_nan(part, total), zero.dtype) * zero


def moving(call: Call, zeros: Zeros) -> tf.Tensor | None:
    """Reshapes, slices, stacks: the op itself, of the zeros."""
    dtype = next(z.dtype for z in zeros if z is not None)
    values = [
        i for i, t in enumerate(call.x) if t.dtype == call.y[0].dtype and (i in call.discrete or _a_value(call, i))
    ]
    inputs = [zeros[i] if zeros[i] is not None else tf.zeros(tf.shape(t), dtype) if i in values else t
              for i, t in enumerate(call.x)]  # fmt: skip
    return call.run(inputs)[0]


def _a_value(call: Call, position: int) -> bool:
    """Whether an input of a stack or concatenation is one of its parts."""
    return call.op.type == "Pack" or call.op.type == "ConcatV2" and position < len(call.x) - 1


def reducing(call: Call, zeros: Zeros) -> tf.Tensor | None:
    """Sums along axes: by their own change; any, all and others: those that changed share in equal parts."""
    zero, axes = zeros[0], call.x[1]
    if zero is None:
        return None
    part = _moved(call)
    share = _share(part, tf.reduce_sum(part, axes, keepdims=True), zero)
    return tf.reshape(tf.reduce_sum(share, axes), tf.shape(call.y[0]))


def running(call: Call, zeros: Zeros) -> tf.Tensor | None:
    """Sums so far: by the change of those that are in them."""
    zero = zeros[0]
    if zero is None:
        return None
    part, axis = _moved(call), call.x[1]
    shares = call.run([part * tf.cast(zero, WIDE), axis])[0]
    return tf.cast(tf.math.divide_no_nan(shares, call.run([part, axis])[0]), zero.dtype)


def _moved(call: Call) -> tf.Tensor:
    """What each decision has of a reduction: its change, in sums; whether it changed, in others."""
    if call.op.type in ("Sum", "Mean", "Cumsum"):
        return tf.cast(call.x[0], WIDE) - tf.cast(call.x0[0], WIDE)
    return _changed(call, [0])[0]


def encoding(call: Call, zeros: Zeros) -> tf.Tensor | None:
    """One-hot: an axis more, all of it by the same decision."""
    if zeros[0] is None:
        return None
    axis = call.op.attrs.get("axis", -1)
    return tf.broadcast_to(tf.expand_dims(zeros[0], axis), tf.shape(call.y[0]))


def looking_up(call: Call, zeros: Zeros) -> tf.Tensor | None:
    """A slice of a constant table for every decision; or decisions that are picked at constant places."""
    if zeros[0] is not None:
        return None if 1 in call.discrete else moving(call, zeros)
    zero, rank = zeros[1], call.y[0].shape.rank
    axis = tf.get_static_value(call.x[2]) if len(call.x) > 2 else 0
    if zero is None or axis is None or rank is None:
        return None
    # The axes of y: those that table and places share, the table's before its places, the places', the table's behind.
    shared = call.op.attrs.get("batch_dims", 0)
    shared += zero.shape.rank if shared < 0 else 0
    before = rank - zero.shape.rank + 1 + int(axis) if axis < 0 else int(axis) - shared
    own = tf.shape(zero)
    behind = [1] * (rank - before - zero.shape.rank)
    column = tf.reshape(zero, tf.concat([own[:shared], [1] * before, own[shared:], behind], 0))
    return tf.broadcast_to(column, tf.shape(call.y[0]))


def at_places(call: Call, zeros: Zeros) -> tf.Tensor | None:
    """A slice of a constant table at each place: those of its coordinates that changed share in equal parts."""
    zero = zeros[1]
    if zero is None or 0 in call.discrete:
        return None
    changed = tf.cast(call.x[1] != call.x0[1], WIDE)
    place = tf.reduce_sum(_share(changed, tf.reduce_sum(changed, -1, keepdims=True), zero), -1)
    column = tf.reshape(place, tf.concat([tf.shape(place), [1] * (call.y[0].shape.rank - place.shape.rank)], 0))
    return tf.broadcast_to(column, tf.shape(call.y[0]))


def by_key(call: Call, zeros: Zeros) -> tf.Tensor | None:
    """A hash table: an entry for every key."""
    return zeros[1]


# Of one decision, element by element.
ALONE = ops.TEXTS | {"Cast", "LogicalNot", "Bucketize", "Invert"}
MOVING = frozenset({
    "Reshape", "Squeeze", "ExpandDims", "Transpose", "Slice", "StridedSlice", "ConcatV2", "Pack", "Tile", "BroadcastTo",
    "ReverseV2",
})  # fmt: skip
THROUGH: dict[str, Callable[[Call, Sequence[tf.Tensor | None]], tf.Tensor | None]] = {
    **dict.fromkeys(moves.BY_ELEMENT | ALONE, meeting),
    **dict.fromkeys(MOVING, moving),
    **dict.fromkeys(("Any", "All", "Max", "Min", "Sum", "Prod", "Mean"), reducing),
    "Cumsum": running,
    "OneHot": encoding,
    **dict.fromkeys(("GatherV2", "ResourceGather"), looking_up),
    **dict.fromkeys(("GatherNd", "ResourceGatherNd"), at_places),
    "LookupTableFindV2": by_key,
}


def _passed(call: Call, values: Sequence[Carried]) -> tf.Tensor | None:
    """The 0 beside what an op makes of decisions; None where no table says how they share."""
    zeros = [v.decided if isinstance(v, Value) else None for v in values]
    through = THROUGH.get(call.op.type)
    if through is None or all(z is None for z in zeros):
        return None
    return through(call, zeros)


# --- The steps of a replay --------------------------------------------------------------------------------------------


def decision(call: Call, values: Sequence[Carried], around: Callable[[Enter], Enter] | None = None) -> list[Value]:
    """The outputs of an op that decides, or of one that makes a decision of others, with their credit beside them.

    Where numbers may be missing, `around` makes what decides element by element look at that.
    """
    zero = _entered(call, around) if call.active else _passed(call, values)
    if zero is None:
        return [Value(y, y) for y in call.y]
    return [Value(call.y[0], call.y0[0], decided=zero), *(Value(y, y) for y in call.y[1:])]


def number(call: Call, values: Sequence[Carried]) -> list[Value]:
    """Decisions become a number: the change of it is their credit."""
    zero = _passed(call, values)
    if zero is None:
        return [Value(y, y) for y in call.y]
    y, y0 = call.y[0], call.y0[0]

    @custom_gradient
    def released(zero: tf.Tensor, y: tf.Tensor, y0: tf.Tensor) -> Any:
        def backward(upstream: tf.Tensor) -> Any:
            return tf.cast(upstream * (y - y0), zero.dtype), None, None

        return tf.identity(y), backward

    return [Value(released(zero, y, y0), y0), *(Value(y, y) for y in call.y[1:])]


def chosen(call: Call, values: Sequence[Carried], rule: Rule) -> list[tf.Tensor]:
    """A choice by a decision that has credit: what the branches, which did not change, cannot take."""
    zero = tf.broadcast_to(values[0].decided, tf.shape(call.y[0]))

    @custom_gradient
    def override(zero: tf.Tensor, *inputs: tf.Tensor) -> Any:
        full = list(call.x)
        for i, tensor in zip(call.active, inputs, strict=True):
            full[i] = tensor

        def backward(upstream: tf.Tensor) -> Any:
            return tf.cast(turned(call, upstream), zero.dtype), *rule(call, [upstream])

        return call.run(full)[0], backward

    return [override(zero, *[call.x[i] for i in call.active])]


def turned(call: Call, upstream: tf.Tensor) -> tf.Tensor:
    """The credit of a choice: the change of its output, where no branch that carries what is explained changed."""
    still = tf.ones_like(call.y[0], tf.bool)
    for i in call.active:
        still &= tf.broadcast_to(call.x[i] == call.x0[i], tf.shape(still))
    return tf.where(still, upstream * (call.y[0] - call.y0[0]), 0)
