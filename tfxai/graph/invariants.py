"""What a loop's body makes anew in every step although it is the same in all: made once, before the loop.

Above all that are the weights. A loop whose body reads no variables has no state, and of a loop without state
TensorFlow drops what nobody reads in the end: values that are kept from every step for gradients that nobody asks for.
The time of a loop lies in the number of its ops, and for each value that is kept there are four.
"""

from __future__ import annotations

from collections.abc import Collection

import tensorflow as tf

from tfxai.graph.capture import Graph, Op, every
from tfxai.graph.ops import CONTROL, VARIABLE_READS


def invariant(body: Graph, held: Collection[int]) -> list[Op]:
    """The ops of a body that are the same in every step, in order, with the constants that they need.

    Args:
        body: Of the loop.
        held: Those of its inputs that every step finds as they were, and that do not depend on what is explained.
    """
    constants: dict[int, Op] = {}
    known, found, reads = set(held), [], not _writes(body)
    for op in body.ops:
        if op.type == "Const":
            constants[op.outputs[0]] = op
        elif known.intersection(op.inputs) and known.union(constants).issuperset(op.inputs) and _moves(op, reads):
            found += [constants[i] for i in dict.fromkeys(op.inputs) if i in constants]
            found.append(op)
            known.update(op.outputs)
    return list(dict.fromkeys(found))


def _moves(op: Op, reads: bool) -> bool:
    """Whether it does the same wherever it stands."""
    if op.type in VARIABLE_READS:
        return reads
    return op.node is not None and not op.bodies and not op.node.op_def.is_stateful


def _writes(body: Graph) -> bool:
    """Whether something in the body, or in bodies inside of it, may change a variable."""
    resources = {n for n, value in enumerate(body.values) if value.dtype is tf.resource}
    return any(
        op.type not in VARIABLE_READS | CONTROL and not resources.isdisjoint(op.inputs) and _stateful(op)
        for op in every(body.ops)
    )


def _stateful(op: Op) -> bool:
    return op.node is None or op.node.op_def.is_stateful
