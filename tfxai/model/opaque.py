"""A model of which nothing is known but its inputs and outputs, and the scorer that asks it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfxai.errors import InputError, MethodError, ModelError, OptionError, TargetError
from tfxai.graph.axes import Axes, Axis, Kind, made
from tfxai.graph.follow import Followed
from tfxai.graph.value import Value
from tfxai.model import target_function
from tfxai.model.blocks import taken
from tfxai.model.compiled import of_table
from tfxai.model.layout import Layout
from tfxai.model.passes import Tensors
from tfxai.model.scorer import Scorer
from tfxai.model.stops import understood_as
from tfxai.model.target_function import Beside
from tfxai.model.toward import Toward
from tfxai.model.traced import FORWARD, TracedModel, repeated
from tfxai.support.arrays import Unreadable, as_array
from tfxai.targets.bound import BoundTarget, FunctionTarget

NOTHING_ELSE = (
    "A black box gives scores and nothing else: no gradients, no layers. A method that sets scores_only = True asks "
    "for no more."
)
ROUNDING = 1e-6
MOST_ROWS, NUMBERS = 2**15, 8 * 224 * 224 * 3  # in a call: eight photographs, or many rows of a table


@dataclasses.dataclass(frozen=True, eq=False)
class Opaque(TracedModel):
    """A graph without ops: the inputs, which are explained themselves, and the outputs, which a function gives.

    Methods that only score read of a model `layout(k)`, and of its scorer `score`, `copies`, `each` and
    `with_target_of`; all that is needed around them follows from the shapes in the graph, and from what is said here.

    Attributes:
        name: Of the function.
        ask: Flat inputs (m, ...) -> flat outputs (m, ...), checked.
        axes: Of each flat input, as the user says.
        most: Rows in a call, as the user says.
        draws_at_random: By how much two calls with the same rows differed; 0: not at all.
        mixes_rows: By how much the scores of a row differed with another row beside it.
        extremes: The least and the largest number that it returned when it was tried.
        probabilities: Whether what it returns are probabilities, as the user says.
    """

    name: str = dataclasses.field(default="", kw_only=True)
    ask: Callable[[list[np.ndarray]], list[np.ndarray]] = dataclasses.field(kw_only=True)
    axes: tuple[Layout, ...] = dataclasses.field(default=(), kw_only=True)
    most: int | None = dataclasses.field(default=None, kw_only=True)
    draws_at_random: float = dataclasses.field(default=0.0, kw_only=True)
    mixes_rows: float = dataclasses.field(default=0.0, kw_only=True)
    extremes: tuple[float, float] = dataclasses.field(default=(0.0, 0.0), kw_only=True)
    probabilities: bool = dataclasses.field(default=False, kw_only=True)

    @functools.cached_property
    def layouts(self) -> list[Layout]:
        return list(self.axes)

    @functools.cached_property
    def followed(self) -> Followed:
        """The outputs have a row for each example: that is checked at every call."""
        found = Followed(self.graph)
        for number in self.outputs:
            shape = self.graph.values[number].shape.as_list()
            found.axes[number] = Axes(((Axis(Kind.EXAMPLES),), *made(shape[1:]).labels))
        return found

    @functools.cached_property
    def looks_at_its_batch(self) -> bool:
        return self.mixes_rows > 0

    @functools.cached_property
    def toward(self) -> Toward:
        return _Toward(self.graph, self.outputs, self.compiled)

    def of_probabilities(self) -> Opaque:
        """The same, where what it returns are probabilities.

        Raises:
            OptionError: They are none.
        """
        least, largest = self.extremes
        if least < -ROUNDING or largest > 1 + ROUNDING:
            raise OptionError(
                f"on='probability': the black box {self.name!r} returned {least if least < 0 else largest:g} when it "
                "was tried, which is none. Leave on= out: what it returns is explained as it is."
            )
        return dataclasses.replace(self, probabilities=True)

    def is_probability(self, output: int) -> bool:
        """Asked where one number is the score of the second of two classes.

        Raises:
            InputError: What the score of the first is depends on what that number is, which nobody says.
        """
        if self.probabilities:
            return True
        raise InputError(
            f"Two classes have names or labels, and the black box {self.name!r} returns one number: whether the other "
            "class has 1 less it or -1 times it is not known. Return a column for each class; or say "
            "on='probability', where it is one."
        )

    def embedded_at(self, inputs: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        return [inputs[k] for k in self.input_of]

    def rows_at_once(self, shapes: Sequence[tuple[int, ...]]) -> int:
        """Rows in a call, by the shapes of one example's inputs."""
        elements = max(sum(int(np.prod(shape)) for shape in shapes), 1)
        return self.most or int(np.clip(NUMBERS // elements, 1, MOST_ROWS))


class _Toward(Toward):
    """What lies between the outputs and a target: functions of arrays, which are not captured but called."""

    def _tried(self, target: FunctionTarget, rows: int) -> Beside | None:
        outputs = [self.whole.values[o] for o in self.outputs]

        def scores(given: list[tf.Tensor]) -> np.ndarray:
            arrays = [t.numpy() for t in given]
            made = packed(self.whole.structure, arrays[: len(outputs)])
            return np.asarray(target.of(made, arrays[len(outputs) :]), np.float64)

        def tried() -> Beside | None:
            try:
                return target_function.compared(scores, outputs, rows, target.data)
            except Exception:  # the user's function, on numbers that the model may never return
                return None

        return self.kept(target, ("beside", rows), tried)


def packed(structure: Any, outputs: Sequence[np.ndarray]) -> Any:
    """Flat outputs in the structure in which the function returns them."""
    return keras.tree.pack_sequence_as(structure, list(outputs))


class BoxScorer(Scorer):
    """The scores of some examples by a function of arrays: one call of it each."""

    model: Opaque

    def take(self, rows: Any) -> Scorer:
        if not self.model.direct:
            return super().take(rows)
        counted = [tf.zeros([len(self)])] * len(self.inputs)  # all else comes with x
        return Scorer.take(dataclasses.replace(self, inputs=counted), rows)

    def score(self, x: Tensors) -> tuple[tf.Tensor, tf.Tensor | None]:
        n = len(self)
        if self.points is None or len(x[0]) != n:
            return self._checked(*self._scored(self._outputs(self.inputs, x)))
        shared = self.shared(x)
        if shared is None:
            return self.apart(lambda scorer, rows: scorer.score(taken(x, rows)))
        outputs = self._outputs(taken(self.inputs, shared.first), taken(x, shared.first))
        return self._checked(*self._scored([output[shared.of] for output in outputs]))

    def _outputs(self, inputs: Tensors, x: Tensors) -> list[np.ndarray]:
        """What the function returns for these inputs, with x in the place of those that are explained."""
        if not self.model.direct:  # others have a row for each example
            x = repeated(x, len(inputs[0]))
        given = list(inputs)
        for k, tensor in zip(self.model.input_of, x, strict=True):
            given[k] = tensor
        return self.model.ask([np.array(t) for t in given])  # copies: the function may change them

    def _checked(self, score: tf.Tensor, index: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor | None]:
        """The score of every row, which is a number."""
        n = len(self)
        score = score if len(score) == n else tf.repeat(score, n)
        finite = np.isfinite(score.numpy())
        if not finite.all():
            raise ModelError(
                f"The black box {self.model.name!r} gives the score {score.numpy()[~finite][0]} for {(~finite).sum()} "
                f"of {n} rows (first: row {np.flatnonzero(~finite)[0]} of the call), which nothing can explain. "
                "Return finite scores, also where features are hidden by the baseline."
            )
        return score, index

    def audit(self, *args: Any, **options: Any) -> dict:
        return {}  # no ops

    def backward(self, *args: Any, **options: Any) -> Any:
        raise MethodError(NOTHING_ELSE)

    def features(self, *args: Any, **options: Any) -> Any:
        raise MethodError(NOTHING_ELSE)

    def _scored(self, outputs: list[np.ndarray]) -> tuple[tf.Tensor, tf.Tensor | None]:
        """The explained number of each row, and the class if it is one."""
        target: BoundTarget = self.target
        if isinstance(target, FunctionTarget):
            data = [t.numpy() for t in self.feed]
            if data and len(outputs[0]) == 1:  # once, for all: as at a shared baseline
                outputs = [np.repeat(output, len(data[0]), axis=0) for output in outputs]
            return tf.constant(_of_function(target, self.model.graph.structure, outputs, data)), None
        passes, output = self.passes, outputs[target.output]

        def run(output: tf.Tensor, feed: Tensors) -> tuple:
            score, index = passes.summed(Value(output), feed)
            return score.x, index

        def specs() -> list:
            return [tf.TensorSpec([None, *output.shape[1:]], output.dtype), target.specs()]

        try:
            summed = self.model.function(("summed", target.cache_key), run, specs, of_table(FORWARD))
            return summed(tf.constant(output), list(self.feed))
        except tf.errors.InvalidArgumentError as error:
            understood = understood_as(error.message, target, len(self))
            if understood is None:
                raise
            raise understood from error


def _of_function(
    target: FunctionTarget, structure: Any, outputs: list[np.ndarray], data: list[np.ndarray]
) -> np.ndarray:
    """What a target function returns for the outputs, and its data.

    Raises:
        TargetError: It fails, or does not return a float for each row.
    """
    rows = len(outputs[0])
    try:
        found = as_array(target.of(packed(structure, outputs), data))
    except Unreadable as error:
        raise TargetError(f"{target_function.EXPECTED}. This target function returned no array: {error}") from error
    except Exception as error:
        raise TargetError(
            f"{target_function.EXPECTED}. The target function {target.label!r} stopped: "
            f"{target_function.words(error)}. Outputs of a black box are numpy arrays."
        ) from error
    if found.shape != (rows,) or found.dtype.kind != "f":
        raise TargetError(
            f"{target_function.EXPECTED}, floats. For {rows} rows the target function {target.label!r} returned shape "
            f"{found.shape} of {found.dtype}."
        )
    return found
