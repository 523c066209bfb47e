"""Targets that ask for several explanations at once, and those that are not of the model's output."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfxai.errors import TargetError, received
from tfxai.support.checks import whole_number
from tfxai.targets.factories import Output


@dataclasses.dataclass(frozen=True, eq=False)
class Each:
    """Several targets, each of which is explained."""

    targets: tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class Ranked:
    """Each example's own class of this rank; 0 is the highest."""

    rank: int


@dataclasses.dataclass(frozen=True, eq=False)
class Neuron:
    """The unit, channel or place `index` of what `layer` returns."""

    layer: Any
    index: Any


def each(targets: Sequence[Any]) -> Each:
    """Several targets, explained in one call: `tfxai.explain` returns a list, an Explanation for each of them.

    Those that are weighted sums of the same output and of one kind (classes; places; `difference`, `contrast` and
    `mask`) share the passes forward through the model, at x and at the references: one more costs its way back alone.
    Each explanation is what a call of its own gives. At most 32 share a pass, so that memory does not grow with their
    number but for the result.

    Args:
        targets: Of any form that `tfxai.explain` takes, for all examples or with one entry per example.

    Raises:
        TargetError: No targets, or one of several itself; when used: one that does not fit.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, kernel_initializer="ones")])
        >>> found = tfxai.explain(model, np.array([[1.0, 2.0]]), target=tfxai.targets.each([0, 2]))
        >>> [(int(e.target[0]), e.values.round(3).tolist()) for e in found]
        [(0, [[1.0, 2.0]]), (2, [[1.0, 2.0]])]
    """
    known = isinstance(targets, (list, tuple, range)) or isinstance(targets, np.ndarray) and targets.ndim > 0
    listed = list(targets) if known else []
    if not listed:
        raise TargetError(f"each() takes a list of targets, such as [0, 3, 5]. {received(targets)}")
    if any(several(t) is not None for t in listed):
        raise TargetError("A target of each() is one target. Received: another each() or top() in it. Put them beside.")
    return Each(tuple(listed))


def top(k: int) -> Each:
    """Each example's own k highest classes at x: a list of k Explanations, the first of the highest class.

    Equal scores are in the order of their classes. As in `each` they share the passes forward.

    Args:
        k: How many classes.

    Raises:
        OptionError: k below 1.
        TargetError: When used: the output has fewer classes.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, kernel_initializer="identity")])
        >>> found = tfxai.explain(model, np.array([[1.0, 2.0], [4.0, 3.0]]), target=tfxai.targets.top(2))
        >>> [e.target.tolist() for e in found]
        [[1, 0], [0, 1]]
    """
    whole_number(k, "k")
    return Each(tuple(Ranked(rank) for rank in range(int(k))))


def neuron(layer: Any, index: Any) -> Neuron:
    """What a layer inside of the model returns, at one unit, channel or place of it, instead of the model's output.

    With `layer=` it is the contribution of one layer to a unit of another. The number is the layer's output as it is,
    after its activation: `on=` is about the model's own outputs.

    Args:
        layer: A name, path such as `"base/conv1"`, index or layer object, or `(one of them, call)`, as `layer=` of
            `tfxai.explain`.
        index: Of a layer that returns one number per unit, the unit. Of a layer with places (feature maps, time
            steps) the channel, added up over its places; or a tuple with an index per axis, None for all of an axis,
            added up: `(3, 5, None)` is one place of a picture, `(3, 5, 7)` one number of it. A list with one of these
            per example; a function of the layer's output that returns (n,); an object of `tfxai.targets`, of a layer
            that returns several tensors `tfxai.targets.output(k, index)`; or `each([...])` of these.

    Raises:
        LayerError: When used: no such layer, or it does not depend on what is explained.
        TargetError: When used: the layer has no such unit, or it cannot be known which axis holds its channels.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> hidden = keras.layers.Dense(3, kernel_initializer="ones", name="hidden")
        >>> model = keras.Sequential([keras.Input((2,)), hidden, keras.layers.Dense(1)])
        >>> e = tfxai.explain(model, np.array([[1.0, 2.0]]), target=tfxai.targets.neuron("hidden", 1))
        >>> e.values.round(3).tolist(), e.target
        ([[1.0, 2.0]], 'hidden[1]')
    """
    if index is None:
        raise TargetError(f"neuron(layer, index) asks which unit of {layer!r}: a number, a tuple, or a function.")
    return Neuron(layer, index)


def several(target: Any) -> list[Any] | None:
    """The targets, one by one, of a target that asks for several explanations; else None."""
    if isinstance(target, Each):
        return list(target.targets)
    if isinstance(target, Output) and (inner := several(target.inner)) is not None:
        return [Output(target.name, one) for one in inner]
    if isinstance(target, Neuron) and (inner := several(target.index)) is not None:
        return [Neuron(target.layer, one) for one in inner]
    return None
