"""Pictures of `tfxai.evaluate`'s table: every metric of every method, and the curves that some are the mean of."""

from __future__ import annotations

from typing import Any

import numpy as np

from tfxai.plot.kinds import lettering, scale

METHOD, BASELINE, CHANCE = "#2166ac", "#8a8a8a", "#b2182b"
PER_ROW = 4  # panels
TOWARD = {"higher": "higher is better →", "lower": "← lower is better"}
STYLES = ("-", "--", "-.", ":")


def table(measured: Any) -> Any:
    """Draws a panel for each metric: the mean of each method and its standard error, beside the baselines.

    Args:
        measured: What `tfxai.evaluate` returned.

    Returns:
        The matplotlib Figure.
    """
    from tfxai.plot.figure import Picture

    methods, metrics = measured.methods, measured.metrics
    lines = -(-len(metrics) // PER_ROW)
    columns = -(-len(metrics) // lines)
    size = (1.6 + 2.5 * columns, lines * (1.25 + 0.27 * len(methods)))
    figure = Picture(figsize=size, layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False, sharey=True)
    lettering.check(methods)
    places = np.arange(len(methods))
    for ax, metric in zip(axes.flat, metrics, strict=False):
        for place, method in zip(places, methods, strict=True):
            mean, error = measured.mean(method, metric), measured.standard_error(method, metric)
            if np.isfinite(mean):
                colour = BASELINE if method in measured.baselines else METHOD
                ax.errorbar(mean, place, xerr=np.nan_to_num(error), fmt="o", markersize=5, color=colour, capsize=3)
        if np.isfinite(chance := _chance(measured, metric)):
            ax.axvline(chance, color=CHANCE, linewidth=1, linestyle="--", zorder=0)
        ax.set_title(lettering.plain(metric.replace("_", " ")), fontsize=11)
        ax.set_xlabel(TOWARD.get(measured.rows[metric].better, "neither is better"), fontsize=9, color="0.35")
        ax.tick_params(labelsize=9)
        ax.grid(axis="y", color="0.92")
        ax.set_axisbelow(True)
        _without_frame(ax)
    for ax in axes.flat[len(metrics) :]:
        ax.set_axis_off()
    axes[0, 0].set_ylim(len(methods) - 0.5, -0.5)
    for row in axes:
        row[0].set_yticks(places, [lettering.plain(name) for name in lettering.short(methods)])
    words = "means and their standard errors; the dashed line is random attributions (of randomisation: edges)"
    figure.supxlabel(words, fontsize=9, color="0.35")
    return figure


def curves(measured: Any, metric: str, ax: Any = None) -> Any:
    """Draws the mean curve of each method.

    Args:
        measured: What `tfxai.evaluate` returned.
        metric: One that has curves.
        ax: Where to draw; None makes a figure that no window owns.

    Returns:
        The matplotlib Axes.
    """
    from tfxai.plot.figure import Picture

    ax = Picture(figsize=(5.6, 3.8), layout="constrained").subplots() if ax is None else scale.axes(ax)
    for k, (method, curve) in enumerate(measured.curves[metric].items()):
        known = method not in measured.baselines
        style = (
            {"linestyle": STYLES[k % len(STYLES)]} if known else {"color": BASELINE, "linestyle": STYLES[k % 2 * 2 + 1]}
        )
        ax.plot(100 * curve.shares, curve.scores.mean(axis=0), label=lettering.plain(method), linewidth=1.8, **style)
    randomised = "randomisation" in metric
    ax.set_xlabel(
        "% of the layers initialised again" if randomised else f"% of the features, {SAID.get(metric, metric)}"
    )
    ax.set_ylabel("rank correlation with before" if randomised else f"mean {measured.meta.get('on', 'score')}")
    ax.set_title(lettering.plain(metric.replace("_", " ")))
    ax.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    _without_frame(ax)
    return ax


SAID = {
    "deletion": "largest first, hidden",
    "insertion": "largest first, shown",
    "road": "largest first, filled in",
    "road_least": "smallest first, filled in",
}


def _chance(measured: Any, metric: str) -> float:
    """The mean of the baseline that a method has to be better than."""
    beside = measured.rows[metric].beside
    return measured.mean(beside, metric) if beside in measured.values else float("nan")


def _without_frame(ax: Any) -> None:
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
