"""Loops and branches under a rule table: rebuilt with `tf.while_loop` and `tf.cond` around replayed bodies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import tensorflow as tf

from tfxai.graph.abreast import grouped, joined, parted
from tfxai.graph.activity import Activity
from tfxai.graph.capture import Graph, Op
from tfxai.graph.invariants import invariant
from tfxai.graph.ops import ABREAST, CASES, LOOPS
from tfxai.graph.sealed import opened, sealed
from tfxai.graph.table import Annotation, RuleTable
from tfxai.graph.value import Carried, Value, at_reference, at_x, lift


class Bodies(Protocol):
    """What control flow needs of the replay that meets it."""

    activity: Mapping[int, Activity]
    table: RuleTable

    notes: Mapping[Annotation, Mapping[int, Any]]

    def step(self, op: Op, values: list[Carried]) -> list[Carried]: ...

    def body(
        self, graph: Graph, arguments: Sequence[Carried], known: Mapping[int, Carried] | None = None
    ) -> list[Carried]: ...


def replayed(replay: Bodies, op: Op, values: list[Carried]) -> list[Carried]:
    """The outputs of a loop or a branch whose bodies `replay` runs, or of ops in a body that run as one."""
    if op.type == ABREAST:
        return abreast(replay, op, values)
    return loop(replay, op, values) if op.type in LOOPS else branch(replay, op, values)


def loop(replay: Bodies, op: Op, values: list[Carried]) -> list[Carried]:
    """A `While` whose variables carry every stream.

    Variables that the body passes through unchanged stay outside the loop: among them the variable handles,
    which a rebuilt loop could not carry.
    """
    cond, body = op.bodies
    body = grouped(body, replay.activity)
    fixed = {i for i, v in enumerate(values) if _passed_through(body, i)}
    moving = [i for i in range(len(values)) if i not in fixed]
    start = [_promote(replay, body.inputs[i], values[i]) for i in moving]
    held = {i: _sealed(values[i]) for i in fixed}
    made = _made_before(body, {body.inputs[i]: values[i] for i in fixed if not isinstance(values[i], Value)})

    def arguments(flat: Sequence[tf.Tensor]) -> list[Carried]:
        full = [_inside(_opened(held[i], v)) if i in fixed else v for i, v in enumerate(values)]
        for i, template, value in zip(moving, start, _pack(start, flat), strict=True):
            full[i] = _opened(value, template)
        return full

    def again(*flat: tf.Tensor) -> tf.Tensor:
        # Which steps exist is x's decision, in every stream.
        return at_x(replay.body(cond, arguments(flat))[0])

    def step(*flat: tf.Tensor) -> list[tf.Tensor]:
        outputs = replay.body(body, arguments(flat), {n: _inside(t) for n, t in made.items()})
        return _flatten(_sealed(_promote(replay, body.inputs[i], outputs[i])) for i in moving)

    flat = _flatten(map(_sealed, start))
    shapes = [_open(t, body.values[n]) for t, n in _with_numbers(start, [body.inputs[i] for i in moving])]
    results = tf.while_loop(again, step, flat, shape_invariants=shapes)
    outputs = list(values)
    for i, template, value in zip(moving, start, _pack(start, results), strict=True):
        outputs[i] = _opened(value, template)
    return outputs


def abreast(replay: Bodies, op: Op, values: list[Carried]) -> list[Carried]:
    """Ops that are alike, as one of them on all their values side by side; one by one where these do not fit.

    Of those that are carried in more streams than the others, if there are such, and then the others lose one.
    """
    ops, table = op.bodies[0].ops, replay.table
    others = [notes for annotation, notes in replay.notes.items() if annotation not in table.narrow]
    noted = [[notes.get(n) for notes in others for n in (*one.inputs, *one.outputs)] for one in ops]
    together = joined(values) if all(notes == noted[0] for notes in noted) else None
    if together is None:
        return [out for one, value in zip(ops, values, strict=True) for out in replay.step(one, [value])]
    (made,) = replay.step(max(ops, key=lambda one: _streams(replay, one.outputs[0])), [together])
    return [_narrowed(replay, o, v) for o, v in zip(op.outputs, parted(made, len(ops)), strict=True)]


def branch(replay: Bodies, op: Op, values: list[Carried]) -> list[Carried]:
    """An `If` or `Case`. Which branch runs is x's decision, in every stream: see `baseline_score`."""
    templates: list[Carried] = []

    def run(graph: Graph) -> Callable[[], list[tf.Tensor]]:
        def inside() -> list[tf.Tensor]:
            outputs = replay.body(graph, [_inside(v) for v in values[1:]])
            outputs = [_promote(replay, n, v) for n, v in zip(op.outputs, outputs, strict=True)]
            templates[:] = outputs
            return _flatten(outputs)

        return inside

    selector = at_x(values[0])
    if op.type in CASES:
        flat = tf.switch_case(selector, [run(b) for b in op.bodies])
    else:
        flat = tf.cond(tf.cast(selector, tf.bool), run(op.bodies[0]), run(op.bodies[1]))
    return _pack(templates, flat if isinstance(flat, (list, tuple)) else [flat])


