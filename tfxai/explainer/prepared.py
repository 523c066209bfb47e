"""What is captured of a model and made of it: as the model is now, and shared by the explanations of it."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import Any

import keras

from tfxai.errors import ModelError
from tfxai.explainer import kept
from tfxai.explainer.inputs import Inputs, Signature, read
from tfxai.explainer.kept import Form, Kept
from tfxai.graph.capture import Graph
from tfxai.model.function import declared_inputs, fixed_batch
from tfxai.model.prepare import captured
from tfxai.model.traced import TracedModel
from tfxai.model.watch import Watch

KEPT = 16  # captures: where the lengths of x differ at every call, they must not add up


class Prepared:
    """The captures of a model, each for one form of its inputs.

    A model that may have changed is captured again. Where its graph is the same, all that was compiled stays in use.

    Args:
        model: As it is traced.
        once: Whether it is asked once, so that no change can be missed.
        place: What becomes of each captured graph: the same with its variables elsewhere.
    """

    def __init__(self, model: Any, once: bool = False, place: Callable[[Graph], Graph] | None = None) -> None:
        self.model = model
        self._once, self._place = once, place
        self._captured: dict[Form, Kept] = {}
        self._made: dict[Kept, dict[Any, TracedModel]] = {}  # as kept for others too, but for as long as this lives
        self._before: dict[TracedModel, int] = {}  # how many functions had been traced for others
        self._dropped = 0  # functions traced for what is not kept any more
        self._stale: set[Form] = set()
        self._closed: dict[Signature, int] = {}  # signature -> how many of its forms the model cannot be traced with
        self._watch = Watch(model)
        self._lock = threading.RLock()

    def __reduce__(self) -> tuple:
        """A copy is that of the model: what was captured of it, and compiled, cannot be copied and is made again."""
        return Prepared, (self.model, self._once, self._place)

    @property
    def traces(self) -> int:
        """How many functions TensorFlow has traced."""
        return self._dropped + sum(self._traces(form) for form in self._captured)

    def read(self, x: Any, allow_nan: bool = False) -> Inputs:
        """x, checked against what the model says of its inputs now."""
        with self._lock:
            if self._captured and self._watch.changed():
                self._stale, self._closed = set(self._captured), {}
                self._watch.look()
        return read(x, declared_inputs(self.model), _float_dtype(self.model), allow_nan)

    def capture(self, inputs: Inputs, watched: bool, rows: int) -> tuple[Inputs, Kept]:
        """The model captured for inputs of this form; if need be at x's own lengths, or for so many rows alone.

        Returns:
            The inputs in the form that was captured, the capture with what is made of it.

        Raises:
            ModelError: The model cannot be traced on x.
        """
        with self._lock:  # two threads may share one explainer
            if (fixed := fixed_batch(self.model)) is not None:
                self._closed[inputs.signature] = 2
            return self._capture(inputs, watched, fixed or rows)

    def made(self, found: Kept, key: Any, make: Callable[[], TracedModel]) -> TracedModel:
        """What is made of a capture under `key`, at its first use."""
        with self._lock:
            own = self._made.setdefault(found, {})
            if key not in own:
                traced = found.get(key, make)
                self._before.setdefault(traced, traced.compiled.traces)
                own[key] = traced
            return own[key]

    def _capture(self, inputs: Inputs, watched: bool, rows: int) -> tuple[Inputs, Kept]:
        closed = self._closed.get(inputs.signature, 0)
        form = inputs if closed == 0 else inputs.at_own_shape(rows if closed == 2 else None)
        try:
            return form, self._current(form, watched)
        except ModelError:
            if closed == 2:
                del self._closed[inputs.signature]  # the shape is not what is wrong
                raise
            self._closed[inputs.signature] = closed + 1
            return self._capture(inputs, watched, rows)

    def _current(self, inputs: Inputs, watched: bool) -> Kept:
        """The capture of this form, taken again where the model may have changed."""
        form = inputs.signature, watched
        if form in self._captured and form not in self._stale:
            self._captured[form] = self._captured.pop(form)  # the last used is the last
            return self._captured[form]
        capture = captured(self.model, inputs.pack, inputs.specs, watched)
        if self._place is not None:
            capture = dataclasses.replace(capture, graph=self._place(capture.graph))
        if not self._once:
            self._watch.look()  # tracing may note something in the model
        self._stale.discard(form)
        before = self._captured.get(form)
        found = kept.current(self.model, form, capture, before)
        if found is not before:
            self._forget(form)
            self._captured[form] = found
            for old in list(self._captured)[:-KEPT]:
                self._forget(old)
        return found

    def _forget(self, form: Form) -> None:
        if form in self._captured:
            self._dropped += self._traces(form)
            for traced in self._made.pop(self._captured.pop(form), {}).values():
                self._before.pop(traced, None)

    def _traces(self, form: Form) -> int:
        made = set(self._made.get(self._captured[form], {}).values())
        return 1 + sum(traced.compiled.traces - self._before[traced] for traced in made)


def _float_dtype(model: Any) -> str | None:
    """What a Keras model casts floats to where it declares nothing; None: floats stay as they are."""
    if not isinstance(model, keras.layers.Layer):
        return None
    return "float64" if getattr(model, "compute_dtype", None) == "float64" else "float32"
