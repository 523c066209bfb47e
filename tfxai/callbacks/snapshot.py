"""The callback that explains the same samples again and again while a model learns."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfxai.callbacks.sinks import directory
from tfxai.errors import OptionError, SnapshotWarning, received, warn
from tfxai.explainer import Explainer
from tfxai.explanation import Explanation
from tfxai.plot.comparison import compare
from tfxai.result.describe import keys, part
from tfxai.support.ranks import correlation, ranks

UNITS = ("epoch", "batch")
log = logging.getLogger("tfxai")


class ExplanationSnapshot(keras.callbacks.Callback):
    """Explains the same samples again and again during `fit`, for every sink.

    Training is left as it is: the same weights bit for bit, no random state touched. The model is traced once, when
    training begins (a model that is not built yet: after its first batch); snapshots see the weights as they are.

    Args:
        x: Samples: an array or a structure of arrays, or a `tf.data.Dataset` or `PyDataset` of batches (x or (x, y)),
            of which the first samples are taken once, here.
        method: As in `tfxai.explain`; Grad-CAM unless told: in networks of pictures its layer is found, its cost small.
        target: As in `tfxai.explain`; None: the class that the model favours at that time.
        baseline: As in `tfxai.explain`.
        sinks: Functions `sink(explanation, figure, step)`; None: `directory("tfxai-snapshots")`.
        every: A snapshot every so many epochs or batches.
        unit: "epoch" or "batch".
        initial: Also before the first training step, as step 0, where the model is built by then.
        max_samples: At most so many samples of x.
        seed: Of methods that draw; always the same, so that snapshots differ by the weights alone.
        labels: Class names, for the default sink and the figures.
        strict: Let an error of a sink, or of a later explanation, end the training. Otherwise it is a warning, once.
        batch_size: As in `tfxai.explain`.
        **options: Of the method, `on=` and `layer=`.

    Attributes:
        history: One dict per snapshot: step, unit, seconds, residual (largest |delta| relative to the change of the
            score; None for methods that promise no completeness) and drift (1 - Spearman rank correlation with the
            snapshot before, mean over the samples; None for the first).
        seconds: What tracing the model and all snapshots cost so far.

    Raises:
        TfxaiError: Of the method's name and options here; of samples, target and layer when training begins.

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
        self.x = samples(x, max_samples)
        self.method, self.target, self.baseline, self.options = method, target, baseline, options
        self.sinks = [directory(labels=labels)] if sinks is None else [sinks] if callable(sinks) else list(sinks)
        if not all(callable(sink) for sink in self.sinks):
            raise OptionError(f"A sink is a function sink(explanation, figure, step). {received(sinks)}")
        self.every, self.unit, self.initial, self.seed = int(every), unit, initial, seed
        self.labels, self.strict, self.batch_size = labels, strict, batch_size
        self.history: list[dict] = []
        self.seconds = 0.0
        Explainer(tf.identity, method, **options)  # checks the options now, not when training begins
        self._explainer: Explainer | None = None
        self._ranks: np.ndarray | None = None
        self._warned: set = set()
        self._batches = 0

    def on_train_begin(self, logs: Any = None) -> None:
        """Keras calls it: traces the model if it is built, and takes the snapshot before the first step."""
        self._batches = self._trained_batches()
        if self._explainer is not None and self._explainer.model is not self.model:
            self._explainer = None
        if self.model.built:  # else its first batch builds it; building it here would draw its weights otherwise
            self._prepare()
            if self.initial and self._batches == 0:
                self._snapshot(0)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Keras calls it: traces a model that its first batch has built; snapshots by batches."""
        self._batches += 1
        self._prepare()
        if self.unit == "batch" and self._batches % self.every == 0:
            self._snapshot(self._batches)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.unit == "epoch" and (epoch + 1) % self.every == 0:
            self._snapshot(epoch + 1)

    def on_train_end(self, logs: Any = None) -> None:
        for sink in self.sinks:
            self._guarded(getattr(sink, "close", _nothing), sink)
        log.info("%d explanation snapshots took %.2f s", len(self.history), self.seconds)

    def _prepare(self) -> None:
        """Explains once: a mistake is raised before hours of training, whether `strict` or not."""
        if self._explainer is None:
            start = time.perf_counter()
            explainer = Explainer(self.model, self.method, **self.options)
            explainer(self.x, self.target, self.baseline, self.batch_size, self.seed, 0)
            self._explainer = explainer
            self.seconds += time.perf_counter() - start

    def _trained_batches(self) -> int:
        iterations = getattr(getattr(self.model, "optimizer", None), "iterations", None)
        return 0 if iterations is None else int(tf.convert_to_tensor(iterations))

    def _explain(self) -> Explanation:
        return self._explainer(self.x, self.target, self.baseline, self.batch_size, self.seed, 0)  # type: ignore[misc]

    def _snapshot(self, step: int) -> None:
        """Explains once more and hands the result to every sink."""
        start = time.perf_counter()
        e = self._guarded(self._explain, "explain")
        if e is None:
            return
        residual = None if e.residual is None else float(e.residual.max())
        numbers: dict[str, Any] = {"step": step, "unit": self.unit, "residual": residual, "drift": self._drift(e)}
        numbers["seconds"] = time.perf_counter() - start
        e = dataclasses.replace(e, meta={**e.meta, "snapshot": numbers})
        for sink in self.sinks:
            self._guarded(lambda s=sink: s(e, self._figure(e, s), step), sink)
        numbers["seconds"] = time.perf_counter() - start
        self.seconds += numbers["seconds"]
        self.history.append(numbers)

    def _figure(self, e: Explanation, sink: Any) -> Any:
        """The picture for a sink: samples in a column, of several layers the last; None where it draws itself."""
        if not getattr(sink, "figure", True):
            return None
        if isinstance(e.values, (dict, list)):
            e = dataclasses.replace(e, values=part(e, keys(e)[-1])[0], inputs=part(e, keys(e)[-1])[1])
        return compare([e], range(len(e)), labels=self.labels)

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


def samples(x: Any, most: int) -> Any:
    """The first samples of arrays, of a data set of batches, or of batches with labels."""
    if isinstance(x, keras.utils.PyDataset):
        return _joined((x[i] for i in range(len(x))), most)
    if isinstance(x, tf.data.Dataset) or hasattr(x, "__next__"):
        return _joined(x, most)
    return keras.tree.map_structure(lambda a: np.asarray(a)[:most], x)


def _joined(batches: Any, most: int) -> Any:
    """The first samples of batches (x, or x and what belongs to it), after each other."""
    found: list[Any] = []
    count = 0
    for batch in batches:
        batch = batch[0] if isinstance(batch, tuple) else batch
        found.append(keras.tree.map_structure(np.asarray, batch))
        count += len(keras.tree.flatten(found[-1])[0])
        if count >= most:
            break
    if not found:
        raise OptionError("The data set of samples is empty. Expected one batch or more.")
    return keras.tree.map_structure(lambda *parts: np.concatenate(parts)[:most], *found)


def _nothing() -> None:
    pass
