"""A user's function of the outputs as a graph, checked before it is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tfxai.errors import TargetError, TfxaiError
from tfxai.graph.capture import Graph, capture
from tfxai.graph.roles import dependent

EXPECTED = "A target function takes the model's outputs and returns one number per example, shape (batch,)"


def captured(function: Callable, structure: Any, outputs: Sequence[tf.Tensor]) -> Graph:
    """The graph of a target function.

    Args:
        function: As the user gave it.
        structure: What the model returned, with numbers in the place of its tensors.
        outputs: The flat tensors of the trace.

    Raises:
        TargetError: It cannot be traced, returns no tensor, one of another shape, or one that no output is in.
    """
    found: list[Any] = []

    def run(*flat: tf.Tensor) -> tf.Tensor:
        left = iter(flat)  # what the model returns as None stays None
        packed = tf.nest.map_structure(lambda number: None if number is None else next(left), structure)
        found[:] = [function(packed)]
        return tf.identity(found[0]) if tf.is_tensor(found[0]) else tf.zeros([])

    try:
        graph = capture(run, [tf.TensorSpec(t.shape, t.dtype) for t in outputs])
    except TfxaiError:
        raise
    except Exception as error:
        raise TargetError(
            f"{EXPECTED}, by TensorFlow or keras.ops. The target function stopped: {_words(error)}. Outputs "
            "here are tensors of a graph: they have no .numpy(), and numpy cannot take them."
        ) from error
    _check(found[0])
    if graph.outputs[0] not in dependent(graph):
        raise TargetError(
            f"{EXPECTED}. What this target function returns does not depend on the outputs, so no gradient and no "
            "change of the input would show."
        )
    return graph


def _check(result: Any) -> None:
    """Raises TargetError where a target function returned anything but one tensor of floats, one for each example."""
    if not tf.is_tensor(result):
        kind = "nothing" if result is None else f"a {type(result).__name__}"
        raise TargetError(f"{EXPECTED}. This target function returned {kind}, no tensor.")
    if result.shape.rank not in (1, None):
        raise TargetError(f"{EXPECTED}. This target function returned shape {tuple(result.shape)}.")
    if not result.dtype.is_floating:
        raise TargetError(
            f"{EXPECTED}. This target function returned {result.dtype.name}, which has no gradient; expected floats."
        )


def _words(error: Exception) -> str:
    """The kind of an error, and what it says in its last line: those before it lead through the code to it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [""]
    return f"{type(error).__name__}: {lines[-1].removeprefix(f'{type(error).__name__}: ')[:200]}".rstrip(": .")
