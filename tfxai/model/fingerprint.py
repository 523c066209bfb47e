"""Which model, and which weights, something came from."""

from __future__ import annotations

import hashlib

import tensorflow as tf

from tfxai.graph.capture import Graph
from tfxai.model.traced import TracedModel

SAMPLE = 32  # numbers per variable: enough to notice training, and cheap at every call


def digest_of(model: TracedModel) -> hashlib.blake2b:
    """Of the model's ops, and of a sample of its weights as they are now."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(repr([(op.type, op.inputs) for op in model.graph.ops]).encode())
    digest.update(model.function("sample", lambda: _sample(model.graph), list)().numpy().tobytes())
    return digest


def _sample(graph: Graph) -> tf.Tensor:
    """Some numbers of every variable and captured constant, read in one compiled call."""
    reads = {op.inputs[0]: op for op in graph.ops if op.type == "ReadVariableOp"}
    parts = [tf.zeros([1])]
    for number, tensor in graph.captured.items():
        if number in reads:
            tensor = reads[number].run([tensor])[0]
        if tensor.dtype.is_floating or tensor.dtype.is_integer:
            size = tensor.shape.num_elements() or SAMPLE
            parts.append(tf.cast(tf.reshape(tensor, [-1])[:: max(1, size // SAMPLE)], tf.float32))
    return tf.concat(parts, axis=0)
