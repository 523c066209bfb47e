"""Names of classes, in the forms in which people hold them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tfxai.errors import InputError, TargetError, received, suggest

Names = dict[int, str]  # class -> name
INSIDE = ("id2label", "label2id", "class_indices")  # where a configuration of more than names keeps them


def class_names(labels: Any, classes: int | None = None) -> Names | None:
    """The name of every class that has one.

    A list, array or Series has them in the order of the classes. A dict is one of classes (`id2label`, also with text
    keys), or of names (`class_indices`); that of ImageNet has pairs. An output of one number with two names is the
    probability of the second, as Keras' loaders number them.

    Args:
        labels: As the user has them; None: no names.
        classes: How many numbers the output has, where it is known.

    Raises:
        InputError: No order, no names, or another number of them than of classes.

    Example:
        >>> class_names(["cat", "dog"]), class_names({"dog": 1, "cat": 0}), class_names({"1": "dog"})
        ({0: 'cat', 1: 'dog'}, {1: 'dog', 0: 'cat'}, {1: 'dog'})
        >>> class_names(["cat", "dog"], classes=1)
        {0: 'dog'}
    """
    if labels is None:
        return None
    found = _by_class(labels)
    if two_sided(found, classes):
        return {0: found[1]}
    listed = not isinstance(_mapping(labels), Mapping)
    if classes is not None and (listed and len(found) != classes or any(not 0 <= c < classes for c in found)):
        raise InputError(
            f"labels= has a name for each of the {classes} classes of the output. Received: {len(found)} names, of "
            f"classes {min(found, default=0)} to {max(found, default=0)}."
        )
    return found


def two_sided(labels: Any, classes: int | None) -> bool:
    """Whether an output of one number is the score of the second of two classes, which both have names.

    Example:
        >>> two_sided(["cat", "dog"], 1), two_sided(["cat", "dog"], 2), two_sided(["dog"], 1), two_sided(None, 1)
        (True, False, False, False)
    """
    return classes == 1 and labels is not None and set(_by_class(labels)) == {0, 1}


def by_name(target: Any, labels: Any, classes: int | None) -> Any:
    """A class name, or a list of them, as the classes; other targets as they are.

    Raises:
        InputError: As of `class_names`, whatever the target.
        TargetError: No class is called so, or several are.
    """
    names = class_names(labels, classes) or {}
    if isinstance(target, (list, tuple)) and target and all(isinstance(t, str) for t in target):
        return [by_name(t, labels, classes) for t in target]
    if not isinstance(target, str):
        return target
    found = [c for c, name in names.items() if name == target]
    if len(found) == 1:
        return found[0]
    said = "Several classes are" if found else "No class is"
    raise TargetError(f"{said} called {target!r} in labels=. {suggest(target, names.values())}")


def _mapping(labels: Any) -> Any:
    """A dict where these are names by class or classes by name: also those in a configuration, or in a Series."""
    if isinstance(labels, Mapping):
        return next((labels[key] for key in INSIDE if isinstance(labels.get(key), Mapping)), labels)
    if hasattr(labels, "to_dict") and hasattr(labels, "index") and len(labels):
        held = labels.to_dict()
        if all(_is_class(v) for v in held.values()):
            return held
    return labels


def _by_class(labels: Any) -> Names:
    given = _mapping(labels)
    if isinstance(given, Mapping):
        if all(_is_class(v) for v in given.values()):
            return {int(c): str(name) for name, c in given.items()}
        if all(_is_class(k) for k in given):
            return {int(c): _last(name) for c, name in given.items()}
        raise InputError(f"labels= as a dict is {{class: name}} or {{name: class}}. {received(labels)}")
    if isinstance(given, (str, bytes, set, frozenset)) or not hasattr(given, "__iter__"):
        raise InputError(f"labels= are names in the order of the classes, such as a list or dict. {received(labels)}")
    return {c: _last(name) for c, name in enumerate(given)}


def _is_class(value: Any) -> bool:
    """Whether this is a class' position, also as text."""
    if isinstance(value, str):
        return value.isdecimal()
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _last(name: Any) -> str:
    """The name, or the last of the (code, name) of ImageNet's files."""
    return str(name[-1]) if isinstance(name, (list, tuple)) and name else str(name)
