"""Facts about an op's surroundings that some rules want, found once for a graph before it runs.

An annotation is a function (graph, activity) -> {value number: note}. A table names those that it reads, and a rule
asks its call for them. Function bodies are annotated too, each from its own beginning: what comes in by an argument has
no note.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping

from tfxai.graph.activity import Activity
from tfxai.graph.capture import Graph, Op
from tfxai.graph.ops import CONTROL, DIVISIONS, EVERYWHERE, KERNELS, LOOPS, NORM_CARRIERS

Activities = Mapping[int, Activity]


def graphs(graph: Graph) -> Iterator[Graph]:
    """The graph and the bodies of its loops and branches, to any depth."""
    yield graph
    for op in graph.ops:
        for body in op.bodies if op.type in CONTROL else ():
            yield from graphs(body)


# --- The kernel before ---------------------------------------------------------------------------------------------


def kernel_before(graph: Graph, activity: Activities) -> dict[int, str]:
    """Value -> the type of the last dense or convolution op that it comes from, itself included."""
    notes: dict[int, str] = {}
    for part in graphs(graph):
        for op in part.ops:
            if not any(activity[o] is Activity.ACTIVE for o in op.outputs) or op.type in CONTROL:
                continue
            before = next((notes[i] for i in op.inputs if activity[i] is Activity.ACTIVE and i in notes), None)
            own = op.type if op.type in KERNELS else before
            notes.update(dict.fromkeys(op.outputs, own) if own else {})
    return notes


# --- Whose parts nobody asks for -------------------------------------------------------------------------------------


def parts_unread(graph: Graph, activity: Activities) -> dict[int, bool]:
    """Real values that are no result, and of whose positive and negative part no reader wants to know -> True.

    Dense and convolution ops with weights that do not vary split by the sign of w * dx, whatever the parts of dx are.
    Ops that are no nonlinearities want the parts only to make those of their outputs; sizes and decisions have none.
    Of an op with several outputs all of them are noted, or none; of a loop each variable, if no step wants its parts.
    """
    notes: dict[int, bool] = {}
    _wanted(graph, graph.outputs, activity, notes)
    return notes


def _wanted(part: Graph, ends: Iterable[int], activity: Activities, notes: dict[int, bool]) -> set[int]:
    """Values whose parts are wanted where those of the ends are; notes the others that this graph makes."""
    wanted = set(ends) | {o for op in part.ops for o in op.outputs if part.values[o].dtype.is_complex}
    for op in reversed(part.ops):
        if op.type in LOOPS:
            wanted.update(op.inputs[k] for k in _wanted_by_loop(op, wanted, activity, notes))
            continue
        for body in op.bodies if op.type in CONTROL else ():
            _wanted(body, body.outputs, activity, notes)
        unread = wanted.isdisjoint(op.outputs) and op.type not in CONTROL
        notes.update(dict.fromkeys(op.outputs, True) if unread else {})
        active = op.type in CONTROL or any(activity[o] is Activity.ACTIVE for o in op.outputs)
        if active and not _weighs(op, activity) and not (unread and op.type not in EVERYWHERE):
            wanted.update(op.inputs)
    return wanted


def _wanted_by_loop(op: Op, wanted: set[int], activity: Activities, notes: dict[int, bool]) -> set[int]:
    """Positions of the variables of a loop whose parts some step wants, or who comes after it: the least fix-point."""
    _, body = op.bodies
    found = {k for k, o in enumerate(op.outputs) if o in wanted or body.values[body.inputs[k]].dtype.is_complex}
    while True:
        inside: dict[int, bool] = {}
        read = _wanted(body, [body.outputs[k] for k in found], activity, inside)
        more = {k for k, i in enumerate(body.inputs) if i in read} - found
        if not more:
            break
        found |= more
    others = [k for k in range(len(op.outputs)) if k not in found]
    notes.update(inside | dict.fromkeys([n for k in others for n in (op.outputs[k], body.inputs[k])], True))
    return found


def _weighs(op: Op, activity: Activities) -> bool:
    """Whether this is a dense or convolution op whose weights do not vary."""
    found = [activity[i] for i in op.inputs]
    return op.type in KERNELS and found.count(Activity.ACTIVE) == 1 and Activity.DISCRETE not in found


# --- Norms -----------------------------------------------------------------------------------------------------------


class Norm(enum.Enum):
    """What normalisations divide by, whatever ops they are made of: a root, or its inverse; up to a constant factor."""

    NORM = "Sqrt"
    INVERSE = "Rsqrt"

    @property
    def inverted(self) -> Norm:
        return Norm.INVERSE if self is Norm.NORM else Norm.NORM


def norms(graph: Graph, activity: Activities) -> dict[int, Norm]:
    """Value -> whether it is a norm or an inverse one."""
    notes: dict[int, Norm] = {}
    for part in graphs(graph):
        for op in part.ops:
            found = _norm(op, activity, notes)
            notes.update(dict.fromkeys(op.outputs, found) if found else {})
    return notes


def _norm(op: Op, activity: Activities, known: Mapping[int, Norm]) -> Norm | None:
    """What the op makes of the one kind of norm among its varying inputs, all of which must be that (in a product)."""
    if op.type in MADE_BY:
        return MADE_BY[op.type]
    active = [i for i in op.inputs if activity[i] is Activity.ACTIVE]
    among = {known.get(i) for i in active}
    before = among.pop() if len(among) == 1 and (len(active) == 1 or op.type == "Mul") else None
    if before is None or op.type not in KEPT_BY:
        return None
    return KEPT_BY[op.type](before, active[0] == op.inputs[-1])


def _kept(norm: Norm, last: bool) -> Norm | None:
    return norm


def _inverted(norm: Norm, last: bool) -> Norm | None:
    return norm.inverted


def _divided(norm: Norm, last: bool) -> Norm | None:
    """Of a / b only b may be the norm: a norm divided by a constant is one too, but no normalisation is written so."""
    return norm.inverted if last else None


def _with_a_small_number(norm: Norm, last: bool) -> Norm | None:
    """A norm and a small number is a norm; an inverse one and a number is nothing."""
    return norm if norm is Norm.NORM else None


MADE_BY: dict[str, Norm] = {"Sqrt": Norm.NORM, "Rsqrt": Norm.INVERSE}
# op type -> (norm among the inputs, whether it is the last input) -> what the output is
KEPT_BY: dict[str, Callable[[Norm, bool], Norm | None]] = {
    **dict.fromkeys(NORM_CARRIERS, _kept),
    **dict.fromkeys(("Reciprocal", "Inv"), _inverted),
    **dict.fromkeys(DIVISIONS, _divided),
    **dict.fromkeys(("Add", "AddV2"), _with_a_small_number),
}
