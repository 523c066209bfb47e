"""Model and input form -> `Engine`: capture, explained tensors, logits, and the layer asked for."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tfxai.errors import LayerError, ModelError, NoGradientError, TfxaiError
from tfxai.graph.activity import Kind
from tfxai.graph.capture import Graph, capture
from tfxai.model import entry, layers
from tfxai.model.feature_maps import Maps
from tfxai.model.function import as_function
from tfxai.model.traced import Engine

LAST = "last_conv"


def prepare(
    model: Any, pack: Callable, specs: Sequence[tf.TensorSpec], on: str, layer: Any, maps: bool, jit_compile: bool
) -> Engine:
    """Captures the model for one form of input.

    Args:
        model: As the user gave it.
        pack: Flat inputs -> the model's structure.
        specs: Of the flat inputs.
        on: "logit" or "probability".
        layer: A layer, `"last_conv"`, or None; for maps also `"all"` or a list of layers.
        maps: Whether the method reads feature maps at `layer`, instead of attributing to it.
        jit_compile: Compile with XLA.

    Raises:
        ModelError: The model cannot be traced on such inputs.
        NoGradientError: No output depends differentiably on any explained tensor.
        LayerError: The layer is not there, or the output does not depend on it.
    """
    watcher = layers.watched() if maps or layer is not None else contextlib.nullcontext()
    with watcher as calls:
        graph = _traced(as_function(model, pack), specs, model)
    pairs = [(number, k) for k, i in enumerate(graph.inputs) for number in entry.explained(graph, i)]
    entries, owners = tuple(n for n, _ in pairs), tuple(k for _, k in pairs)
    heads = tuple(entry.logits(graph, o) if on == "logit" else o for o in graph.outputs)
    engine = Engine(graph, entries, owners, entries, heads, jit_compile=jit_compile)
    _check_path(engine, None)
    if maps:
        return _with_taps(engine, model, calls, layer)
    if layer is None:
        return engine
    finder = Maps(graph, engine.kinds, heads) if isinstance(layer, str) and layer == LAST else None
    sources, path = _layer(graph, calls, _resolved(model, layer)) if finder is None else _last(finder, calls)
    engine = dataclasses.replace(engine, sources=sources, layer=path, compiled={})
    _check_path(engine, path)
    return engine


def _with_taps(engine: Engine, model: Any, calls: Any, layer: Any) -> Engine:
    """The engine that reads the feature maps of one or several layers."""
    finder = Maps(engine.graph, engine.kinds, engine.heads)
    chosen: list[tuple[int, str]] = []
    for one in layer if isinstance(layer, list) else [layer]:
        if one is None or isinstance(one, str) and one in (LAST, "all"):
            numbers, path = _last(finder, calls)
            found = finder.each() if one == "all" else numbers
            chosen += [(n, _path_of(finder, calls, n)) for n in found]
        else:
            numbers, path = _layer(engine.graph, calls, _resolved(model, one))
            chosen.append((numbers[0], path))
    for number, path in chosen:
        shape = engine.graph.values[number].shape
        if shape.rank is None or shape.rank < 3:
            raise LayerError(
                f"A class activation map needs feature maps, axes (example, place..., channel). Received: the layer "
                f"{path!r} with output of shape {shape}. Choose a layer before pooling or flattening, or layer=None."
            )
        _check_path(dataclasses.replace(engine, sources=(number,), compiled={}), path)
    chosen = list(dict(chosen).items())
    channels = tuple(finder.channels.get(n, -1) for n, _ in chosen)
    paths = tuple(p for _, p in chosen)
    taps = tuple(n for n, _ in chosen)
    return dataclasses.replace(engine, taps=taps, channels=channels, paths=paths, layer=", ".join(paths), compiled={})


def _last(finder: Maps, calls: Any) -> tuple[tuple[int, ...], str]:
    number = finder.last()
    if number is None:
        kinds = ", ".join(sorted({op.type for op in finder.ops if op.inputs})[:20])
        known = ", ".join(sorted({c.path for c in layers.distinct(calls)})[:20]) or "none"
        raise LayerError(
            "The model has no convolution with a spatial map on the way to its output, so there is no last one. "
            f"Found the ops: {kinds}. Say which layer's output to use with layer=; layers: {known}."
        )
    return (number,), _path_of(finder, calls, number)


def _path_of(finder: Maps, calls: Any, number: int) -> str:
    """The innermost layer that returned this value, or else the op that made it."""
    same = {finder.graph.values[n].name for n in finder.aliases(number)}
    for call in layers.distinct(calls):
        for tensor in call.tensors:
            with contextlib.suppress(LayerError):
                if finder.aliases(layers.number_of(finder.graph, tensor))[-1] == finder.aliases(number)[-1]:
                    return call.path
    return min(same, key=len).removesuffix(":0")


def _traced(function: Callable, specs: Sequence[tf.TensorSpec], model: Any) -> Graph:
    try:
        graph = capture(function, specs)
    except TfxaiError:
        raise
    except Exception as error:
        shapes = ", ".join(f"{tuple(s.shape)} {s.dtype.name}" for s in specs)
        raise ModelError(
            f"The model {getattr(model, 'name', type(model).__name__)!r} cannot be traced on inputs of shape {shapes}: "
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
    call = layers.find(calls, layer)
    numbers = tuple(layers.number_of(graph, t) for t in call.tensors if t.dtype.is_floating)
    if not numbers:
        raise LayerError(f"The layer {call.path!r} returns no float tensor to attribute to. Choose another layer.")
    return numbers, call.path


def _check_path(engine: Engine, path: str | None) -> None:
    if any(engine.kinds[h] is Kind.DATA for h in engine.heads):
        return
    if path is not None:
        raise LayerError(f"The model's output does not depend on the layer {path!r}. Choose a layer on its path.")
    raise NoGradientError(
        "No output of the model depends differentiably on its input, so there is nothing to attribute. Expected a "
        "path of float ops from the input (or from an embedding of it) to the output; comparisons, rounding and "
        "numpy code break it."
    )
