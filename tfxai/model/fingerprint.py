"""Which model, and which weights, something came from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from tfxai.graph.capture import Graph
from tfxai.model.traced import TracedModel

SAMPLE = 32  # numbers per variable: enough to notice training, and cheap at every call


def digest_of(model: TracedModel, read: Mapping[int, tf.Tensor] | None = None) -> hashlib.blake2b:
    """Of the model's ops, and of a sample of its weights as they are now.

    Args:
        model: The traced model.
        read: Values of its graph that have been read already.
    """
    digest = model.compiled.get("ops", lambda: _of_ops(model.graph), traced=False).copy()
    digest.update(_sample(model.graph, read or {}).tobytes())
    return digest


def _of_ops(graph: Graph) -> hashlib.blake2b:
    """Of what stays: thousands of ops, for every explanation of one example."""
    return hashlib.blake2b(repr([(op.type, op.inputs) for op in graph.ops]).encode(), digest_size=16)


def _sample(graph: Graph, read: Mapping[int, tf.Tensor]) -> np.ndarray:
    """Some numbers of every variable and captured constant. They are looked at where they are, and not copied."""
    reads = {op.inputs[0]: op for op in graph.ops if op.type == "ReadVariableOp"}
    parts = [np.zeros(1, np.float32)]
    for number, tensor in graph.captured.items():
        if number in reads:
            known = read.get(reads[number].outputs[0])
            tensor = reads[number].run([tensor])[0] if known is None else known
        if tensor.dtype.is_floating or tensor.dtype.is_integer:
            numbers = np.asarray(tensor).reshape(-1)
            parts.append(numbers[:: max(1, numbers.size // SAMPLE)].astype(np.float32))
    return np.concatenate(parts)
