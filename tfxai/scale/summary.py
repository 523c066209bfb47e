"""What a whole store says, in one pass over it: memory does not grow with the number of examples."""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tfxai.errors import InputError, OptionError
from tfxai.explanation import Explanation
from tfxai.scale.store import Store
from tfxai.support.checks import whole_number
from tfxai.support.structure import leaves, map_structure

ROOM = 2**28  # bytes of the means of all classes: of more classes than fit, those of the most examples are kept


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Summary:
    """What the examples of a store have in common, and which of them stand out.

    Attributes:
        n: How many examples were read: all that are done.
        mean_abs: The mean over the examples of |values|, as an explanation of one row: where the model looks.
        mean: The same of the values: what speaks for the targets on the whole, and what against them.
        by_class: Class -> (how many examples, mean |values|, mean values), for targets that are classes; the most
            frequent, where not all fit in memory.
        left_out: How many classes were left out.
        highest: Numbers of the examples with the highest scores, the highest first.
        incomplete: Numbers of those whose values add up worst, relative to the change of the score, and by how much:
            (numbers, residuals). None for methods that promise no completeness.
        rounding: The largest change of a value by the dtype of the store.

    Example:
        >>> import keras, tempfile, tfxai
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> x = np.array([[1, 2], [3, -4]], "float32")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     out = tfxai.scale.explain_dataset(model, x, folder + "/a.zarr", verbose=0)
        ...     found = tfxai.scale.open(out).summary()
        >>> found.mean_abs.values.tolist(), found.mean.values.tolist(), found.highest.tolist()
        ([[2.0, 3.0]], [[2.0, -1.0]], [0, 1])
    """

    n: int
    mean_abs: Explanation
    mean: Explanation
    by_class: dict[int, tuple[int, Explanation, Explanation]]
    left_out: int
    highest: np.ndarray
    incomplete: tuple[np.ndarray, np.ndarray] | None
    rounding: float

    def __repr__(self) -> str:
        worst = "" if self.incomplete is None else f", worst residual={self.incomplete[1].max(initial=0):.2g}"
        return f"Summary(n={self.n}, classes={len(self.by_class)}{worst})"


