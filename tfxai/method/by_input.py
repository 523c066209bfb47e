"""Options that may differ by input: one value for all, a list in the order of the inputs, or a dict by name."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from tfxai.errors import OptionError, received, suggest
from tfxai.model.scorer import Scorer


def each_value(option: Any) -> Iterator[Any]:
    """The values that an option has, of one input or of several."""
    if isinstance(option, (dict, list, tuple)):
        for value in option.values() if isinstance(option, dict) else option:
            yield from each_value(value)
    else:
        yield option


def by_input(option: Any, name: str, scorer: Scorer, *, per_axis: bool = False, whole: bool = False) -> list[Any]:
    """The value of an option for each explained tensor.

    Args:
        option: As the user gave it.
        name: Of the option.
        scorer: Knows the inputs.
        per_axis: Whether a tuple is one value, with a number per axis; and a list, where the model has one input.
        whole: Whether a dict must name every input that is explained; else those left out have None.

    Raises:
        OptionError: It names an input that is not there, or does not have a value for each.
    """
    model, positions = scorer.model, scorer.positions
    count = len(model.graph.inputs)
    listed = isinstance(option, list) and count > 1 if per_axis else isinstance(option, (list, tuple))
    if not listed and not isinstance(option, dict):
        return [option] * len(model.explained)
    if model.layer is not None and not model.feature_maps:
        raise OptionError(
            f"{name} by input is for what is explained at the inputs, and here it is the layer {model.layer!r}. Pass "
            f"one value. {received(option)}"
        )
    names = [_name(scorer, i) for i in range(count)]
    if listed:
        if len(option) != count:
            raise OptionError(
                f"{name} as a list has a value for each of the {count} inputs ({', '.join(names)}). {received(option)}"
            )
        values = dict(enumerate(option))
    else:
        if unknown := [key for key in option if key not in positions]:
            raise OptionError(f"{name} names inputs. {suggest(unknown[0], names)} Received: {unknown[0]!r}.")
        values = {positions[key]: value for key, value in option.items()}
    missing = [names[i] for i in dict.fromkeys(model.input_of) if i not in values]
    if whole and missing:
        raise OptionError(
            f"{name} as a dict says something of every input that is explained. {', '.join(map(repr, missing))} "
            f"{'is' if len(missing) == 1 else 'are'} left out: {received(option)}"
        )
    if not per_axis and any(isinstance(value, (dict, list, tuple)) for value in values.values()):
        raise OptionError(f"{name} has one number for each input. {received(option)}")
    return [values.get(owner) for owner in model.input_of]


@contextlib.contextmanager
def of_input(scorer: Scorer, k: int) -> Iterator[None]:
    """Says of which input an option's error is, where there are several."""
    try:
        yield
    except OptionError as error:
        if len(scorer.model.graph.inputs) == 1 or scorer.model.layer is not None:
            raise
        raise OptionError(f"Of the input {_name(scorer, scorer.model.input_of[k])!r}: {error}") from error


def _name(scorer: Scorer, position: int) -> str:
    """What an input is called."""
    return next((k for k, at in scorer.positions.items() if at == position and isinstance(k, str)), str(position))
