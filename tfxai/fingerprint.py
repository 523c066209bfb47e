"""Which model and which options an explanation came from."""

from __future__ import annotations

import hashlib

import tensorflow as tf

from tfxai.method.base import Method
from tfxai.scorer import Engine


def fingerprint(engine: Engine, method: Method) -> str:
    """A hash of the model's ops, a sample of its weights, and the method's options."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(repr([(op.type, op.inputs) for op in engine.graph.ops]).encode())
    for tensor in engine.graph.captured.values():
        if tensor.dtype == tf.resource:
            dtype = next((op.attrs["dtype"] for op in engine.graph.ops if op.type == "ReadVariableOp"), tf.float32)
            tensor = _variable_value(engine, tensor) if dtype else tensor
        if tensor is not None and tensor.dtype != tf.resource:
            flat = tf.reshape(tensor, [-1])
            digest.update(flat[:: max(1, len(flat) // 32)].numpy().tobytes())
    digest.update(repr((method.name, sorted(method.options().items(), key=str))).encode())
    return digest.hexdigest()


def _variable_value(engine: Engine, handle: tf.Tensor) -> tf.Tensor | None:
    number = next(n for n, t in engine.graph.captured.items() if t is handle)
    reads = (op for op in engine.graph.ops if op.type == "ReadVariableOp" and op.inputs[0] == number)
    read_op = next(reads, None)
    return None if read_op is None else read_op.run([handle])[0]
