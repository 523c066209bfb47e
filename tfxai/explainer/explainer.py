"""`explain()` and its relatives: the one waist through which every explanation flows."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, overload

from tfxai.errors import ModelError, UnknownOptionError, UnsupportedOpError, received, warn
from tfxai.explainer import black_boxes, ragged
from tfxai.explainer import labels as labels_of
from tfxai.explainer.asking import Asking
from tfxai.explainer.batches import gathered, is_data
from tfxai.explainer.black_boxes import Boxed, prepared
from tfxai.explainer.chunks import Run
from tfxai.explainer.collect import collected
from tfxai.explainer.inputs import Inputs
from tfxai.explainer.inputs import read as as_inputs
from tfxai.explainer.prepared import Prepared
from tfxai.explainer.trust import doubts
from tfxai.explanation import Explanation
from tfxai.graph.capture import Graph
from tfxai.method.base import Method
from tfxai.method.lookup import SHARED, get, takes
from tfxai.model.black_box import BlackBox
from tfxai.model.function import declared_inputs, name_of, open_model
from tfxai.model.traced import TracedModel
from tfxai.result.names import class_names
from tfxai.support.checks import either, one_of, whole_number
from tfxai.targets.several import Each, several

MANY_ROWS = 10_000  # of the model, which are said before the work


@overload
def explain(model: Any, x: Any, method: str | Method = ..., *, target: Each, **more: Any) -> list[Explanation]: ...


@overload
def explain(model: Any, x: Any, method: str | Method, target: Each, *more: Any, **also: Any) -> list[Explanation]: ...


@overload
def explain(
    model: Any,
    x: Any,
    method: str | Method = ...,
    target: Any = ...,
    baseline: Any = ...,
    batch_size: int | None = ...,
    seed: int | None = ...,
    verbose: int | str = ...,
    **options: Any,
) -> Explanation: ...


def explain(
    model: Any,
    x: Any,
    method: str | Method = "deeplift",
    target: Any = None,
    baseline: Any = None,
    batch_size: int | None = None,
    seed: int | None = None,
    verbose: int | str = "auto",
    *,
    on: str = "logit",
    layer: Any = None,
    jit_compile: bool = False,
    fixed: Sequence[str | int] | None = None,
    reduction: str | None = None,
    labels: Any = None,
    allow_nan: bool = False,
    **options: Any,
) -> Any:
    """Explains the predictions of any Keras model: how much each input feature contributed to each score.

    The model is traced at every call, so it is explained as it is now; what was compiled for it before is used where
    the trace is the same (see `forget`). An `Explainer` saves the trace too.

    Args:
        model: Keras model of any kind (functional, Sequential, subclassed, nested), tf_keras model, loaded
            SavedModel, function of tensors, path to a `.keras` file, or a `tfxai.black_box`. It is never changed.
        x: Array of shape (n, ...), or a list/dict of arrays for several inputs; or a `tf.data.Dataset`, a
            `keras.utils.PyDataset` or a generator of batches, x or (x, y) or (x, y, weights), which are read into
            arrays (`steps=`: at most so many, needed where their number is not known; of a method that has steps itself
            pass the object). Token ids are explained at their
            embedding, one value per token. A `tf.RaggedTensor` of floats, for a model that takes it: values and inputs
            are padded with 0, and `e.meta["lengths"]` says how long each row is.
        method: A name of `tfxai.methods()`, or a method object such as `tfxai.DeepLIFT(rule="reveal_cancel")`.
        target: What is explained, one number per example: None (each example's own arg max), a class index, one
            index per example, a tuple index into outputs of higher rank (None for all of an axis, added up) or one per
            example, a function `outputs -> (n,)`, or an object of `tfxai.targets`; with `labels` also a class name, or
            one per example; "labels" for each example's own in a data set of (x, y): whole numbers, one-hot rows, 0 and
            1 for an output of one number.
        baseline: Reference that contributions are measured against: None (zeros; for tokens the zero embedding),
            a scalar, an array with or without the batch axis, an array with one axis more (several references,
            results averaged), a function of x, or a list/dict of these. See `tfxai.baselines`.
        batch_size: Examples per pass; None chooses by size. It changes memory, never the values.
        seed: For methods that draw random numbers.
        verbose: 0 silent, 1 a progress bar (lines, where the output is a file), "auto" a bar for what takes long, where
            there is somebody to watch it: in a terminal or notebook.
        on: Explain the "logit" (the input of a final softmax or sigmoid, wherever it is) or the "probability".
        layer: Attribute to this layer's output instead of the input: a name, path, index or layer, or "last_conv"; for
            class activation maps the layer that they read. None is the last convolution's map (of several pictures
            that share none, that of each), the deepest that the explained score reads at every place; where it reads
            none whole (the last step of causal convolutions, one pixel of a segmentation), the map of which it reads
            the largest share, and the first of the network where an open length hides the shares.
        jit_compile: Compile with XLA.
        fixed: Names (or positions) of inputs that stay as they are in x, also at the baseline, and get 0: masks,
            lengths, conditions. Whole numbers and flags that only select or mask are known as such without it:
            `e.meta["fixed"]` lists them.
        reduction: What becomes of the channels of an embedding: their "sum", or their "norm" (L2). None goes by the
            method: contributions are summed, of slopes the size is taken.
        labels: Names of the classes, for `target` and for what is drawn: in their order, or as a dict of classes or of
            names. An output of one number with two names is the score of the second: that is target 1 (and None),
            and target 0 is the first, whose logit is -1 times it, and whose probability is 1 less it.
        allow_nan: Take NaN in x as it is, for models that are made for missing values. What the score changes because
            a number is missing, instead of being as in the baseline, is its contribution: by "deeplift" (rescale),
            "occlusion" and "rise". Methods that follow slopes refuse it.
        **options: Of the method: its fields.

    Returns:
        Explanation: `values` of x's structure and shape, `score`, `baseline_score`, `delta`, provenance. For
        `targets.each` and `targets.top` a list, one for each target.

    Raises:
        TfxaiError: A subclass that says what was expected, what was received, and what to do.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="relu")])
        >>> e = tfxai.explain(model, np.ones((4, 3), "float32"), method="deeplift", target=0)
        >>> e.values.shape, bool(abs(e.delta).max() < 1e-5)
        ((4, 3), True)
    """
    steps = options.pop("steps", None) if is_data(x) and not takes(method, "steps") else None
    shared = {"on": on, "layer": layer, "jit_compile": jit_compile, "fixed": fixed, "reduction": reduction}
    explainer = Explainer(model, method, **shared, labels=labels, allow_nan=allow_nan, **options)
    explainer._prepared = prepared(explainer.model, once=True)
    return explainer(x, target, baseline, batch_size, seed, verbose, steps)


class Explainer:
    """A model and a method, prepared once and called often: same shapes, no retracing.

    Weights are read at every call, so it explains a model in training as it is now; a model that was changed otherwise
    (another layer or activation, adapters, quantisation, a number that `call` reads) is captured again. Calls from
    several threads are safe.

    Args:
        model: As in `explain`.
        method: As in `explain`.
        on, layer, jit_compile, fixed, reduction, labels, allow_nan: As in `explain`.
        **options: Of the method.

    Attributes:
        method: The method object.
        model: The model.
        on, layer, jit_compile, fixed, reduction, labels, allow_nan: As given.
        traces: How many functions TensorFlow has traced for it so far, beside those that it found: explanations of the
            same model share them. A call with inputs of known form adds none; but of a large network, what depends on
            its weights alone is compiled after some calls.

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
        fixed: Sequence[str | int] | None = None,
        reduction: str | None = None,
        labels: Any = None,
        allow_nan: bool = False,
        **options: Any,
    ) -> None:
        either(on, "on", "logit", "probability")
        if reduction is not None:
            one_of(reduction, "reduction", ("sum", "norm"), ", or None")
        self.method = get(method, options)
        self.model = open_model(model)
        self.on, self.layer, self.jit_compile = on, layer, bool(jit_compile)
        if isinstance(self.model, BlackBox):
            black_boxes.check(self.method, layer, jit_compile)
            self.on = "probability" if on == "probability" else "score"
        self.fixed, self.reduction = [fixed] if isinstance(fixed, str) else list(fixed or []), reduction
        class_names(labels)  # refused now if they are none
        self.labels = labels
        self.allow_nan = bool(allow_nan)
        self._prepared: Prepared | Boxed = prepared(self.model)
        self._ragged: Explainer | None = None

    @property
    def _asking(self) -> Asking:
        """What it asks for, as its attributes are now."""
        shared = {name: getattr(self, name) for name in SHARED}
        return Asking(model=self.model, method=self.method, prepared=self._prepared, **shared)

    @property
    def traces(self) -> int:
        return self._prepared.traces + (0 if self._ragged is None else self._ragged.traces)

    @overload
    def __call__(self, x: Any, target: Each, *more: Any, **also: Any) -> list[Explanation]: ...

    @overload
    def __call__(self, x: Any, target: Any = ..., *more: Any, **also: Any) -> Explanation: ...

    def __call__(
        self,
        x: Any,
        target: Any = None,
        baseline: Any = None,
        batch_size: int | None = None,
        seed: int | None = None,
        verbose: int | str = "auto",
        steps: int | None = None,
    ) -> Any:
        """Explains x; the arguments and the result are those of `explain`."""
        found, doubtful = self.doubted(x, target, baseline, batch_size, seed, verbose, steps)
        for message, category in dict.fromkeys(doubtful):
            warn(message, category)
        return found

    def doubted(
        self, x: Any, target: Any, baseline: Any, batch_size: Any, seed: Any, verbose: Any, steps: Any = None
    ) -> tuple[Any, list[tuple[str, type[Warning]]]]:
        """The same; and what is doubtful about it, (words, category), which a call says as warnings."""
        for value, name in ((batch_size, "batch_size"), (steps, "steps")):
            if value is not None:
                whole_number(value, name, more=", or None")
        if is_data(x):
            data = gathered(x, declared_inputs(self.model), steps, verbose)
            x, target = data.x, labels_of.of_data(target, data.y)
        elif steps is not None:
            raise UnknownOptionError(f"steps= says how many batches of a data set are read. {received(x)}")
        if ragged.taken(self.model, x):
            return self._of_ragged(x)(target, ragged.baseline_of(baseline), batch_size, seed, verbose)
        runs = self._asking.runs(x, target, baseline, batch_size, seed, verbose)
        for run in runs.values():
            run.alone[0].check()
        found, doubtful = dict[int, Explanation](), list[tuple[str, type[Warning]]]()
        for places, run in runs.items():
            explained = self._explained(run)
            found |= dict(zip(places, explained, strict=True))
            doubtful += [doubt for one, e in zip(run.alone, explained, strict=True) for doubt in doubts(one, e)]
        return (found[0] if several(target) is None else [found[place] for place in sorted(found)]), doubtful

    def _explained(self, run: Run) -> list[Explanation]:
        """What a run explains, for each of its targets."""
        if run.bar is not None and (run.game_rows or 0) >= MANY_ROWS:
            run.bar.say(f"{self.method.name}: {run.game_rows:,} rows go through the model, for {run.inputs.n} examples")
        results = []
        for rows in run.chunks():
            try:
                results.append(run.attribution(rows).every(len(run.alone)))
            except UnsupportedOpError as error:
                raise UnsupportedOpError(f"In the model {name_of(self.model)!r}: {error}") from error
            if run.bar is not None:
                run.bar.step(rows.stop - rows.start)
        return [
            collected(one, own, "probability" if one.target.as_returned else self.on)
            for one, *own in zip(run.alone, *results, strict=True)
        ]

    def _of_ragged(self, x: Any) -> Callable[..., Any]:
        """What explains these rows of different length; else they are refused."""
        if self._ragged is None:
            shared = {name: getattr(self, name) for name in SHARED if name != "fixed"}
            model = ragged.OfPadded(self.model)
            self._ragged = Explainer(model, self.method, fixed=[ragged.LENGTHS], **shared)
        explainer, rows = self._ragged, ragged.padded(x)
        try:
            explainer.trace(rows)
        except ModelError:  # it takes none
            as_inputs(x, None, None)

        def explained(*arguments: Any) -> tuple[Any, list]:
            found, doubtful = explainer.doubted(rows, *arguments)
            shown = [ragged.presented(e) for e in found] if isinstance(found, list) else ragged.presented(found)
            return shown, doubtful

        return explained

    def leaks(self, x: Any, target: Any = None, baseline: Any = None, example: int = 0) -> dict[str, float]:
        """How much every op loses of the change of one example's score: the parts of its delta.

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
        return self._asking.run(x, target, baseline).leaks(example)

    def using(self, method: str | Method, **options: Any) -> Explainer:
        """An Explainer of another method for the same model, which shares what is prepared: for comparing methods.

        Args:
            method: As in `explain`.
            **options: Of the method.

        Raises:
            MethodError, OptionError: No such method, or a value it cannot use.
            UnknownOptionError: No such option of the method, or one of the Explainer itself (on, layer, jit_compile,
                fixed, reduction, labels, allow_nan).

        Example:
            >>> import keras, numpy as np, tfxai
            >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="relu")])
            >>> explainer = tfxai.Explainer(model, "deeplift")
            >>> x = np.ones((1, 3), "float32")
            >>> [explainer.using(m)(x).method for m in ("gradient", "integrated_gradients")]
            ['gradient', 'integrated_gradients']
        """
        if own := [name for name in options if name in SHARED]:
            raise UnknownOptionError(
                f"using() keeps {', '.join(f'{name}=' for name in SHARED)} of its Explainer. "
                f"Received: {', '.join(own)}. Make another: tfxai.Explainer(model, method, ...)."
            )
        other = copy.copy(self)
        other.method, other._ragged = get(method, options), None
        if isinstance(self.model, BlackBox):
            black_boxes.check(other.method)
        return other

    def placed(self, place: Callable[[Graph], Graph]) -> Explainer:
        """An Explainer of the same, whose captured graphs `place` changes: for copies of the variables on a device."""
        other = copy.copy(self)
        other._prepared, other._ragged = Prepared(self.model, place=place), None
        return other

    def trace(self, x: Any) -> tuple[Inputs, TracedModel]:
        """Checks x, and captures the model for inputs of its form where that was not done yet; explains nothing.

        What is captured is explained at the inputs: the layer that is asked for depends on the target.
        """
        inputs, _, traced = self._asking.trace(x)
        return inputs, traced

    def run(
        self, x: Any, target: Any = None, baseline: Any = None, batch_size: int | None = None, seed: int | None = None
    ) -> Run:
        """What a call with these arguments explains, checked: for measures, which want scores of their own."""
        run = self._asking.run(x, target, baseline, batch_size, seed)
        run.check()
        return run
