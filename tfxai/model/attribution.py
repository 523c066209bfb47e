"""Sums, means and concatenation of attributions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfxai.method.base import Attribution


def added(a: Attribution, b: Attribution) -> Attribution:
    def add(field: str, p: Any, q: Any) -> Any:
        if p is None or field == "chosen":
            return p
        if field == "error":  # of independent draws
            return [tf.sqrt(s * s + t * t) for s, t in zip(p, q, strict=True)]
        return [s + t for s, t in zip(p, q, strict=True)] if isinstance(p, list) else p + q

    return Attribution(*[add(f, p, q) for f, p, q in zip(a._fields, a, b, strict=True)])


def scaled(a: Attribution, factor: float) -> Attribution:
    def scale(p: Any) -> Any:
        return None if p is None else [t * tf.cast(factor, t.dtype) for t in p] if isinstance(p, list) else p * factor

    return Attribution(*[p if f in ("chosen", "steps") else scale(p) for f, p in zip(a._fields, a, strict=True)])


def to_numpy(a: Attribution) -> Attribution:
    def read_one(t: tf.Tensor) -> np.ndarray:
        array = t.numpy()
        return array.astype(np.float32) if array.dtype.name in ("float16", "bfloat16") else array

    n = len(a.score)
    converted: list[Any] = [
        None if p is None else [read_one(t) for t in p] if isinstance(p, list) else read_one(p) for p in a
    ]
    result = Attribution(*converted)
    if result.baseline_score is not None and len(result.baseline_score) != n:
        result = result._replace(baseline_score=np.repeat(result.baseline_score, n))
    return result


def joined(parts: Sequence[Any]) -> Any:
    if parts[0] is None or len(parts) == 1:
        return parts[0]
    if isinstance(parts[0], list):
        return [np.concatenate(column) for column in zip(*parts, strict=True)]
    return np.concatenate(parts)
