"""Baselines of all inputs -> the explained tensors at each reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfxai.baselines.fitted import fitted
from tfxai.errors import BaselineError, received
from tfxai.explainer.inputs import Inputs
from tfxai.model.scorer import Scorer
from tfxai.model.traced import Engine


def resolve(baseline: Any, inputs: Inputs, engine: Engine) -> list[np.ndarray | None]:
    """One array (1 or n, R, ...) per input; None where a token input starts from the zero embedding."""
    parts = _parts(baseline, inputs)
    found: list[np.ndarray | None] = []
    for part, array, number in zip(parts, inputs.arrays, engine.graph.inputs, strict=True):
        lookup = number not in engine.entries
        found.append(None if part is None and lookup else fitted(part, array))
    counts = {r.shape[1] for r in found if r is not None} - {1}
    if len(counts) > 1:
        raise BaselineError(
            f"All inputs have the same number of references, or one. Received: {sorted(counts)} references."
        )
    return found


def _parts(baseline: Any, inputs: Inputs) -> list[Any]:
    count = len(inputs.arrays)
    if callable(baseline) and count > 1:
        baseline = baseline(inputs.pack(inputs.arrays))
    if isinstance(baseline, dict):
        unknown = set(map(str, baseline)) - set(inputs.names)
        if unknown:
            raise BaselineError(
                f"A dict baseline has one entry per input ({', '.join(inputs.names)}). Received: {', '.join(unknown)}."
            )
        return [baseline.get(name) for name in inputs.names]
    if count > 1 and isinstance(baseline, (list, tuple)):
        if len(baseline) != count:
            raise BaselineError(f"Expected one baseline per input, {count}. Received: {len(baseline)}.")
        return list(baseline)
    if count > 1 and baseline is not None and np.ndim(baseline) > 0:
        raise BaselineError(
            f"The model has {count} inputs: pass a list or dict of baselines, or a scalar for all. {received(baseline)}"
        )
    return [baseline] * count


def at(scorer: Scorer, references: Sequence, rows: slice, k: int) -> list[tf.Tensor]:
    """The explained tensors at reference number k, of batch 1 (for all) or of the chunk's."""
    raw, own = [], []
    engine, n = scorer.engine, len(scorer)
    for x, r in zip(scorer.inputs, references, strict=True):
        part = None if r is None else r[rows if len(r) > 1 else slice(None)][:, min(k, r.shape[1] - 1)]
        raw.append(x if part is None else tf.constant(part))
        own.append(part is not None)
    direct = engine.entries == tuple(engine.graph.inputs)
    if not direct:
        raw = [tf.repeat(t, n, axis=0) if len(t) == 1 and n > 1 else t for t in raw]
    entries = engine.enter(raw)
    entries = [e if own[o] else tf.zeros_like(e[:1]) for e, o in zip(entries, engine.owners, strict=True)]
    if not direct and all(len(r) == 1 for r in references if r is not None):
        entries = [e[:1] for e in entries]
    if len({len(e) for e in entries}) > 1:
        entries = [tf.repeat(e, n, axis=0) if len(e) == 1 else e for e in entries]
    return engine.deepen(scorer.inputs, entries)
