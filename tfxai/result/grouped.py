"""The values of an explanation added up by groups of features, as data."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from tfxai.result.data import PER_EXAMPLE, ExplanationData
from tfxai.support.extras import extra
from tfxai.support.structure import map_structure


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class GroupedData:
    """The fields of a `Grouped`, which says what each of them is."""

    of: ExplanationData
    names: list[str]
    values: np.ndarray
    labels: list[np.ndarray]

    @property
    def score(self) -> np.ndarray:
        return self.of.score

    @property
    def baseline_score(self) -> np.ndarray | None:
        return self.of.baseline_score

    @property
    def delta(self) -> np.ndarray | None:
        return self.of.delta

    @property
    def target(self) -> Any:
        return self.of.target

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.of.method!r}, n={len(self)}, groups={len(self.names)})"

    def to_dataframe(self) -> Any:
        """A `pandas.DataFrame`: a row per example, a column per group, then score, baseline_score, delta and target.

        Raises:
            MissingExtraError: `pip install "tfxai[data]"`.
        """
        pandas = extra("data", "pandas")
        sums = pandas.DataFrame(self.values, columns=self.names, index=self.of.meta.get("rows"))
        found = {field: getattr(self.of, field) for field in PER_EXAMPLE}
        about = {f: v for f, v in found.items() if isinstance(v, np.ndarray) and v.ndim == 1}
        return pandas.concat([sums, pandas.DataFrame(about, index=sums.index)], axis=1)

    def maps(self) -> Any:
        """In the structure of the values the sum of its group at each feature, with 1 for channels that share it."""
        labels = iter(self.labels)

        def one(array: np.ndarray) -> np.ndarray:
            own = next(labels)
            flat = np.broadcast_to(own, (len(array), *own.shape[1:])).reshape(len(array), -1)
            return self.values[np.arange(len(array))[:, None], flat].reshape(len(array), *own.shape[1:])

        return map_structure(one, self.of.values)
