"""What a store tells a page: means of all its examples and by class, and those that stand out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tfxai.errors import InputError
from tfxai.explanation import Explanation
from tfxai.plot.parts import Part, Row
from tfxai.result.describe import target_name
from tfxai.scale.store import Store
from tfxai.scale.summary import Summary, summary

TOP = 6  # examples of each kind that stand out
CLASSES = 12  # whose means are drawn, the most frequent
COUNTED = 200  # classes in the table


def parts(store: Store, read: Any, examples: Sequence[int] | None, labels: Sequence[str] | None) -> list[Part]:
    """The parts of the page of a store.

    Args:
        store: The store.
        read: Number of an example -> its explanation, or that of every target.
        examples: Which to show in place of those that stand out.
        labels: Class names.
    """
    if examples is not None and any(not 0 <= int(i) < store.n for i in examples):
        raise InputError(f"The store has {store.n} examples, 0 to {store.n - 1}. Received: examples={list(examples)}.")
    several = len(store.layout.about) if store.layout.several else 0
    found: list[Part] = []
    for target in range(several) if several else [None]:
        found += _of_target(store, read, examples, target, labels)
    return found


def _of_target(
    store: Store, read: Any, examples: Sequence[int] | None, target: int | None, labels: Any
) -> Iterator[Part]:
    s = summary(store, TOP, target)
    suffix = "" if target is None else f", {_named(s, labels) or f'target {target}'}"

    def shown(i: int) -> Explanation:
        found = read(int(i))
        return found if target is None else found[target]

    yield _overall(store, s, suffix)
    if len(s.by_class) > 1:
        yield _by_class(s, suffix, labels)
    if examples is not None:
        rows = [Row(f"Example {i}", [shown(i)], int(i)) for i in examples]
        yield Part(f"Examples{suffix}", "", rows)
        return
    rows = [Row(f"Example {i}", [shown(i)], int(i)) for i in s.highest]
    yield Part(f"Highest scores{suffix}", "The examples that the model is surest of, by their scores.", rows)
    if s.incomplete is not None:
        pairs = zip(*s.incomplete, strict=True)
        rows = [Row(f"Example {i}", [shown(i)], int(i), f"Residual {r:.2g}") for i, r in pairs]
        about = "Whose values add up worst. Residual: |delta|, relative to the change of the score; 0 is exact."
        yield Part(f"Least complete{suffix}", about, rows)


def _named(s: Summary, labels: Any) -> str:
    """What a target is called that all examples share."""
    if len(s.by_class) == 1:
        _, sizes, _ = next(iter(s.by_class.values()))
        return target_name(sizes, 0, labels)
    return target_name(s.mean, 0, labels)


def _overall(store: Store, s: Summary, suffix: str) -> Part:
    done = store.record("done")
    left = "" if done.all() else f" {int(done.sum())} of {len(done)} chunks are done; the rest is not in these numbers."
    about = (
        "Mean size: of |values| over the examples, where the model looks. Mean: of the values, what speaks for the "
        f"targets on the whole, and what against them.{left}"
    )
    e = s.mean
    options = ", ".join(f"{k}={v}" for k, v in e.options.items() if v not in (None, False))
    worst = "-" if s.incomplete is None else float(s.incomplete[1].max(initial=0))
    baseline = "-" if e.baseline_score is None else str(e.meta.get("baseline", "-"))
    head = ["method", "options", "at", "baseline", "examples", "largest residual", "stored as", "largest rounding"]
    line = [e.method, options, e.layer or "input", baseline, f"{s.n:,}", worst, store.dtype, s.rounding]
    heading = "All examples" if done.all() else "What is done"
    return Part(heading + suffix, about, [Row(f"{s.n:,} examples", _drawn(s.mean_abs, s.mean))], (head, [line]))


def _by_class(s: Summary, suffix: str, labels: Any) -> Part:
    ordered = sorted(s.by_class.values(), key=lambda each: -each[0])
    named = [(target_name(mean, 0, labels), n, sizes, mean) for n, sizes, mean in ordered]
    rows = [Row(name, _drawn(sizes, mean), None, f"{n:,} examples") for name, n, sizes, mean in named[:CLASSES]]
    lines = [[name, f"{n:,}", f"{n / s.n:.1%}", float(mean.score[0])] for name, n, _, mean in named]
    total = len(ordered) + s.left_out
    about = f"Means over the examples that were explained as each of {total} classes."
    if total > CLASSES:
        about += f" Drawn are the {CLASSES} most frequent."
    if total > len(lines[:COUNTED]):
        about += f" The table has the {len(lines[:COUNTED])} most frequent."
    return Part(f"Classes{suffix}", about, rows, (["class", "examples", "share", "mean score"], lines[:COUNTED]))


def _drawn(sizes: Explanation, mean: Explanation) -> list[Explanation]:
    """Both; of values without a direction the one that they share."""
    return [sizes, mean] if mean.meta.get("signed", True) else [sizes]
