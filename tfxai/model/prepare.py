"""Model and form of its input -> `TracedModel`: capture, explained tensors, logits, and the layer asked for."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tfxai.errors import LayerError, ModelError, NoGradientError, TfxaiError
from tfxai.graph.activity import Activity
from tfxai.graph.capture import Graph, capture
from tfxai.graph.identity import key
from tfxai.graph.reads import Reads
from tfxai.model import entry, layers
from tfxai.model.compiled import Compiled
from tfxai.model.feature_maps import FeatureMap, FeatureMaps
from tfxai.model.function import as_function, name_of
from tfxai.model.grid import grid
from tfxai.model.traced import TracedModel

LAST_CONVOLUTION = "last_conv"


@dataclasses.dataclass(frozen=True, eq=False)
class Captured:
    """A model captured for one form of input, with all that is read of the model itself: it is not kept alive.

    Attributes:
        graph: The graph.
        calls: Of its layers, if they were watched.
        output_names: The names that each output answers to.
        owners: Value number of each variable of the model -> the name of its layer.
    """

    graph: Graph
    calls: list[layers.LayerCall]
    output_names: tuple[tuple[str, ...], ...]
    owners: dict[int, str]

    @functools.cached_property
    def key(self) -> str | None:
        """Of the graph; None, where no other is equal to it."""
        return key(self.graph)

    def same(self, other: Captured) -> bool:
        """Whether the other is of the same function, made by the same layers of the same names, which still live."""
        return (
            (self.output_names, self.owners) == (other.output_names, other.owners)
            and len(self.calls) == len(other.calls)
            and all(map(layers.same_call, self.calls, other.calls))
            and self.key is not None
            and self.key == other.key
        )


def captured(model: Any, pack: Callable, specs: Sequence[tf.TensorSpec], watched: bool) -> Captured:
    """Captures the model for one form of input.

    Args:
        model: As the user gave it.
        pack: Flat inputs -> the structure that the model takes.
        specs: One per flat input, the batch open.
        watched: Whether to note what each layer returns.

    Raises:
        ModelError: The model cannot be traced on such inputs.
    """
    nobody: contextlib.AbstractContextManager[list[layers.LayerCall]] = contextlib.nullcontext([])
    with layers.watched() if watched else nobody as calls:
        graph = _captured(as_function(model, pack), specs, model)
    return Captured(graph, calls, output_names(graph, model), layers.owners(model, graph))


def prepare(capture: Captured, on: str, jit_compile: bool, held: Sequence[int] = ()) -> TracedModel:
    """What a method reads of a captured model, explained at its inputs.

    Args:
        capture: Of the model.
        on: "logit" or "probability".
        jit_compile: Compile with XLA.
        held: The flat inputs that stay as they are.

    Raises:
        NoGradientError: No output depends differentiably on any explained tensor.
    """
    graph = capture.graph
    pairs = [(number, k) for k, i in enumerate(graph.inputs) if k not in held for number in entry.explained(graph, i)]
    embedded, input_of = tuple(n for n, _ in pairs), tuple(k for _, k in pairs)
    outputs = tuple(entry.logits(graph, o) if on == "logit" else o for o in graph.outputs)
    names, owners = capture.output_names, capture.owners
    traced = TracedModel(graph, embedded, input_of, embedded, outputs, names, owners, jit_compile=jit_compile)
    _check_path(traced, None)
    return traced


class Asked(NamedTuple):
    """A layer that is asked for.

    Attributes:
        layer: A layer, `"last_conv"`, None, or a list of layers; for maps also `"all"`.
        maps: Whether the method reads feature maps at it, instead of attributing to it.
        inputs: Names of the inputs.
    """

    layer: Any
    maps: bool
    inputs: Sequence[str]


def layer_key(model: Any, layer: Any) -> Any:
    """What tells a layer that is asked for from others: layers by what they are, so that none is kept alive."""
    if isinstance(layer, (list, tuple)):
        return type(layer).__name__, *(layer_key(model, one) for one in layer)
    layer = _resolved(model, layer)
    return layer if layer is None or isinstance(layer, (str, int)) else ("object", id(layer))


def at_layer(
    traced: TracedModel, model: Any, calls: Sequence[layers.LayerCall], asked: Asked, ends: Mapping[int, Reads]
) -> TracedModel:
    """The model explained at a layer, or with the feature maps of one or several.

    Args:
        traced: As prepared for its inputs.
        model: As the user gave it.
        calls: Of its layers.
        asked: Which layer.
        ends: What is explained: the output values, and what is read of them.

    Raises:
        LayerError: The layer is not there, what is explained does not depend on it, or it has no map.
    """
    if asked.maps:
        return _with_maps(traced, model, calls, asked, ends)
    explained: tuple[int, ...] = ()
    paths = []
    for one in asked.layer if isinstance(asked.layer, list) else [asked.layer]:
        if isinstance(one, str) and one == LAST_CONVOLUTION:
            finder = FeatureMaps(traced.graph, traced.activity, traced.followed, ends)
            numbers = _last(finder, calls)
            path = _path_of(finder, calls, numbers[0])
        else:
            numbers, path = _layer(traced.graph, layers.find(calls, _resolved(model, one)), calls)
        _check_path(dataclasses.replace(traced, explained=numbers, compiled=Compiled()), path, list(ends))
        explained += tuple(n for n in numbers if n not in explained)
        paths.append(path)
    return dataclasses.replace(traced, explained=explained, layer=", ".join(paths), compiled=Compiled())


def output_names(graph: Graph, model: Any) -> tuple[tuple[str, ...], ...]:
    """What each flat output answers to: its place in the structure, and the name that Keras gives it."""
    places = keras.tree.flatten_with_path(graph.structure)
    names = [tuple([".".join(map(str, path))] if path else []) for path, number in places if number is not None]
    listed = list(getattr(model, "output_names", None) or [])
    if len(listed) != len(names):
        return tuple(names)
    return tuple(own if name in own else (*own, name) for own, name in zip(names, listed, strict=True))


def _with_maps(
    traced: TracedModel, model: Any, calls: Sequence[layers.LayerCall], asked: Asked, ends: Mapping[int, Reads]
) -> TracedModel:
    """The model that gives the feature maps of one or several layers."""
    finder = FeatureMaps(traced.graph, traced.activity, traced.followed, ends)
    chosen: dict[tuple[int, ...], str] = {}
    for one in asked.layer if isinstance(asked.layer, list) else [asked.layer]:
        if one is None or isinstance(one, str) and one in (LAST_CONVOLUTION, "all"):
            last = _last(finder, calls)
            found = finder.each() if one == "all" else [last]
            chosen |= {values: _path_of(finder, calls, *values) for values in found}
        else:
            chosen |= _of_layer(finder, calls, _resolved(model, one))
    for values, path in chosen.items():
        _check_path(dataclasses.replace(traced, explained=values, compiled=Compiled()), path, list(ends))
    maps = tuple(_map(finder, traced, values, path, asked.inputs) for values, path in chosen.items())
    return dataclasses.replace(traced, feature_maps=maps, layer=", ".join(chosen.values()), compiled=Compiled())


def _map(
    finder: FeatureMaps, traced: TracedModel, values: tuple[int, ...], path: str, names: Sequence[str]
) -> FeatureMap:
    """A map and where its places are. Beside others, those are meant that come from the convolution it has them of."""
    owners = {a.input for a in finder.places(values[0]) if a.grid == finder.grid(values[0])}
    wanted = owners.pop() if len(owners) == 1 else None
    axes = finder.stacked(values)
    where = grid(axes, path, traced.layouts, names, wanted)
    frame = where.places.index(axes.labels[1][0]) if len(values) > 1 else None
    return FeatureMap(values, path, where, frame)


def _of_layer(finder: FeatureMaps, calls: Sequence[layers.LayerCall], layer: Any) -> dict[tuple[int, ...], str]:
    """The value that a layer returned, or those of all frames where it is called for one after the other."""
    found = layers.matching(calls, layer)
    if len(found) > 1 and len({call.path for call in found}) == 1:
        values = finder.with_frames(_layer(finder.graph, found[0], calls)[0][0])
        if len(values) == len(found):
            return {values: found[0].path}
    numbers, path = _layer(finder.graph, layers.find(calls, layer), calls)
    return {numbers[:1]: path}


def _last(finder: FeatureMaps, calls: Sequence[layers.LayerCall]) -> tuple[int, ...]:
    """The values of the last convolution's map."""
    numbers = finder.last()
    if not numbers:
        known = list(dict.fromkeys(c.path for c in calls))[-5:]
        raise LayerError(
            "The model has no convolution with a spatial map on the way to its output, so there is no last one. Class "
            "activation maps are for pictures and the like: use method='deeplift', or say which layer's output to read "
            f"with layer=; the last ones are {', '.join(known) or 'none'}."
        )
    return numbers


