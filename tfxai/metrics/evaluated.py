"""What `tfxai.evaluate` returns: one table."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfxai.errors import OptionError, received, suggest
from tfxai.explanation import Explanation
from tfxai.metrics.table import Metric
from tfxai.support.extras import extra

BEST, NO_BETTER = "*", "~"
SECONDS = "s per example"
LEGEND = (
    f"{BEST} best of the methods",
    f"{NO_BETTER} no better than random attributions (of randomisation: than an edge detector), by two standard errors",
)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """Methods and baselines, each measured by every metric.

    Attributes:
        values: Method -> metric -> (n,) numbers, or None where it cannot be measured.
        rows: Metric -> its row of `tfxai.metrics.table.METRICS`: what is better.
        baselines: Which of the methods know nothing of the model.
        seconds: Method -> seconds per example, once it is prepared; NaN of numbers that were made elsewhere.
        curves: Metric -> method -> its curve, `shares` (s,) and `scores` (n, s), where it has one.
        explanations: Method -> the explanation, where a method made it.
        meta: on, seed, baseline, number of features.

    Example:
        >>> from tfxai.metrics.table import METRICS
        >>> values = {"deeplift": {"deletion": np.array([0.1, 0.3])}, "random": {"deletion": np.array([0.5, 0.5])}}
        >>> rows = {"deletion": METRICS["deletion"]}
        >>> table = Evaluation(values, rows, ("random",), {"deeplift": 0.01, "random": 0.0})
        >>> table.mean("deeplift", "deletion"), table.mark("deeplift", "deletion")
        (0.2, '*')
    """

    values: Mapping[str, Mapping[str, np.ndarray | None]]
    rows: Mapping[str, Metric]
    baselines: tuple[str, ...]
    seconds: Mapping[str, float]
    curves: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    explanations: Mapping[str, Explanation] = dataclasses.field(default_factory=dict)
    meta: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def methods(self) -> list[str]:
        """The rows, baselines last."""
        return list(self.values)

    @property
    def metrics(self) -> list[str]:
        """The columns."""
        return list(self.rows)

    def __len__(self) -> int:
        return next(len(v) for row in self.values.values() for v in row.values() if v is not None)

    def mean(self, method: str, metric: str) -> float:
        """Over the examples; NaN where it cannot be measured."""
        numbers = self.values[method][metric]
        return float("nan") if numbers is None else float(numbers.mean())

    def standard_error(self, method: str, metric: str) -> float:
        """Of that mean; NaN for one example."""
        numbers = self.values[method][metric]
        return float("nan") if numbers is None else _error(numbers)

    def mark(self, method: str, metric: str) -> str:
        """Whether it is the best of the methods, or no better than the baseline; "" for neither."""
        row = self.rows[metric]
        sign = {"higher": 1, "lower": -1}.get(row.better)
        own, chance = self.values[method][metric], self.values.get(row.beside, {}).get(metric)
        if sign is None or own is None or method in self.baselines:
            return ""
        if chance is not None and np.isfinite(own).all() and np.isfinite(chance).all():
            gain = sign * (own - chance)
            if gain.mean() <= 2 * np.nan_to_num(_error(gain)):
                return NO_BETTER
        means = [sign * self.mean(m, metric) for m in self.methods if m not in self.baselines]
        return BEST if sign * self.mean(method, metric) >= np.nanmax(means) else ""

    # --- Seen

    def cells(self) -> list[list[str]]:
        """The table in words: head, what is better, and a row for each method."""
        head = ["", *self.metrics, SECONDS]
        rows = [head, ["", *(row.better for row in self.rows.values()), ""]]
        for method in self.methods:
            numbers = [f"{_short(self.mean(method, m))}{self.mark(method, m) or ' '}" for m in self.metrics]
            seconds = self.seconds[method]
            rows.append([method, *numbers, "-" if np.isnan(seconds) else f"{seconds:.2g}"])
        return rows

    def __repr__(self) -> str:
        rows = self.cells()
        first = len(self.methods) - len(self.baselines)
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
            for row in rows
        ]
        lines.insert(2 + first, "-" * len(lines[0]))
        return "\n".join([*(line.rstrip() for line in lines), *LEGEND, self.about()])

    def about(self) -> str:
        """What the numbers are of."""
        told = [f"means of {len(self)} examples", f"score: {self.meta.get('on', 'logit')}"]
        told += [f"{name} {self.meta[name]}" for name in ("features", "baseline", "seed") if name in self.meta]
        return ", ".join(told)

    def fragment(self) -> str:
        """The table and its pictures as a piece of a page."""
        from tfxai.plot import html, measures

        head, better, *rows = self.cells()
        named = [f"{name} ({how})" if how else name for name, how in zip(head, better, strict=True)]
        curves = [
            html.figure(html.picture(measures.curves(self, name).figure, f"{name}, curve", 90)) for name in self.curves
        ]
        drawn = html.figure(html.picture(self.plot(), "every metric of every method"))
        notes = "".join(f'<p class="quiet">{line}</p>' for line in (*LEGEND, html.escape(self.about())))
        return f'{html.table(named, rows)}{notes}{drawn}<div class="row">{"".join(curves)}</div>'

    def _repr_html_(self) -> str:
        return f"<div>{self.fragment()}</div>"

    def plot(self, curve: str | None = None, ax: Any = None) -> Any:
        """Draws every metric of every method with its standard error, or the curves of one metric.

        Args:
            curve: One of `curves`, such as "deletion"; None draws the table.
            ax: Where curves are drawn; None makes a figure.

        Returns:
            The matplotlib Figure of the table, or the Axes of the curves.

        Raises:
            OptionError: No such curve.
        """
        from tfxai.plot import measures

        if curve is None:
            return measures.table(self)
        if curve not in self.curves:
            raise OptionError(f"No curve {curve!r} was measured. {suggest(curve, self.curves)} {received(curve)}")
        return measures.curves(self, curve, ax)

    # --- Handed on

    def to_dataframe(self, by_example: bool = False) -> Any:
        """A `pandas.DataFrame`: a row for each method, a column for each metric, and the seconds.

        Args:
            by_example: Instead a row for each method, metric and example, with its value.

        Raises:
            MissingExtraError: `pip install "tfxai[data]"`.
        """
        pandas = extra("data", "pandas")
        if not by_example:
            columns = {metric: [self.mean(m, metric) for m in self.methods] for metric in self.metrics}
            columns[SECONDS] = [self.seconds[m] for m in self.methods]
            return pandas.DataFrame(columns, index=pandas.Index(self.methods, name="method"))
        rows = [(method, metric, example, float(number)) for method, row in self.values.items()
                for metric, numbers in row.items() if numbers is not None
                for example, number in enumerate(numbers)]  # fmt: skip
        return pandas.DataFrame(rows, columns=["method", "metric", "example", "value"])

    def to_html(self, path: str | os.PathLike, labels: Any = None) -> Path:
        """Writes one static page with the table, its pictures and the explanations: see `tfxai.report`."""
        from tfxai.plot.report import report

        return report(list(self.explanations.values()), path, labels, heading="Evaluation", evaluation=self)


def _error(numbers: np.ndarray) -> float:
    return float(numbers.std(ddof=1) / np.sqrt(len(numbers))) if len(numbers) > 1 else float("nan")


def _short(number: float) -> str:
    """Three digits; nothing for what was not measured."""
    return "-" if np.isnan(number) else f"{number:.3g}"
