"""Which model and which options an explanation came from."""

from __future__ import annotations

import hashlib

import tensorflow as tf

from tfxai.method.base import Method
from tfxai.scorer import Engine

SAMPLE = 32  # numbers per variable: enough to notice training, and cheap at every call


def fingerprint(engine: Engine, method: Method) -> str:
    """A hash of the model's ops, a sample of its weights as they are now, and the method's options."""
    graph, digest = engine.graph, hashlib.blake2b(digest_size=16)
    digest.update(repr([(op.type, op.inputs) for op in graph.ops]).encode())
    reads = {op.inputs[0]: op for op in graph.ops if op.type == "ReadVariableOp"}
    for number, tensor in graph.captured.items():
        if number in reads:
            tensor = reads[number].run([tensor])[0]
        if tensor.dtype not in (tf.resource, tf.variant):
            flat = tf.reshape(tensor, [-1])
            digest.update(flat[:: max(1, len(flat) // SAMPLE)].numpy().tobytes())
    digest.update(repr((method.name, sorted(method.options().items(), key=str))).encode())
    return digest.hexdigest()
