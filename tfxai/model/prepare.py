"""Model and form of its input -> `TracedModel`: capture, explained tensors, logits."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import re
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from tfxai.errors import ModelError, TfxaiError
from tfxai.graph.capture import Graph, capture
from tfxai.graph.identity import key
from tfxai.model import entry, layers
from tfxai.model.asked import check_path
from tfxai.model.function import as_function, name_of
from tfxai.model.traced import TracedModel


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
    check_path(traced, None)
    return traced


def output_names(graph: Graph, model: Any) -> tuple[tuple[str, ...], ...]:
    """What each flat output answers to: its place in the structure, and the name that Keras gives it."""
    places = keras.tree.flatten_with_path(graph.structure)
    names = [tuple([".".join(map(str, path))] if path else []) for path, number in places if number is not None]
    listed = list(getattr(model, "output_names", None) or [])
    if len(listed) != len(names):
        return tuple(names)
    return tuple(own if name in own else (*own, name) for own, name in zip(names, listed, strict=True))


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
            "itself. A function of arrays is explained by its scores alone: tfxai.black_box(function)."
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