def _path_of(finder: FeatureMaps, calls: Sequence[layers.LayerCall], number: int, *frames: int) -> str:
    """The innermost layer that returned this value, or else the op that made it."""
    for call in calls:
        for tensor in call.tensors:
            with contextlib.suppress(LayerError):
                if finder.aliases(layers.number_of(finder.graph, tensor))[-1] == finder.aliases(number)[-1]:
                    return call.path if frames else layers.name_of(call, calls)
    same = {finder.graph.values[n].name for n in finder.aliases(number)}
    return min(same, key=len).removesuffix(":0")


def _captured(function: Callable, specs: Sequence[tf.TensorSpec], model: Any) -> Graph:
    """The graph of the model on such inputs; an error while tracing says what was traced."""
    try:
        graph = capture(function, specs)
    except TfxaiError:
        raise
    except Exception as error:
        shapes = ", ".join(f"{tuple(s.shape)} {s.dtype.name}" for s in specs)
        raise ModelError(
            f"The model {name_of(model)!r} cannot be traced on inputs of shape {shapes}: {_in_short(error)}. Check "
            "that it works inside tf.function, on tensors (without numpy(), predict and the like); pass the model "
            "itself. A function of arrays gives scores alone: tfxai.black_box(function) is explained by these."
        ) from error
    if not graph.outputs:
        raise ModelError("The model returns no tensor. Expected one or more numbers per example.")
    return graph


