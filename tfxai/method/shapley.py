"""Shapley values of groups of features: by permutations, and by a regression over coalitions."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any, ClassVar

import numpy as np

from tfxai.errors import OptionError, received
from tfxai.method.coalitions import Game, OfGroups, Played, usual_samples
from tfxai.support.checks import whole_number

MOST_ENUMERATED = 20  # groups, of which there are a million coalitions


@dataclasses.dataclass(frozen=True)
class ShapleySampling(OfGroups):
    """What each group adds to the score when it is shown, averaged over the orders in which they may be shown.

    phi_i = E_pi [f(x with the groups up to i in pi shown) - f(without i)], the others at the baseline. pi are drawn in
    pairs, an order and its reverse. Castro et al. 2009, doi:10.1016/j.cor.2008.04.004; Mitchell et al. 2022,
    arXiv:2104.12199.  The values sum to f(x) - f(x0) with any number of orders.

    Each order costs one forward pass per group, less one. Where all coalitions cost no more, 2^groups, they are taken:
    then the values are exact, `standard_error` is 0, and `e.meta["coalitions"]` says so. `standard_error` is that of
    the mean over the pairs, None of one; of few pairs it is uncertain itself, as Student's t has it.

    Args:
        samples: How many orders, an even number, for each reference.
        groups: What is shown and hidden together, as in `tfxai.Occlusion`. None: tokens and the columns of tables one
            by one, superpixels of a picture, 16 stretches of a sequence, 4 x 4 x 4 cells of a volume. Superpixels are
            `tfxai.segments.slic()` of pictures with one channel or three, where scikit-image is installed; else, and of
            noise or missing numbers, 8 x 8 cells. `e.meta["groups"]` says which; `groups=tfxai.segments.grid(8)` is
            the same everywhere. A group's value is shared evenly by its features: `e.grouped` of the same groups
            gives it.

    Raises:
        OptionError: When used: samples below 2 or odd; groups that do not fit, overlap or leave features out.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> e = tfxai.explain(model, np.array([[1.0, 2.0]]), tfxai.ShapleySampling(samples=2), seed=0)
        >>> e.values.round(3).tolist(), e.meta["coalitions"]
        ([[1.0, 2.0]], 'all')
    """

    samples: int = 20
    groups: Any = None

    name: ClassVar[str] = "shapley_sampling"
    complete: ClassVar[bool] = True
    quick: ClassVar[dict[str, Any]] = {"samples": 4}

    def check(self) -> None:
        whole_number(self.samples, "samples", 2)
        if self.samples % 2:
            raise OptionError(f"samples is even: each order comes with its reverse. {received(self.samples)}")

    def coalitions(self, count: int) -> tuple[int, bool]:
        return _enumerated(count, self.samples * (count - 1))

    def play(self, game: Game, start: np.ndarray, end: np.ndarray, rng: np.random.Generator) -> Played:
        count, total = game.count, self.coalitions(game.count)[0]
        if self.coalitions(count)[1]:
            values = exact(game, start, end)
            return Played(values, np.zeros_like(values) if self.samples > 2 else None)
        length = 2 * (count - 1)  # coalitions of a pair of orders
        orders: list[np.ndarray] = []  # of the pairs that have been begun and not been added up
        shows: list[np.ndarray] = []  # what their coalitions show
        done, left = 0, np.zeros((len(start), 0))
        sums, squares = np.zeros((2, len(start), count))

        def shown(part: slice) -> np.ndarray:
            while (done + len(orders)) * length < part.stop:
                orders.append(rng.permutation(count))
                shows.append(_prefixes(orders[-1]))
            return np.concatenate(shows)[part.start - done * length : part.stop - done * length]

        for _, scores in game.scores(total, shown):
            left = np.concatenate([left, scores], axis=1)
            while left.shape[1] >= length:
                shows.pop(0)
                added = _added(orders.pop(0), left[:, :length], start, end)
                sums, squares = sums + added, squares + added**2
                left, done = left[:, length:], done + 1
        mean = sums / done
        spread = np.maximum(squares / done - mean**2, 0) / max(done - 1, 1)
        return Played(mean, np.sqrt(spread) if self.samples > 2 else None)


@dataclasses.dataclass(frozen=True)
class KernelSHAP(OfGroups):
    """Shapley values as the weighted regression that they solve, over coalitions of groups.

    min_phi sum_S w(S) (f(x with S shown) - f(x0) - sum_{i in S} phi_i)^2, w(S) = (G - 1) / (C(G, |S|) |S| (G - |S|)),
    with sum phi = f(x) - f(x0) as a constraint.  Lundberg and Lee 2017, arXiv:1705.07874

    Where all 2^G coalitions are no more than `samples`, they are taken, and the values are exact:
    `e.meta["coalitions"]` says so. Else all of one group and of all but one are, and as many others of each size are
    drawn, each with its complement. Covert and Lee 2021, arXiv:2012.01536; Musco and Witter 2024, arXiv:2410.01917

    Args:
        samples: How many coalitions, for each reference; at least twice the groups. None: 1024 and twice the groups.
        groups: As in `tfxai.ShapleySampling`.

    Raises:
        OptionError: When used: samples too few for the groups; groups that do not fit, overlap or leave features out.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> tfxai.explain(model, np.array([[1.0, 2.0]]), tfxai.KernelSHAP(), seed=0).values.round(3).tolist()
        [[1.0, 2.0]]
    """

    samples: int | None = None
    groups: Any = None

    name: ClassVar[str] = "kernel_shap"
    complete: ClassVar[bool] = True
    quick: ClassVar[dict[str, Any]] = {"samples": 256}

    def coalitions(self, count: int) -> tuple[int, bool]:
        samples = usual_samples(count) if self.samples is None else self.samples
        found = _enumerated(count, samples)
        if not found[1] and samples < 2 * count:
            raise OptionError(
                f"kernel_shap of {count} groups needs samples={2 * count} coalitions or more, twice the groups. "
                f"Received: samples={samples}. Raise it, or make fewer groups with groups=."
            )
        return found if found[1] else (samples // 2 * 2, False)

    def play(self, game: Game, start: np.ndarray, end: np.ndarray, rng: np.random.Generator) -> Played:
        total, all_of_them = self.coalitions(game.count)
        if all_of_them:
            return Played(exact(game, start, end))
        shown, weights = drawn(rng, game.count, total)
        # the last group has what the others leave of the change, so the sum is met exactly
        design = shown[:, :-1].astype(np.float64) - shown[:, -1:]
        gram = design.T @ (weights[:, None] * design)
        right = np.zeros((game.count - 1, len(start)))
        for part, scores in game.scores(len(shown), shown.__getitem__):
            rest = scores - start[:, None] - shown[part, -1] * (end - start)[:, None]
            right += (design[part] * weights[part, None]).T @ rest.T
        others = np.linalg.solve(gram, right).T
        return Played(np.concatenate([others, (end - start - others.sum(axis=1))[:, None]], axis=1))


def _enumerated(count: int, samples: int) -> tuple[int, bool]:
    """How many coalitions are taken, beside none and all of the groups; whether that is all of them."""
    most = 2**count - 2 if count <= MOST_ENUMERATED else None
    return (most, True) if most is not None and most <= samples else (samples, False)


def exact(game: Game, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """(examples, groups) the Shapley values of all coalitions; bit i of the number of one says whether it shows i."""
    count, every = game.count, 2**game.count
    members = np.arange(every)[:, None] >> np.arange(count) & 1 == 1
    worth = np.empty((len(start), every))
    worth[:, 0], worth[:, -1] = start, end
    for part, scores in game.scores(every - 2, lambda part: members[1:-1][part]):
        worth[:, 1 + part.start : 1 + part.stop] = scores
    sizes = members.sum(axis=1)
    chance = np.array([1 / (count * math.comb(count - 1, s)) for s in range(count)])  # of being joined at this size
    values = np.empty((len(start), count))
    for i in range(count):
        without = np.flatnonzero(~members[:, i])
        values[:, i] = (worth[:, without + 2**i] - worth[:, without]) @ chance[sizes[without]]
    return values


def _prefixes(order: np.ndarray) -> np.ndarray:
    """(coalitions of a pair, groups) what they show: the first 1, 2, ... of an order, then those of its reverse."""
    place = np.argsort(order)
    upto = np.arange(len(order) - 1)[:, None]
    return np.concatenate([place <= upto, place >= len(order) - 1 - upto])


def _added(order: np.ndarray, scores: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """(examples, groups) the mean over an order and its reverse of what each group adds."""
    there, back = (
        np.diff(np.concatenate([start[:, None], part, end[:, None]], axis=1), axis=1)
        for part in np.split(scores, 2, axis=1)
    )
    found = np.empty_like(there)
    found[:, order] = (there + back[:, ::-1]) / 2
    return found


# --- The coalitions of kernel_shap


def drawn(rng: np.random.Generator, count: int, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Coalitions (samples, count), an even number, and their weights, which sum to 1: complements beside each other.

    Sizes s and count - s go together. Those of one group are taken whole, so that every group is told apart. Of the
    others as many are drawn of each size, none twice, and they share the weight of their size: large weights on few
    coalitions would leave the many in the middle unseen.
    """
    shown: list[np.ndarray] = []
    weights: list[float] = []
    for size, pairs in _allotted(rng, count, samples // 2).items():
        for members in _distinct(rng, count, size, pairs):
            one = np.zeros(count, bool)
            one[list(members)] = True
            shown += [one, ~one]
        weights += [_sizes(count, size) / (size * (count - size)) / (2 * pairs)] * (2 * pairs)
    return np.stack(shown), np.array(weights) / sum(weights)


def _sizes(count: int, size: int) -> int:
    """How many sizes a size stands for: itself, and that of the complements."""
    return 1 if 2 * size == count else 2


def _allotted(rng: np.random.Generator, count: int, pairs: int) -> dict[int, int]:
    """How many pairs of each size up to half: what is left is spread evenly, rounded up or down by chance."""
    most = {s: math.comb(count, s) * _sizes(count, s) // 2 for s in range(1, count // 2 + 1)}
    found, left = {1: most.pop(1)}, pairs - count
    while most:
        each = left / sum(_sizes(count, s) for s in most)
        full = [s for s in most if most[s] <= each * _sizes(count, s)]
        if not full:
            break
        for s in full:
            found[s] = most.pop(s)
            left -= found[s]
    if most and left:
        ends = np.cumsum([_sizes(count, s) for s in most])
        marks = (rng.random() + np.arange(left)) / left * ends[-1]
        of_each = np.bincount(np.searchsorted(ends, marks, side="right"), minlength=len(most))
        found |= {s: int(n) for s, n in zip(most, of_each, strict=True) if n}
    return found


def _distinct(rng: np.random.Generator, count: int, size: int, times: int) -> list[tuple[int, ...]]:
    """Different coalitions of a size, of which none is the complement of another."""
    half = 2 * size == count  # then the one that has group 0 stands for both
    number = math.comb(count, size) * _sizes(count, size) // 2
    if times > number // 2:
        pool = [m for m in itertools.combinations(range(count), size) if not half or 0 in m]
        return [pool[k] for k in rng.permutation(number)[:times]]
    found: dict[tuple[int, ...], None] = {}
    while len(found) < times:
        members = tuple(sorted(rng.permutation(count)[:size].tolist()))
        if half and 0 not in members:
            members = tuple(sorted(set(range(count)) - set(members)))
        found[members] = None
    return list(found)
