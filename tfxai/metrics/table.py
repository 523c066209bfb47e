"""Every metric by name: the file of this folder and the function in it, what is better, and what it needs."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from tfxai.errors import OptionError, UnknownOptionError, received, suggest


class Metric(NamedTuple):
    """A row of the table.

    Attributes:
        path: File and function, which takes a Case and its own options, and returns (n,) numbers.
        better: "higher" or "lower"; "" where neither is.
        needs: What not every case has: "masks", "others" (two methods), "method" (attributions that can be made again),
            "grid" (a picture or sequence), "classes" (two or more), "layers" (with weights).
        curve: The function of the same file, with the same options, whose mean it is; "" where there is none.
        options: What the function is called with, unless told otherwise.
        beside: The baseline that a method has to be better than: random attributions, or for what asks whether
            attributions look at the model at all, an edge detector, which does not.
    """

    path: str
    better: str = "higher"
    needs: tuple[str, ...] = ()
    curve: str = ""
    options: Mapping[str, Any] = {}
    beside: str = "random"

    @property
    def family(self) -> str:
        """The file."""
        return self.path.split(".")[0]

    @property
    def function(self) -> Callable[..., np.ndarray]:
        """What computes it."""
        return getattr(importlib.import_module(f"tfxai.metrics.{self.family}"), self.path.split(".")[1])

    @property
    def curve_of(self) -> Callable[..., Any]:
        """What computes its curve."""
        return getattr(importlib.import_module(f"tfxai.metrics.{self.family}"), self.curve)

    def check(self, name: str, options: Mapping[str, Any]) -> None:
        """Raises UnknownOptionError when it has no such option."""
        known = [*inspect.signature(self.function).parameters][1:]
        for option in options:
            if option not in known:
                others = suggest(option, known) if known else "It has none."
                raise UnknownOptionError(f"The metric {name!r} has no option {option!r}. {others}")


METRICS: dict[str, Metric] = {
    "deletion": Metric("faithfulness.deletion", "lower", curve="deletion_curve"),
    "insertion": Metric("faithfulness.insertion", "higher", curve="insertion_curve"),
    "correlation": Metric("faithfulness.correlation"),
    "infidelity": Metric("faithfulness.infidelity", "lower"),
    "road": Metric("faithfulness.road", "lower", ("grid",), "road_curve"),
    "road_least": Metric("faithfulness.road", "higher", ("grid",), "road_curve", {"first": "least"}),
    "incompleteness": Metric("sums.incompleteness", "lower"),
    "max_sensitivity": Metric("robustness.max_sensitivity", "lower", ("method",)),
    "cascading_randomisation": Metric(
        "randomisation.cascading_randomisation", "lower", ("method", "layers"), "cascading_curve", beside="edges"
    ),
    "independent_randomisation": Metric(
        "randomisation.independent_randomisation", "lower", ("method", "layers"), beside="edges"
    ),
    "random_logit": Metric("randomisation.random_logit", "lower", ("method", "classes"), beside="edges"),
    "pointing_game": Metric("localisation.pointing_game", needs=("masks",)),
    "relevance_mass": Metric("localisation.relevance_mass", needs=("masks",)),
    "relevance_rank": Metric("localisation.relevance_rank", needs=("masks",)),
    "sparseness": Metric("complexity.sparseness", ""),
    "entropy": Metric("complexity.entropy", ""),
    "rank_agreement": Metric("agreement.rank_agreement", "", ("others",)),
    "top_k_overlap": Metric("agreement.top_k_overlap", "", ("others",)),
}


def available() -> dict[str, str]:
    """All metric names with a one-line description.

    Example:
        >>> import tfxai
        >>> tfxai.metrics.available()["pointing_game"]
        'Whether the largest attribution is inside of the mask. Higher is better.'
    """
    found = {}
    for name, row in METRICS.items():
        said = (row.function.__doc__ or "").strip().splitlines()[0]
        found[name] = f"{said} {row.better.capitalize()} is better." if row.better else said
    return found


def metric_of(name: Any) -> Metric:
    """The row of a name.

    Raises:
        OptionError: No such metric.
    """
    if not isinstance(name, str) or name not in METRICS:
        raise OptionError(f"No metric {name!r}. {suggest(name, METRICS)} {received(name)}")
    return METRICS[name]
