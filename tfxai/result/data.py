"""The fields of an explanation: plain numpy and where it came from. What draws, stores or exports reads this."""

from __future__ import annotations

import dataclasses
from typing import Any, Self

import numpy as np

from tfxai.errors import OptionError, received
from tfxai.support.gaussian import blur, is_width
from tfxai.support.structure import map_structure

STRUCTURES = (
    "values",
    "inputs",
    "multipliers",
    "standard_error",
    "layer_sums",
)  # arrays, or lists and dicts of them, examples first
MEASURED = ("rows", "steps", "r2")  # lists in `meta`, of one for each example
PER_EXAMPLE = ("score", "baseline_score", "delta", "target")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ExplanationData:
    """The fields of an `Explanation`, which says what each of them is.

    Example:
        >>> e = ExplanationData(values=np.ones((2, 3)), score=np.array([3.0, 3.0]), method="deeplift")
        >>> len(e), e[0].values.shape
        (2, (1, 3))
    """

    values: Any
    score: np.ndarray
    method: str
    baseline_score: np.ndarray | None = None
    delta: np.ndarray | None = None
    target: Any = None
    inputs: Any = None
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    layer: str | None = None
    multipliers: Any = None
    standard_error: Any = None
    fingerprint: str = ""
    meta: dict[str, Any] = dataclasses.field(default_factory=dict)
    baseline: Any = None
    layer_sums: Any = None

    @property
    def residual(self) -> np.ndarray | None:
        """(n,) |delta|, relative to the change of the score: 0 where everything adds up; None without a delta.

        A change far below the size of the scores is measured against their mean size, where rounding is.

        Example:
            >>> score, start = np.array([3.0, 1.0]), np.zeros(2)
            >>> e = ExplanationData(np.ones((2, 1)), score, "ig", baseline_score=start, delta=np.array([0.0, 0.5]))
            >>> e.residual.tolist()
            [0.0, 0.25]
        """
        if self.delta is None or self.baseline_score is None:
            return None
        finite = np.isfinite(self.score)  # an example without a score says nothing about the others
        typical = float(np.abs(self.score).mean(where=finite)) if finite.any() else 0.0
        with np.errstate(invalid="ignore"):
            change = np.abs(self.score - self.baseline_score)
            return np.abs(self.delta) / np.maximum(change, max(typical, 1e-6))

    def __len__(self) -> int:
        return len(self.score)

    def __getitem__(self, rows: int | slice) -> Self:
        """The explanation of one example (as a batch of one) or of some."""
        if isinstance(rows, (int, np.integer)):
            if not -len(self) <= rows < len(self):
                raise IndexError(f"example {rows} of {len(self)}")
            rows = slice(int(rows), int(rows) + 1 or None)
        cut = {k: map_structure(lambda a: a[rows], getattr(self, k)) for k in STRUCTURES
               if getattr(self, k) is not None}  # fmt: skip
        cut.update({k: getattr(self, k)[rows] for k in PER_EXAMPLE if isinstance(getattr(self, k), np.ndarray)})
        if not isinstance(self.baseline, str):
            cut["baseline"] = map_structure(lambda b: b if b is None or len(b) == 1 else b[rows], self.baseline)
        cut["meta"] = self.meta | {key: self.meta[key][rows] for key in MEASURED if key in self.meta}
        return dataclasses.replace(self, **cut)

    def __repr__(self) -> str:
        shapes = map_structure(lambda a: a.shape, self.values)
        parts = [repr(self.method), f"n={len(self)}", f"values={shapes}"]
        if self.layer:
            parts.append(f"layer={self.layer!r}")
        if isinstance(self.target, np.ndarray) and len(self.target) <= 8:
            parts.append(f"target={self.target.tolist()}")
        elif isinstance(self.target, str) and self.target:
            parts.append(f"target={self.target!r}")
        if self.delta is not None and len(self):
            parts.append(f"max |delta|={np.abs(self.delta).max():.2g}")
        return f"Explanation({', '.join(parts)})"

    def smooth(self, sigma: float) -> Self:
        """The same with values blurred over their places (all axes but those of examples and channels); sums stay.

        Args:
            sigma: Standard deviation in pixels (steps of a sequence), above 0.

        Raises:
            OptionError: sigma is not above 0, or the values have no spatial axis.

        Example:
            >>> e = ExplanationData(values=np.eye(5)[None, ..., None], score=np.ones(1), method="deeplift")
            >>> float(e.smooth(1.0).values.sum().round(6))
            5.0
        """
        if not is_width(sigma):
            raise OptionError(f"sigma is a number of pixels above 0, such as 2.0. {received(sigma)}")

        channels = iter(self.meta.get("channels", {}).get("values", []))

        def one(array: np.ndarray) -> np.ndarray:
            if array.ndim < 3:
                raise OptionError(
                    "Only values with spatial axes (examples, ..., channels) can be smoothed. Received: shape "
                    f"{array.shape}. Use tabular values as they are."
                )
            axis = next(channels, array.ndim - 1)
            return blur(array, sigma, tuple(a for a in range(1, array.ndim) if a != axis))

        return dataclasses.replace(self, values=map_structure(one, self.values))
