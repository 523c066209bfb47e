"""Groups of features as the players of a game: what the score is when some are shown and the others are hidden."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from tfxai.method.base import Tensors
from tfxai.model.groups import Groups
from tfxai.model.scorer import Scorer

Shown = Callable[[slice], np.ndarray]  # some of the coalitions -> (those, groups) which groups are shown


@dataclasses.dataclass(frozen=True, eq=False)
class Game:
    """Examples that have the same number of groups.

    Attributes:
        scorer: Of them.
        x, reference: Theirs.
        groups: Theirs.
        count: How many each of them has.
        rows: Which of the chunk's examples they are.
    """

    scorer: Scorer
    x: Tensors
    reference: Tensors
    groups: Groups
    count: int
    rows: np.ndarray

    def scores(self, total: int, shown: Shown) -> Iterator[tuple[slice, np.ndarray]]:
        """Of `total` coalitions, as many at a time as fit in a pass: which, and f with what they do not show hidden.

        Args:
            total: How many.
            shown: What some of them show, asked for one after the other.

        Yields:
            Which of them; (examples, those) in double precision.
        """
        for part, some, repeat in self.scorer.copies(total):
            reference = [r if len(r) == 1 else repeat(r) for r in self.reference]
            points = self.groups.hidden([repeat(t) for t in self.x], reference, ~shown(part))
            scores = tf.reshape(some.score(points)[0], [len(self.rows), -1])
            yield part, scores.numpy().astype(np.float64)


def games(scorer: Scorer, groups: Groups, x: Tensors, reference: Tensors) -> Iterator[Game]:
    """The examples of a chunk, those with the same number of groups together: their draws depend on nothing else."""
    for count, rows in groups.alike(len(scorer)):
        some, repeat = scorer.of(rows)
        own = [r if len(r) == 1 else repeat(r) for r in reference]
        yield Game(some, [repeat(t) for t in x], own, groups.take(rows), count, rows)
