"""What a job is asked with, for some of its examples: targets and baselines with an entry for each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from tfxai.baselines.factories import Blur
from tfxai.errors import BaselineError, TargetError, received
from tfxai.support.structure import map_structure
from tfxai.targets.boxes import Box
from tfxai.targets.examples import PerExample, Region, rows_of
from tfxai.targets.factories import Adjusted, Output, Target
from tfxai.targets.several import Each, Neuron


def of_target(target: Any, rows: range, n: int, places: int | None = None) -> Any:
    """The target of some of n examples.

    Args:
        target: As `explain` takes it for all of them.
        rows: Which.
        n: How many there are.
        places: How many axes the places of the model's output have, for masks of regions.

    Raises:
        TargetError: Entries for another number of examples.
    """
    cut, change = slice(rows.start, rows.stop), dataclasses.replace
    if isinstance(target, (list, np.ndarray)) or hasattr(target, "__array__"):
        return _entries(target, cut, n)
    if isinstance(target, Output):
        return change(target, inner=of_target(target.inner, rows, n, places))
    if isinstance(target, Each):
        return Each(tuple(of_target(one, rows, n, places) for one in target.targets))
    if isinstance(target, Neuron):
        return change(target, index=of_target(target.index, rows, n, places))
    if isinstance(target, Adjusted):
        return change(target, index=of_target(target.index, rows, n))
    if isinstance(target, Target):
        return change(target, weights=_weights(target.weights, cut, n))
    if isinstance(target, PerExample):
        arrays, structure = rows_of(target.data, n)
        return change(target, data=map_structure(lambda k: arrays[int(k)][cut], structure))
    if isinstance(target, Box):
        boxes = target.boxes[cut] if _for_each(target.boxes, 2, n) else target.boxes
        each = _for_each(target.classes, 1 if target.classes.dtype.kind in "iu" else 2, n)
        return change(target, boxes=boxes, classes=target.classes[cut] if each else target.classes)
    if isinstance(target, Region):
        each = places is not None and target.mask.ndim == places + 1 and len(target.mask) == n
        return change(
            target, mask=target.mask[cut] if each else target.mask, classes=of_target(target.classes, rows, n)
        )
    return target


def _entries(target: Any, cut: slice, n: int) -> Any:
    if np.ndim(target) == 0 and not isinstance(target, list):
        return target
    if len(target) != n:
        raise TargetError(f"A list of targets has one for each of the {n} examples. Received: {len(target)}.")
    return target[cut]


def _for_each(array: np.ndarray, rank: int, n: int) -> bool:
    return array.ndim == rank and len(array) == n


def _weights(weights: Callable, cut: slice, n: int) -> Callable:
    """The weights of some examples: made for all, as they may be of each."""

    def of_some(shape: tuple, count: int) -> np.ndarray:
        full = weights(shape, n)
        return full if len(full) == 1 else full[cut]

    return of_some


def of_baseline(baseline: Any, rows: range, n: int, x: Any) -> Any:
    """The baseline of some of n examples.

    Args:
        baseline: As `explain` takes it for all of them.
        rows: Which.
        n: How many there are.
        x: These examples: an array, or a list or dict of them.
    """
    if isinstance(baseline, dict) and isinstance(x, dict):
        return {name: of_baseline(b, rows, n, x.get(name)) for name, b in baseline.items()}
    if isinstance(baseline, (list, tuple)) and isinstance(x, (list, tuple)) and len(baseline) == len(x):
        return [of_baseline(b, rows, n, part) for b, part in zip(baseline, x, strict=True)]
    shape = getattr(baseline, "shape", None)
    if shape is None or n == 1 or x is None:
        return baseline
    each = len(shape) in (np.ndim(x), np.ndim(x) + 1) and shape[0] == n
    return baseline[rows.start : rows.stop] if each else baseline


def check_baseline(baseline: Any, x: Any) -> None:
    """Refuses functions whose baseline of an example depends on which others are beside it.

    Raises:
        BaselineError: It is one.
    """
    if isinstance(baseline, (dict, list, tuple)) and isinstance(x, (dict, list, tuple)):
        keys = baseline if isinstance(baseline, dict) else range(min(len(baseline), len(x)))
        for key in keys:
            check_baseline(baseline[key], x[key])
        return
    if not callable(baseline) or isinstance(baseline, Blur) or isinstance(x, (dict, list, tuple)) or len(x) < 2:
        return
    alone, beside = (np.asarray(baseline(x[:k])) for k in (1, 2))
    shared = alone.shape == beside.shape
    if not np.array_equal(alone, beside if shared else beside[:1]):
        raise BaselineError(
            "A job explains some examples at a time, and the baseline that this function gives for one depends on "
            "those beside it. Make it of your data first: tfxai.baselines.mean_of(data), or an array with a row for "
            f"each example. {received(baseline)}"
        )
