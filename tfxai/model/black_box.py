"""`tfxai.black_box`: any function from arrays to scores, for methods and metrics that need nothing but scores."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tfxai.errors import InputError, ModelError, ModelTypeError, received
from tfxai.model.layout import Layout
from tfxai.support.arrays import Unreadable, as_array
from tfxai.support.checks import one_of, whole_number

# What an input is -> how many of its axes are places (None: all), and whether its channels stand before them.
LAYOUTS: dict[str, tuple[int | None, bool]] = {
    "table": (None, False),
    "sequence": (1, False),
    "image": (2, False),
    "volume": (3, False),
    "sequence_channels_first": (1, True),
    "image_channels_first": (2, True),
    "volume_channels_first": (3, True),
}
OF_TORCH = (
    "A module of PyTorch takes its own tensors. After module.eval() pass a function of arrays: "
    "tfxai.black_box(lambda x: module(torch.from_numpy(x)).detach().numpy()), of pictures with "
    'layout="image_channels_first".'
)
SCORERS = ("predict_proba", "decision_function", "predict")  # how others call what returns scores


@dataclasses.dataclass(frozen=True, eq=False)
class BlackBox:
    """A function from arrays to scores: what `black_box` returns.

    Attributes:
        function: As given.
        layout: As given.
        batch_size: As given.
        name: For messages.
    """

    function: Callable
    layout: Any = None
    batch_size: int | None = None
    name: str = "black box"

    def __call__(self, x: Any) -> Any:
        """What the function returns."""
        return self.function(x)

    def answer(self, given: Any, flat: Sequence[np.ndarray]) -> Any:
        """What the function returns, in its structure, as arrays with a row of floats for each row of x.

        Args:
            given: What it is handed.
            flat: The same as arrays.

        Raises:
            ModelError: It returns anything else. What the function itself raises comes with a note.
        """
        rows = len(flat[0])
        try:
            found = self.function(given)
        except Exception as error:
            shapes = ", ".join(f"{a.shape} {a.dtype}" for a in flat)
            error.add_note(f"Raised by the black box {self.name!r}, which tfxai called with rows of x: {shapes}.")
            raise
        if isinstance(found, dict):
            return {key: self._scores(part, rows, f" under {key!r}") for key, part in found.items()}
        if isinstance(found, (list, tuple)) and found and all(getattr(part, "ndim", 0) for part in found):
            return [self._scores(part, rows, f" at position {k}") for k, part in enumerate(found)]
        return self._scores(found, rows)

    def _scores(self, found: Any, rows: int, where: str = "") -> np.ndarray:
        """One output, checked."""
        expected = (
            f"The black box {self.name!r} was called with {rows} row{'s' * (rows != 1)}. Expected scores, floats of "
            f"shape ({rows},) or ({rows}, classes...), or a list or dict of such arrays. Received{where}: "
        )
        try:
            array = as_array(found)
        except Unreadable as error:
            raise ModelError(f"{expected}{type(found).__name__}. {error}") from error
        if array.ndim == 0 or len(array) != rows:
            raise ModelError(f"{expected}shape {array.shape}.")
        if array.dtype.kind != "f":
            labels = " If these are labels, return their scores: predict_proba or decision_function, not predict."
            raise ModelError(f"{expected}dtype {array.dtype}.{labels} Counts as floats: .astype(float).")
        return array

    def layout_of(self, k: int, path: str, rank: int) -> Layout:
        """The axes of flat input number k, which has so many, the examples counted.

        Raises:
            InputError: What it is was not said, or is something of another rank.
        """
        if rank == 1:
            raise InputError(
                f"Input {path!r} has no axis beside that of the examples. Pass x[:, None], and let the function take "
                "its only column, x[:, 0]."
            )
        given = self.layout
        if isinstance(given, Mapping):
            given = given.get(path)
        elif isinstance(given, (list, tuple)):
            given = given[k] if k < len(given) else None
        if given is None and rank == 2:
            given = "table"  # nothing else has two axes: of a sequence of numbers the steps are the features too
        if given is None:
            raise InputError(
                f"Input {path!r} has {rank} axes, and a black box does not say which of them are places. Pass "
                f"tfxai.black_box(function, layout=...): one of {', '.join(map(repr, LAYOUTS))}, or a list or dict of "
                "them by input."
            )
        places, first = LAYOUTS[given]
        own = rank - 1 if places is None else places
        if rank == own + 1 and not first:
            return Layout(rank, None, table=places is None)
        if rank == own + 2:
            return Layout(rank, 1 if first else rank - 1)
        expected = f"{own + 2}" if first else f"{own + 1}, or {own + 2} with channels"
        raise InputError(f"Input {path!r} is said to be {given!r}, of rank {expected}. Received: rank {rank}.")


def black_box(
    function: Callable, layout: str | Sequence[str] | Mapping[str, str] | None = None, *,
    batch_size: int | None = None, name: str | None = None,
) -> BlackBox:  # fmt: skip
    """Any function from arrays to scores as a model: scikit-learn's `predict_proba`, a module of PyTorch, a service.

    What needs nothing but scores works on it: methods that hide features ("kernel_shap", "lime", "occlusion"...),
    `tfxai.evaluate`, plots, reports. Methods that follow gradients refuse, and name those that work. The score is what
    the function returns; `on="probability"` says, and checks when it is tried, that these are probabilities.

    The function is handed arrays of the dtype in which x was given, never x itself: it may change them. Where x is a
    data frame of pandas, these are frames with the same columns and kinds; of columns of words (text, categories) the
    values that x and the baseline have. It is called in the thread of the caller, and its errors come through.

    Before it explains, an `Explainer` calls it three times with one row or two: to see what it returns, and whether it
    draws at random or gives a row another score beside others, of which it warns.

    Args:
        function: Takes x, (m, ...), or the list or dict of arrays that x is; returns scores, floats (m,) or
            (m, classes...), or a list or dict of such arrays for several outputs. Of scikit-learn or XGBoost:
            `model.predict_proba`, of a regressor `model.predict`. Of PyTorch, after `module.eval()`:
            `lambda x: module(torch.from_numpy(x)).detach().numpy()`, for x of the dtype of its weights (float32).
        layout: Which axes of x are places: "table" (each number is a feature), "sequence", "image", "volume" (the last
            axis is that of channels, if there is one more), or these with "_channels_first", as "image_channels_first"
            for PyTorch; a list or dict of these for several inputs. It need not be said of arrays of two axes.
        batch_size: Most rows in a call; None: by the size of x. It changes memory and time, never the values.
        name: For messages; None: that of the function.

    Returns:
        BlackBox: A model for `tfxai.explain`, `Explainer` and `evaluate`.

    Raises:
        ModelTypeError: No function.
        OptionError: Another layout, a batch size below 1.

    Example:
        >>> import numpy as np, tfxai
        >>> scores = tfxai.black_box(lambda x: np.stack([x[:, 0] + 2 * x[:, 1], 0 * x[:, 0]], axis=1))
        >>> tfxai.explain(scores, np.array([[1.0, 3.0]]), "occlusion", target=0).values.tolist()
        [[1.0, 6.0]]
    """
    if is_torch(function):
        raise ModelTypeError(f"{OF_TORCH} {received(function)}")
    if isinstance(function, (BlackBox, type)) or not callable(function):
        known = next((n for n in SCORERS if callable(getattr(function, n, None))), None)
        advice = f" Pass its method: tfxai.black_box(model.{known})." if known else ""
        raise ModelTypeError(f"A black box is a function from arrays to scores.{advice} {received(function)}")
    if batch_size is not None:
        whole_number(batch_size, "batch_size", more=", or None")
    words = layout.values() if isinstance(layout, Mapping) else [layout] if isinstance(layout, str) else layout or ()
    for word in words:
        one_of(word, "layout", LAYOUTS, ", a list or dict of them by input, or None")
    own = getattr(function, "__qualname__", None) or getattr(function, "name", None) or type(function).__name__
    layout = layout if layout is None or isinstance(layout, (str, Mapping)) else tuple(layout)
    return BlackBox(function, layout, batch_size, str(name or own))


def is_torch(model: Any) -> bool:
    """Whether it is a module of PyTorch, told by its name: that package is imported by nobody who does not use it."""
    return any(c.__name__ == "Module" and c.__module__.startswith("torch.nn.") for c in type(model).__mro__)


__all__ = ["BlackBox", "black_box"]
