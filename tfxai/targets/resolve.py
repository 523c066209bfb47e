"""What a user names as the target -> a bound target, checked against the model's outputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tfxai.errors import TargetError, received, suggest
from tfxai.targets import agreement
from tfxai.targets.bound import (
    BoundTarget,
    FunctionTarget,
    IndexTarget,
    PlaceTarget,
    RankedTarget,
    RegionTarget,
    SideTarget,
    WeightsTarget,
)
from tfxai.targets.boxes import Box
from tfxai.targets.examples import PerExample, Region, region_weights, rows_of
from tfxai.targets.factories import Adjusted, Output, Sides, Target, class_index
from tfxai.targets.several import Neuron, Ranked, several


def _unknown(output: int) -> None:
    """That it is not known which axis of an output holds its classes."""
    return None


def resolve(
    target: Any, shapes: Sequence[tuple | str], names: Sequence[Sequence[str]], n: int, both: float | None = None,
    axis_of_classes: Callable[[int], int | None] = _unknown, pictures: Sequence[tuple[int, int]] = (),
) -> BoundTarget:  # fmt: skip
    """Checks a target against the model's outputs.

    Args:
        target: What the user gave.
        shapes: Shape of each flat output without the batch axis, or in words why it cannot be explained.
        names: The names each flat output answers to.
        n: Number of examples.
        both: Where the one output is the score of the second of two classes that have names: what the scores of both
            add up to.
        axis_of_classes: Which axis of an output holds its classes or channels, the batch counted; None: not known.
        pictures: (height, width) of those among the inputs.

    Raises:
        TargetError: It does not fit, or does not say which output is meant.
    """
    single(target)
    output, alone = 0, isinstance(target, Output)
    if isinstance(target, Output):
        output, target = output_position(target.name, names), target.inner
    elif len(shapes) > 1 and not callable(target) and not isinstance(target, (PerExample, Box)):
        listed = [n[0] if n else str(i) for i, n in enumerate(names)]
        one = next((name for name, shape in zip(listed, shapes, strict=True) if isinstance(shape, tuple)), listed[0])
        raise TargetError(
            f"The model has {len(shapes)} outputs ({', '.join(map(str, listed))}): say which with "
            f"target=tfxai.targets.output({one!r}, i). " + received(target)
        )
    if isinstance(target, Neuron):
        raise TargetError("A neuron is of a layer, not of an output: pass tfxai.targets.neuron(layer, index) itself.")
    if isinstance(target, Output):
        raise TargetError("An output is named once: tfxai.targets.output(name, target). Received: one in another.")
    if callable(target) and not isinstance(target, Target):
        return FunctionTarget(output, label=getattr(target, "__name__", "function"), function=target, alone=alone)
    if isinstance(target, Box):
        if alone:
            raise TargetError("A box reads several outputs: name them in tfxai.targets.box(..., outputs=).")
        return agreement.bound(target, shapes, lambda name: output_position(name, names), pictures, n)
    if isinstance(target, PerExample):
        data, structure = rows_of(target.data, n)
        label = getattr(target.function, "__name__", "function")
        return FunctionTarget(output, data, label, function=target.function, alone=alone, structure=structure)
    shape = shapes[output]
    if isinstance(shape, str):
        raise TargetError(shape)
    if isinstance(target, Region):
        return _region(output, target, shape, axis_of_classes(output), n)
    if isinstance(target, Target):
        return WeightsTarget(output, (_weights(target, shape, n),), target.label)
    if isinstance(target, Sides):
        return SideTarget(output, (target.index.astype(np.int32), np.array(target.both, np.float32)))
    if isinstance(target, tuple) or isinstance(target, list) and target and all(isinstance(t, tuple) for t in target):
        return _placed(output, target, shape, n)
    centred = isinstance(target, Adjusted)
    if both is not None and not centred and not alone:
        index = _class(1 if target is None else target, (*shape[:-1], 2), n)
        return SideTarget(output, (index, np.array(both, np.float32)))
    index = _class(target.index if centred else target, shape, n)
    kind = RankedTarget if isinstance(target, Ranked) else IndexTarget
    return kind(output, (index, np.array(float(centred), np.float32)), "adjusted" if centred else "")


def single(target: Any) -> None:
    """Raises TargetError when a target asks for several explanations."""
    if several(target) is not None:
        raise TargetError(
            "One target is taken here, and several are given by tfxai.targets.each or top. Pass them one by one, or to "
            "tfxai.explain."
        )


def unit(index: Any, shapes: Sequence[tuple | str], channels: int | None, name: str, n: int) -> BoundTarget:
    """Checks the index of a neuron against what its layer returns.

    Args:
        index: What the user gave.
        shapes: Shape of each tensor that the layer returns, without the batch axis, or in words why it is no score.
        channels: Which axis of the first holds its channels, the batch counted; None: that is not known.
        name: Of the layer.
        n: Number of examples.

    Raises:
        TargetError: It does not fit.
    """
    if len(shapes) > 1 and not isinstance(index, Output):
        raise TargetError(
            f"The layer {name!r} returns {len(shapes)} tensors: say which with "
            f"tfxai.targets.neuron({name!r}, tfxai.targets.output(0, i)). {received(index)}"
        )
    inner, rank = index.inner if isinstance(index, Output) else index, len(shapes[0])
    if isinstance(shapes[0], tuple) and isinstance(inner, (int, np.integer)) and not isinstance(inner, bool):
        if rank > 1 and (channels is None or len(shapes) > 1):
            raise TargetError(
                f"The layer {name!r} returns {shapes[0]} per example, and it cannot be known which axis holds its "
                f"channels. Pass a tuple with an index per axis, None for all of one. {received(inner)}"
            )
        inner = tuple(int(inner) if axis == (channels if rank > 1 else 1) else None for axis in range(1, rank + 1))
    try:
        found = resolve(
            Output(index.name, inner) if isinstance(index, Output) else inner, shapes, [()] * len(shapes), n,
            axis_of_classes=lambda output: channels if output == 0 else None,
        )  # fmt: skip
    except TargetError as error:
        raise TargetError(f"Of the layer {name!r}: {error}") from error
    if isinstance(found, IndexTarget):
        raise TargetError(
            f"A unit of the layer {name!r} is a number, a tuple, a list of tuples or a function. {received(index)}"
        )
    said = ", ".join(":" if i is None else str(i) for i in inner) if isinstance(inner, tuple) else found.label
    return dataclasses.replace(found, label=f"{name}[{said}]")


def _region(output: int, target: Region, shape: tuple, axis: int | None, n: int) -> RegionTarget:
    """The class over a region of an output whose classes are on this axis."""
    weights, axis = region_weights(target, shape, axis, n)
    if target.classes is None:
        raise TargetError("A region is explained for a class: tfxai.targets.region(mask, class_index).")
    classes = class_index(target.classes, (shape[axis - 1],), n)
    label = f"class {classes[0]} in a region" if (classes == classes[0]).all() else "a class in a region"
    return RegionTarget(output, (weights, classes), label, axis=axis)


def _class(target: Any, shape: tuple, n: int) -> np.ndarray:
    """One class index per example; -1 - r stands for the example's own class of rank r."""
    if not isinstance(target, Ranked):
        return class_index(target, shape, n)
    classes = shape[-1] if shape else 1
    if classes is not None and target.rank >= classes:
        raise TargetError(
            f"The output has {classes} classes, so top() has at most as many. Received: {target.rank + 1}."
        )
    return class_index(None, shape, n) - np.int32(target.rank)


