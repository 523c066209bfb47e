"""Anything that people call groups -> the number of the group of each feature of each input."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tfxai.errors import OptionError, received, suggest
from tfxai.segments.factories import Segmenter
from tfxai.segments.given import Given, has_names
from tfxai.support.arrays import Unreadable, as_array


class Part(NamedTuple):
    """One array of n examples whose features are put into groups.

    Attributes:
        name: Of the input.
        shape: (n, ...).
        places: Its axes of places.
        x: What functions of x are called with; None: there is nothing to call them with.
        columns: Names of its last axis, where it came as a data frame.
        held: Whether it is not explained, and so in no group.
        each: Whether each number of it is a feature by itself, as tokens and those of tables are.
    """

    name: str
    shape: tuple[int, ...]
    places: tuple[int, ...]
    x: Any = None
    columns: Sequence[str] = ()
    held: bool = False
    each: bool = False

    @property
    def thin(self) -> tuple[int, ...]:
        """The shape of one example, with 1 for channels."""
        return tuple(s if a in self.places else 1 for a, s in enumerate(self.shape) if a)


@dataclasses.dataclass(frozen=True, eq=False)
class Division:
    """Which feature is in which group.

    Attributes:
        labels: For each part numbers from 0, (1 or n, ...) with 1 for channels that share one; None where it is held.
        names: Of the groups.
    """

    labels: list[np.ndarray | None]
    names: list[str]

    @property
    def present(self) -> np.ndarray:
        """(1 or n, groups) whether an example has any feature of a group."""
        arrays = [a.reshape(len(a), -1) for a in self.labels if a is not None]
        found = np.zeros((max(map(len, arrays)), len(self.names)), bool)
        for flat in arrays:
            found[np.arange(len(found))[:, None], flat] = True
        return found


Named = tuple[np.ndarray, list[str]]  # labels from 0, and the name of each


def divided(groups: Any, parts: Sequence[Part], x: Any) -> Division:
    """The groups of all parts. The same label in two inputs is the same group; segments made of an input are its own.

    Args:
        groups: What the user gave, not None.
        parts: All inputs, in their order.
        x: What a function of several inputs is called with.

    Raises:
        OptionError: They do not fit, leave features out, or overlap.
    """
    groups = groups.value if isinstance(groups, Given) else groups
    if has_names(groups):
        found = _by_name(groups, parts)
    else:
        found = [_of(value, part, len(parts)) for value, part in zip(_parted(groups, parts, x), parts, strict=True)]
    names = list(dict.fromkeys(name for one in found if one is not None for name in one[1]))
    number = {name: k for k, name in enumerate(names)}
    labels = [None if one is None else np.array([number[n] for n in one[1]])[one[0]] for one in found]
    return Division(labels, names)


def _parted(groups: Any, parts: Sequence[Part], x: Any) -> list[Any]:
    """What was given for each part."""
    names = [p.name for p in parts]
    alone = [not p.held for p in parts].count(True) == 1 and isinstance(groups, np.ndarray)  # beside those held fixed
    named = isinstance(groups, Mapping) and len(parts) == 1 and list(groups) == names
    if (len(parts) == 1 and not named) or alone or isinstance(groups, Segmenter):
        return [groups] * len(parts)
    if callable(groups):
        groups = groups(x)
    if isinstance(groups, Mapping):
        if unknown := [key for key in groups if str(key) not in names]:
            raise OptionError(f"groups= by input: {suggest(unknown[0], names)} {received(unknown[0])}")
        return [groups.get(name) for name in names]
    if isinstance(groups, (list, tuple)) and len(groups) == len(parts):
        return list(groups)
    raise OptionError(
        f"There are {len(parts)} inputs ({', '.join(names)}): groups= is a list or dict of labels, one for each. "
        f"{received(groups)}"
    )


def _of(value: Any, part: Part, count: int) -> Named | None:
    """The labels of one of `count` parts."""
    if part.held:
        return None
    if value is None:
        raise OptionError(f"groups= has nothing for input {part.name!r}: groups leave no feature out. Give it labels.")
    if has_names(value):
        return _by_name(value, [part])[0]
    own = isinstance(value, Segmenter)
    if callable(value):
        x = part.x if part.x is not None or not own or value.reads else np.broadcast_to(0, part.shape)
        if x is None:
            raise OptionError(
                f"groups={value!r} is made of the input, and these values are not of its shape. Pass labels of shape "
                f"{part.shape[1:]}."
            )
        value = value(x) if not own else value(x, part.places).reshape(-1, *part.thin)
    labels = _fitting(_whole(value, part), part)
    found, inverse = np.unique(labels, return_inverse=True)
    prefix = f"{part.name}." if own and count > 1 else ""
    return inverse.reshape(labels.shape), [f"{prefix}{label}" for label in found]


def _whole(value: Any, part: Part) -> np.ndarray:
    """The labels as an array of whole numbers from 0."""
    try:
        array = as_array(value)
    except Unreadable as error:
        raise OptionError(f"groups= of input {part.name!r}: {error} {received(value)}") from error
    if array.dtype.kind not in "biu" or not array.size:
        raise OptionError(
            f"groups= are whole numbers, one for each feature of input {part.name!r} or for each of its places; for a "
            f"data frame {{group: names of columns}}. Received: dtype {array.dtype}, shape {array.shape}."
        )
    if array.min() < 0:
        raise OptionError(
            f"groups= of input {part.name!r} are numbers from 0: no feature is left out. Received: {array.min()}. "
            "Give what is of no group one of its own."
        )
    return array.astype(np.int64)


def _fitting(array: np.ndarray, part: Part) -> np.ndarray:
    """The labels as (1 or n, ...), with 1 for channels that share one."""
    n, whole, thin = part.shape[0], part.shape[1:], part.thin
    grid = tuple(part.shape[a] for a in part.places)
    readings: dict[tuple[int, ...], Any] = {}
    for shape, meant in ((whole, whole), (thin, thin), (grid, thin)):
        if array.shape in (shape, (1, *shape)):
            readings[1, *meant] = shape
        if array.shape == (n, *shape):
            readings[n, *meant] = shape
    if len(readings) == 1:
        return array.reshape(next(iter(readings)))
    if readings:
        raise OptionError(
            f"groups= of shape {array.shape} fit input {part.name!r} in several ways. Pass one of the shapes "
            f"{' or '.join(map(str, readings))}, which say what is meant."
        )
    each = f"{grid} (its places), " if grid != whole else ""
    raise OptionError(
        f"groups= of input {part.name!r}: expected labels of shape {each}{whole}, or with the axis of its {n} examples "
        f"before it. Received: shape {array.shape}."
    )


def _by_name(groups: Any, parts: Sequence[Part]) -> list[Named | None]:
    """Groups of names: of the columns of data frames, or of whole inputs."""
    asked = dict(groups) if isinstance(groups, Mapping) else {", ".join(g): g for g in groups}
    labels = [None if p.held else np.full((1, *_named_shape(p)), -1) for p in parts]
    known = _names(parts)
    group_of: dict[tuple[int, int], str] = {}
    for number, (group, names) in enumerate(asked.items()):
        for name in [names] if isinstance(names, str) else names:
            if name not in known:
                raise OptionError(f"groups= of names: {suggest(name, known)} {received(name)}")
            place = known[name]
            if place in group_of:
                raise OptionError(
                    f"groups= overlap: {name!r} is in {group_of[place]!r} and in {group!r}. Take it out of one."
                )
            group_of[place] = str(group)
            if (own := labels[place[0]]) is not None:
                own[..., place[1] if place[1] >= 0 else slice(None)] = number
    left = [name for name, place in known.items() if place not in group_of and not parts[place[0]].held]
    if left:
        raise OptionError(
            f"groups= leave {len(left)} features out: {', '.join(map(repr, left[:5]))}{', ...' if left[5:] else ''}. "
            "Put each in a group, those that belong to none in one of their own."
        )
    return [None if own is None else (own, [str(g) for g in asked]) for own in labels]


def _named_shape(part: Part) -> tuple[int, ...]:
    """Of one example: a label for each column, or one for all of it."""
    return part.shape[1:] if part.columns else (1,) * (len(part.shape) - 1)


def _names(parts: Sequence[Part]) -> dict[str, tuple[int, int]]:
    """What names mean: the part, and its column, or -1 for the whole.

    Raises:
        OptionError: There are no names, or one stands for two columns.
    """
    found: dict[str, tuple[int, int]] = {}
    for k, part in enumerate(parts):
        for column, name in enumerate(part.columns):
            name = name if name not in found else f"{part.name}.{name}"
            if name in found:
                raise OptionError(f"Two columns are called {name!r}, so groups= cannot name them: pass whole numbers.")
            found[name] = k, column
        if not part.columns and len(parts) > 1:
            found[part.name] = k, -1
    if not found:
        raise OptionError(
            "groups= by names need a data frame, whose columns have some, or several inputs. Received: an array. Pass "
            "whole numbers, one for each feature."
        )
    return found
