"""A model and examples whose features can be hidden: what metrics ask, whatever the explanation."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfxai.errors import InputError, TargetError, UnknownOptionError, received, suggest
from tfxai.explainer import Explainer
from tfxai.explainer.chunks import Run
from tfxai.method.lookup import SHARED
from tfxai.metrics.features import Features, Part, hidden
from tfxai.model.stops import stopped
from tfxai.targets.bound import IndexTarget, SideTarget
from tfxai.targets.factories import Output

Tensors = list[tf.Tensor]
# (rows, part, x, reference) -> the changed copies, (n * copies, ...): all copies of one example after each other
Change = Callable[[slice, slice, Tensors, Tensors], Tensors]
Flags = Callable[[slice, slice], np.ndarray]  # (rows, part) -> (n or 1, copies, F) which features are hidden


@dataclasses.dataclass(frozen=True, eq=False)
class Probe:
    """What is explained of a model, and what its score does when features are hidden.

    Attributes:
        explainer: Prepared for the model; those of the methods share what is prepared.
        x: The examples.
        target: What is explained: of an arg max the classes at x, which stay when x is changed.
        baseline: What hidden features are replaced by.
        batch_size: Examples per pass.
        seed: Of all random draws.
    """

    explainer: Explainer
    x: Any
    target: Any = None
    baseline: Any = None
    batch_size: int | None = None
    seed: int = 0

    @staticmethod
    def of(
        model: Any, x: Any, target: Any = None, baseline: Any = None, batch_size: int | None = None, seed: int = 0,
        **shared: Any,
    ) -> Probe:  # fmt: skip
        """A probe of a model, or of what an Explainer has prepared, with its classes fixed.

        Raises:
            TfxaiError: As in `tfxai.explain`.
        """
        if isinstance(model, Explainer) and shared:
            raise UnknownOptionError(f"An Explainer has its own {', '.join(shared)}. Leave it, or pass the model.")
        if unknown := [name for name in shared if name not in SHARED]:
            raise UnknownOptionError(
                f"Here is no option {unknown[0]!r}. {suggest(unknown[0], SHARED)} A method has its own in its object, "
                "such as tfxai.DeepLIFT(rule=...)."
            )
        own = isinstance(model, Explainer)
        explainer = model.using("occlusion") if own else Explainer(model, "occlusion", **shared)
        made = Probe(explainer, x, target, baseline, batch_size, seed)
        inner = target.inner if isinstance(target, Output) else target
        classes = None if inner is not None else made._classes()
        if classes is None:
            return made
        return dataclasses.replace(made, target=Output(target.name, classes) if isinstance(target, Output) else classes)

    @functools.cached_property
    def run(self) -> Run:
        """What is explained."""
        run = self.explainer.run(self.x, self.target, self.baseline, self.batch_size, self.seed)
        if run.model.layer is not None:
            raise InputError(f"Metrics are of inputs. Received: layer={run.model.layer!r}. Leave layer= out.")
        return run

    @functools.cached_property
    def features(self) -> Features:
        """What is hidden, ordered and counted."""
        return Features(self.run)

    def __len__(self) -> int:
        return self.run.inputs.n

    def _classes(self) -> np.ndarray | None:
        """(n,) the class that is the target at x, where it is one."""
        found = []
        for rows in self.run.chunks():
            scorer, x = self.run.scorer(rows)
            found.append(scorer.score(x)[1])
        return None if found[0] is None else np.concatenate([np.asarray(t) for t in found])

    def scores(self, count: int, change: Change) -> np.ndarray:
        """(n, count) the scores of changed copies of every example, the mean over the references.

        Args:
            count: How many copies of each.
            change: What makes some copies of some examples.
        """
        found = np.zeros((len(self), count))
        for rows in self.run.chunks():
            scorer, x = self.run.scorer(rows)
            for k in range(scorer.references):
                reference = self.run.references.at(k, rows, self.run.model, scorer.inputs)
                for part, some, repeat in scorer.copies(count):
                    against = [r if len(r) == 1 else repeat(r) for r in reference]
                    try:
                        scores = some.score(change(rows, part, [repeat(t) for t in x], against))[0]
                    except tf.errors.OpError as error:
                        raise stopped(error, len(some)) from error
                    found[rows, part] += np.reshape(scores, (len(scorer), -1))
        return found / max(scorer.references, 1)

    def without(self, count: int, flags: Flags) -> np.ndarray:
        """(n, count) the scores with features hidden: replaced by the baseline. Memory is that of a pass.

        Args:
            count: How many copies of each example.
            flags: Which features are hidden in some copies of some examples, the same for all where n is 1.
        """

        def change(rows: slice, part: slice, x: Tensors, reference: Tensors) -> Tensors:
            chosen = flags(rows, part)
            n = rows.stop - rows.start
            chosen = np.broadcast_to(chosen, (n, *chosen.shape[1:])).reshape(-1, chosen.shape[-1])
            return hidden(x, reference, self.features.spread(chosen))

        return self.scores(count, change)

    # --- What a metric may need

    def grid(self) -> Part:
        """The one explained input, a picture or a sequence.

        Raises:
            InputError: It is none, or not the only one.
        """
        found = self.features.grid
        if found is None:
            raise InputError(
                "ROAD fills in what is removed from its neighbours: it needs one explained input, a picture or a "
                "sequence of numbers. Hold others with fixed=, or use 'deletion'."
            )
        return found

    def classes(self) -> tuple[np.ndarray, int]:
        """(n,) the explained class of each example, and how many there are.

        Raises:
            TargetError: What is explained is no class of several.
        """
        asked = self.run.target
        count = 2 if isinstance(asked, SideTarget) else self.run.model.classes(asked.output)
        alone = isinstance(asked, SideTarget) or isinstance(asked, IndexTarget) and not asked.data[1]
        if not alone or count is None or count < 2:
            raise TargetError(
                "Another class is explained, so there must be one: a target that is a class of an output of several. "
                f"The output has {count or 'no'} classes. {received(self.target)}"
            )
        return np.broadcast_to(asked.data[0], len(self)), count

    @functools.cached_property
    def ends(self) -> np.ndarray:
        """(n, 2) the scores at x and at the baseline."""
        nothing_all = np.array([[[False], [True]]])

        def flags(rows: slice, part: slice) -> np.ndarray:
            return np.broadcast_to(nothing_all[:, part], (1, part.stop - part.start, self.features.count))

        return self.without(2, flags)
