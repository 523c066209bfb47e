"""Attributions of chunks -> `Explanation`: joined, in the structure of the input, with their provenance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfxai.errors import InputError
from tfxai.explainer.chunks import Run
from tfxai.explainer.fingerprint import fingerprint
from tfxai.explainer.inputs import Inputs
from tfxai.explainer.references import References
from tfxai.explanation import Explanation
from tfxai.model.attribution import Attribution


def collected(run: Run, results: Sequence[Attribution], on: str) -> Explanation:
    """The explanation of all examples, from what the method gave for each chunk."""
    method, model, inputs = run.method, run.model, run.inputs
    joined = Attribution.concatenated(results)
    return Explanation(
        values=_presented(run, joined.values),
        inputs=inputs.pack(inputs.arrays),
        target=run.target.label if joined.target is None else joined.target,
        score=joined.score,
        baseline_score=joined.baseline_score,
        delta=joined.delta() if method.complete else None,
        method=method.name,
        options={**method.options(), "on": on},
        layer=model.layer,
        multipliers=None if joined.multipliers is None else _presented(run, joined.multipliers),
        standard_error=None if joined.error is None else _presented(run, joined.error),
        fingerprint=fingerprint(model, method),
        meta=_meta(run, joined),
        baseline=_kept(run.references, inputs) if method.uses_baseline else None,
    )


def _meta(run: Run, joined: Attribution) -> dict[str, Any]:
    """Versions, seed, the baseline in words; steps and the columns of data frames where there are any."""
    meta = {"tensorflow": tf.__version__, "keras": keras.__version__, "seed": run.seed}
    meta["baseline"] = run.references.words
    if joined.steps is not None:
        meta["steps"] = joined.steps.tolist()
    meta["channels"] = _channels(run)
    if run.model.layer is None and run.inputs.features:
        meta["features"] = run.inputs.features
    return meta


def _channels(run: Run) -> dict[str, list[int | None]]:
    """Which axis of each input, and of each of the values, holds the channels: None where there are none."""
    model = run.model
    inputs = [layout.channels for layout in model.layouts]
    if run.method.one_map_per_layer:
        return {"inputs": inputs, "values": [m.grid.channels for m in model.feature_maps]}
    if model.layer is not None and not model.feature_maps:
        return {"inputs": inputs, "values": [model.layout(k).channels for k in range(len(model.explained))]}
    return {"inputs": inputs, "values": inputs}


def _presented(run: Run, flat: Sequence[np.ndarray]) -> Any:
    """Values as the user sees them: per layer, or one array per input, of its shape."""
    method, model, inputs = run.method, run.model, run.inputs
    if method.one_map_per_layer:
        return flat[0] if len(flat) == 1 else {m.path: v for m, v in zip(model.feature_maps, flat, strict=True)}
    if model.layer is not None and not model.feature_maps:
        return flat[0] if len(flat) == 1 else list(flat)
    parts: list[np.ndarray | None] = [None] * len(inputs.arrays)
    for owner, values in zip(model.input_of, flat, strict=True):
        if values.shape != inputs.arrays[owner].shape:
            values = _per_feature(values, inputs.arrays[owner].shape, inputs.names[owner])
        before = parts[owner]
        parts[owner] = values if before is None else before + values
    zeros = [np.zeros(a.shape, np.float32) if p is None else p for a, p in zip(inputs.arrays, parts, strict=True)]
    return inputs.pack(zeros)


def _per_feature(values: np.ndarray, shape: tuple, name: str) -> np.ndarray:
    """Values in the input's shape: an embedding's channels are summed."""
    if values.shape[: len(shape)] == shape:
        return values.sum(axis=tuple(range(len(shape), values.ndim)))
    if np.prod(shape[1:]) == 1:  # one category per example, encoded
        return values.reshape(len(values), -1).sum(axis=1).reshape(shape)
    raise InputError(
        f"Input {name!r} of shape {shape} enters the model as numbers of shape {values.shape}, so they have no one "
        "place in it. Explain the output of the encoding layer with layer=."
    )


def _kept(references: References, inputs: Inputs) -> Any:
    """The references, or words for them where they would make the result larger than what it explains does."""
    arrays = [r for r in references.arrays if r is not None]
    if not arrays:
        return "the zero embedding"
    small = sum(r.nbytes for r in arrays) <= sum(a.nbytes for a in inputs.arrays)
    return inputs.pack(references.arrays) if small else references.words
