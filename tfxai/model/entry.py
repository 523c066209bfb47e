"""Where explanations begin and end in a graph: the explained tensors, and the logits."""

from __future__ import annotations

import collections

import tensorflow as tf

from tfxai.graph.activity import ALIASES, SHAPE_OPS, Kind, classify
from tfxai.graph.capture import Graph

CARRIERS = ALIASES | {"Cast", "Reshape", "Squeeze", "ExpandDims", "Transpose", "Bucketize"}  # of ids in float form
SPREADERS = CARRIERS | {"GatherV2", "Tile", "BroadcastTo"}  # of one scale to the values it is for
MERGERS = frozenset({"Add", "AddV2", "Sub", "Mul", "RealDiv"})
SQUASHERS = frozenset({"Softmax", "Sigmoid"})


def logits(graph: Graph, number: int) -> int:
    """The input of the Softmax or Sigmoid that makes this output; the output itself when there is none.

    Explaining a saturated probability gives blank maps; the logit orders the classes just the same.
    """
    producers = {o: op for op in graph.ops for o in op.outputs}
    start, current = number, number
    while current in producers:
        op = producers[current]
        if op.type in SQUASHERS:
            return op.inputs[0]
        if op.type in ALIASES:
            current = op.inputs[op.outputs.index(current)]
        elif op.type == "Cast" and graph.values[op.inputs[0]].dtype.is_floating:
            current = op.inputs[0]
        else:
            return start
    return start


def explained(graph: Graph, number: int) -> list[int]:
    """The tensors that stand for one input in the explanation.

    A float input stands for itself. Token ids, or any input that is only looked up, encoded or cast, stands for the
    first float tensors made from its values that the output depends on differentiably: the embeddings.
    """
    if graph.values[number].dtype.is_floating and _reaches_output(graph, number):
        return [number]
    derived, found = {number}, []
    for op in graph.ops:
        if op.bodies or op.type in SHAPE_OPS or not any(i in derived for i in op.inputs):
            continue
        floats = any(i in derived and graph.values[i].dtype.is_floating for i in op.inputs)
        if floats and op.type not in CARRIERS:
            continue  # float ids become indices by a cast; an arg max of them is a decision
        for output in op.outputs:
            dtype = graph.values[output].dtype
            if dtype.is_floating and op.type not in ALIASES and _reaches_output(graph, output):
                found.append(output)
            elif dtype.is_floating or dtype.is_integer or dtype == tf.string:
                derived.add(output)
    return _merged(graph, found)


def _merged(graph: Graph, found: list[int]) -> list[int]:
    """Lookups of the same ids that meet each other and nothing else are one: values, scales and offsets of a table.

    Apart they would share the credit of a quantised embedding q / s, for which (q, s) = 0 is no reference.
    """
    readers = collections.Counter(i for op in graph.ops if op.type not in SHAPE_OPS for i in op.inputs)
    readers.update(graph.outputs)
    came = {n: n for n in found}
    for op in graph.ops:
        parts = [came[i] for i in op.inputs if i in came and readers[i] == 1]
        if op.type in MERGERS and len(parts) == 2:
            found = [n for n in found if n not in parts] + [op.outputs[0]]
            came[op.outputs[0]] = op.outputs[0]
        elif op.type in SPREADERS and len(parts) == 1:
            came[op.outputs[0]] = parts[0]
    return found


def _reaches_output(graph: Graph, number: int) -> bool:
    kinds = classify(graph, {number: Kind.DATA})
    return any(kinds[o] is Kind.DATA for o in graph.outputs)
