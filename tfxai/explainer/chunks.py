"""One call of an explainer: what its chunks of examples share, and how one of them is explained."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfxai.errors import ModelError, TargetError
from tfxai.explainer import references
from tfxai.explainer.collect import residual
from tfxai.explainer.inputs import Inputs
from tfxai.explainer.progress import Progress
from tfxai.method.base import Attribution, Method
from tfxai.model import attribution as arithmetic
from tfxai.model.scorer import Scorer
from tfxai.model.traced import Engine
from tfxai.targets.bound import OUT_OF_RANGE, Goal


@dataclasses.dataclass(frozen=True, eq=False)
class Job:
    """What one call explains.

    Attributes:
        method: How.
        engine: The prepared model.
        inputs: The examples.
        goal: What of the output.
        references: One array per explained input, or None for the zero embedding.
        size: Most examples in a chunk.
        seed: Of the draws, the same for every chunk.
        bar: Shows the progress.
        read: The weights, read at the first pass.
    """

    method: Method
    engine: Engine
    inputs: Inputs
    goal: Goal
    references: Sequence[np.ndarray | None]
    size: int = 1
    seed: int | None = None
    bar: Progress | None = None
    read: dict = dataclasses.field(default_factory=dict)

    def chunks(self) -> list[slice]:
        n = self.inputs.n
        return [slice(start, min(start + self.size, n)) for start in range(0, n, self.size)]

    def attribution(self, rows: slice) -> Attribution:
        """The mean over the references of the method's attribution of some examples.

        Raises:
            ModelError: Not one score per example.
            TargetError: The target is outside of an output whose size is known only now.
        """
        try:
            result = self._mean(rows)
        except tf.errors.InvalidArgumentError as error:
            if OUT_OF_RANGE not in str(error):
                raise
            raise TargetError(f"{OUT_OF_RANGE}. Received: target {self.goal.label}.") from None
        n, scores = rows.stop - rows.start, len(result.score)
        if scores != n:
            raise ModelError(
                f"For {n} examples the model returned {scores} scores; expected one each. A layer with stateful=True "
                "keeps the state of so many examples: pass as many, and batch_size= that number."
            )
        return result

    def alone(self, example: int) -> float:
        """The delta of an example that is explained without the others; infinite where it cannot be."""
        try:
            return float(residual(self.attribution(slice(example, example + 1)))[0])
        except (ModelError, tf.errors.InvalidArgumentError):  # only whole batches can be run
            return np.inf

    def leaks(self, example: int) -> dict[str, tf.Tensor]:
        """How much every op loses of one example's change of the score; nothing for methods without a rule table."""
        table = self.method.table()
        if table is None:
            return {}
        rows = slice(example, example + 1)
        scorer, x = self._scorer(rows)
        reference = references.at(scorer, self.references, rows, 0)
        return scorer.backward(table, x, reference, residuals=True).residuals

    def _mean(self, rows: slice) -> Attribution:
        found = [r.shape[1] for r in self.references if r is not None] if self.method.uses_baseline else []
        count = max(found, default=1)
        scorer, x = self._scorer(rows)
        scorer = dataclasses.replace(scorer, references=count, bar=self.bar)
        rng = np.random.default_rng(self.seed)

        def against(k: int) -> Attribution:
            return self.method(scorer, x, references.at(scorer, self.references, rows, k), rng)

        total = against(0)
        for k in range(1, count):
            total = arithmetic.added(total, against(k))
        return arithmetic.to_numpy(arithmetic.scaled(total, 1 / count) if count > 1 else total)

    def _scorer(self, rows: slice) -> tuple[Scorer, list[tf.Tensor]]:
        raw = [tf.constant(a[rows]) for a in self.inputs.arrays]
        scorer = Scorer(self.engine, raw, self.goal, self.goal.chunk(rows), self.size, self.read)
        return scorer, self.engine.deepen(raw, self.engine.enter(raw))
