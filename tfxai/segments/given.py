"""Groups as a user gave them: kept as they were, compared and described by what is in them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from tfxai.segments.factories import Segmenter


class Given:
    """Labels, names of columns, functions of x, or structures of these, which no one changes any more.

    Args:
        value: As the user gave it; arrays are copied.

    Attributes:
        value: The same.
        words: What it is, in short: with a hash of the numbers, so that equal words are equal groups.
    """

    def __init__(self, value: Any) -> None:
        self.value = _copied(value)
        self.words = _described(self.value)

    def __repr__(self) -> str:
        return self.words

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Given) or callable(self.value) or callable(other.value):
            return isinstance(other, Given) and self.value is other.value
        return other.words == self.words

    def __hash__(self) -> int:
        return hash(self.words)


def given(groups: Any) -> Any:
    """What a method keeps as its option: None, what makes segments, or what a user gave."""
    return groups if groups is None or isinstance(groups, (Given, Segmenter)) else Given(groups)


def has_names(groups: Any) -> bool:
    """Whether these are names of columns: {group: names}, or a list of lists of names."""
    parts = list(groups.values()) if isinstance(groups, Mapping) else groups
    if not isinstance(parts, (list, tuple)) or not parts:
        return False
    several = [isinstance(p, (list, tuple)) and bool(p) and all(isinstance(n, str) for n in p) for p in parts]
    return all(s or isinstance(p, str) and isinstance(groups, Mapping) for s, p in zip(several, parts, strict=True))


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copied(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_copied(part) for part in value]
    return np.array(value) if isinstance(value, np.ndarray) else value


def _described(value: Any) -> str:
    if has_names(value):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {_described(part)}" for key, part in value.items()) + "}"
    if isinstance(value, Segmenter) or value is None:
        return repr(value)
    if callable(value):
        return str(getattr(value, "__qualname__", type(value).__name__))
    if isinstance(value, list) and not _is_numbers(value):
        return "[" + ", ".join(map(_described, value)) + "]"
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        return repr(value)
    digest = hashlib.sha256(repr((array.shape, array.dtype.str)).encode() + np.ascontiguousarray(array).tobytes())
    return f"labels(shape={array.shape}, groups={len(np.unique(array))}, sha256={digest.hexdigest()[:12]})"


def _is_numbers(value: list) -> bool:
    """Whether a list is nested numbers, rather than one array for each input."""
    return all(_is_numbers(v) if isinstance(v, list) else isinstance(v, (int, float, np.generic)) for v in value)
