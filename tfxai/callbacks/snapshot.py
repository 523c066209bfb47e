"""The callback that explains the same samples again and again while a model learns."""

from __future__ import annotations

import dataclasses
import functools
import logging
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfxai.callbacks.samples import Samples
from tfxai.callbacks.sinks import directory, tensorboard
from tfxai.callbacks.training import Training
from tfxai.errors import OptionError, SnapshotWarning, TfxaiError, received, warn
from tfxai.explainer import Explainer
from tfxai.explanation import Explanation
from tfxai.plot import preprocessed
from tfxai.plot.comparison import compared
from tfxai.result.data import ExplanationData
from tfxai.result.describe import displayed, keys, part
from tfxai.result.names import class_names
from tfxai.result.tabled import tabled
from tfxai.support.ranks import correlation, ranks
from tfxai.support.structure import leaves, map_structure
from tfxai.targets.resolve import single

UNITS = ("epoch", "batch")
OWN = (directory, tensorboard)  # sinks that draw themselves
log = logging.getLogger("tfxai")


class ExplanationSnapshot(keras.callbacks.Callback):
    """Explains the same samples again and again during `fit`, for every sink.

    Training is left as it is: the same weights bit for bit, no random state touched. The model is traced once, when
    training begins (a model that is not built yet: after its first batch); snapshots see the weights as they are.

    The step of a snapshot is the training done until then, in epochs or batches: it goes on where `fit` is called
    again, also after another `compile`, and from `initial_epoch` or the optimizer's steps where training is resumed.
    Another model is another run. A compiled model trains what was trainable when it was compiled: that is what
    `e.meta["snapshot"]` says of its layers ("trainable", "frozen", and how often it was "compiled" again).

    Args:
        x: Samples: what `explain` takes, or with labels, (x, y); or batches of these: a `tf.data.Dataset`, `PyDataset`,
            generator, or list of (x, y). The first ones are taken, once: of arrays and batches here, of lists when
            training begins. Of batches padded to different lengths, those that have the length of the first.
        method: As in `tfxai.explain`; Grad-CAM unless told: in networks of pictures its layer is found, its cost small.
        target: As in `tfxai.explain`; None: the class that the model favours at that time.
        baseline: As in `tfxai.explain`.
        sinks: Functions `sink(explanation, figure, step)`; None: `directory("tfxai-snapshots")`.
        every: A snapshot every so many epochs or batches. Where an execution has several batches, at its end.
        unit: "epoch" or "batch".
        initial: Also before the first training step, as step 0, where the model is built by then, and not trained yet.
        max_samples: At most so many samples of x.
        seed: Of methods that draw; always the same, so that snapshots differ by the weights alone.
        labels: Class names, for the target, the default sink and the figures, as in `tfxai.explain`.
        display: What to show instead of the samples, a picture for each, as in `tfxai.report`: in the figures, the
            default sink, and those of this package that have none of their own.
        strict: Let an error of a sink, or of a later explanation, end the training. Otherwise it is a warning, once.
        batch_size: As in `tfxai.explain`.
        **options: Of the method, `on=` and `layer=`.

    Attributes:
        history: One dict per snapshot: step, unit, seconds, residual (largest |delta| relative to the change of the
            score; None for methods that promise no completeness) and drift (1 - Spearman rank correlation with the
            snapshot before, mean over the samples; None for the first).
        seconds: What tracing the model and all snapshots cost so far.

    Raises:
        TfxaiError: Of the method's name and options here; of samples, target, layer and the number of labels when
            training begins.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> x, y, seen = np.ones((8, 3)), np.zeros(8), []
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        >>> snapshot = ExplanationSnapshot(x[:2], "deeplift", sinks=lambda e, figure, step: seen.append(step))
        >>> _ = model.fit(x, y, epochs=2, verbose=0, callbacks=[snapshot])
        >>> seen
        [0, 1, 2]
    """

    def __init__(
        self,
        x: Any,
        method: Any = "gradcam",
        target: Any = None,
        baseline: Any = None,
        *,
        sinks: Sequence[Callable] | Callable | None = None,
        every: int = 1,
        unit: str = "epoch",
        initial: bool = True,
        max_samples: int = 8,
        seed: int = 0,
        labels: Sequence[str] | None = None,
        display: Any = None,
        strict: bool = False,
        batch_size: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        for name, value in (("every", every), ("max_samples", max_samples)):
            if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
                raise OptionError(f"{name} is a whole number from 1. {received(value)}")
        if unit not in UNITS:
            raise OptionError(f"unit is 'epoch' or 'batch'. {received(unit)}")
        single(target)
        self._given = Samples(x, max_samples)
        self.method, self.target, self.baseline, self.options = method, target, baseline, options
        self.sinks = [directory(labels=labels)] if sinks is None else [sinks] if callable(sinks) else list(sinks)
        self.display = display if display is None or callable(display) else functools.partial(_first, display)
        for sink in self.sinks:
            if isinstance(sink, OWN) and sink.display is None:
                sink.display = self.display
        if not all(callable(sink) for sink in self.sinks):
            raise OptionError(f"A sink is a function sink(explanation, figure, step). {received(sinks)}")
        self.every, self.unit, self.initial, self.seed = int(every), unit, initial, seed
        class_names(labels)  # refused now if they are none
        self.labels, self.strict, self.batch_size = labels, strict, batch_size
        self.history: list[dict] = []
        self.seconds = 0.0
        Explainer(tf.identity, method, **options)  # checks the options now, not when training begins
        self._explainer: Explainer | None = None
        self._samples: Any = None  # in the form that the model takes
        self._ranks: np.ndarray | None = None
        self._warned: set = set()
        self._training: Training | None = None
        self._run: dict[str, Any] = {}

    # tf_keras asks which batches a callback hears of; these are the names it asks by.
    def _implements_train_batch_hooks(self) -> bool:
        return True

    def _implements_test_batch_hooks(self) -> bool:
        return False

    def _implements_predict_batch_hooks(self) -> bool:
        return False

    def on_train_begin(self, logs: Any = None) -> None:
        """Keras calls it: traces the model if it is built."""
        if self._training is None or self._training.model is not self.model:
            self._training, self._explainer, self._ranks = Training(self.model), None, None
            self._run = {"id": uuid.uuid4().hex, "start": 0, "scores": None}
        self._training.begin_fit()
        if self.model.built:  # else its first batch builds it; building it here would draw its weights otherwise
            self._prepare()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Keras calls it: looks at the network as it was before, once. Here other callbacks have restored theirs."""
        training = self._counted
        if training.begin_epoch(epoch, self._steps):
            self._run["start"] = start = training.start[self.unit]
            if training.untrained and self.initial and self._explainer is not None:
                self._snapshot(0)
            elif start > 0 and self._explainer is not None and (e := self._guarded(self._explain, "explain")):
                self._run["scores"] = [float(score) for score in e.score]  # tells which strip is that of this network

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._counted.begin_batch(batch)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Keras calls it: traces a model that its first batch has built; snapshots by batches."""
        training = self._counted
        before = training.batches
        training.end_batch(batch, self._steps)
        self._prepare()
        if self.unit == "batch" and training.batches // self.every > before // self.every:
            self._snapshot(training.batches)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        step = self._counted.end_epoch(epoch)
        if self.unit == "epoch" and step % self.every == 0:
            self._snapshot(step)

    def on_train_end(self, logs: Any = None) -> None:
        for sink in self.sinks:
            self._guarded(getattr(sink, "close", _nothing), sink)
        log.info("%d explanation snapshots took %.2f s", len(self.history), self.seconds)

    @property
    def _counted(self) -> Training:
        return self._training  # type: ignore[return-value]  # fit begins with on_train_begin

    @property
    def _steps(self) -> int | None:
        """Batches in an epoch, where Keras knows it."""
        return (self.params or {}).get("steps")

    def _prepare(self) -> None:
        """Explains once: a mistake is raised before hours of training, whether `strict` or not."""
        if self._explainer is None:
            start = time.perf_counter()
            explainer = Explainer(self.model, self.method, labels=self.labels, **self.options)
            self._samples = self._explained(explainer)
            self._check_count(explainer)
            self._explainer = explainer
            self.seconds += time.perf_counter() - start

    def _explained(self, explainer: Explainer) -> Any:
        """The samples in the form in which they can be explained; else the error of the likeliest one."""
        first: TfxaiError | None = None
        for x in self._given.of(self.model):
            try:
                e = explainer(x, self.target, self.baseline, self.batch_size, self.seed, 0)
                displayed(e, self.display)  # refused now if it does not fit
                if self.display is None and not all(getattr(sink, "display", None) is not None for sink in self.sinks):
                    preprocessed.check([e])
                return x
            except TfxaiError as error:
                first = first or error
        raise first  # type: ignore[misc]  # there is a form

    def _check_count(self, explainer: Explainer) -> None:
        """Raises InputError where there are not as many labels as classes, also of a sink."""
        classes = explainer.trace(self._samples)[1].classes()
        own = [sink.labels for sink in self.sinks if isinstance(sink, OWN)]
        for labels in (self.labels, *own):
            class_names(labels, classes)

    def _explain(self) -> Explanation:
        return self._explainer(self._samples, self.target, self.baseline, self.batch_size, self.seed, 0)  # type: ignore[misc]

    def _snapshot(self, step: int) -> None:
        """Explains once more and hands the result to every sink."""
        start = time.perf_counter()
        e = self._guarded(self._explain, "explain")
        if e is None:
            return
        residual = None if e.residual is None else float(e.residual.max())
        numbers: dict[str, Any] = {"step": step, "unit": self.unit, "residual": residual, "drift": self._drift(e)}
        numbers["seconds"] = time.perf_counter() - start
        trainable, frozen = self._counted.layers()
        state = {"trainable": trainable, "frozen": frozen, "compiled": self._counted.compiled, "run": self._run}
        e = dataclasses.replace(e, meta={**e.meta, "snapshot": numbers | state})
        for sink in self.sinks:
            self._guarded(lambda s=sink: s(e, self._figure(e, s), step), sink)
        numbers["seconds"] = time.perf_counter() - start
        self.seconds += numbers["seconds"]
        self.history.append(numbers)

    def _figure(self, e: ExplanationData, sink: Any) -> Any:
        """The picture for a sink: samples in a column, of several layers the last; None where it draws itself."""
        if not getattr(sink, "figure", True):
            return None
        e = tabled(displayed(e, self.display))
        if isinstance(e.values, (dict, list)):
            e = dataclasses.replace(e, values=part(e, keys(e)[-1])[0], inputs=part(e, keys(e)[-1])[1])
        return compared([e], range(len(e)), labels=self.labels)

    def _guarded(self, call: Callable, who: Any) -> Any:
        """The result; an error becomes a warning, once for each sink, unless `strict`."""
        try:
            return call()
        except Exception as error:
            if self.strict:
                raise
            name = who if isinstance(who, str) else getattr(who, "__name__", type(who).__name__)
            if id(who) not in self._warned:
                self._warned.add(id(who))
                warn(
                    f"The explanation snapshot failed in {name!r}, and training goes on: {type(error).__name__}: "
                    f"{error} Further errors there are not shown; strict=True stops at the first.",
                    SnapshotWarning,
                )
            return None

    def _drift(self, e: Explanation) -> float | None:
        """1 - mean rank correlation with the snapshot before."""
        now = np.concatenate([ranks(part(e, key)[0]) for key in keys(e)], axis=1)
        before, self._ranks = self._ranks, now
        if before is None or before.shape != now.shape:
            return None
        return float(1 - correlation(before, now).mean())


def _first(display: Any, inputs: Any) -> Any:
    """The first pictures, as many as there are samples."""
    n = len(leaves(inputs)[0])
    return map_structure(lambda a: a[:n], display) if isinstance(inputs, (dict, list)) else display[:n]


def _nothing() -> None:
    pass
