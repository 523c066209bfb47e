"""The figures of the lecture, each in one line, for your own model and images.

    tfxai.figures.noise_levels(model, x)      SmoothGrad, from no noise to too much
    tfxai.figures.sample_sizes(model, x)      SmoothGrad, from one sample to many
    tfxai.figures.cam_layers(model, x)        Grad-CAM across the convolutions
    tfxai.figures.guided_gradcam(model, x)    Guided Grad-CAM beside its two factors
    tfxai.figures.convergence(model, x)       what Integrated Gradients still lacks, against its steps

All take `target` and `labels`, and draw one row per example of x. The model is prepared once per figure.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfxai.errors import CompletenessWarning, EmptyMapWarning, OptionError, received, warn
from tfxai.explainer import Explainer
from tfxai.method.lookup import get
from tfxai.method.noise import SmoothGrad
from tfxai.plot.comparison import compare
from tfxai.plot.kinds import scale

BELOW_ROUNDING = 1e-9  # far under what single precision can show


def noise_levels(
    model: Any,
    x: np.ndarray,
    levels: Sequence[float] = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5),
    samples: int = 50,
    inner: Any = "gradient",
    target: Any = None,
    labels: Sequence[str] | None = None,
    seed: int = 0,
    **drawing: Any,
) -> Any:
    """SmoothGrad at several noise levels (Smilkov et al. 2017, figure 3), as magnitudes.

    Args:
        model: As in `tfxai.explain`.
        x: (n, height, width, channels) images.
        levels: Standard deviations as fractions of each image's range; 0 is the method itself.
        samples: Per image and level.
        inner: The method that is smoothed.
        target: As in `tfxai.explain`.
        labels: Class names.
        seed: Of the noise.
        **drawing: Of `tfxai.plot.compare`.

    Returns:
        The matplotlib Figure.

    Raises:
        OptionError: No level, or samples below 1.

    Example:
        >>> import keras
        >>> conv = keras.layers.Conv2D(2, 3, activation="relu", kernel_initializer="ones", name="conv")
        >>> end = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1, kernel_initializer="ones")]
        >>> model = keras.Sequential([keras.Input((8, 8, 1)), conv, *end])
        >>> x = np.eye(8)[None, :, :, None]
        >>> [ax.get_title() for ax in noise_levels(model, x, levels=(0, 0.1), samples=2).axes[:3]]
        ['', 'noise 0%', 'noise 10%']
    """
    runs = [(f"noise {level:.0%}", _smooth(inner, level, samples)) for level in _some(levels, "levels")]
    return _columns(model, x, runs, target, labels, seed, **drawing)


def sample_sizes(
    model: Any,
    x: np.ndarray,
    sizes: Sequence[int] = (1, 5, 10, 25, 50),
    noise: float = 0.15,
    inner: Any = "gradient",
    target: Any = None,
    labels: Sequence[str] | None = None,
    seed: int = 0,
    **drawing: Any,
) -> Any:
    """SmoothGrad with more and more samples (Smilkov et al. 2017, figure 4), as magnitudes.

    Args:
        sizes: Numbers of samples.
        noise: Standard deviation as a fraction of each image's range.
        model, x, inner, target, labels, seed, **drawing: As in `noise_levels`.

    Returns:
        The matplotlib Figure.

    Raises:
        OptionError: No size, or a size below 1.

    Example:
        >>> import tfxai
        >>> demo = tfxai.demo.digits()
        >>> [ax.get_title() for ax in sample_sizes(demo.model, demo.examples[:1], sizes=(1, 2)).axes[:3]]
        ['', '1 sample', '2 samples']
    """
    runs = [(f"{size} sample{'s' * (size != 1)}", _smooth(inner, noise, size)) for size in _some(sizes, "sizes")]
    return _columns(model, x, runs, target, labels, seed, **drawing)


def cam_layers(
    model: Any,
    x: np.ndarray,
    method: str = "gradcam",
    layer: Any = "all",
    most: int = 6,
    target: Any = None,
    labels: Sequence[str] | None = None,
    **drawing: Any,
) -> Any:
    """A class activation map at several layers, shallow to deep (Selvaraju et al. 2017, appendix).

    Args:
        model: As in `tfxai.explain`.
        x: (n, height, width, channels) images.
        method: "gradcam", "gradcam++", "layercam", "hirescam" or "scorecam".
        layer: "all" convolutions, or a list of layers.
        most: At most so many, evenly spread, the deepest among them.
        target: As in `tfxai.explain`.
        labels: Class names.
        **drawing: Of `tfxai.plot.compare`.

    Returns:
        The matplotlib Figure.

    Raises:
        LayerError: No convolution, or a layer without places.

    Example:
        >>> import keras
        >>> conv = keras.layers.Conv2D(2, 3, activation="relu", kernel_initializer="ones", name="conv")
        >>> end = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1, kernel_initializer="ones")]
        >>> model = keras.Sequential([keras.Input((8, 8, 1)), conv, *end])
        >>> [ax.get_title() for ax in cam_layers(model, np.ones((1, 8, 8, 1))).axes[:2]]
        ['', 'conv']
    """
    e, doubtful = Explainer(model, method, layer=layer).doubted(x, target, None, None, None, verbose=0)
    maps = e.values if isinstance(e.values, dict) else {e.layer: e.values}
    spread = np.linspace(len(maps) - 1, 0, min(most, len(maps))).round()  # from the deepest: of one it is that
    kept = [list(maps)[int(k)] for k in reversed(spread)]
    for message, category in doubtful:  # of maps that are not drawn nobody asked whether they are empty
        if category is not EmptyMapWarning or any(f" at {key!r} " in message for key in kept):
            warn(message, category)
    parts = [_with(e, maps[key]) for key in kept]
    titles = [str(key).rsplit("/", 1)[-1] for key in kept]
    return compare(parts, range(len(e)), labels=labels, titles=titles, **drawing)


def guided_gradcam(
    model: Any, x: np.ndarray, target: Any = None, labels: Sequence[str] | None = None, layer: Any = None,
    **drawing: Any,
) -> Any:  # fmt: skip
    """Guided backpropagation, Grad-CAM, and their product (Selvaraju et al. 2017, figure 1).

    Args:
        model: As in `tfxai.explain`; with rectifiers and a convolution.
        x: (n, height, width, channels) images.
        target: As in `tfxai.explain`.
        labels: Class names.
        layer: Of Grad-CAM; None the last convolution.
        **drawing: Of `tfxai.plot.compare`.

    Returns:
        The matplotlib Figure.

    Raises:
        LayerError, NoRectifierError: The model lacks a convolution, or a rectifier.

    Example:
        >>> import keras
        >>> conv = keras.layers.Conv2D(2, 3, activation="relu", kernel_initializer="ones", name="conv")
        >>> end = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1, kernel_initializer="ones")]
        >>> model = keras.Sequential([keras.Input((8, 8, 1)), conv, *end])
        >>> [ax.get_title() for ax in guided_gradcam(model, np.ones((1, 8, 8, 1))).axes[:4]]
        ['', 'guided_backprop', 'gradcam', 'guided_gradcam']
    """
    maps = Explainer(model, "gradcam", layer=layer)
    found = [Explainer(model, "guided_backprop")(x, target, verbose=0)]
    found += [e(x, target, verbose=0) for e in (maps, maps.using("guided_gradcam"))]
    drawing.setdefault("overlay", [False, True, False])
    return compare(found, range(len(x)), labels=labels, sizes=(0, 2), **drawing)


def convergence(
    model: Any,
    x: np.ndarray,
    steps: Sequence[int] = (2, 4, 8, 16, 32, 64, 128),
    quadratures: Sequence[str] = ("gauss_legendre", "trapezoid", "right"),
    target: Any = None,
    baseline: Any = None,
    ax: Any = None,
) -> Any:
    """The residual of Integrated Gradients against its steps: how many are enough for this model.

    Args:
        model: As in `tfxai.explain`.
        x: (n, ...) examples.
        steps: Numbers of gradients.
        quadratures: Rules of the integral, one line each.
        target: As in `tfxai.explain`.
        baseline: As in `tfxai.explain`.
        ax: Where to draw; None makes a figure.

    Returns:
        The matplotlib Axes: median over the examples, and from the least to the largest as a band.

    Raises:
        OptionError: No steps, or no quadrature, or one that does not exist.

    Example:
        >>> import keras
        >>> from matplotlib.figure import Figure
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, activation="tanh")])
        >>> ax = convergence(model, np.ones((2, 3)), steps=(2, 4), ax=Figure().subplots())
        >>> [line.get_label() for line in ax.lines]
        ['gauss_legendre', 'trapezoid', 'right']
    """
    steps = _some(steps, "steps")
    explainer = Explainer(model, "integrated_gradients")
    ax = scale.axes(ax, (6.0, 4.0))
    for quadrature in _some(quadratures, "quadratures"):
        residuals = []
        for count in steps:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", CompletenessWarning)  # the residual is what is drawn
                e = explainer.using("integrated_gradients", steps=count, quadrature=quadrature)(
                    x, target, baseline, verbose=0
                )
            residuals.append(e.residual)
        table = np.maximum(np.array(residuals), BELOW_ROUNDING)  # an axis of powers has no zero
        (line,) = ax.plot(steps, np.median(table, axis=1), marker="o", markersize=4, label=quadrature)
        ax.fill_between(steps, table.min(axis=1), table.max(axis=1), color=line.get_color(), alpha=0.12, linewidth=0)
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    ax.set_xticks(steps, [str(s) for s in steps])
    ax.set_xlabel("steps (gradients per example)")
    ax.set_ylabel("|delta| / |change of the score|")
    ax.grid(alpha=0.3)
    ax.legend(frameon=False)
    return ax


def _columns(model, x, runs, target, labels, seed, **drawing) -> Any:
    """Examples as rows, runs (title, method) as columns, all drawn by size."""
    explainer = Explainer(model, runs[0][1])
    found = [explainer.using(method)(x, target, seed=seed, verbose=0) for _, method in runs]
    sizes = range(len(runs))  # all as magnitudes
    titles = [title for title, _ in runs]
    return compare(found, range(len(x)), labels=labels, titles=titles, sizes=sizes, overlay=False, **drawing)


def _smooth(inner: Any, noise: float, samples: int) -> Any:
    return get(inner, {}) if noise == 0 else SmoothGrad(inner=inner, noise=noise, samples=samples)


def _with(e: Any, values: np.ndarray) -> Any:
    return dataclasses.replace(e, values=values)


def _some(values: Sequence, name: str) -> list:
    if not len(values):
        raise OptionError(f"{name} needs at least one entry. {received(values)}")
    return list(values)


__all__ = ["cam_layers", "convergence", "guided_gradcam", "noise_levels", "sample_sizes"]