def _in_short(error: Exception) -> str:
    """Kind and reason of an error, without where it was raised: Keras prints the reason bold, others last."""
    text = str(error)
    bold = re.search(r"\x1b\[1m(.+?)\x1b\[0m", text, re.DOTALL)
    lines = [line.strip() for line in (bold[1] if bold else text).splitlines() if line.strip()] or [""]
    reason = lines[0] if bold else next((line for line in lines if line.startswith(type(error).__name__)), lines[-1])
    return f"{type(error).__name__}: {reason.removeprefix(f'{type(error).__name__}: ')[:200].rstrip('. ')}"


def _resolved(model: Any, layer: Any) -> Any:
    """An index counts `model.layers`, as in Keras."""
    listed = getattr(model, "layers", None)
    if isinstance(layer, int) and not isinstance(layer, bool) and listed:
        if not -len(listed) <= layer < len(listed):
            raise LayerError(
                f"The model has {len(listed)} layers, so an index is in {-len(listed)} to {len(listed) - 1}. "
                f"Received: layer={layer}."
            )
        return listed[layer]
    return layer


def _layer(graph: Graph, call: layers.LayerCall, calls: Sequence[layers.LayerCall]) -> tuple[tuple[int, ...], str]:
    """Value numbers of what a layer returned, and the name of the call."""
    numbers = tuple(layers.number_of(graph, t) for t in call.tensors if t.dtype.is_floating)
    if not numbers:
        raise LayerError(f"The layer {call.path!r} returns no float tensor to attribute to. Choose another layer.")
    return numbers, layers.name_of(call, calls)


def _check_path(model: TracedModel, path: str | None, ends: Sequence[int] = ()) -> None:
    """Raises LayerError or NoGradientError when no output (of `ends`) depends differentiably on what is explained."""
    if any(model.activity[o] is Activity.ACTIVE for o in ends or model.outputs):
        return
    if path is not None:
        other = any(model.activity[o] is Activity.ACTIVE for o in model.outputs)
        raise LayerError(
            f"The model's output does not depend on the layer {path!r}"
            + (", but another output does" if other else "")
            + ". Choose a layer on its path."
        )
    raise NoGradientError(
        "No output of the model depends differentiably on its input, so there is nothing to attribute. Expected a "
        "path of float ops from the input (or from an embedding of it) to the output; comparisons, rounding and "
        "numpy code break it. By its scores alone any function is explained: tfxai.black_box(function)."
    )
