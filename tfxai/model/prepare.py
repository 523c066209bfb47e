"""Model and form of its input -> `TracedModel`: capture, explained tensors, logits, and the layer asked for."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tfxai.errors import LayerError, ModelError, NoGradientError, TfxaiError
from tfxai.graph.activity import Activity
from tfxai.graph.capture import Graph, capture, types_of
from tfxai.model import entry, layers
from tfxai.model.feature_maps import FeatureMap, FeatureMaps
from tfxai.model.function import as_function, name_of
from tfxai.model.traced import Compiled, TracedModel

LAST_CONVOLUTION = "last_conv"


class Captured(NamedTuple):
    """A model captured for one form of input, and the calls of its layers, if they were watched."""

    graph: Graph
    calls: list[layers.LayerCall]


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
        return Captured(_captured(as_function(model, pack), specs, model), calls)


def prepare(model: Any, capture: Captured, on: str, layer: Any, maps: bool, jit_compile: bool) -> TracedModel:
    """What a method reads of a captured model.

    Args:
        model: As the user gave it.
        capture: Of it; watched where a layer or feature maps are read.
        on: "logit" or "probability".
        layer: A layer, `"last_conv"`, or None; for maps also `"all"` or a list of layers.
        maps: Whether the method reads feature maps at `layer`, instead of attributing to it.
        jit_compile: Compile with XLA.

    Raises:
        NoGradientError: No output depends differentiably on any explained tensor.
        LayerError: The layer is not there, or the output does not depend on it.
    """
    graph, calls = capture
    pairs = [(number, k) for k, i in enumerate(graph.inputs) for number in entry.explained(graph, i)]
    embedded, input_of = tuple(n for n, _ in pairs), tuple(k for _, k in pairs)
    outputs = tuple(entry.logits(graph, o) if on == "logit" else o for o in graph.outputs)
    names = _output_names(graph, model)
    traced = TracedModel(graph, embedded, input_of, embedded, outputs, names, jit_compile=jit_compile)
    _check_path(traced, None)
    if maps:
        return _with_maps(traced, model, calls, layer)
    return traced if layer is None else _at_layer(traced, model, calls, layer)


def _output_names(graph: Graph, model: Any) -> tuple[tuple[str, ...], ...]:
    """What each flat output answers to: its place in the structure, and the name that Keras gives it."""
    places = keras.tree.flatten_with_path(graph.structure)
    names = [tuple([".".join(map(str, path))] if path else []) for path, number in places if number is not None]
    listed = list(getattr(model, "output_names", None) or [])
    if len(listed) != len(names):
        return tuple(names)
    return tuple(own if name in own else (*own, name) for own, name in zip(names, listed, strict=True))


def _at_layer(traced: TracedModel, model: Any, calls: Any, layer: Any) -> TracedModel:
    """The model whose explained tensors are the outputs of a layer."""
    if isinstance(layer, str) and layer == LAST_CONVOLUTION:
        explained, path = _last(FeatureMaps(traced.graph, traced.activity, traced.outputs), calls)
    else:
        explained, path = _layer(traced.graph, calls, _resolved(model, layer))
    traced = dataclasses.replace(traced, explained=explained, layer=path, compiled=Compiled())
    _check_path(traced, path)
    return traced


def _with_maps(traced: TracedModel, model: Any, calls: Any, layer: Any) -> TracedModel:
    """The model that gives the feature maps of one or several layers."""
    finder = FeatureMaps(traced.graph, traced.activity, traced.outputs)
    chosen: dict[int, str] = {}
    for one in layer if isinstance(layer, list) else [layer]:
        if one is None or isinstance(one, str) and one in (LAST_CONVOLUTION, "all"):
            numbers, _ = _last(finder, calls)
            found = finder.each() if one == "all" else numbers
            chosen |= {n: _path_of(finder, calls, n) for n in found}
        else:
            numbers, path = _layer(traced.graph, calls, _resolved(model, one))
            chosen[numbers[0]] = path
    for number, path in chosen.items():
        shape = traced.graph.values[number].shape
        if shape.rank is None or shape.rank < 3:
            raise LayerError(
                f"A class activation map needs feature maps, axes (example, place..., channel). Received: the layer "
                f"{path!r} with output of shape {shape}. Choose a layer before pooling or flattening, or layer=None."
            )
        _check_path(dataclasses.replace(traced, explained=(number,), compiled=Compiled()), path)
    maps = tuple(FeatureMap(n, finder.channels.get(n, -1), path) for n, path in chosen.items())
    return dataclasses.replace(traced, feature_maps=maps, layer=", ".join(chosen.values()), compiled=Compiled())


def _last(finder: FeatureMaps, calls: Any) -> tuple[tuple[int, ...], str]:
    """The last convolution's map and its path."""
    number = finder.last()
    if number is None:
        known = ", ".join(sorted({c.path for c in layers.distinct(calls)})[:20]) or "none"
        raise LayerError(
            "The model has no convolution with a spatial map on the way to its output, so there is no last one. "
            f"Found the ops: {types_of(finder.ops)}. Say which layer's output to use with layer=; layers: {known}."
        )
    return (number,), _path_of(finder, calls, number)


def _path_of(finder: FeatureMaps, calls: Any, number: int) -> str:
    """The innermost layer that returned this value, or else the op that made it."""
    same = {finder.graph.values[n].name for n in finder.aliases(number)}
    for call in layers.distinct(calls):
        for tensor in call.tensors:
            with contextlib.suppress(LayerError):
                if finder.aliases(layers.number_of(finder.graph, tensor))[-1] == finder.aliases(number)[-1]:
                    return call.path
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
            f"The model {name_of(model)!r} cannot be traced on inputs of shape {shapes}: "
            f"{type(error).__name__}: {error} Check that model(x, training=False) works inside tf.function."
        ) from error
    if not graph.outputs:
        raise ModelError("The model returns no tensor. Expected one or more numbers per example.")
    return graph


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


def _layer(graph: Graph, calls: Any, layer: Any) -> tuple[tuple[int, ...], str]:
    """Value numbers of what a layer returned, and its path."""
    call = layers.find(calls, layer)
    numbers = tuple(layers.number_of(graph, t) for t in call.tensors if t.dtype.is_floating)
    if not numbers:
        raise LayerError(f"The layer {call.path!r} returns no float tensor to attribute to. Choose another layer.")
    return numbers, call.path


def _check_path(model: TracedModel, path: str | None) -> None:
    """Raises LayerError or NoGradientError when no output depends differentiably on what is explained."""
    if any(model.activity[o] is Activity.ACTIVE for o in model.outputs):
        return
    if path is not None:
        raise LayerError(f"The model's output does not depend on the layer {path!r}. Choose a layer on its path.")
    raise NoGradientError(
        "No output of the model depends differentiably on its input, so there is nothing to attribute. Expected a "
        "path of float ops from the input (or from an embedding of it) to the output; comparisons, rounding and "
        "numpy code break it."
    )
