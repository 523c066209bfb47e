"""References that are taken from a data set: its mean, or some of its examples."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from tfxai.baselines.factories import like
from tfxai.baselines.fitted import Baseline, called, generator, is_count, numbers
from tfxai.errors import BaselineError, received

Parts = dict[Any, np.ndarray]  # arrays by input, or by column; of the only input under None


def mean_of(data: Any) -> Baseline:
    """The mean of a data set, (1, ...); rounded for pictures of bytes.

    Args:
        data: Examples on the first axis, (any, ...); of a model with several inputs a dict of these, or a data frame
            with a column for each.

    Raises:
        BaselineError: No examples, or not numbers; words have no mean.

    Example:
        >>> mean_of([[1.0, 2.0], [3.0, 6.0]])(np.ones((5, 2)))
        array([[2., 4.]])
        >>> mean_of({"age": [20.0, 40.0], "dose": [1.0, 2.0]})({"age": np.ones((5, 1)), "dose": np.ones((5, 1))})
        {'age': array([[30.]]), 'dose': array([[1.5]])}
    """
    parts = _parts(data, "mean_of")
    words = ", ".join(repr(name) for name, part in parts.items() if part.dtype.kind not in "biuf")
    if words:
        raise BaselineError(
            f"Words have no mean. Received: words in {words}. Pass tfxai.baselines.sample_of(data), an average over "
            "examples; or a baseline for each input, such as {'age': 40.0, 'sex': 'female'}, of a frame a row of it."
        )
    means = {name: part.mean(axis=0, keepdims=True, dtype=np.float64) for name, part in parts.items()}
    return called(f"mean_of({_count(parts)} examples)", lambda x: _by_input(means, x, like))


def sample_of(data: Any, n: int = 10, seed: int = 0) -> Baseline:
    """n different examples of a data set as references, (1, n, ...), the same for every explained example.

    Args:
        data: Examples on the first axis, (any, ...), of numbers or words; of a model with several inputs a dict of
            these, or a data frame with a column for each.
        n: How many.
        seed: Same seed, same examples.

    Raises:
        BaselineError: n is not between 1 and the number of examples.

    Example:
        >>> sample_of(np.arange(8.0).reshape(4, 2), n=3)(np.ones((5, 2))).shape
        (1, 3, 2)
        >>> people = sample_of({"sex": ["f", "m", "f"], "age": [20, 40, 60]}, n=2)
        >>> {name: part.tolist() for name, part in people({"sex": np.array([["m"]]), "age": np.ones((1, 1))}).items()}
        {'sex': [[['m'], ['f']]], 'age': [[[40], [60]]]}
    """
    parts = _parts(data, "sample_of")
    count = _count(parts)
    if not is_count(n) or n > count:
        raise BaselineError(f"sample_of(data, n) needs n from 1 to the {count} examples. {received(n)}")
    rows = np.sort(generator(seed).choice(count, n, replace=False))
    taken = {name: part[rows][None] for name, part in parts.items()}
    frame = data.iloc[rows] if _is_frame(data) else None
    return called(f"sample_of({n} of {count} examples, seed={seed})", Sample(taken, frame))


@dataclasses.dataclass(eq=False)
class Sample:
    """What `sample_of` returns: some examples, which are the references of all.

    Attributes:
        parts: (1, n, ...) by input.
        frame: The rows of the data frame that they are; None where the data were none.
    """

    parts: Parts
    frame: Any = None

    def __call__(self, x: Any) -> Any:
        """(1, n, ...), for each input of x."""
        return _by_input(self.parts, x, lambda part, of: part, references=1)


def _by_input(parts: Parts, x: Any, made: Callable[[np.ndarray, np.ndarray], np.ndarray], references: int = 0) -> Any:
    """The parts as the inputs are: by name, or the columns beside each other in the one array.

    Raises:
        BaselineError: The data have no such input, or several where the model has one that is no table.
    """
    if not isinstance(x, dict):
        if None in parts:
            return made(parts[None], x)
        return made(np.stack(list(parts.values()), axis=-1), x)
    missing = [name for name in x if name not in parts]
    if missing or None in parts:
        known = "one array" if None in parts else ", ".join(map(repr, parts))
        wanted = ", ".join(map(repr, missing or x))
        raise BaselineError(f"The data hold what each input is compared with: {wanted}. Received: {known}.")
    return {name: made(_fitting(parts[name], of.ndim + references), of) for name, of in x.items()}


def _fitting(part: np.ndarray, axes: int) -> np.ndarray:
    """A column of a table as that of a model, (n, 1)."""
    return part[..., None] if part.ndim == axes - 1 else part


def _parts(data: Any, name: str) -> Parts:
    """A data set as arrays with one example or more."""
    if _is_frame(data):
        data = {column: data[column] for column in data.columns}
    parts = {k: _words_or_numbers(v) for k, v in data.items()} if isinstance(data, dict) else {None: numbers(data)}
    counts = {len(part) if part.ndim else 0 for part in parts.values()}
    if len(counts) != 1 or not all(part.size for part in parts.values()) or 0 in counts:
        shapes = ", ".join(str(part.shape) for part in parts.values())
        raise BaselineError(f"{name}(data) needs one example or more, first axis. Received: shape {shapes}.")
    return parts


def _words_or_numbers(column: Any) -> np.ndarray:
    array = np.asarray(column)
    words = array.dtype.kind in "OSU" and all(isinstance(v, (str, bytes)) for v in array.reshape(-1))
    return array.astype(object) if words else numbers(column)


def _count(parts: Parts) -> int:
    return len(next(iter(parts.values())))


def _is_frame(data: Any) -> bool:
    return hasattr(data, "iloc") and hasattr(data, "columns")
