"""`Explanation`: the one result type, plain numpy and where it came from."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfxai._gaussian import blur, is_width
from tfxai.errors import OptionError, received
from tfxai.structure import map_structure

STRUCTURES = (
    "values",
    "inputs",
    "multipliers",
    "standard_error",
)  # arrays, or lists and dicts of arrays, examples first
PER_EXAMPLE = ("score", "baseline_score", "delta", "target")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """The attributions of n examples.

    Attributes:
        values: Contribution of every input feature, in the structure and shape of the model's input (for a layer:
            of its output). Unit: that of the score; for `gradient`, score per unit of the input.
        score: (n,) the explained number at x.
        baseline_score: (n,) the explained number at the baseline; mean over several baselines. Where a mask says
            which steps exist, it is x's mask. None for methods without a baseline.
        delta: (n,) score - baseline_score - sum of the contributions: how far they are from adding up. None for
            methods that promise no completeness.
        target: (n,) class index that was explained, or a description.
        inputs: What was explained.
        method, options, layer: Provenance.
        multipliers: As `values`, when asked for.
        standard_error: As `values`, for means of random draws: how far each value may be from its limit. For tokens,
            an upper bound.
        fingerprint: Hash of the model and the options.
        meta: Versions, seed, baseline in words; `features`, the columns of inputs that came as data frames.
        baseline: The baseline, (1 or n, references, ...) in the structure of `inputs`, or in words where it is the zero
            embedding, or larger than the inputs; None for methods without one.

    A structure is one array, or a list or dict of structures; tuples come back from a file as lists.

    Example:
        >>> import numpy as np
        >>> e = Explanation(values=np.ones((2, 3)), score=np.array([3.0, 3.0]), method="deeplift")
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

    def __len__(self) -> int:
        return len(self.score)

    def __getitem__(self, rows: int | slice) -> Explanation:
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

    def smooth(self, sigma: float) -> Explanation:
        """The same with values blurred over their spatial axes; the sum of every example stays.

        Args:
            sigma: Standard deviation in pixels (steps of a sequence), above 0.

        Raises:
            OptionError: sigma is not above 0, or the values have no spatial axis.

        Example:
            >>> e = Explanation(values=np.eye(5)[None, ..., None], score=np.ones(1), method="deeplift")
            >>> float(e.smooth(1.0).values.sum().round(6))
            5.0
        """
        if not is_width(sigma):
            raise OptionError(f"sigma is a number of pixels above 0, such as 2.0. {received(sigma)}")

        def one(array: np.ndarray) -> np.ndarray:
            if array.ndim < 3:
                raise OptionError(
                    "Only values with spatial axes (examples, ..., channels) can be smoothed. Received: shape "
                    f"{array.shape}. Use tabular values as they are."
                )
            return blur(array, sigma, tuple(range(1, array.ndim - 1)))

        return dataclasses.replace(self, values=map_structure(one, self.values))

    def plot(self, index: int = 0, ax: Any = None, **options: Any) -> Any:
        """Draws example `index` and returns the Axes: see `tfxai.plot.auto`."""
        from tfxai.plot import auto  # matplotlib only when something is drawn

        return auto(self, index, ax=ax, **options)

    def save(self, path: str | os.PathLike) -> Path:
        """Writes an `.npz` of plain arrays and one JSON text, which `tfxai.load` reads: see `tfxai.storage.save`."""
        from tfxai.storage import save

        return save(self, path)

    def to_html(self, path: str | os.PathLike, labels: Sequence[str] | None = None) -> Path:
        """Writes one static page that shows every example: see `tfxai.report`."""
        from tfxai.reports import report

        return report([self], path, labels)

    def to_xarray(self) -> Any:
        """An `xarray.Dataset` with named dimensions: see `tfxai.export.to_xarray`."""
        from tfxai import export

        return export.to_xarray(self)

    def to_dataframe(self, names: Sequence[str] | None = None) -> Any:
        """A `pandas.DataFrame`, one row per example, one column per feature: see `tfxai.export.to_dataframe`."""
        from tfxai import export

        return export.to_dataframe(self, names)

    def to_shap(self, names: Sequence[str] | None = None) -> Any:
        """A `shap.Explanation` for shap's plots: see `tfxai.export.to_shap`."""
        from tfxai import export

        return export.to_shap(self, names)

    def to_modisco(self, folder: str | os.PathLike) -> tuple[Path, Path]:
        """Writes the two files that TF-MoDISco reads: see `tfxai.export.to_modisco`."""
        from tfxai import export

        return export.to_modisco(self, folder)

    def _repr_html_(self) -> str:
        """What a notebook shows: the summary, and the pictures of the first examples."""
        from tfxai.reports import fragment

        return fragment(self)
