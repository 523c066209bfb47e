"""What an explanation says about itself in words, and which of its parts belong together: for plots, pages, sinks."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfxai.errors import InputError
from tfxai.result.data import ExplanationData
from tfxai.result.names import class_names
from tfxai.support.structure import leaves, map_structure

COMPARED = re.compile(r"\d+ - (\d+|mean\(.*\))")  # what tfxai.targets calls one class against others
LONGEST = 40  # letters of a class name beside a scale; the whole name is in titles and pages


def flat(explanations: Sequence[Any]) -> list[Any]:
    """Explanations, and those in the lists among them."""
    return [e for one in explanations for e in (flat(one) if isinstance(one, (list, tuple)) else [one])]


def title(e: ExplanationData) -> str:
    """The method, and the rule where it has several: the one that was taken, or that they are the user's own.

    Before them stands what was taken over many examples, such as the mean.
    """
    rule = e.options.get("rule")
    rule = e.meta.get("rule") if rule is None else rule
    method = f"{e.meta['mean']}: {e.method}" if "mean" in e.meta else e.method
    return method if rule is None else f"{method}\n{rule if isinstance(rule, str) else 'own rules'}"


def quantity(e: ExplanationData) -> str:
    """What the numbers are, whatever the target."""
    if e.method in ("activation", "gradient"):
        return {"activation": "activation", "gradient": "d score / d input"}[e.method]
    return "contribution of a group" if "painted" in e.meta else "contribution"


def unit(e: ExplanationData, index: int, labels: Sequence[str] | None = None, longest: int = LONGEST) -> str:
    """What the numbers are, for the scale: "contribution to target 3", or the label of class 3, cut where long."""
    if e.method == "activation":  # of no target
        return "activation"
    name = target_name(e, index, labels) or "target"
    name = name if len(name) <= longest else name[: longest - 1] + "…"
    found = f"d {name} / d input" if e.method == "gradient" else f"{quantity(e)} to {name}"
    return f"{e.meta['mean']} of {found}" if "mean" in e.meta else found


def target_name(e: ExplanationData, index: int, labels: Sequence[str] | None = None) -> str:
    """The label of the explained class (or classes), or "target 3", or its description; "" where there is none."""
    target = e.target[index] if isinstance(e.target, np.ndarray) else e.target
    names = class_names(e.meta.get("labels") if labels is None else labels, e.meta.get("classes")) or {}
    if isinstance(target, np.integer) and int(target) in names:
        return names[int(target)]
    if names and isinstance(target, str) and COMPARED.fullmatch(target):
        return re.sub(r"\d+", lambda found: names.get(int(found[0]), found[0]), target)
    return "" if target is None or isinstance(target, str) and not target else f"target {target}"


def unsigned(e: ExplanationData, values: np.ndarray) -> bool:
    """Whether maps have no direction: their method gives none, and nothing in them is below zero in any example."""
    return not e.meta.get("signed") and bool((values >= 0).all() and (values > 0).any())


def displayed(e: ExplanationData, display: Any) -> ExplanationData:
    """The same over other pictures than the network saw, as they were before its preprocessing.

    Args:
        e: The explanation.
        display: Of the structure of its inputs, a picture per example, or a function of the inputs that returns that;
            None: its inputs.

    Raises:
        InputError: Another structure, or another number of examples.
    """
    if display is None:
        return e
    several = isinstance(e.values, (dict, list)) and isinstance(e.inputs, type(e.values))
    if not several and isinstance(e.inputs, (dict, list)):
        return e  # none of several inputs belongs to these values
    display = display(e.inputs) if callable(display) else display
    arrays = map_structure(np.asarray, display if several else np.asarray(display))
    counts = {len(a) for a in leaves(arrays)}
    if several and not isinstance(display, type(e.inputs)) or counts != {len(e)}:
        raise InputError(f"display= has a picture for each of the {len(e)} examples, per input. Received: {counts}.")
    return dataclasses.replace(e, inputs=arrays)


def shown(e: ExplanationData) -> ExplanationData:
    """The same with channels last everywhere, as pictures are drawn; what is not known of its axes stays."""

    def last(tree: Any, axes: Sequence[int | None]) -> Any:
        left = iter(axes)

        def one(array: np.ndarray) -> np.ndarray:
            axis = next(left, None)
            return array if axis is None or axis == array.ndim - 1 else np.moveaxis(array, axis, -1)

        return map_structure(one, tree)

    known = e.meta.get("channels")
    if not known:
        return e
    inputs = None if e.inputs is None else last(e.inputs, known["inputs"])
    meta = {key: value for key, value in e.meta.items() if key != "channels"}
    return dataclasses.replace(e, values=last(e.values, known["values"]), inputs=inputs, meta=meta)


def keys(e: ExplanationData) -> list[Any]:
    """What `input=` can be: the inputs of a model with several, or the layers of an explanation of several; or None."""
    if isinstance(e.values, dict):
        return list(e.values)
    return list(range(len(e.values))) if isinstance(e.values, list) else [None]


def part(e: ExplanationData, input: Any) -> tuple[np.ndarray, Any]:
    """Values and inputs (None where they do not belong together) of one input or layer."""
    values, inputs = e.values, e.inputs
    if not isinstance(values, (dict, list)):
        return values, inputs if not isinstance(inputs, (dict, list)) else None
    known = keys(e)
    layers = e.layer is not None and known == e.layer.split(", ")  # one map each, all of the same input
    if input is None and layers:
        input = known[-1]
    if input not in known:
        raise InputError(f"The model has several inputs: say input= one of {known}. Received: {input!r}.")
    if layers or inputs is None or not isinstance(inputs, type(values)):
        return values[input], None if isinstance(inputs, (dict, list)) else inputs
    return values[input], inputs[input]
