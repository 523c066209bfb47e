"""Where explanations begin and end in a graph: the explained tensors, and the logits."""

from __future__ import annotations

import collections
from collections.abc import Collection

import tensorflow as tf

from tfxai.graph.activity import Activity, classify
from tfxai.graph.capture import Graph
from tfxai.graph.ops import ALIASES, ID_CARRIERS, SCALE_MERGERS, SCALE_SPREADERS, SELECTS, SHAPE_ONLY, SQUASHERS
from tfxai.graph.roles import SAYS_WHAT_EXISTS, Use, dependent, grows, large_constants, selects, uses


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

    A float input stands for itself. Token ids, or any input that is only looked up in a constant table, encoded or
    cast, stands for the first float tensors made from its values that the output depends on differentiably: the
    embeddings. What only selects from what other inputs computed, or says which of it exists, has none: it stays as it
    is in x.
    """
    own = graph.values[number].dtype
    if own.is_floating and _reaches_output(graph, number):
        return [number]
    derived, large, found = {number}, set[int](), []
    on_inputs, constants = dependent(graph), large_constants(graph)
    for op in graph.ops:
        if op.bodies or op.type in SHAPE_ONLY or not any(i in derived for i in op.inputs):
            continue
        if selects(op, derived, on_inputs) or op.type in SELECTS and not any(i in derived for i in op.inputs[1:]):
            continue
        large.update(op.outputs if grows(op, large, constants) else ())
        floats = any(i in derived and graph.values[i].dtype.is_floating for i in op.inputs)
        if floats and op.type not in ID_CARRIERS:
            continue  # float ids become indices by a cast; an arg max of them is a decision
        for output in op.outputs:
            dtype = graph.values[output].dtype
            if dtype.is_floating and op.type not in ALIASES and _reaches_output(graph, output):
                if op.type not in ID_CARRIERS or not _says_what_exists(graph, output, own, on_inputs, large):
                    found.append(output)
            elif dtype.is_floating or dtype.is_integer or dtype == tf.string or own == tf.bool:
                derived.add(output)
    return _merged(graph, found)


def _says_what_exists(
    graph: Graph, number: int, own: tf.DType, on_inputs: Collection[int], large: Collection[int]
) -> bool:
    """Whether a number made of whole numbers or flags is a mask of what other inputs computed, and nothing else.

    Flags that are factors are masks; a whole number that is one may be a quantity, unless it counts what exists too.
    """
    found = uses(graph, number, on_inputs, number in large)
    if not found or Use.NUMBER in found:
        return False
    return own == tf.bool or bool(found & SAYS_WHAT_EXISTS)


def _merged(graph: Graph, found: list[int]) -> list[int]:
    """The tensors looked up for one input, with the parts of one quantised table put together.

    A quantised embedding looks up whole numbers q and their scale s by the same ids and makes q / s of them. Explained
    apart, the two would share its credit, and both would have 0 as their reference, where q / s is 0 / 0. So lookups
    that meet each other, and that nothing else reads, are one: the value that they make.
    """
    readers = collections.Counter(i for op in graph.ops if op.type not in SHAPE_ONLY for i in op.inputs)
    readers.update(graph.outputs)
    came = {n: n for n in found}
    for op in graph.ops:
        parts = [came[i] for i in op.inputs if i in came and readers[i] == 1]
        if op.type in SCALE_MERGERS and len(parts) == 2:
            found = [n for n in found if n not in parts] + [op.outputs[0]]
            came[op.outputs[0]] = op.outputs[0]
        elif op.type in SCALE_SPREADERS and len(parts) == 1:
            came[op.outputs[0]] = parts[0]
    return found


def _reaches_output(graph: Graph, number: int) -> bool:
    activity = classify(graph, {number: Activity.ACTIVE})
    return any(activity[o] is Activity.ACTIVE for o in graph.outputs)