def summary(store: Store, top: int = 10, target: int | None = None) -> Summary:
    """One pass over the chunks that are done.

    Args:
        store: Which.
        top: How many examples `highest` and `incomplete` name.
        target: Of a store of several targets, which.

    Raises:
        InputError: Nothing is done.
        OptionError: No such target.
    """
    whole_number(top, "top")
    if store.layout.several and not (isinstance(target, int) and 0 <= target < len(store.layout.about)):
        raise OptionError(
            f"The store has {len(store.layout.about)} targets: say of which, target=0 to "
            f"{len(store.layout.about) - 1}. Received: {target!r}."
        )
    done = np.flatnonzero(store.record("done"))
    if not len(done):
        raise InputError(f"No chunk of {store.path!r} is done. Explain them with tfxai.scale.explain_dataset.")
    one = target if store.layout.several else None
    names = leaves(store.layout.structures["values"])
    counts, typical = _counted(store, done, one)
    room = sum(store.arrays[name][:1].nbytes for name in names) * 4  # two means in double precision
    known = {c: Sums() for c, _ in counts[: max(1, ROOM // room)]}
    overall, highest, worst = Sums(), Best(top), Best(top)
    for rows, arrays in _pieces(store, done, one):
        values = [arrays[name] for name in names]
        overall.add(values, arrays)
        for c in np.unique(arrays["target"]) if known else ():
            if c in known:
                known[int(c)].add(values, arrays, arrays["target"] == c)
        highest.offer(rows, arrays["score"])
        if "delta" in arrays:
            change = np.maximum(np.abs(arrays["score"] - arrays["baseline_score"]), max(typical, 1e-6))
            worst.offer(rows, np.abs(arrays["delta"]) / change)
    means = {c: (s.n, *s.means(store, one, c)) for c, s in known.items()}
    found = worst.found()
    return Summary(
        overall.n, *overall.means(store, one), means, len(counts) - len(known), highest.found()[0],
        found if "delta" in store.names else None, float(store.record("rounding").max(initial=0)),
    )  # fmt: skip


class Sums:
    """Sums of values, their sizes and scores over examples."""

    def __init__(self) -> None:
        self.n, self.scores, self.sizes, self.values = 0, np.zeros(2), list[Any](), list[Any]()

    def add(self, values: Sequence[np.ndarray], arrays: dict[str, np.ndarray], rows: Any = slice(None)) -> None:
        """Some rows of a piece."""
        own = [v[rows] for v in values]
        self.sizes = _plus(self.sizes, [np.abs(v).sum(axis=0, dtype=np.float64) for v in own])
        self.values = _plus(self.values, [v.sum(axis=0, dtype=np.float64) for v in own])
        start = arrays.get("baseline_score", np.zeros(1))
        score = arrays["score"][rows]
        self.scores += [score.sum(dtype=np.float64), np.broadcast_to(start, arrays["score"].shape)[rows].sum()]
        self.n += len(score)

    def means(self, store: Store, target: int | None, c: int | None = None) -> tuple[Explanation, Explanation]:
        """The mean sizes and the mean values, each as an explanation of one row."""
        about = store.layout.about[target or 0]
        meta = about["meta"] | {"mean_of": self.n}
        sizes, values = ("mean size", False), ("mean", meta.get("signed", True))
        scores = {"score": self.scores[:1] / self.n}
        if "baseline_score" in store.names:
            scores["baseline_score"] = self.scores[1:] / self.n
        found = []
        for sums, (words, signed) in ((self.sizes, sizes), (self.values, values)):
            each = iter(sums)
            held = map_structure(lambda _: (next(each) / self.n)[None], store.layout.structures["values"])  # noqa: B023
            own = {**about, "meta": meta | {"signed": signed, "mean": words}, "values": held, **scores}
            found.append(Explanation(**own | ({} if c is None else {"target": np.array([c])})))
        return found[0], found[1]


class Best:
    """The examples with the largest numbers, so far."""

    def __init__(self, count: int) -> None:
        self.count, self.heap = count, list[tuple[float, int]]()

    def offer(self, rows: range, numbers: np.ndarray) -> None:
        """Some examples more; of equal numbers the first example stays."""
        for k in np.argsort(-numbers, kind="stable")[: self.count]:
            heapq.heappush(self.heap, (float(numbers[k]), -rows[int(k)]))
            if len(self.heap) > self.count:
                heapq.heappop(self.heap)

    def found(self) -> tuple[np.ndarray, np.ndarray]:
        """Their positions and numbers, the largest first."""
        ordered = sorted(self.heap, reverse=True)
        return np.array([-k for _, k in ordered], int), np.array([number for number, _ in ordered])


def _plus(sums: list, more: list) -> list:
    return [a + b for a, b in zip(sums, more, strict=True)] if sums else more


def _pieces(
    store: Store, done: np.ndarray, target: int | None, names: Sequence[str] | None = None
) -> Iterator[tuple[range, dict[str, np.ndarray]]]:
    """The arrays of the chunks that are done, a stretch at a time; of several targets those of one."""
    wanted = [n for n in names or store.names if n in store.names]
    for index in done:
        for rows in store.pieces(int(index)):
            held = {name: store.arrays[name][rows.start : rows.stop] for name in wanted}
            yield rows, held if target is None else {name: a[:, target] for name, a in held.items()}


def _counted(store: Store, done: np.ndarray, target: int | None) -> tuple[list[tuple[int, int]], float]:
    """How many examples each class has, the most frequent first; and the mean size of the scores."""
    counts, size, n = dict[int, int](), 0.0, 0
    for _, arrays in _pieces(store, done, target, ("target", "score")):
        finite = arrays["score"][np.isfinite(arrays["score"])]
        size, n = size + float(np.abs(finite).sum(dtype=np.float64)), n + len(finite)
        if (classes := arrays.get("target")) is not None and classes.ndim == 1:
            for c, count in zip(*np.unique(classes, return_counts=True), strict=True):
                counts[int(c)] = counts.get(int(c), 0) + int(count)
    return sorted(counts.items(), key=lambda item: (-item[1], item[0])), size / max(n, 1)
