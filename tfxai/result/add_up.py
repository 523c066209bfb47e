"""How the values of an explanation are added up by groups of features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfxai.errors import OptionError, received
from tfxai.result.data import ExplanationData
from tfxai.segments.divide import Part, divided
from tfxai.segments.given import given
from tfxai.support.structure import leaves, named


def grouped(
    e: ExplanationData, groups: Any, names: Sequence[str] | Mapping[Any, str] | None
) -> tuple[list[str], np.ndarray, list[np.ndarray]]:
    """The names of the groups, their sums (n, groups), and the labels of every array of values.

    Raises:
        OptionError: Groups that do not fit, leave features out or overlap; another number of names.
    """
    if groups is None:
        raise OptionError("grouped(groups) takes labels, names of columns, or tfxai.segments.grid(8). Received: None.")
    division = divided(given(groups), _parts(e), e.inputs)
    n, count = len(e), len(division.names)
    sums = np.zeros((n, count))
    labels = [a for a in division.labels if a is not None]
    for values, own in zip(leaves(e.values), labels, strict=True):
        values = values.astype(np.float64)
        alike = tuple(a for a, s in enumerate(own.shape) if a and s == 1)
        values = values.sum(axis=alike, keepdims=True).reshape(n, -1)
        flat = np.broadcast_to(own, (n, *own.shape[1:])).reshape(n, -1) + count * np.arange(n)[:, None]
        sums += np.bincount(flat.reshape(-1), values.reshape(-1), n * count).reshape(n, count)
    return _called(names, division.names), sums, labels


def _parts(e: ExplanationData) -> list[Part]:
    """What the values are of: each array with its axes, its inputs where those have its places, its columns."""
    inputs = dict(named(e.inputs))
    channels = iter(e.meta.get("channels", {}).get("values", []))
    found = []
    for name, values in named(e.values):
        axis = next(channels, values.ndim - 1 if values.ndim > 2 else None)
        places = tuple(a for a in range(1, values.ndim) if a != axis)
        x = inputs.get(name)
        alike = x is not None and x.ndim == values.ndim and all(x.shape[a] == values.shape[a] for a in places)
        columns = e.meta.get("features", {}).get(name, ()) if values.ndim == 2 else ()
        found.append(Part(name or "x", values.shape, places, x if alike else None, columns))
    return found


def _called(names: Sequence[str] | Mapping[Any, str] | None, known: list[str]) -> list[str]:
    """The names that the user gave to groups, or those that they have."""
    if names is None:
        return known
    if isinstance(names, Mapping):
        said = {str(key): str(name) for key, name in names.items()}
        if unknown := set(said) - set(known):
            raise OptionError(
                f"names= are of groups ({', '.join(known[:20])}). Received: {', '.join(sorted(unknown))}."
            )
        return [said.get(name, name) for name in known]
    if isinstance(names, str) or len(names) != len(known):
        raise OptionError(f"names= has one for each of the {len(known)} groups. {received(names)}")
    return [str(name) for name in names]
