"""Groups of features as the players of a game: what the score is when some are shown and the others are hidden."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, NamedTuple

import numpy as np
import tensorflow as tf

from tfxai.errors import OptionError
from tfxai.method.base import Method, Tensors
from tfxai.model.attribution import Attribution
from tfxai.model.groups import Groups
from tfxai.model.scorer import Scorer
from tfxai.segments.given import given
from tfxai.support.checks import whole_number

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
        x, reference = ([t.numpy() for t in own] for own in (self.x, self.reference))
        for part, some, _ in self.scorer.copies(total):
            points = self.groups.hidden(x, reference, shown(part))
            yield part, some.score(points)[0].numpy().reshape(len(self.rows), -1).astype(np.float64)


def games(scorer: Scorer, groups: Groups, x: Tensors, reference: Tensors) -> Iterator[Game]:
    """The examples of a chunk, those with the same number of groups together: their draws depend on nothing else."""
    for count, rows in groups.alike(len(scorer)):
        some, repeat = scorer.of(rows)
        own = [r if len(r) == 1 else repeat(r) for r in reference]
        yield Game(some, [repeat(t) for t in x], own, groups.take(rows), count, rows)


class Played(NamedTuple):
    """What a game gives: (examples, groups) values and their standard errors, (examples,) other measures."""

    values: np.ndarray
    error: np.ndarray | None = None
    measures: dict[str, np.ndarray] | None = None


@dataclasses.dataclass(frozen=True)
class OfGroups(Method):
    """Methods that divide the score among groups of features, by hiding many sets of them."""

    signed: ClassVar[bool] = True
    uses_baseline: ClassVar[bool] = True
    scores_only: ClassVar[bool] = True
    random: ClassVar[bool] = True

    samples: Any = None
    groups: Any = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", given(self.groups))

    def check(self) -> None:
        if self.samples is not None:
            whole_number(self.samples, "samples", more=", or None")

    def takes_missing(self) -> bool:
        return True

    def grouping(self) -> Any:
        return True if self.groups is None else self.groups

    def options(self) -> dict[str, Any]:
        return super().options() | {"groups": None if self.groups is None else repr(self.groups)}

    @abc.abstractmethod
    def play(self, game: Game, start: np.ndarray, end: np.ndarray, rng: np.random.Generator) -> Played:
        """The values of the groups of some examples.

        Args:
            game: Of which.
            start, end: (examples,) f at the reference, and at x.
            rng: The same for all that have as many groups.
        """

    def __call__(self, scorer: Scorer, x: Tensors, reference: Tensors, rng: np.random.Generator) -> Attribution:
        scorer, score, target = scorer.with_target_of(x)
        groups, n, seed = scorer.groups, len(scorer), int(rng.integers(2**63))
        if groups is None:
            raise OptionError(f"{self.name} needs groups, which its scorer does not have.")
        start = scorer.score(reference)[0]
        ends = [np.broadcast_to(s.numpy().astype(np.float64), n) for s in (start, score)]
        values, errors = np.zeros((2, n, int(groups.counts.max())))
        measures: dict[str, np.ndarray] = {}
        for game in games(scorer, groups, x, reference):
            found = self.play(game, ends[0][game.rows], ends[1][game.rows], np.random.default_rng(seed))
            values[game.rows, : game.count] = found.values
            if found.error is not None:
                errors[game.rows, : game.count] = found.error
            for name, numbers in (found.measures or {}).items():
                measures.setdefault(name, np.zeros(n))[game.rows] = numbers
        error = groups.shared(errors, x, score) if found.error is not None else None
        each = {name: tf.constant(numbers) for name, numbers in measures.items()} or None
        return Attribution(groups.shared(values, x, score), score, start, target, error=error, measures=each)


def usual_samples(count: int) -> int:
    """Coalitions where nothing is said."""
    return 1024 + 2 * count
