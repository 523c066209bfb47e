"""Black boxes in an explainer: what the function is handed, what it returns, and which methods ask no more of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tfxai.errors import InputError, LayerError, MethodError, ModelError, OptionError, received
from tfxai.explainer.frames import Frame
from tfxai.explainer.inputs import Inputs, leaves_of, read
from tfxai.explainer.prepared import Prepared
from tfxai.graph.capture import Graph
from tfxai.method.base import Method
from tfxai.method.lookup import score_only
from tfxai.model.black_box import BlackBox
from tfxai.model.opaque import Opaque
from tfxai.model.prepare import output_names

LIKE = 1e-4  # of the largest score: a difference that rounding may make of the same rows


def check(method: Method, layer: Any = None, jit_compile: bool = False) -> None:
    """Refuses what a black box does not have.

    Raises:
        MethodError: The method needs more than scores.
        LayerError, OptionError: A layer, ops to compile.
    """
    if not method.scores_only:
        works = ", ".join(map(repr, score_only()))
        raise MethodError(
            f"{method.name!r} looks inside of a model, and a black box gives scores alone. Methods that need no more: "
            f"{works}."
        )
    if layer is not None:
        raise no_layers(layer)
    if jit_compile:
        raise OptionError("A black box is explained by what its function returns, as it is: leave jit_compile= out.")


def no_layers(layer: Any) -> LayerError:
    """That a layer is asked for, and there is none."""
    return LayerError(f"A black box has no layers. {received(layer)} Explain what it returns.")


def prepared(model: Any, once: bool = False) -> Prepared | Boxed:
    """What prepares a model, or a black box."""
    return Boxed(model) if isinstance(model, BlackBox) else Prepared(model, once)


class Form(NamedTuple):
    """How the function is handed one input: as x was given.

    Attributes:
        frame: Its columns, if it came as a data frame.
        text: What texts were: "U", "S", or "O".
    """

    frame: Frame | None = None
    text: str = ""

    def handed(self, array: np.ndarray) -> Any:
        """Some rows; the array may be changed."""
        if self.text in ("U", "O"):
            texts = np.array([text.decode() for text in array.reshape(-1)], object).reshape(array.shape)
            return texts.astype(str) if self.text == "U" else texts
        return array if self.frame is None else self.frame.handed(array)


class Coding(NamedTuple):
    """What of the inputs came as frames with words in them: `Inputs.coding`."""

    forms: Sequence[Form]

    def baseline(self, k: int, given: Any) -> Any:
        """A baseline of input number k, as numbers."""
        frame = self.forms[k].frame
        return given if frame is None or callable(given) and not frame.words else frame.baseline(given)

    @property
    def words(self) -> dict[str, list[str]]:
        """Column -> the words that its numbers stand for."""
        frames = [form.frame for form in self.forms if form.frame is not None]
        return {str(c): list(map(str, words.words)) for frame in frames for c, words in frame.words.items()}


class Boxed:
    """What is known of a black box, for each form of x: like `Prepared` of other models.

    Args:
        model: The black box.
    """

    traces = 0

    def __init__(self, model: BlackBox) -> None:
        self.model = model
        self._known: dict[Any, Opaque] = {}
        self._frames: dict[Any, Frame] = {}

    def __reduce__(self) -> tuple:
        return Boxed, (self.model,)

    def trace(
        self, x: Any, allow_nan: bool, held: Callable[[Inputs], Sequence[int]], probabilities: bool = False
    ) -> tuple[Inputs, None, Opaque]:
        """x as arrays, and what the function is for such arrays: tried on one row or two, once for each form of x.

        Raises:
            InputTypeError: x is no arrays or frames of numbers or texts.
            ModelError: The function does not return scores for each row.
            OptionError: It should return probabilities, and does not.
        """
        leaves = leaves_of(x, None)
        given = [(path, leaf.value) for path, leaf in keras.tree.flatten_with_path(leaves)]
        frames = [self._frame(path, value) for path, value in given]
        numbers = [v if f is None else f.numbers(v) for f, (_, v) in zip(frames, given, strict=True)]
        inputs = read(keras.tree.pack_sequence_as(leaves, numbers), None, None, allow_nan)
        texts = [_text(value, array) for (_, value), array in zip(given, inputs.arrays, strict=True)]
        forms = [Form(frame, text) for frame, text in zip(frames, texts, strict=True)]
        inputs = dataclasses.replace(inputs, coding=Coding(forms))
        fixed = tuple(held(inputs))
        form = [(f.text, None if f.frame is None else f.frame.form) for f in forms]
        key = inputs.at_own_shape().signature, tuple(form), fixed
        if key not in self._known:
            self._known[key] = _opened(self.model, inputs, forms, fixed)
        found = self._known[key]
        return inputs, None, found.of_probabilities() if probabilities else found

    def _frame(self, path: Any, value: Any) -> Frame | None:
        """A data frame, whose words may be known already."""
        if not hasattr(value, "columns"):
            return None
        frame = Frame(value)
        return self._frames.setdefault((path, frame.form), frame)


def _text(given: Any, array: np.ndarray) -> str:
    """What texts were before they became objects."""
    if array.dtype != object:
        return ""
    if isinstance(array.reshape(-1)[0], bytes):
        return "S"
    return "O" if getattr(getattr(given, "dtype", None), "kind", "U") == "O" else "U"


def _opened(box: BlackBox, inputs: Inputs, forms: list[Form], held: Sequence[int]) -> Opaque:
    """What the function is for such inputs, of which it is asked about one or two."""
    named = zip(inputs.names, inputs.arrays, strict=True)
    axes = tuple(box.layout_of(k, name, array.ndim) for k, (name, array) in enumerate(named))
    count = len(inputs.arrays)
    explained = tuple(k for k in range(count) if k not in held)
    if not explained:
        raise InputError("fixed= holds all inputs, so there is nothing to explain. Leave one out.")
    hand = _Handing(keras.tree.map_structure(lambda leaf: 0, inputs.structure), tuple(forms))

    def ask(flat: list[np.ndarray]) -> Any:
        return box.answer(hand(flat), flat)

    few = min(inputs.n, box.batch_size or 2, 2)
    first, again = ask(_copied(inputs, few)), ask(_copied(inputs, few))
    alone = ask(_copied(inputs, 1)) if few > 1 else again
    outputs = keras.tree.flatten(first)
    structure = keras.tree.pack_sequence_as(first, list(range(count, count + len(outputs))))
    specs = [*inputs.specs, *(tf.TensorSpec([None, *o.shape[1:]], o.dtype) for o in outputs)]
    graph = Graph([], list(range(count)), keras.tree.flatten(structure), {}, specs, structure)
    varies = _difference(outputs, keras.tree.flatten(again))
    return Opaque(
        graph, explained, explained, explained, tuple(graph.outputs), output_names(graph, box), name=box.name,
        ask=lambda flat: _as_before(box, outputs, structure, ask(flat)), axes=axes,
        most=box.batch_size, draws_at_random=varies, extremes=(_least(outputs), -_least([-o for o in outputs])),
        mixes_rows=0.0 if varies else _difference([o[:1] for o in outputs], keras.tree.flatten(alone)),
    )  # fmt: skip


def _copied(inputs: Inputs, rows: int) -> list[np.ndarray]:
    """The first rows, as a scorer has them: texts are bytes."""
    return [tf.constant(a[:rows]).numpy() for a in inputs.arrays]


def _difference(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> float:
    """By how much two answers to the same differ, as a share of the largest score: 0 where rounding may do that."""
    found = [0.0]
    for p, q in zip(a, b, strict=True):
        p, q = (np.nan_to_num(o.astype(np.float64)) for o in (p, q))
        found.append(float(np.abs(p - q).max(initial=0)) / max(float(np.abs(p).max(initial=0)), 1e-30))
    return max(found) if max(found) > LIKE else 0.0


def _least(outputs: Sequence[np.ndarray]) -> float:
    """The smallest number among these."""
    return float(min(np.nanmin(o, initial=np.inf) for o in outputs))


class _Handing(NamedTuple):
    """How flat arrays become what the function is handed: the structure of x, and the form of each input."""

    structure: Any
    forms: tuple[Form, ...]

    def __call__(self, flat: Sequence[np.ndarray]) -> Any:
        handed = [form.handed(array) for form, array in zip(self.forms, flat, strict=True)]
        return keras.tree.pack_sequence_as(self.structure, handed)


def _as_before(box: BlackBox, outputs: list[np.ndarray], structure: Any, answer: Any) -> list[np.ndarray]:
    """Flat outputs, which have the form that they had when the function was tried.

    Raises:
        ModelError: They have another.
    """
    flat = keras.tree.flatten(answer)
    before, now = _described(structure, outputs), _described(answer, flat)
    if before != now:
        raise ModelError(
            f"The black box {box.name!r} returned {before} when it was tried, and now {now}. Expected the same for any "
            "rows; of a function that was changed make another Explainer."
        )
    return flat


def _described(structure: Any, outputs: Sequence[np.ndarray]) -> str:
    """Where the outputs are in what is returned, and their form."""
    paths = [".".join(map(str, path)) for path, _ in keras.tree.flatten_with_path(structure)]
    return ", ".join(
        f"{path}{': ' * bool(path)}({', '.join(['rows', *map(str, o.shape[1:])])}) {o.dtype.name}"
        for path, o in zip(paths, outputs, strict=True)
    )
