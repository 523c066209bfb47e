"""Model and input form -> `Engine`: capture, explained tensors, logits, and the layer asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tfxai.engine import Engine
from tfxai.errors import LayerError, ModelError, NoGradientError, TfxaiError
from tfxai.graph import entry, layers
from tfxai.graph.capture import Graph, capture
from tfxai.graph.kinds import Kind
from tfxai.graph.model import as_function


def prepare(
    model: Any, pack: Callable, specs: Sequence[tf.TensorSpec], on: str, layer: Any, jit_compile: bool
) -> Engine:
    """Captures the model for one form of input.

    Raises:
        ModelError: The model cannot be traced on such inputs.
        NoGradientError: No output depends differentiably on any explained tensor.
        LayerError: The layer is not there, or the output does not depend on it.
    """
    watcher = layers.watched() if layer is not None else contextlib.nullcontext()
    with watcher as calls:
        graph = _traced(as_function(model, pack), specs, model)
    pairs = [(number, k) for k, i in enumerate(graph.inputs) for number in entry.explained(graph, i)]
    entries, owners = tuple(n for n, _ in pairs), tuple(k for _, k in pairs)
    heads = tuple(entry.logits(graph, o) if on == "logit" else o for o in graph.outputs)
    sources, path = entries, None
    if layer is not None:
        sources, path = _layer(graph, calls, _resolved(model, layer))
    engine = Engine(graph, entries, owners, sources, heads, layer=path, jit_compile=jit_compile)
    _check_path(engine, path)
    return engine


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
