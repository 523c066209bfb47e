"""The axioms of attribution as measurements: each takes a method and a model, and returns how far it is off.

Sundararajan et al. 2017, arXiv:1703.01365. An axiom speaks of all inputs; a measurement of those it was given: one
violation disproves, agreement only supports.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tfxai.errors import InputError, MethodError, OptionError, received
from tfxai.explainer import explain
from tfxai.method.base import Method
from tfxai.method.lookup import SHARED, class_of, get
from tfxai.method.table import METHODS
from tfxai.metrics.lecture import equal_pair, saturated
from tfxai.metrics.verdict import Verdict


def completeness(
    method: str | Method,
    model: Any,
    x: Any,
    baseline: Any = None,
    target: Any = None,
    tolerance: float = 1e-4,
    **options,
) -> Verdict:
    """The attributions add up to f(x) - f(x0).

    Args:
        method: Name or object.
        model: Any model.
        x: Array (n, ...).
        baseline: Array of one reference, a scalar, or None for zeros.
        target: As in `tfxai.explain`.
        tolerance: Largest residual of a method that holds it, relative to the largest |f(x) - f(x0)|.
        **options: Of the method and of `tfxai.explain`.

    Returns:
        Verdict: residual max_i |f(x_i) - f(x0) - sum A_i| / max_i |f(x_i) - f(x0)|.

    Raises:
        MethodError: The method gives maps of a layer.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> x = np.ones((4, 3), "float32")
        >>> bool(completeness("integrated_gradients", model, x, target=0))
        True
        >>> bool(completeness("gradient", model, 2 * x, target=0))
        False
    """
    x = np.asarray(x)
    e = _attributions(method, model, x, baseline, target, options)
    fixed = e.target if isinstance(e.target, np.ndarray) else target
    start = np.broadcast_to(np.asarray(0 if baseline is None else baseline, x.dtype), x.shape)
    where = {k: v for k, v in options.items() if k in ("on", "jit_compile")}
    change = e.score - explain(model, start, "gradient", target=fixed, verbose=0, **where).score
    total = e.values.reshape(len(x), -1).sum(1, dtype=np.float64)
    size = float(np.abs(change).max()) or 1.0
    residual = float(np.abs(change - total).max()) / size
    return Verdict(
        "completeness", residual, tolerance, f"{residual:.2g} of the largest change of the score, {size:.4g}"
    )


def sensitivity(
    method: str | Method, model: Any = None, x: Any = None, baseline: Any = None, target: Any = None, **options
) -> Verdict:
    """A feature that alone makes the predictions at x and x0 differ gets an attribution that is not zero.

    Every feature in turn is moved from the baseline to x, alone. Without a model: the lecture's f(x) = 1 - ReLU(1 - x),
    x = 2 against 0, which is saturated.

    Args:
        method: Name or object.
        model: Any model, or None.
        x: Array (n, ...).
        baseline: As in `completeness`.
        target: As in `tfxai.explain`; None: class 0.
        **options: Of the method and of `tfxai.explain`.

    Returns:
        Verdict: residual is the share of features that change the score and get less than a millionth of it.

    Raises:
        InputError: x is the baseline.
        MethodError: The method gives maps of a layer.

    Example:
        >>> bool(sensitivity("deeplift")), bool(sensitivity("gradient"))
        (True, False)
    """
    if model is None:
        model, x = saturated(), np.array([[2.0]], "float32")
        options, target = {"on": "probability", **options}, 0
    x = np.asarray(x)
    start = np.broadcast_to(np.asarray(0 if baseline is None else baseline, x.dtype), x.shape[1:])
    fixed = 0 if target is None else target
    rows, places = [], []
    for example in x:
        for place in np.ndindex(start.shape):
            if example[place] != start[place]:
                row = start.copy()
                row[place] = example[place]
                rows.append(row)
                places.append(place)
    if not rows:
        raise InputError("x equals the baseline everywhere, so no feature differs. Pass another x or baseline.")
    points = np.stack(rows)
    e = _attributions(method, model, points, start[None], fixed, options)
    where = {k: v for k, v in options.items() if k in ("on", "jit_compile")}
    change = np.abs(e.score - explain(model, start[None], "gradient", target=fixed, verbose=0, **where).score)
    own = np.abs([values[place] for values, place in zip(e.values, places, strict=True)])
    matters = change > 1e-6 * max(change.max(), 1e-12)
    missed = matters & (own <= 1e-6 * change)
    share = float(missed.sum() / max(matters.sum(), 1))
    return Verdict(
        "sensitivity", share, 0.0, f"{missed.sum()} of {matters.sum()} features that change the score got none"
    )


def dummy(
    method: str | Method,
    model: Any,
    x: Any,
    baseline: Any = None,
    target: Any = None,
    tolerance: float = 1e-6,
    **options,
) -> Verdict:
    """A variable on which the function does not depend gets nothing.

    The model is given one more channel (or column), which it drops before it does anything else.

    Args:
        method: Name or object.
        model: Any model of one input.
        x: Array (n, ..., channels).
        baseline: As in `completeness`.
        target: As in `tfxai.explain`.
        tolerance: Largest residual of a method that holds it.
        **options: Of the method and of `tfxai.explain`.

    Returns:
        Verdict: residual is the largest attribution of that channel, relative to the largest of all.

    Raises:
        MethodError: The method gives maps of a layer.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="relu")])
        >>> bool(dummy("deeplift", model, np.ones((2, 3), "float32"), target=0))
        True
    """
    x = np.asarray(x)
    extra = np.random.default_rng(0).normal(size=(*x.shape[:-1], 1)).astype(x.dtype)
    start = baseline if baseline is None or np.ndim(baseline) == 0 else _widened(np.asarray(baseline, x.dtype))
    e = _attributions(method, lambda z: model(z[..., :-1]), np.concatenate([x, extra], -1), start, target, options)
    size = float(np.abs(e.values).max()) or 1.0
    residual = float(np.abs(e.values[..., -1]).max()) / size
    return Verdict("dummy", residual, tolerance, f"the dummy got {residual:.2g} of the largest attribution")


def linearity(
    method: str | Method, first: Any, second: Any, x: Any, a: float = 2.0, b: float = -1.5, baseline: Any = None,
    target: Any = 0, tolerance: float = 1e-4, **options,
) -> Verdict:  # fmt: skip
    """The attributions of a f1 + b f2 are a times those of f1 plus b times those of f2.

    Args:
        method: Name or object.
        first: Model f1; `second`, f2, has outputs of the same shape. The outputs themselves are explained.
        second: Model f2.
        x: Array (n, ...).
        a: Weight of f1.
        b: Weight of f2.
        baseline: As in `tfxai.explain`.
        target: The same for all three.
        tolerance: As in `completeness`.
        **options: Of the method and of `tfxai.explain`.

    Returns:
        Verdict: residual max |A(a f1 + b f2) - a A(f1) - b A(f2)| / max |A(a f1 + b f2)|.

    Raises:
        MethodError: The method gives maps of a layer.

    Example:
        >>> import keras
        >>> nets = [keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, "tanh")]) for _ in range(2)]
        >>> bool(linearity("integrated_gradients", *nets, np.ones((2, 3), "float32")))
        True
    """
    options = {"on": "probability", "seed": 0, **options}
    parts = [_attributions(method, m, x, baseline, target, options).values for m in (first, second)]
    both = _attributions(method, lambda z: a * first(z) + b * second(z), x, baseline, target, options).values
    size = max(float(np.abs(both).max()), *(float(np.abs(p).max()) for p in parts)) or 1.0
    residual = float(np.abs(both - a * parts[0] - b * parts[1]).max()) / size
    return Verdict("linearity", residual, tolerance, f"off by {residual:.2g} of the largest attribution")


def implementation_invariance(
    method: str | Method, first: Any = None, second: Any = None, x: Any = None, baseline: Any = None, target: Any = 0,
    tolerance: float = 1e-2, **options,
) -> Verdict:  # fmt: skip
    """Two networks that compute the same function get the same attributions.

    Without models: the lecture's pair, ReLU(ReLU(x1) - 1 - ReLU(x2)) and ReLU(ReLU(x1 - 1) - ReLU(x2)), at (3, 1).

    Args:
        method: Name or object.
        first: A model, or None.
        second: Another that computes the same, or None.
        x: Array (n, ...).
        baseline: As in `completeness`.
        target: The same for both.
        tolerance: Largest residual of a method that holds it.
        **options: Of the method and of `tfxai.explain`.

    Returns:
        Verdict: residual max |A1 - A2| / max |A|.

    Raises:
        InputError: The two models do not compute the same at x.
        MethodError: The method gives maps of a layer.
        OptionError: One model.

    Example:
        >>> bool(implementation_invariance("gradient")), bool(implementation_invariance("deeplift"))
        (True, False)
    """
    if (first is None) != (second is None):
        raise OptionError(f"Pass two models, or none for the lecture's pair. {received((first, second))}")
    if first is None:
        (first, second), x = equal_pair(), np.array([[3.0, 1.0]], "float32")
        options = {"on": "probability", **options}
    scores = [np.asarray(m(x)) for m in (first, second)]
    if scores[0].shape != scores[1].shape or not np.allclose(scores[0], scores[1], 1e-4, 1e-5):
        raise InputError(
            "The two models do not return the same at x, so they are not two implementations of one function."
        )
    one, two = (_attributions(method, m, x, baseline, target, {"seed": 0, **options}).values for m in (first, second))
    size = max(float(np.abs(one).max()), float(np.abs(two).max())) or 1.0
    residual = float(np.abs(one - two).max()) / size
    return Verdict("implementation invariance", residual, tolerance, f"{one.tolist()} and {two.tolist()}"[:200])


def lecture_table() -> dict[str, dict[str, Verdict]]:
    """Sensitivity and implementation invariance of every method that values features, on the lecture's networks.

    Methods that draw random numbers, or need data, are left out. LRP is measured as in the lecture's numbers, (1.5,
    -0.5) and (2, -1): biases have no share. The lecture lists LRP and Deep Taylor as sensitive. On its network they are
    not: at x = 2 the hidden unit is 0, and all of the score is a bias. With `bias="equal"`, each unit's bias shared
    among its inputs, LRP is; and Deep Taylor, which the lecture lists as not invariant, is on this pair.

    Returns:
        Method name -> axiom -> Verdict.

    Example:
        >>> table = lecture_table()
        >>> [name for name in ("gradient", "deeplift", "integrated_gradients") if table[name]["sensitivity"]]
        ['deeplift', 'integrated_gradients']
    """
    kinds = {name: class_of(name) for name in METHODS}
    without = ("reads_feature_maps", "usual_layer", "random", "needs_data")
    kinds = {name: kind for name, kind in kinds.items() if not any(getattr(kind, flag) for flag in without)}
    measures: tuple[Callable, ...] = (sensitivity, implementation_invariance)
    return {name: {v.axiom: v for v in (m(name, **kind.fine) for m in measures)} for name, kind in kinds.items()}


def _attributions(method: str | Method, model: Any, x: Any, baseline: Any, target: Any, options: dict):
    """The explanation to measure; refuses methods that give no value per input feature."""
    own = {k: v for k, v in options.items() if k not in (*SHARED, "seed")}
    made = get(method, own)
    if made.one_map_per_layer or made.usual_layer:
        raise MethodError(f"The axioms speak of one value per input feature; {made.name!r} gives maps of a layer.")
    rest = {k: v for k, v in options.items() if k not in own}
    return explain(model, x, made, target=target, baseline=baseline, verbose=0, **rest)


def _widened(baseline: np.ndarray) -> np.ndarray:
    return np.concatenate([baseline, np.zeros((*baseline.shape[:-1], 1), baseline.dtype)], -1)


__all__ = [
    "Verdict", "completeness", "dummy", "equal_pair", "implementation_invariance", "lecture_table", "linearity",
    "saturated", "sensitivity",
]  # fmt: skip
