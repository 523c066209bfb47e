"""Which of several named arrays is for which input of a model: by name, or by order where they have none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from tfxai.errors import InputError

UNNAMED = re.compile(r"arr_(\d+)")  # what numpy.savez calls arrays that are given without names


def placed(keys: Sequence[str], names: Sequence[str] | None, in_order: bool = True) -> tuple[Any, list[str]]:
    """The keys of arrays in the structure in which a model takes these, and what there is to say about it.

    Args:
        keys: Of the arrays that there are.
        names: Of the model's inputs, None where it does not say.
        in_order: Whether the inputs have an order; those of a SavedModel have names only.

    Returns:
        One key, a dict of them by the names of inputs, or a list in the order of these.

    Raises:
        InputError: Other names than the model's, fewer arrays.

    Example:
        >>> placed(["age", "text"], ["text", "age"])[0], placed(["arr_0", "arr_1"], ["a", "b"])[0]
        ({'text': 'text', 'age': 'age'}, {'a': 'arr_0', 'b': 'arr_1'})
    """
    numbered = sorted((int(number[1]), key) for key in keys if (number := UNNAMED.fullmatch(key)))
    by_order = [key for _, key in numbered] if len(numbered) == len(keys) else []
    if names is None:
        return by_order or {key: key for key in keys}, []
    if set(names) <= set(keys):
        found, left = {name: name for name in names}, [key for key in keys if key not in names]
        notes = [f"left out: {short(left)}"] if left else []
    elif in_order and len(by_order) == len(names):
        found = dict(zip(names, by_order, strict=True))
        notes = ["arrays without names, in the model's order: " + short([f"{k} is {n}" for n, k in found.items()])]
    elif len(names) == 1 and "x" in keys:
        found, notes = {names[0]: "x"}, [f"x taken; left out: {short([k for k in keys if k != 'x'])}"]
    else:
        raise InputError(
            f"The model takes {short(names)}; the file holds {short(list(keys))}. Save the arrays by the names of "
            "the inputs: numpy.savez(path, name=...)" + (", or in their order without names." if in_order else ".")
        )
    return (found if len(names) > 1 else found[names[0]]), notes


def short(names: Sequence[str]) -> str:
    """Names for a line: at most eight."""
    return ", ".join([*map(str, names[:8]), *(["..."] if len(names) > 8 else [])])