def _made_before(body: Graph, held: Mapping[int, tf.Tensor]) -> dict[int, tf.Tensor]:
    """What of the body is the same in every step, by value number; constants stay in it, which cost less there."""
    env, made = dict(held), dict[int, tf.Tensor]()
    for op in invariant(body, held):
        outputs = dict(zip(op.outputs, op.run([env[i] for i in op.inputs]), strict=True))
        env |= outputs
        made |= {} if op.type == "Const" else outputs
    return made


def _inside(value: Carried) -> Carried:
    """A value of the outer graph for use in a body: a custom gradient there must not see the outer tensor itself.

    TensorFlow cannot build the gradient of a branch whose custom gradient takes a tensor from outside.
    """
    if isinstance(value, Value):
        return Value(*[None if t is None else tf.identity(t) for t in value])
    return value if value.dtype in (tf.resource, tf.variant) else tf.identity(value)


def _sealed(value: Carried) -> Carried:
    """The same with the bits of what has no gradient: at the reference, or independent of what is explained."""
    if not isinstance(value, Value):
        return sealed(value)
    return value if value.reference is None else value._replace(reference=sealed(value.reference))


def _opened(value: Carried, template: Carried) -> Carried:
    """What was sealed, in the types of the template."""
    if not isinstance(value, Value):
        return opened(value, at_x(template).dtype)
    if value.reference is None:
        return value
    return value._replace(reference=opened(value.reference, at_reference(template).dtype))


def _passed_through(body: Graph, position: int) -> bool:
    """Whether the body returns this argument as it is (through Identity ops at most)."""
    producers = {o: op for op in body.ops for o in op.outputs}
    number = body.outputs[position]
    while number in producers and producers[number].type == "Identity":
        number = producers[number].inputs[0]
    return number == body.inputs[position]


def _promote(replay: Bodies, number: int, value: Carried) -> Carried:
    """A value that is constant now and will depend on the input later carries every stream from the start."""
    activity = replay.activity[number]
    if activity <= Activity.CONTEXT:
        return at_x(value)
    streams = _streams(replay, number) if activity is Activity.ACTIVE else min(replay.table.streams, 2)
    if not isinstance(value, Value):
        return lift(value, streams)
    value = value._replace(decided=None)  # what is decided in a loop or branch stays there
    if streams == 3 and value.spread is None:  # so far it depends on shapes only: no difference yet
        return value._replace(spread=tf.raw_ops.ZerosLike(x=value.x))
    return _narrowed(replay, number, value)


def _streams(replay: Bodies, number: int) -> int:
    """In how many streams a value is carried that depends on what is explained."""
    table = replay.table
    return table.streams - any(replay.notes[annotation].get(number, False) for annotation in table.narrow)


def _narrowed(replay: Bodies, number: int, value: Carried) -> Carried:
    """A value in no more streams than it is carried in."""
    narrow = isinstance(value, Value) and _streams(replay, number) < replay.table.streams
    return value._replace(spread=None) if narrow and replay.table.streams > 2 else value


def _flatten(values: Iterable[Carried]) -> list[tf.Tensor]:
    return [t for v in values for t in ([t for t in v if t is not None] if isinstance(v, Value) else [v])]


def _pack(templates: Sequence[Carried], flat: Sequence[tf.Tensor]) -> list[Carried]:
    """Flat tensors in the form of these values: the inverse of `_flatten`."""
    tensors = iter(flat)
    return [
        Value(*[None if field is None else next(tensors) for field in t]) if isinstance(t, Value) else next(tensors)
        for t in templates
    ]


def _with_numbers(values: Sequence[Carried], numbers: Sequence[int]) -> Iterator[tuple[tf.Tensor, int]]:
    for value, number in zip(values, numbers, strict=True):
        for tensor in _flatten([value]):
            yield tensor, number


def _open(tensor: tf.Tensor, traced: tf.Tensor) -> tf.TensorShape:
    """The shape a loop variable keeps: the traced one, each dimension open where the stream's differs."""
    shape = traced.shape
    if shape.rank is None or tensor.shape.rank is None:
        return tf.TensorShape(None)
    return tf.TensorShape([a if a == b else None for a, b in zip(shape, tensor.shape, strict=True)])
