"""What stays compiled of a model from one explanation to the next, for as long as the model lives.

The model itself is not kept, nor anything that holds it: a capture has its ops and variables. Whether it is still that
model is not guessed: each explanation captures it as it is now, and takes what is kept where the captures are equal.
"""

from __future__ import annotations

import dataclasses
import threading
import weakref
from collections.abc import Callable
from typing import Any

from tfxai.explainer.inputs import Signature
from tfxai.explainer.ragged import OfPadded
from tfxai.model.prepare import Captured
from tfxai.model.traced import TracedModel

CAPTURES = 4  # of a model: a form of input, or the model as it was before a change, to which it may go back
TRACED = 16  # of a capture: on="logit" or "probability", layers
Form = tuple[Signature, bool]  # signature of the inputs, and whether layer calls were noted


@dataclasses.dataclass(frozen=True, eq=False)
class Kept:
    """A capture, and what was made of it, with all that is compiled.

    Attributes:
        form: Of the inputs.
        capture: Of the model.
        made: What is explained -> the model traced for it; the last used is the last.
    """

    form: Form
    capture: Captured
    made: dict[Any, TracedModel] = dataclasses.field(default_factory=dict)

    def get(self, key: Any, make: Callable[[], TracedModel]) -> TracedModel:
        """What is kept under `key`, made at its first use."""
        found = self.made.get(key) or make()
        with _lock:
            found = self.made.pop(key, found)  # or what another thread has made meanwhile
            self.made[key] = found
            for old in list(self.made)[:-TRACED]:
                del self.made[old]
        return found


_lock = threading.RLock()
_kept: dict[int, tuple[weakref.ref, list[Kept]]] = {}  # id of a model -> itself, its captures, the last used last


def current(model: Any, form: Form, capture: Captured, before: Kept | None = None) -> Kept:
    """What is kept of an equal capture of this model; else this one, which is kept from now on.

    Args:
        model: That was captured.
        form: Of its inputs.
        capture: Of it, as it is now.
        before: What the caller has of this form itself.
    """
    owner = model.model if isinstance(model, OfPadded) else model
    lasting = capture.key is not None  # looked up first: the lock is everyone's
    with _lock:
        known = _of(owner)
        candidates = [k for k in (before, *known) if k is not None and k.form == form]
        found = next((k for k in candidates if k.capture.same(capture)), None) or Kept(form, capture)
        if lasting:
            known[:] = [*(k for k in known if k is not found), found][-CAPTURES:]
        return found


def _of(model: Any) -> list[Kept]:
    """What is kept of a model, to be changed; of what takes no weak reference nothing is."""
    reference, known = _kept.get(id(model), (None, []))
    if reference is None or reference() is not model:
        known = []
        try:
            _kept[id(model)] = weakref.ref(model, _dropper(id(model))), known
        except TypeError:
            return known
    return known


def _dropper(number: int) -> Any:
    """Takes out what is kept of a model that is gone. It may run at any time, so it waits for nobody."""

    def drop(reference: weakref.ref, known: dict = _kept) -> None:
        if known.get(number, (None,))[0] is reference:
            known.pop(number, None)

    return drop


def forget(model: Any = None) -> None:
    """Drops what is kept compiled of a model, so that explaining it again is fast.

    What is kept of a model is dropped with the model. Of one that stays it is at most what was compiled for the last
    four forms of its input. Explainers that are in use go on as they are.

    Args:
        model: The model that was explained; None for all models.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> e = tfxai.explain(model, np.ones((1, 3), "float32"), target=0)
        >>> tfxai.forget(model)
    """
    with _lock:
        if model is None:
            _kept.clear()
        else:
            _kept.pop(id(model), None)
