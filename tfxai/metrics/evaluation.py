"""`tfxai.evaluate()`: methods measured beside each other, and beside what knows nothing of the model."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfxai.errors import InputError, MethodError, OptionError, received
from tfxai.explanation import Explanation
from tfxai.method.base import Method
from tfxai.method.lookup import score_only
from tfxai.metrics.attributors import Attributor, Edges, Given, OfMethod, Random, attributor
from tfxai.metrics.case import NO_MASKS, NO_OTHERS, Case
from tfxai.metrics.clock import Clock
from tfxai.metrics.evaluated import Evaluation
from tfxai.metrics.probe import Probe
from tfxai.metrics.table import Metric, metric_of
from tfxai.metrics.weights import Weights
from tfxai.model.black_box import BlackBox

METHODS = ("deeplift", "integrated_gradients", "input_x_gradient", "gradient", "occlusion")  # compared unless told
FAITHFUL, LOCATED, COMMON = (
    ("deletion", "insertion", "correlation"),
    ("pointing_game", "relevance_mass"),
    ("sparseness",),
)


def evaluate(
    model: Any,
    x: Any,
    methods: Sequence[Any] | Mapping[str, Any] | None = None,
    metrics: Sequence[str] | Mapping[str, Mapping[str, Any]] | None = None,
    target: Any = None,
    masks: Any = None,
    *,
    baseline: Any = None,
    batch_size: int | None = None,
    seed: int = 0,
    verbose: int | str = "auto",
    **shared: Any,
) -> Evaluation:
    """Measures methods on your model and examples, beside random attributions and an edge detector.

    Every method is prepared once and timed. A number says something when it is better than that of random
    attributions: those that are not, by two standard errors of the mean difference, are marked.

    Args:
        model: As in `tfxai.explain`.
        x: The examples. Twenty or more say more than one.
        methods: Names, method objects, Explanations, or arrays in the shape of x that were made elsewhere; or a dict of
            them by the names that the table shows. None: five that suit any model; of a black box
            all that need no more than scores.
        metrics: Names of `tfxai.metrics.available()`, or a dict of names and their options. None: faithfulness,
            sparseness, agreement, and with `masks` localisation.
        target: As in `tfxai.explain`. An arg max is the class at x, also where features are hidden.
        masks: (n, places...) where the truth is known to be, not 0 inside; of several inputs a list or dict.
        baseline: As in `tfxai.explain`; also what hidden features are replaced by.
        batch_size: Examples per pass. It changes memory, never the numbers.
        seed: Of all random numbers.
        verbose: 0 silent, 1 what is running and the time left, "auto" that where somebody watches.
        **shared: on, jit_compile, fixed, labels, allow_nan, as in `tfxai.explain`.

    Returns:
        Evaluation: one table, which prints, plots, and becomes a data frame or a page.

    Raises:
        InputError: Masks that do not fit, or that a metric needs and are not there.
        MethodError: No such method; a metric needs two methods, or one that can explain again.
        OptionError: No such metric, or an option that it has not.
        TfxaiError: As in `tfxai.explain`; before anything long is computed, where it can be known.

    Example:
        >>> import keras, tfxai
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> x = np.random.default_rng(0).normal(size=(20, 8)).astype("float32")
        >>> table = tfxai.evaluate(model, x, ["deeplift", "gradient"], ["deletion", "correlation"])
        >>> table.methods, table.metrics  # print(table) shows all of it
        (['deeplift', 'gradient', 'random'], ['deletion', 'correlation'])
        >>> table.mark("deeplift", "correlation"), table.mark("gradient", "correlation")
        ('*', '~')
    """
    rows = _metrics(metrics, masks, methods)
    probe = Probe.of(model, x, target, baseline, batch_size, seed, **shared)
    inside = None if masks is None else probe.features.inside(masks)
    compared = _methods(_usual(probe) if methods is None else methods, probe)
    _check(rows, probe, inside, compared)
    below: list[Attributor] = [Random(), *([Edges()] if Edges.fits(probe) else [])]
    clock = Clock([kind for _ in (*compared, *below) for kind in ("explained", *rows)], verbose)
    cases, seconds = {}, {}
    for by in (*compared, *below):
        with clock.task("explained", f"{by.name}: explained"):
            cases[by.name], seconds[by.name] = _timed(probe, by)
    known = {by.name: cases[by.name].relevance for by in compared}
    values: dict[str, dict[str, np.ndarray | None]] = {}
    curves: dict[str, dict[str, Any]] = {}
    for name, case in cases.items():
        others = [numbers for other, numbers in known.items() if other != name]
        case = dataclasses.replace(case, masks=inside, others=others)
        values[name] = {}
        for metric, (row, options) in rows.items():
            with clock.task(metric, f"{name}: {metric}"):
                values[name][metric] = _measured(case, row, options)
                if row.curve and values[name][metric] is not None:
                    curves.setdefault(metric, {})[name] = row.curve_of(case, **options)
    return Evaluation(
        values=values,
        rows={metric: row for metric, (row, _) in rows.items()},
        baselines=tuple(by.name for by in below),
        seconds=seconds,
        curves=curves,
        explanations={name: case.explanation for name, case in cases.items() if case.explanation is not None},
        meta=_meta(probe),
    )


def _usual(probe: Probe) -> Sequence[str]:
    """The methods that are compared unless told; of a black box those that it has enough for."""
    return score_only() if isinstance(probe.explainer.model, BlackBox) else METHODS


def _meta(probe: Probe) -> dict[str, Any]:
    """What the numbers are of."""
    words = probe.run.references.words
    return {"on": probe.explainer.on, "seed": probe.seed, "baseline": words, "features": probe.features.count}


def _metrics(metrics: Any, masks: Any, methods: Any) -> dict[str, tuple[Metric, dict[str, Any]]]:
    """The rows of the table that are asked for, with their options."""
    if metrics is None:
        several = methods is None or len(methods) > 1
        metrics = [*FAITHFUL, *(LOCATED if masks is not None else ()), *COMMON, *(["rank_agreement"] * several)]
    if isinstance(metrics, str):
        metrics = [metrics]
    if not len(metrics):
        raise OptionError("metrics= has no metric. Pass one or more names of tfxai.metrics.available().")
    asked = {name: metrics[name] if isinstance(metrics, Mapping) else {} for name in metrics}
    found = {name: (row := metric_of(name), {**row.options, **options}) for name, options in asked.items()}
    for name, (row, options) in found.items():
        row.check(name, options)
    return found


def _methods(methods: Any, probe: Probe) -> list[Attributor]:
    """What makes the attributions, each with a name of its own."""
    if isinstance(methods, (str, Method, Explanation)):
        methods = [methods]
    if not len(methods):
        raise MethodError("methods= has no method. Pass one or more names of tfxai.methods().")
    named = isinstance(methods, Mapping)
    found: list[Attributor] = []
    for name, source in methods.items() if named else ((None, m) for m in methods):
        by = attributor(source, probe, name or (described(source) if isinstance(source, Method) else None))
        if by.name in [other.name for other in found] or by.name in ("random", "edges"):
            raise MethodError(
                f"Two rows of the table would be called {by.name!r}. Pass a dict of names and methods."
                if by.name not in ("random", "edges")
                else f"{by.name!r} is in every table already. {received(source)}"
            )
        found.append(by)
    return found


def described(method: Method) -> str:
    """Its name, and the options that are not as usual: "deeplift rule=reveal_cancel"."""
    usual = {f.name: f.default for f in dataclasses.fields(method)}
    own = []
    for name, value in method.options().items():
        if isinstance(value, Method):
            own.append(f"{name}={value.name}")
        elif isinstance(value, (str, int, float, tuple)) and value != usual[name]:
            own.append(f"{name}={value}")
    return " ".join([method.name, *own])


def _check(rows: dict[str, tuple[Metric, dict]], probe: Probe, inside: Any, compared: list[Attributor]) -> None:
    """Raises what is known to be wrong before anything long is computed."""
    needs = {need for row, _ in rows.values() for need in row.needs}
    if "masks" in needs and inside is None:
        raise InputError(NO_MASKS)
    if "others" in needs and len(compared) < 2:
        raise MethodError(NO_OTHERS)
    if "grid" in needs:
        probe.grid()
    if "classes" in needs:
        probe.classes()
    if "layers" in needs:
        Weights(probe.explainer.model, probe.run.model)
    for by in compared:
        if isinstance(by, OfMethod):
            by.prepare(probe)
        else:
            by(probe)


def _timed(probe: Probe, by: Attributor) -> tuple[Case, float]:
    start = time.perf_counter()
    case = Case.made(probe, by)
    seconds = (time.perf_counter() - start) / len(probe)
    return case, float("nan") if isinstance(by, Given) else seconds  # what was made elsewhere took its time there


def _measured(case: Case, row: Metric, options: dict[str, Any]) -> np.ndarray | None:
    """(n,) the metric; None where it explains again and there are only numbers."""
    if "method" in row.needs and isinstance(case.attributor, Given):
        return None
    return row.function(case, **options)
