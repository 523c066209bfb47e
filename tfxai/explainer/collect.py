"""Attributions of chunks -> `Explanation`: joined, in the structure of the input, with their provenance."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Sequence
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
from tfxai.graph.axes import Axes, Axis, Kind
from tfxai.model.attribution import Attribution
from tfxai.result.names import class_names
from tfxai.support.structure import leaves
from tfxai.targets.bound import FunctionTarget, SideTarget


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
        fingerprint=fingerprint(model, method, ChainMap(*run.weights.values())),
        meta=_meta(run, joined),
        baseline=_kept(run.references, inputs) if method.uses_baseline else None,
        layer_sums=joined.account,
    )


def _meta(run: Run, joined: Attribution) -> dict[str, Any]:
    """Versions, seed, the baseline in words; steps and the columns of data frames where there are any."""
    meta = {"tensorflow": tf.__version__, "keras": keras.__version__, "seed": run.seed}
    meta["baseline"] = run.references.words
    once, anew = run.model.draws
    if once or anew:
        meta["draws"] = "new in every pass" if anew else "one for all passes, fixed by seed="
        meta["draws"] += "; as drawn at x where x is in their distribution" if run.model.drawn_at_x else ""
    if joined.steps is not None:
        meta["steps"] = joined.steps.tolist()
    meta |= joined.notes or {}
    meta |= {name: numbers.tolist() for name, numbers in (joined.measures or {}).items()}
    if run.groups is not None:
        least, most = int(run.groups.counts.min()), int(run.groups.counts.max())
        meta["groups"] = {"made_by": run.groups.words, "count": most if least == most else [least, most]}
        if run.game_rows is not None:
            found = [run.method.coalitions(int(count)) for count in np.unique(run.groups.counts)]
            whole = {one is not None and one[1] for one in found}
            meta["coalitions"] = (
                "drawn" if whole == {False} else "all" if whole == {True} else "all where groups are few"
            )
            meta["model_rows"] = run.game_rows
    meta["channels"] = _channels(run)
    meta["signed"] = run.method.signed and run.reduction != "norm"
    held = [name for k, name in enumerate(run.inputs.names) if k not in run.model.input_of]
    if held and run.model.layer is None:
        meta["fixed"] = held
    if run.model.layer is None and run.inputs.features:
        meta["features"] = run.inputs.features
    if run.inputs.coding is not None and (words := run.inputs.coding.words):
        meta["words"] = words
    if run.inputs.rows:
        meta["rows"] = run.inputs.rows
    read = isinstance(run.target, FunctionTarget)  # a function may read any of the outputs
    if isinstance(run.target, SideTarget):
        meta["classes"] = 2
    elif not read and run.model.unit_of is None and (classes := run.model.classes(run.target.output)) is not None:
        meta["classes"] = classes
    if run.model.unit_of is None and (names := class_names(run.labels)):
        meta["labels"] = {str(c): name for c, name in names.items()}  # as JSON has them
    return meta


def _channels(run: Run) -> dict[str, list[int | None]]:
    """Which axis of each input, and of each of the values, holds the channels: None where there are none.

    In the order of the structures as they are read, which is the user's: Keras' own goes by the names of a dict.
    """
    model = run.model
    inputs = leaves(run.inputs.pack([layout.channels for layout in model.layouts]))
    if run.method.one_map_per_layer:
        return {"inputs": inputs, "values": leaves(_of_maps(run, [m.grid.channels for m in model.feature_maps]))}
    if model.layer is not None and not model.feature_maps:
        return {"inputs": inputs, "values": [model.layout(k).channels for k in range(len(model.explained))]}
    return {"inputs": inputs, "values": inputs}


def _presented(run: Run, flat: Sequence[np.ndarray]) -> Any:
    """Values as the user sees them: per layer, or one array per input, of its shape."""
    method, model, inputs = run.method, run.model, run.inputs
    if method.one_map_per_layer:
        return _of_maps(run, flat)
    if model.layer is not None and not model.feature_maps:
        paths = model.layer.split(", ")
        if len(paths) > 1 and len(paths) == len(flat):
            return dict(zip(paths, flat, strict=True))
        return flat[0] if len(flat) == 1 else list(flat)
    parts: list[np.ndarray | None] = [None] * len(inputs.arrays)
    for k, (owner, values) in enumerate(zip(model.input_of, flat, strict=True)):
        if model.explained[k] != model.graph.inputs[owner]:
            reduce = _norm if (run.reduction or method.reduction) == "norm" else _sum
            at = next(op.name for op in model.graph.ops if model.explained[k] in op.outputs)
            values = per_feature(values, model.own_axes(k), owner, inputs, reduce, at)
        before = parts[owner]
        parts[owner] = values if before is None else before + values
    zeros = [np.zeros(a.shape, np.float32) if p is None else p for a, p in zip(inputs.arrays, parts, strict=True)]
    return inputs.pack(zeros)


def _of_maps(run: Run, flat: Sequence[Any]) -> Any:
    """What there is of each feature map: in the place of its picture, where each has one, or by layer."""
    maps, names = run.model.feature_maps, run.inputs.names
    if len(maps) == 1:
        return flat[0]
    if not all(m.of_picture for m in maps):
        return {m.path: part for m, part in zip(maps, flat, strict=True)}
    found = {m.grid.input: part for m, part in zip(maps, flat, strict=True)}
    if len(found) == len(names):
        return run.inputs.pack([found[k] for k in range(len(names))])
    return {names[k]: found[k] for k in sorted(found)}  # the other inputs have no map


def _sum(values: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    return values.sum(axis=axes)


def _norm(values: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    return np.sqrt((values.astype(np.float64) ** 2).sum(axis=axes)).astype(values.dtype)


def per_feature(
    values: np.ndarray, axes: Axes, owner: int, inputs: Inputs, reduce: Callable, at: str = "the encoding"
) -> np.ndarray:
    """Values of an embedding in the input's shape, its channels summed, or their norm: each where it was looked up.

    Raises:
        InputError: It cannot be followed where that is.
    """
    shape, name = inputs.arrays[owner].shape, inputs.names[owner]
    where: dict[int, Any] = {0: slice(None)}  # axis of the input -> its positions
    kept: dict[int, int] = {0: 0}  # axis of the input -> axis of the values
    back = []
    for k, label in enumerate(axes.labels[1:], 1):
        own = [axis for axis in label if axis.input == owner and axis.kind is Kind.PLACE]
        if len(label) == 1 and own and own[0].stride == 1 and own[0].axis not in kept:
            (axis,) = own
            covered = _positions(axis, shape[axis.axis])
            where[axis.axis] = slice(covered.start, covered.stop, covered.step)
            kept[axis.axis] = k
            back += [axis.axis] if axis.backwards else []
        elif own or any(axis.kind is not Kind.MADE for axis in label):
            raise InputError(_lost(name, shape, values.shape, at))
    for axis, index in axes.at:
        if axis.input == owner and index is not None and axis.axis not in where:
            where[axis.axis] = _positions(axis, shape[axis.axis])[index]
    order = [k for _, k in sorted(kept.items())]
    reduced = reduce(values, tuple(k for k in range(1, values.ndim) if k not in order))
    reduced = np.transpose(reduced, [sorted(order).index(k) for k in order])
    for position, axis_ in enumerate(sorted(kept)):
        reduced = np.flip(reduced, position) if axis_ in back else reduced
    free = [a for a in range(1, len(shape)) if a not in where]
    if any(shape[a] != 1 for a in free):
        raise InputError(_lost(name, shape, values.shape, at))
    result = np.zeros(shape, values.dtype)
    result[tuple(where.get(a, 0) for a in range(len(shape)))] = reduced
    return result


def _positions(axis: Axis, length: int) -> range:
    """The positions of an input's axis that an axis covers, in the input's direction."""
    start, stop = (round(share * length) for share in axis.window)
    return range(start, stop, max(1, round((stop - start) / axis.size)) if axis.size else 1)


def _lost(name: str, shape: tuple, entered: tuple, at: str) -> str:
    return (
        f"Input {name!r} of shape {shape} enters the model as numbers of shape {entered}, and it cannot be followed "
        f"which of them belong to which of its own. They are made at {at!r}: explain the output of that layer, "
        "with its name as layer=."
    )


def _kept(references: References, inputs: Inputs) -> Any:
    """The references, or words for them where they would make the result larger than what it explains does."""
    arrays = [r for r in references.arrays if r is not None]
    if not arrays:
        return "the zero embedding"
    small = sum(r.nbytes for r in arrays) <= sum(a.nbytes for a in inputs.arrays)
    return inputs.pack(references.arrays) if small else references.words
