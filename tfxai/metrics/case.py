"""What every metric is given: some predictions, their attributions, and what is known beside."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from tfxai.errors import InputError, MethodError
from tfxai.explanation import Explanation
from tfxai.metrics.attributors import Attributor, OfMethod, Shift, attributor
from tfxai.metrics.probe import Probe

T = TypeVar("T")
NO_MASKS = (
    "This metric compares with where the truth is: pass masks=, (n, places...) in the structure of x, not 0 inside. "
    "Received: none."
)
NO_OTHERS = "This metric compares methods: pass two or more. Received: one."


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """The attributions of n predictions, for metrics: every metric is a function of one case and its own options.

    Features are places: a picture's pixels and a sequence's steps with all their channels, a table's cells, tokens; of
    several inputs in a row. Their numbers are the sums over the channels; of slopes (`gradient` and the like) the sums
    of their sizes, since a slope's sign does not say whether a feature counts.

    Attributes:
        probe: The model and the examples, whose features can be hidden.
        attributor: What made the attributions.
        relevance: (n, F) them, one number per feature.
        explanation: The explanation, where a method made it.
        masks: (n, F) whether a feature is inside of the truth, where that is known.
        others: (n, F) each, the attributions of other methods.
        kept: What metrics have computed and share.

    Example:
        >>> import keras, tfxai
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> case = Case.of(model, np.array([[1.0, 2.0, 3.0]], "float32"), "deeplift")
        >>> case.relevance.tolist(), tfxai.metrics.pointing_game(case.inside([[0, 0, 1]])).tolist()
        ([[1.0, 2.0, 3.0]], [1.0])
    """

    probe: Probe
    attributor: Attributor
    relevance: np.ndarray
    explanation: Explanation | None = None
    masks: np.ndarray | None = None
    others: Sequence[np.ndarray] = ()
    kept: dict[Any, Any] = dataclasses.field(default_factory=dict)

    @staticmethod
    def of(
        model: Any, x: Any, method: Any = "deeplift", target: Any = None, baseline: Any = None, masks: Any = None,
        others: Sequence[Any] = (), batch_size: int | None = None, seed: int = 0, **shared: Any,
    ) -> Case:  # fmt: skip
        """Explains x and keeps what metrics need.

        Args:
            model: As in `tfxai.explain`, or an Explainer.
            x: Array (n, ...), or a list/dict of arrays.
            method: A name, a method object, an Explanation, or arrays in the shape of x that were made elsewhere; also
                "random", and "edges" of the input.
            target: As in `tfxai.explain`. An arg max is the class at x, also where x is changed.
            baseline: As in `tfxai.explain`; also what hidden features are replaced by.
            masks: (n, places...) where the truth is, not 0 inside; in the structure of x.
            others: Other methods, of the kinds that `method` takes.
            batch_size: Examples per pass. It changes memory, never the numbers.
            seed: Of all random numbers.
            **shared: on, jit_compile, fixed, labels, allow_nan, as in `tfxai.explain`.

        Raises:
            TfxaiError: As in `tfxai.explain`; masks or arrays that do not fit.
        """
        probe = Probe.of(model, x, target, baseline, batch_size, seed, **shared)
        case = Case.made(probe, attributor(method, probe))
        beside = [attributor(other, probe)(probe) for other in others]
        case = dataclasses.replace(case, others=beside)
        return case if masks is None else case.inside(masks)

    @staticmethod
    def made(probe: Probe, by: Attributor) -> Case:
        """The case of what an attributor gives for a probe."""
        if not isinstance(by, OfMethod):
            return Case(probe, by, by(probe))
        e = by.explain(probe)
        return Case(probe, by, by.numbers(probe, e), e)

    def inside(self, masks: Any) -> Case:
        """The same with masks, as in `of`."""
        return dataclasses.replace(self, masks=self.probe.features.inside(masks))

    def __len__(self) -> int:
        return len(self.probe)

    @property
    def features(self) -> int:
        """How many each example has: F."""
        return self.relevance.shape[1]

    def order(self) -> np.ndarray:
        """(n, F) the features of each example, the largest number first; of equal ones the first in x comes first."""
        return np.argsort(-self.relevance, axis=1, kind="stable")

    def ranks(self) -> np.ndarray:
        """(n, F) the place of each feature in that order, from 0."""
        order = self.order()
        found = np.empty(order.shape, np.int32)
        np.put_along_axis(found, order, np.arange(self.features, dtype=np.int32)[None], axis=1)
        return found

    def rng(self, *which: int) -> np.random.Generator:
        """Random numbers that depend on the seed and on what they are for, not on examples or passes."""
        return np.random.default_rng((self.probe.seed, *which))

    def again(self, target: Any = None, shift: Shift | None = None, draw: int = 0) -> np.ndarray:
        """(n, F) the attributions made anew, after a change.

        Raises:
            MethodError: They were handed over, not made.
        """
        return self.attributor(self.probe, target, shift, draw)

    def once(self, key: Any, make: Callable[[], T]) -> T:
        """What `make` gives, computed once."""
        if key not in self.kept:
            self.kept[key] = make()
        return self.kept[key]

    # --- What a metric may need

    def truth(self) -> np.ndarray:
        """The masks.

        Raises:
            InputError: There are none.
        """
        if self.masks is None:
            raise InputError(NO_MASKS)
        return self.masks

    def beside(self) -> Sequence[np.ndarray]:
        """The attributions of other methods.

        Raises:
            MethodError: There are none.
        """
        if not len(self.others):
            raise MethodError(NO_OTHERS)
        return self.others
