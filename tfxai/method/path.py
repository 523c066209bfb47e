"""Integrated Gradients: the gradient averaged on the straight line from the baseline."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from tfxai.errors import OptionError, received
from tfxai.method.adaptive import NODES, allowed, integrated
from tfxai.method.base import Method, Tensors
from tfxai.model import along
from tfxai.model.attribution import Attribution
from tfxai.model.scorer import Scorer, some
from tfxai.rules.gradient import OrdinaryGradient
from tfxai.support.checks import either, is_number, one_of, whole_number

CALL = 0.5  # seconds that a call of many passes may take
Nodes = tuple[np.ndarray, np.ndarray]  # places on [0, 1] and their weights, which sum to 1


def gauss_legendre(steps: int) -> Nodes:
    """Exact for polynomials up to degree 2 steps - 1."""
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    return (nodes + 1) / 2, weights / 2


def trapezoid(steps: int) -> Nodes:
    """Equal steps from end to end, the ends with half a weight; one step is the middle."""
    if steps == 1:
        return np.array([0.5]), np.ones(1)
    weights = np.full(steps, 1.0)
    weights[[0, -1]] = 0.5
    return np.linspace(0, 1, steps), weights / (steps - 1)


QUADRATURES: dict[str, Callable[[int], Nodes]] = {
    "gauss_legendre": gauss_legendre,
    "right": lambda steps: (np.arange(1, steps + 1) / steps, np.full(steps, 1 / steps)),
    "left": lambda steps: (np.arange(steps) / steps, np.full(steps, 1 / steps)),
    "middle": lambda steps: ((np.arange(steps) + 0.5) / steps, np.full(steps, 1 / steps)),
    "trapezoid": trapezoid,
}


@dataclasses.dataclass(frozen=True)
class IntegratedGradients(Method):
    """The gradient averaged on the straight line from the baseline, times the difference from it.

    A_i = (x_i - x0_i) * integral_0^1 df/dx_i(x0 + a (x - x0)) da, so that sum_i A_i = f(x) - f(x0).
    Sundararajan et al. 2017, arXiv:1703.01365

    Kinks on the path (ReLU) limit every quadrature: `delta` says how well the sum was met.

    With `layer=` the straight line is that of the layer's output, from its value y0 at the baseline to that at x: the
    layer is the input of the rest of the network. With `path="input"` the input moves in a straight line, and the
    layer's output as it then does: this is the conductance of its units,
    C_j = integral_0^1 df/dy_j(y(a)) dy_j/da da = sum_i (x_i - x0_i) integral_0^1 df/dy_j dy_j/dx_i da, y(a) the output
    at x0 + a (x - x0).  Dhamdhere et al. 2018, arXiv:1805.12233.  Both sum to f(x) - f(x0). They are the same where the
    output moves in a straight line, as before the first nonlinearity, or where f is linear behind the layer; else not.

    Args:
        steps: Gradients per example and reference.
        tolerance: Instead of equal steps, cut the path finer where the function bends, for each example until its
            delta |f(x) - f(x0) - sum A|, and the root mean square of those of its pieces, are below
            `tolerance * |f(x) - f(x0)|`. What was computed for other pieces is kept. `meta["steps"]` has the
            number of gradients that each example took. `steps` and `quadrature` then have no effect.
        max_steps: Where `tolerance` gives up, with a warning.
        quadrature: "gauss_legendre", "right" (the Riemann sum of the paper), "left", "middle", "trapezoid".
        path: With `layer=`, what moves in a straight line: the "layer"'s output, or the "input" (conductance). Without
            a layer both are the same.

    Raises:
        OptionError: When used: steps or max_steps below 1, a tolerance not above 0, another quadrature or path; a
            tolerance for path="input", or that inside of another method.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> e = tfxai.explain(model, np.array([[1.0, 2.0]]), tfxai.IntegratedGradients(steps=4))
        >>> e.values.round(3).tolist()
        [[1.0, 2.0]]
    """

    steps: int = 50
    tolerance: float | None = None
    max_steps: int = 1000
    quadrature: str = "gauss_legendre"
    path: str = "layer"

    name: ClassVar[str] = "integrated_gradients"
    reads_gradients: ClassVar[bool] = True
    complete: ClassVar[bool] = True
    signed: ClassVar[bool] = True
    uses_baseline: ClassVar[bool] = True
    remedy: ClassVar[str] = "Raise steps (or max_steps), or ask for an accuracy with tolerance=0.01."
    fine: ClassVar[dict[str, Any]] = {"steps": 1000, "quadrature": "middle"}  # kinks on the path

    def check(self) -> None:
        whole_number(self.steps, "steps")
        whole_number(self.max_steps, "max_steps", 2 * NODES)
        one_of(self.quadrature, "quadrature", QUADRATURES)
        if self.tolerance is not None and not (is_number(self.tolerance) and self.tolerance > 0):
            raise OptionError(f"tolerance is a number above 0, such as 0.01, or None. {received(self.tolerance)}")
        either(self.path, "path", "layer", "input")
        if self.follows_input() and self.tolerance is not None:
            raise OptionError('path="input" takes equal steps. Received: tolerance= beside it. Raise steps= instead.')

    def follows_input(self) -> bool:
        return self.path == "input"

    def accuracy(self) -> float:
        return 0.05 if self.tolerance is None else self.tolerance

    def promised(self, score: np.ndarray, baseline_score: np.ndarray) -> np.ndarray | None:
        return None if self.tolerance is None else allowed(score, baseline_score, self.tolerance)

    def advice(self) -> str:
        if self.tolerance is None:
            return self.remedy
        missed = f"tolerance={self.tolerance:g} was not met within max_steps={self.max_steps} gradients"
        return f"{missed}: raise max_steps, or pass steps=."

    def __call__(self, scorer: Scorer, x: Tensors, reference: Tensors, rng: np.random.Generator) -> Attribution:
        scorer, score, target = scorer.with_target_of(x)
        start, _ = scorer.score(reference)
        steps = None
        if self.follows_input() and scorer.model.explained != scorer.model.embedded:
            return Attribution(conducted(scorer, x, *QUADRATURES[self.quadrature](self.steps)), score, start, target)
        if self.tolerance is None:
            slopes = averaged(scorer, x, reference, *QUADRATURES[self.quadrature](self.steps))
        else:
            slopes, taken = integrated(scorer, x, reference, score, start, self.tolerance, self.max_steps)
            steps = tf.constant(taken)
        return Attribution(times(slopes, x, reference), score, start, target, steps=steps)


@dataclasses.dataclass(frozen=True)
class ExpectedGradients(Method):
    """Integrated Gradients averaged over references, at random places on the paths.

    A_i = E_{x0, a} [(x_i - x0_i) df/dx_i(x0 + a (x - x0))], a uniform on [0, 1] (drawn in equal strata).
    Erion et al. 2021, arXiv:1906.10670

    Args:
        samples: Gradients per example, shared by the references (at least one for each).

    Raises:
        OptionError: When used: samples below 1.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> e = tfxai.explain(model, np.array([[1.0, 2.0]]), tfxai.ExpectedGradients(samples=4), seed=0)
        >>> e.values.round(3).tolist()
        [[1.0, 2.0]]
    """

    samples: int = 200

    name: ClassVar[str] = "expected_gradients"
    reads_gradients: ClassVar[bool] = True
    complete: ClassVar[bool] = True
    signed: ClassVar[bool] = True
    uses_baseline: ClassVar[bool] = True
    random: ClassVar[bool] = True
    remedy: ClassVar[str] = "Raise samples: the sum is met in expectation."
    quick: ClassVar[dict[str, Any]] = {"samples": 50}

    def check(self) -> None:
        whole_number(self.samples, "samples")

    def accuracy(self) -> float:
        return 0.1

    def __call__(self, scorer: Scorer, x: Tensors, reference: Tensors, rng: np.random.Generator) -> Attribution:
        scorer, score, target = scorer.with_target_of(x)
        start, _ = scorer.score(reference)
        count = max(1, self.samples // scorer.references)
        nodes = (np.arange(count) + rng.uniform(size=count)) / count
        slopes = averaged(scorer, x, reference, nodes, np.full(count, 1 / count))
        return Attribution(times(slopes, x, reference), score, start, target)


def averaged(scorer: Scorer, x: Tensors, reference: Tensors, nodes: np.ndarray, weights: np.ndarray) -> Tensors:
    """The weighted sum of the gradients at `reference + node * (x - reference)`: one (n, ...) per tensor.

    Few examples share a pass with several of their nodes; the numbers per pass, and so the memory, stay the same. Quick
    passes follow each other inside of one compiled call, as many as take no longer than the progress bar may stand.
    """
    shared, change, own = None, [a - r for a, r in zip(x, reference, strict=True)], x
    if scorer.points is not None:
        if (shared := scorer.shared([*x, *reference])) is None:
            return scorer.apart(lambda one, rows: averaged(one, some(x, rows), some(reference, rows), nodes, weights))
        change, own = some(change, shared.first), some(x, shared.first)
    passes = scorer.passes if shared is None else scorer.at(shared)
    total: Tensors = [tf.zeros_like(t) for t in x]
    width = 1 if scorer.model.rows is not None else scorer.per_pass(len(scorer))  # of fixed rows none can be repeated
    if width > 1:
        passes.refuse_positions()
    done, count = 0, 1
    while done < len(nodes):
        width = min(width, len(nodes) - done)
        count = min(count, (len(nodes) - done) // width)
        part, began = slice(done, done + count * width), time.perf_counter()
        places, shares = (t[part].reshape(count, width) for t in (nodes, weights))
        total = along.added(passes, OrdinaryGradient(), own, change, total, places, shares, shared)
        done, share = part.stop, CALL / (time.perf_counter() - began)
        count = max(1, int(count * min(share, 8)))
        scorer.progress(done, len(nodes))
    return total


def conducted(scorer: Scorer, x: Tensors, nodes: np.ndarray, weights: np.ndarray) -> Tensors:
    """The sum of the gradients at the nodes times the change of the explained tensors around each: one per tensor.

    [0, 1] is cut so that each node lies in a piece of the length of its weight.
    """
    if scorer.start is None:
        raise OptionError('path="input" cannot be followed inside of another method, which moves the layer\'s output.')
    total = [tf.zeros_like(t) for t in x]
    ends = np.concatenate([[0.0], np.cumsum(weights)])
    for part, copies, _ in scorer.copies(len(nodes)):
        here, before, behind = (_along(copies, np.tile(a[part], len(scorer))) for a in (nodes, ends[:-1], ends[1:]))
        slopes = copies.backward(OrdinaryGradient(), here).values
        moved = [g * (b - a) for g, a, b in zip(slopes, before, behind, strict=True)]
        apart = [tf.reshape(m, [len(scorer), -1, *m.shape[1:]]) for m in moved]
        total = [t + tf.reduce_sum(m, axis=1) for t, m in zip(total, apart, strict=True)]
    return total


def _along(scorer: Scorer, shares: np.ndarray) -> Tensors:
    """The explained tensors where what stands for the inputs has gone a share (n,) of the way from `scorer.start`."""
    model = scorer.model
    points = [
        r + (e - r) * tf.reshape(tf.cast(shares, e.dtype), [-1] + [1] * (e.shape.rank - 1))
        for e, r in zip(model.embedded_at(scorer.inputs), scorer.start or (), strict=True)
    ]
    return model.explained_at(scorer.inputs, points)


def times(slopes: Tensors, x: Tensors, reference: Tensors) -> Tensors:
    """Slopes times the change from the reference."""
    return [g * (a - r) for g, a, r in zip(slopes, x, reference, strict=True)]
