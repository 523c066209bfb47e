"""`explain()` and its relatives: the one waist through which every explanation flows."""

from __future__ import annotations

import copy
from typing import Any

import keras
import numpy as np

from tfxai.errors import OptionError, TargetError, UnsupportedOpError, received
from tfxai.explainer import references
from tfxai.explainer.chunks import Job
from tfxai.explainer.collect import assembled
from tfxai.explainer.inputs import Inputs, read
from tfxai.explainer.progress import Progress
from tfxai.explainer.trust import judge
from tfxai.explanation import Explanation
from tfxai.method.base import Method
from tfxai.method.table import get
from tfxai.model.function import declared_inputs, open_model
from tfxai.model.prepare import prepare
from tfxai.model.traced import Engine
from tfxai.targets.bound import resolve


def explain(
    model: Any,
    x: Any,
    method: str | Method = "deeplift",
    target: Any = None,
    baseline: Any = None,
    batch_size: int | None = None,
    seed: int | None = None,
    verbose: int | str = "auto",
    **options: Any,
) -> Explanation:
    """Explains the predictions of any Keras model: how much each input feature contributed to each score.

    Args:
        model: Keras model of any kind (functional, Sequential, subclassed, nested), tf_keras model, loaded
            SavedModel, function of tensors, or path to a `.keras` file. It is never changed.
        x: Array of shape (n, ...), or a list/dict of arrays for several inputs. Token ids are explained at their
            embedding, one value per token.
        method: A name of `tfxai.methods()`, or a method object such as `tfxai.DeepLIFT(rule="reveal_cancel")`.
        target: What is explained, one number per example: None (each example's own arg max), a class index, one
            index per example, a tuple index into outputs of higher rank, a function `outputs -> (n,)`, or an
            object of `tfxai.targets`.
        baseline: Reference that contributions are measured against: None (zeros; for tokens the zero embedding),
            a scalar, an array with or without the batch axis, an array with one axis more (several references,
            results averaged), a function of x, or a list/dict of these. See `tfxai.baselines`.
        batch_size: Examples per pass; None chooses by size. It changes memory, never the values.
        seed: For methods that draw random numbers.
        verbose: 0 silent, 1 a progress bar, "auto" a bar for what takes long.
        **options: Of the method (its fields), and for all methods `on="logit" | "probability"`,
            `layer=` (attribute to a layer's output: name, path, index or layer), `jit_compile=`.

    Returns:
        Explanation: `values` of x's structure and shape, `score`, `baseline_score`, `delta`, provenance.

    Raises:
        TfxaiError: A subclass that says what was expected, what was received, and what to do.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="relu")])
        >>> e = tfxai.explain(model, np.ones((4, 3), "float32"), method="deeplift", target=0)
        >>> e.values.shape, bool(abs(e.delta).max() < 1e-5)
        ((4, 3), True)
    """
    return Explainer(model, method, **options)(x, target, baseline, batch_size, seed, verbose)


