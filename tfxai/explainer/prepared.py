"""What is captured of a model and made of it: as the model is now, and shared by the Explainers of its methods."""

from __future__ import annotations

import threading
from typing import Any

import keras

from tfxai.errors import ModelError
from tfxai.explainer.inputs import Inputs, Signature, read
from tfxai.graph.identity import key
from tfxai.model.function import declared_inputs, fixed_batch
from tfxai.model.prepare import Captured, captured
from tfxai.model.traced import TracedModel
from tfxai.model.watch import Watch

KEPT = 16  # captures: where the lengths of x differ at every call, they must not add up
Form = tuple[Signature, bool]  # signature of the inputs, and whether layer calls were noted


class Prepared:
    """The captures of a model, each for one form of its inputs.

    A model that may have changed is captured again. Where its graph is the same, all that was compiled stays in use.

    Args:
        model: As it is traced.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self._made: dict[Form, dict[Any, TracedModel]] = {}
        self._dropped = 0  # functions traced for what is not kept any more
        self._captured: dict[Form, Captured] = {}
        self._stale: set[Form] = set()
        self._closed: dict[Signature, int] = {}  # signature -> how many of its forms the model cannot be traced with
        self._watch = Watch(model)
        self._lock = threading.RLock()

    def __reduce__(self) -> tuple:
        """A copy is that of the model: what was captured of it, and compiled, cannot be copied and is made again."""
        return Prepared, (self.model,)

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

    def capture(self, inputs: Inputs, watched: bool, rows: int) -> tuple[Inputs, Captured, dict[Any, TracedModel]]:
        """The model captured for inputs of this form; if need be at x's own lengths, or for so many rows alone.

        Returns:
            The inputs in the form that was captured, the capture, and what is made of it.

        Raises:
            ModelError: The model cannot be traced on x.
        """
        with self._lock:  # two threads may share one explainer
            if (fixed := fixed_batch(self.model)) is not None:
                self._closed[inputs.signature] = 2
            return self._capture(inputs, watched, fixed or rows)

    def _capture(self, inputs: Inputs, watched: bool, rows: int) -> tuple[Inputs, Captured, dict[Any, TracedModel]]:
        closed = self._closed.get(inputs.signature, 0)
        form = (inputs, inputs.at_own_shape(), inputs.at_own_shape(rows))[closed]
        try:
            found = self._current(form, watched)
        except ModelError:
            if closed == 2:
                del self._closed[inputs.signature]  # the shape is not what is wrong
                raise
            self._closed[inputs.signature] = closed + 1
            return self._capture(inputs, watched, rows)
        return form, found, self._made.setdefault((form.signature, watched), {})

    def _current(self, inputs: Inputs, watched: bool) -> Captured:
        """The capture of this form, taken again where the model may have changed."""
        form = inputs.signature, watched
        if form in self._captured and form not in self._stale:
            self._captured[form] = self._captured.pop(form)  # the last used is the last
            return self._captured[form]
        found = captured(self.model, inputs.pack, inputs.specs, watched)
        self._watch.look()  # tracing may note something in the model
        self._stale.discard(form)
        before = self._captured.get(form)
        if before is None or not _same(before, found):
            self._forget(form)
            self._captured[form] = found
            for old in list(self._captured)[:-KEPT]:
                self._forget(old)
        return self._captured[form]

    def _forget(self, form: Form) -> None:
        if form in self._captured:
            self._dropped += self._traces(form)
            del self._captured[form]
        self._made.pop(form, None)

    def _traces(self, form: Form) -> int:
        made = {id(traced): traced for traced in self._made.get(form, {}).values()}
        return 1 + sum(traced.compiled.traces for traced in made.values())


def _same(before: Captured, now: Captured) -> bool:
    """Whether two captures are of the same function, made by the same layers."""
    calls = [[(call.path, id(call.layer)) for call in capture.calls] for capture in (before, now)]
    return calls[0] == calls[1] and key(before.graph) == key(now.graph)


def _float_dtype(model: Any) -> str | None:
    """What a Keras model casts floats to where it declares nothing; None: floats stay as they are."""
    if not isinstance(model, keras.layers.Layer):
        return None
    return "float64" if getattr(model, "compute_dtype", None) == "float64" else "float32"
