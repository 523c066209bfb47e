"""A user's function of the outputs as a graph, checked before it is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfxai.errors import TargetError, TfxaiError
from tfxai.graph.activity import Activity, classify
from tfxai.graph.capture import Graph, capture, needed
from tfxai.graph.replay import Replay
from tfxai.graph.roles import dependent
from tfxai.graph.table import RuleTable
from tfxai.graph.value import Value, at_x

EXPECTED = "A target function takes the model's outputs and returns one number per example, shape (batch,)"


def captured(
    function: Callable, structure: Any, outputs: Sequence[tf.Tensor], data: Sequence[tf.TensorSpec] = ()
) -> Graph:
    """The graph of a target function, whose inputs are the outputs of the model, then the data of each example.

    Args:
        function: `function(outputs, data)`, the outputs in their structure and the data in a list.
        structure: What the model returned, with numbers in the place of its tensors.
        outputs: The flat tensors of the trace.
        data: Of each example.

    Raises:
        TargetError: It cannot be traced, returns no tensor, one of another shape, or one that no output is in.
    """
    found: list[Any] = []

    def run(*flat: tf.Tensor) -> tf.Tensor:
        left = iter(flat[: len(outputs)])  # what the model returns as None stays None
        packed = tf.nest.map_structure(lambda number: None if number is None else next(left), structure)
        found[:] = [function(packed, flat[len(outputs) :])]
        return tf.identity(found[0]) if tf.is_tensor(found[0]) else tf.zeros([])

    try:
        graph = capture(run, [*(tf.TensorSpec(t.shape, t.dtype) for t in outputs), *data])
    except TfxaiError:
        raise
    except Exception as error:
        raise TargetError(
            f"{EXPECTED}, by TensorFlow or keras.ops. The target function stopped: {words(error)}. Outputs "
            "here are tensors of a graph: they have no .numpy(), and numpy cannot take them."
        ) from error
    _check(found[0])
    if graph.outputs[0] not in dependent(graph, graph.inputs[: len(outputs)]):
        raise TargetError(
            f"{EXPECTED}. What this target function returns does not depend on the outputs, so no gradient and no "
            "change of the input would show."
        )
    return graph


class Beside(NamedTuple):
    """What a number depends on beside the outputs of its own row: its position (data of each example), other rows."""

    position: bool
    others: bool


def beside(graph: Graph, rows: int, data: Sequence[np.ndarray] = ()) -> Beside | None:
    """What a target function, captured, reads beside a row: tried once on random outputs, of so many rows (2 or more).

    Its data are those of the first example, and where a row is changed those of the last. None where it cannot be
    tried, or does not return one number for each of them.
    """
    outputs = graph.inputs[: len(graph.inputs) - len(data)]
    activity = classify(graph, dict.fromkeys(outputs, Activity.ACTIVE))

    def scores(given: list[tf.Tensor]) -> np.ndarray:
        env = dict(graph.captured) | {i: Value(t) for i, t in zip(graph.inputs, given, strict=True)}
        found = Replay(activity, RuleTable())(needed(graph, graph.outputs), env)[graph.outputs[0]]
        return np.asarray(at_x(found).numpy(), np.float64)

    try:
        return compared(scores, [graph.values[i] for i in outputs], rows, data)
    except (ValueError, TypeError, tf.errors.OpError):
        return None


def compared(
    scores: Callable[[list[tf.Tensor]], np.ndarray], outputs: Sequence[tf.Tensor], rows: int,
    data: Sequence[np.ndarray] = (),
) -> Beside | None:  # fmt: skip
    """The same, of the scores of any outputs (and data): of equal rows, and of those with another as the last."""
    rng = np.random.default_rng(0)
    row, another = (
        [*(_drawn(output, rng) for output in outputs), *(tf.constant(a[example]) for a in data)] for example in (0, -1)
    )
    in_rows = [*map(_has_rows, outputs), *(True for _ in data)]

    def given(last: list[tf.Tensor]) -> list[tf.Tensor]:
        return [
            tf.concat([tf.repeat(r[None], rows - 1, axis=0), end[None]], axis=0) if several else r
            for several, r, end in zip(in_rows, row, last, strict=True)
        ]

    equal, changed = scores(given(row)), scores(given(another))
    if equal.shape != (rows,):
        return None
    return Beside(not _close(equal, equal[0]), not _close(equal[:-1], changed[:-1]))


def _has_rows(output: tf.Tensor) -> bool:
    return bool(output.shape.rank) and output.shape[0] is None


def _drawn(output: tf.Tensor, rng: np.random.Generator) -> tf.Tensor:
    """A random row of an output, or all of it where it has none; open axes get the length 2."""
    sizes = [size or 2 for size in (output.shape[1:] if _has_rows(output) else output.shape)]
    return tf.cast(rng.normal(size=sizes), output.dtype) if output.dtype.is_floating else tf.zeros(sizes, output.dtype)


def _close(a: np.ndarray, b: Any) -> bool:
    return np.allclose(a, b, rtol=1e-3, atol=1e-5, equal_nan=True)


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


def words(error: Exception) -> str:
    """The kind of an error, and what it says in its last line: those before it lead through the code to it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [""]
    return f"{type(error).__name__}: {lines[-1].removeprefix(f'{type(error).__name__}: ')[:200]}".rstrip(": .")