class Explainer:
    """A model and a method, prepared once and called often: same shapes, no retracing.

    Weights are read at every call, so it explains a model in training as it is now. Calls from several threads are
    safe.

    Args:
        model: As in `explain`.
        method: As in `explain`.
        on: Explain the "logit" (the input of a final softmax or sigmoid, wherever it is) or the "probability".
        layer: Attribute to this layer's output instead of the input.
        jit_compile: Compile with XLA.
        **options: Of the method.

    Raises:
        TfxaiError: A subclass that says what was expected: of the method and its options here, of the model and what
            depends on x at the first call.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> explainer = tfxai.Explainer(model, "deeplift", rule="reveal_cancel")
        >>> explainer(np.ones((1, 3), "float32"), target=1).values.shape
        (1, 3)
    """

    def __init__(
        self,
        model: Any,
        method: str | Method = "deeplift",
        *,
        on: str = "logit",
        layer: Any = None,
        jit_compile: bool = False,
        **options: Any,
    ) -> None:
        if on not in ("logit", "probability"):
            raise OptionError(f"on is 'logit' or 'probability'. {received(on)}")
        self.method = get(method, options)
        self.model = open_model(model)
        self.on, self.layer, self.jit_compile = on, layer, bool(jit_compile)
        self._engines: dict[Any, Engine] = {}

    def __call__(
        self,
        x: Any,
        target: Any = None,
        baseline: Any = None,
        batch_size: int | None = None,
        seed: int | None = None,
        verbose: int | str = "auto",
    ) -> Explanation:
        """Explains x; the arguments are those of `explain`."""
        if batch_size is not None and (not isinstance(batch_size, (int, np.integer)) or batch_size < 1):
            raise OptionError(f"batch_size is a whole number from 1, or None. {received(batch_size)}")
        inputs, engine = self.prepared(x)
        refs = references.resolve(baseline, inputs, engine)
        goal = resolve(target, *_outputs(engine, self.model), inputs.n)
        size = batch_size or _batch_size(inputs)
        if seed is None and self.method.draws:
            seed = int(np.random.SeedSequence().generate_state(1)[0])  # every chunk meets the same draws
        bar = Progress(-(-inputs.n // size), verbose)
        job = Job(self.method, engine, inputs, goal, refs, size, seed, bar)
        results = []
        for rows in job.chunks():
            try:
                results.append(job.attribution(rows))
            except UnsupportedOpError as error:
                name = getattr(self.model, "name", type(self.model).__name__)
                raise UnsupportedOpError(f"In the model {name!r}: {error}") from error
            bar.step()
        explanation = assembled(self.method, self.on, engine, inputs, results, goal, seed, baseline, refs)
        judge(explanation, self.method, engine, job.leaks, job.alone)
        return explanation

    def leaks(self, x: Any, target: Any = None, baseline: Any = None, example: int = 0) -> dict[str, float]:
        """How much every op loses of the change of one example's score: the parts of its residual.

        Args:
            x: As in `explain`.
            target: As in `explain`.
            baseline: As in `explain`; of several references the first.
            example: Which.

        Returns:
            Name and type of the op -> what it received minus what it handed on. Empty for methods without a rule
            for every op.

        Example:
            >>> import keras, numpy as np, tfxai
            >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="relu")])
            >>> leaks = tfxai.Explainer(model, "deeplift").leaks(np.ones((1, 3), "float32"), target=0)
            >>> max(map(abs, leaks.values())) < 1e-6
            True
        """
        inputs, engine = self.prepared(x)
        refs = references.resolve(baseline, inputs, engine)
        goal = resolve(target, *_outputs(engine, self.model), inputs.n)
        leaks = Job(self.method, engine, inputs, goal, refs).leaks(example)
        return {op: float(amount) for op, amount in leaks.items()}

    def using(self, method: str | Method, **options: Any) -> Explainer:
        """An Explainer of another method for the same model, which shares what is prepared: for comparing methods.

        Args:
            method: As in `explain`.
            **options: Of the method.

        Raises:
            MethodError, OptionError: No such method, or a value it cannot use.

        Example:
            >>> import keras, numpy as np, tfxai
            >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="relu")])
            >>> explainer = tfxai.Explainer(model, "deeplift")
            >>> x = np.ones((1, 3), "float32")
            >>> [explainer.using(m)(x).method for m in ("gradient", "integrated_gradients")]
            ['gradient', 'integrated_gradients']
        """
        other = copy.copy(self)
        other.method = get(method, options)
        return other

    def prepared(self, x: Any) -> tuple[Inputs, Engine]:
        """Checks x and captures the model for inputs of its form, without explaining yet."""
        declared = declared_inputs(self.model)
        inputs = read(x, declared, _float_dtype(self.model))
        specs = inputs.specs(declared)
        form = tuple((tuple(s.shape), s.dtype) for s in specs)
        key = (form, repr(inputs.pack(range(len(specs)))), self.method.maps)
        if key not in self._engines:
            self._engines[key] = prepare(
                self.model, inputs.pack, specs, self.on, self.layer, self.method.maps, self.jit_compile
            )
        return inputs, self._engines[key]


def _outputs(engine: Engine, model: Any) -> tuple[list[tuple], list[list[str]]]:
    """Shape without the batch axis, and the names, of every flat output."""
    shapes = [engine.graph.values[h].shape for h in engine.heads]
    for shape in shapes:
        if shape.rank == 0:
            raise TargetError(
                "The model returns one number for the whole batch; expected one or more per example, first axis batch."
            )
    found = keras.tree.flatten_with_path(engine.graph.structure)
    paths = [".".join(map(str, path)) for path, number in found if number is not None]
    listed = list(getattr(model, "output_names", None) or [])
    names = [[p] if p else [] for p in paths]
    if len(listed) == len(names):
        names = [[*own, *([name] if name not in own else [])] for own, name in zip(names, listed, strict=True)]
    return [tuple(s[1:]) for s in shapes], names


def _float_dtype(model: Any) -> str | None:
    if not isinstance(model, keras.layers.Layer):
        return None
    return "float64" if getattr(model, "compute_dtype", None) == "float64" else "float32"


def _batch_size(inputs: Inputs) -> int:
    """About the size of 8 photographs of 224 pixels; more gains nothing on CPU, and tables go in one piece."""
    elements = max(sum(a[0].size for a in inputs.arrays), 1)
    return int(np.clip(8 * 224 * 224 * 3 // elements, 1, 1024))
