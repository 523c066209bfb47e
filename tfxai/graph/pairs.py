"""Every example against every reference in one backward pass: n + R rows go forward, n R rows come back.

A forward pass of pairs would compute every example R times, and every reference n times. So both go forward alone, as
they are, and the graph is walked from its ends to its beginnings once, where each rule sees the pairs: what belongs to
the examples repeated, what belongs to the references laid out as often as there are examples. Pair i R + k is example i
against reference k.

That holds where it is known how the rows of every value are made: which axis counts the examples, and that each op
keeps them apart. `fit` says so; whatever it cannot follow goes pair by pair through the ordinary pass.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import tensorflow as tf

from tfxai.graph import ops as known
from tfxai.graph.activity import Activity
from tfxai.graph.axes import Kind
from tfxai.graph.capture import Op
from tfxai.graph.follow import Followed
from tfxai.graph.moves import moves
from tfxai.graph.replay import Environment
from tfxai.graph.table import Call, Rule, RuleTable
from tfxai.graph.value import at_x

# Ops whose outputs are made row by row of their inputs, where the axis of examples passes through as it is.
ROW_BY_ROW = (
    known.AFFINE | known.BILINEAR | known.QUADRATIC | known.SMOOTH | known.PIECEWISE | known.STEPS | known.PAIRWISE
    | known.LARGEST | known.SMALLEST | known.ROWS | known.SELECTS | known.NORMALISATIONS
) - (known.MIXING_ALONG - known.ROWS)  # fmt: skip
# Places go to the examples and back: each example's stay its own.
BLOCKS = frozenset({"SpaceToBatchND", "BatchToSpaceND"})
# The input that says of what shape the output is: of pairs it is that of what comes back.
SHAPED = {"Reshape": 1, "BroadcastTo": 1, **dict.fromkeys(known.TRANSPOSED, 0)}


def fit(ops: Sequence[Op], activity: Mapping[int, Activity], followed: Followed) -> bool:
    """Whether these ops, all that are on the way, keep the rows of examples apart at known axes."""
    varying = [op for op in ops if any(activity[o] is Activity.ACTIVE for o in op.outputs)]
    unread = {o for op in varying if op.type not in known.STEPS_AS_ONE for o in op.outputs[1:]}
    unread -= {i for op in varying for i in op.inputs}
    return all(_fits(op, [o for o in op.outputs if o not in unread], activity, followed) for op in varying)


def _fits(op: Op, outputs: Sequence[int], activity: Mapping[int, Activity], followed: Followed) -> bool:
    active = [i for i in op.inputs if activity[i] is Activity.ACTIVE]
    varying = [o for o in outputs if activity[o] is Activity.ACTIVE]
    if not active or any(rows_in(v, followed) is None for v in (*active, *varying)):
        return False
    if op.type in known.ALIASES:
        return True
    if op.type == known.CHAIN:  # a function of each number alone
        return rows_in(op.inputs[0], followed) == rows_in(op.outputs[0], followed)
    if op.type in known.STEPS_AS_ONE:
        return fit(op.bodies[0].ops, activity, followed)
    others = [(k, activity[i]) for k, i in enumerate(op.inputs) if activity[i] is not Activity.ACTIVE]
    return all(a is Activity.CONST or a is Activity.SHAPE and _of_lengths(op, k) for k, a in others) and all(
        op.type in ROW_BY_ROW and _passes(op, o, active, followed) for o in varying
    )


def _of_lengths(op: Op, k: int) -> bool:
    """Whether an input that depends on shapes says how large the output is, or how long the places are."""
    return SHAPED.get(op.type) == k or op.type in known.PADDINGS | BLOCKS


def _passes(op: Op, output: int, active: Sequence[int], followed: Followed) -> bool:
    """Whether the axis of examples of every input that varies becomes that of an output, nothing done to it."""
    found = {v: rows_in(v, followed) for v in (output, *active)}
    axes = {v: rows.axis for v, rows in found.items() if rows}
    after, before = axes[output], {i: axes[i] for i in active}
    if op.type == "Reshape" or op.type in BLOCKS:
        return after == 0 and set(before.values()) == {0}
    if op.type in known.ROWS and after == len(followed.axes[output].labels) - 1:
        return False
    way = moves(op, op.outputs.index(output), followed)
    if way is None:
        return False
    move = way.axes[after]
    meeting = {op.inputs[i]: axis for i, axis in move.sources if op.inputs[i] in before}
    return move.change is None and move.cut is None and meeting == before


class Rows(NamedTuple):
    """Where the rows of examples are in a value.

    Attributes:
        axis: The axis that counts them.
        folded: Whether something else is folded into it; then it is the first.
        outside: How many blocks of all examples it has.
    """

    axis: int
    folded: bool = False
    outside: int = 1


def rows_in(number: int, followed: Followed) -> Rows | None:
    """Where a value has its examples; None where that is not known, or it is no real number."""
    labels = followed.axes[number].labels if number in followed.axes else ()
    kinds = [[axis.kind for axis in label] for label in labels]
    having = [k for k, kind in enumerate(kinds) if Kind.EXAMPLES in kind]
    if len(having) != 1 or not followed.graph.values[number].dtype.is_floating:
        return None
    (axis,), label = having, labels[having[0]]
    before = [a.size for a in label[: kinds[axis].index(Kind.EXAMPLES)]]
    if len(label) > 1 and axis or None in before or any(a.kind in (Kind.UNKNOWN, Kind.JOINED) for a in label):
        return None
    return Rows(axis, len(label) > 1, math.prod(size for size in before if size))


@dataclasses.dataclass(frozen=True, eq=False)
class Spread:
    """Values of n examples and of R references, as values of their n R pairs.

    Attributes:
        followed: Which axis counts the examples.
        examples, references: What was made of each, by value number.
        n, count: How many there are of each.
    """

    followed: Followed
    examples: Environment
    references: Environment
    n: tf.Tensor
    count: tf.Tensor
    made: dict[tuple[int, bool], tf.Tensor] = dataclasses.field(default_factory=dict)

    def crossed(self, number: int, of_example: bool) -> tf.Tensor:
        """A value, its rows in the first axis, of the examples as (n, 1, ...), of the references as (1, R, ...)."""
        tensor = at_x((self.examples if of_example else self.references)[number])
        return tensor[:, None] if of_example else tensor[None]

    def crossed_pairs(self, pairs: tf.Tensor) -> tf.Tensor:
        """Something of all pairs as (n, R, ...)."""
        return tf.reshape(pairs, tf.concat([[self.n, self.count], tf.shape(pairs)[1:]], 0))

    def flat(self, crossed: tf.Tensor) -> tf.Tensor:
        """The same as (n R, ...)."""
        flat = tf.reshape(crossed, tf.concat([[-1], tf.shape(crossed)[2:]], 0))
        return tf.ensure_shape(flat, [None, *crossed.shape[2:]])

    def of(self, number: int, of_example: bool) -> tf.Tensor:
        """A value at the example of each pair, or at the reference."""
        tensor = at_x((self.examples if of_example else self.references)[number])
        rows = rows_in(number, self.followed)
        if rows is None:  # nothing reads it
            return tensor
        if (number, of_example) not in self.made:
            self.made[number, of_example] = self._in_pairs(tensor, rows, of_example)
        return self.made[number, of_example]

    def _in_pairs(self, tensor: tf.Tensor, rows: Rows, of_example: bool) -> tf.Tensor:
        """Rows of examples each as often as there are references, or those of all references for each example."""
        apart, axis = tensor, rows.axis
        if rows.folded:
            apart = tf.reshape(tensor, tf.stack([rows.outside, self.n if of_example else self.count, -1]))
            axis = 1
        if of_example:
            spread = tf.repeat(apart, self.count, axis=axis)
        else:
            spread = tf.tile(apart, tf.stack([self.n if a == axis else 1 for a in range(apart.shape.rank)]))
        if rows.folded:
            spread = tf.reshape(spread, tf.concat([[-1], tf.shape(tensor)[1:]], 0))
        return tf.ensure_shape(spread, tensor.shape)


def multipliers(
    table: RuleTable, ops: Sequence[Op], activity: Mapping[int, Activity], notes: Mapping, spread: Spread,
    ends: Mapping[int, tf.Tensor], sources: Sequence[int],
) -> list[tf.Tensor]:  # fmt: skip
    """The multipliers of the sources for all pairs, by the table's rules.

    Args:
        table: Gives an op its rule.
        ops: All on the way, in an order in which they can run; they `fit`.
        activity: Of their values.
        notes: What the table's annotations found.
        spread: The values of all of them.
        ends: Value number -> what comes back from there, of all pairs.
        sources: Value numbers of the explained tensors.
    """
    arrived = dict(ends)
    for op in reversed(ops):
        upstream = [None if o in sources else arrived.get(o) for o in op.outputs]
        if all(u is None for u in upstream):
            continue
        for i, sent in zip(*_sent(table, op, activity, notes, spread, upstream), strict=True):
            arrived[i] = arrived[i] + sent if i in arrived else sent
    return [arrived[s] if s in arrived else tf.zeros_like(spread.of(s, True)) for s in sources]


def _sent(
    table: RuleTable, op: Op, activity: Mapping[int, Activity], notes: Mapping, spread: Spread,
    upstream: Sequence[tf.Tensor | None],
) -> tuple[Sequence[int], Sequence[tf.Tensor | None]]:  # fmt: skip
    """Which values of an op something is sent back to, and what."""
    if op.type in known.ALIASES:
        sent = [(i, u) for i, u in zip(op.inputs, upstream, strict=True) if u is not None]
        return [i for i, _ in sent], [u for _, u in sent]
    active = tuple(k for k, i in enumerate(op.inputs) if activity[i] is Activity.ACTIVE)
    varying = [op.inputs[k] for k in active]
    if _by_number(op, spread):
        rule, call = _ruled(table, op, active, notes, spread, spread.crossed)
        return varying, [spread.flat(m) for m in rule(call, [spread.crossed_pairs(upstream[0])])]
    rule, call = _ruled(table, op, active, notes, spread, spread.of, upstream)
    return varying, rule(call, upstream)


def _by_number(op: Op, spread: Spread) -> bool:
    """Whether each number of the output is made of one number of the input, and its rule makes it so.

    Then examples and references need not be laid out as pairs: they meet in the rule, as rows and columns.
    """
    single = known.SMOOTH | known.PIECEWISE | known.STEPS
    if op.type == known.CHAIN:  # whose choices and decisions want both ends in one shape
        if not {part.type for part in op.bodies[0].ops} <= single | known.CHAIN_AFFINE | {"Square"}:
            return False
    elif op.type not in single or len(op.inputs) != 1:
        return False
    return rows_in(op.outputs[0], spread.followed) == Rows(0)


def _ruled(
    table: RuleTable, op: Op, active: tuple[int, ...], notes: Mapping, spread: Spread, of: Callable,
    upstream: Sequence[tf.Tensor | None] = (),
) -> tuple[Rule, Call]:  # fmt: skip
    """The op's rule, and the op as its rule sees it, its values as `of` has them."""
    x, x0 = (
        [of(i, example) if k in active else at_x(spread.examples[i]) for k, i in enumerate(op.inputs)]
        for example in (True, False)
    )
    if op.type in SHAPED:
        x[SHAPED[op.type]] = x0[SHAPED[op.type]] = tf.shape(upstream[0])
    y, y0 = ([of(o, example) for o in op.outputs] for example in (True, False))
    call = Call(op, active, (), x, x0, [], y0, spread.examples, notes)
    return table.rule(call), dataclasses.replace(call, y=y)
