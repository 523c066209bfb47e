"""`Explanation`: the one result type, with everything that can be done with it, and `load`, which reads it back."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfxai.result import export, storage
from tfxai.result.data import ExplanationData
from tfxai.result.grouped import GroupedData


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Explanation(ExplanationData):
    """The attributions of n examples.

    Attributes:
        values: Contribution of every input feature, in the structure and shape of the model's input (for a layer:
            of its output). Unit: that of the score; for `gradient`, score per unit of the input.
        score: (n,) the explained number at x.
        baseline_score: (n,) the explained number at the baseline; mean over several baselines. Where a mask says
            which steps exist, it is x's mask. None for methods without a baseline.
        delta: (n,) score - baseline_score - sum of the contributions: how far they are from adding up, in the unit of
            the score. None for methods that promise no completeness. `residual` is the same, relative to the change.
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
        layer_sums: Of relevance propagation, where relevance was lost or created: layer, from the input to the output
            -> `arrived` at its output, `left` by its input, and the difference of the two: `bias`, at ops that add a
            constant (what it took, and what found no contribution of the sign that a rule asks for), or `other`
            (stabilisers, softmax), (n,) each. With "elsewhere" the differences sum to score - sum of the values.

    A structure is one array, or a list or dict of structures; tuples come back from a file as lists.

    Example:
        >>> import numpy as np
        >>> e = Explanation(values=np.ones((2, 3)), score=np.array([3.0, 3.0]), method="deeplift")
        >>> len(e), e[0].values.shape
        (2, (1, 3))
    """

    def plot(self, index: int = 0, ax: Any = None, **options: Any) -> Any:
        """Draws example `index` and returns the Axes: see `tfxai.plot.auto`."""
        from tfxai.plot import auto  # matplotlib only when something is drawn

        return auto(self, index, ax=ax, **options)

    def grouped(self, groups: Any, names: Sequence[str] | Mapping[Any, str] | None = None) -> Grouped:
        """The values added up by groups: see `Grouped`.

        Args:
            groups: Which features belong together. Whole numbers, one for each, of the shape of the inputs without the
                axis of examples, or with it; or one for each place of a picture or sequence, or for each token. Of
                several inputs a list or dict of them: the same number in two inputs is the same group. A function of
                the inputs, such as `tfxai.segments.grid(8)`, which makes groups of each. Of data frames names of
                columns, {group: names}; such a dict of names may have whole inputs too.
            names: What to call them: {number: name}, or a list in the order of the numbers.

        Returns:
            Grouped: (n, groups) sums, in double precision.

        Raises:
            OptionError: Groups that do not fit, leave features out or overlap; another number of names.

        Example:
            >>> import numpy as np
            >>> e = Explanation(values=np.array([[1.0, 2.0, 4.0]]), score=np.array([7.0]), method="deeplift")
            >>> sums = e.grouped([0, 1, 0], names=["even", "odd"])
            >>> sums.names, sums.values.tolist()
            (['even', 'odd'], [[5.0, 2.0]])
        """
        from tfxai.result.add_up import grouped  # TensorFlow is not needed to read a file

        return Grouped(self, *grouped(self, groups, names))

    def save(self, path: str | os.PathLike) -> Path:
        """Writes an `.npz` of plain arrays and one JSON text, without pickle: see `tfxai.load`."""
        return storage.save(self, path)

    def to_html(self, path: str | os.PathLike, labels: Sequence[str] | None = None) -> Path:
        """Writes one static page that shows every example: see `tfxai.report`."""
        from tfxai.plot.report import report

        return report([self], path, labels)

    def to_xarray(self) -> Any:
        """An `xarray.Dataset` with named dimensions: see `tfxai.result.export.to_xarray`."""
        return export.to_xarray(self)

    def to_dataframe(self, names: Sequence[str] | None = None) -> Any:
        """A `pandas.DataFrame`, one row per example, one column per feature: see `tfxai.result.export.to_dataframe`."""
        return export.to_dataframe(self, names)

    def to_shap(self, names: Sequence[str] | None = None) -> Any:
        """A `shap.Explanation` for shap's plots: see `tfxai.result.export.to_shap`."""
        return export.to_shap(self, names)

    def to_modisco(self, folder: str | os.PathLike) -> tuple[Path, Path]:
        """Writes the two files that TF-MoDISco reads: see `tfxai.result.export.to_modisco`."""
        return export.to_modisco(self, folder)

    def _repr_html_(self) -> str:
        """What a notebook shows: the summary, and the pictures of the first examples."""
        from tfxai.plot.report import fragment

        return fragment(self)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Grouped(GroupedData):
    """The values of an explanation added up by groups: what `e.grouped` returns.

    Attributes:
        of: The explanation.
        names: Of the groups.
        values: (n, groups) the sum of the values of each group's features, in double precision; 0 where an example has
            none of them. They sum to what all values do, so `delta` is that of the explanation.
        labels: Per input the number of each feature's group, (1 or n, ...) with 1 for channels that share one.
        score, baseline_score, delta, target: Those of the explanation.

    Example:
        >>> import numpy as np
        >>> e = Explanation(values=np.array([[1.0, 2.0, 4.0]]), score=np.array([7.0]), method="deeplift")
        >>> e.grouped([0, 1, 0])
        Grouped('deeplift', n=1, groups=2)
    """

    of: Explanation

    def plot(self, index: int = 0, ax: Any = None, kind: str | None = None, **options: Any) -> Any:
        """Draws example `index` and returns the Axes: see `tfxai.plot.groups`."""
        from tfxai.plot import groups

        return groups(self, index, ax, kind, **options)

    def painted(self) -> Explanation:
        """The explanation with the sum of its group at every place: a map for the eye, which adds up no more.

        Example:
            >>> import numpy as np
            >>> e = Explanation(values=np.array([[1.0, 2.0, 4.0]]), score=np.array([7.0]), method="deeplift")
            >>> e.grouped([0, 1, 0]).painted().values.tolist()
            [[5.0, 2.0, 5.0]]
        """
        meta = self.of.meta | {"painted": "sums of groups"}
        return dataclasses.replace(
            self.of, values=self.maps(), delta=None, multipliers=None, standard_error=None, meta=meta
        )


def load(path: str | os.PathLike) -> Explanation:
    """Reads what `Explanation.save` wrote. Nothing in the file is executed.

    Args:
        path: The `.npz` file.

    Returns:
        Explanation: Equal to the saved one; tuples come back as lists.

    Raises:
        FileNotFoundError: No such file.
        FileFormatError: Not a saved explanation, damaged, or of a newer format.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> e = Explanation(values=np.ones((1, 3)), score=np.ones(1), method="deeplift")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     load(e.save(Path(folder) / "e.npz")).values.shape
        (1, 3)
    """
    return Explanation(**storage.read(path))