def _placed(output: int, target: Any, shape: tuple, n: int) -> PlaceTarget:
    """A tuple, or a list with one for each example."""
    if isinstance(target, list) and len(target) != n:
        raise TargetError(f"Expected one place per example, {n} in all. Received: {len(target)} tuples.")
    places = [_place(t, shape) for t in (target if isinstance(target, list) else [target])]
    label = f"a place of {len(places)}" if isinstance(target, list) else str(target)
    return PlaceTarget(output, (np.array(places, np.int32),), label)


def _weights(target: Target, shape: tuple, n: int) -> np.ndarray:
    weights = target.weights(shape or (1,), n).astype(np.float32)
    return weights if shape else weights.reshape(-1)


def output_position(name: str | int, names: Sequence[Sequence[str]]) -> int:
    """The position of the output of this name; a number is its place in a tuple or list, or else counts all outputs."""
    whole = isinstance(name, (int, np.integer))
    for position, known in enumerate(names):
        if name in known or whole and str(name) in known:
            return position
    if whole and 0 <= int(name) < len(names):
        return int(name)
    raise TargetError(f"No output is called {name!r}. {suggest(name, [k for ks in names for k in ks])}")


def _place(target: tuple, shape: tuple) -> tuple[int, ...]:
    """A tuple target as indices that are in range, as far as the sizes are known; -1 for all of an axis (None)."""
    if len(target) != len(shape) or not all(i is None or isinstance(i, (int, np.integer)) for i in target):
        raise TargetError(
            f"A tuple target indexes one number of an output of shape {shape}: {len(shape)} integers, None for all of "
            f"an axis. {received(target)} (For one class per example pass a list or an array.)"
        )
    for axis, (i, size) in enumerate(zip(target, shape, strict=True)):
        if i is not None and (i < 0 or (size is not None and i >= size)):
            raise TargetError(f"Index {i} on axis {axis} is outside 0 to {'its end' if size is None else size - 1}.")
    return tuple(-1 if i is None else int(i) for i in target)
