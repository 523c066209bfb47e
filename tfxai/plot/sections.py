"""The examples of a report, each with the pictures of all methods, and what chooses among them without a script."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, NamedTuple

import numpy as np

from tfxai.errors import InputError
from tfxai.plot import html, layers, panels
from tfxai.result.data import ExplanationData
from tfxai.result.describe import target_name, title
from tfxai.result.names import class_names
from tfxai.support.structure import leaves

EXAMPLES_SHOWN = 12  # examples per page unless told


EACH = ("predictions", "tokens", "names")  # what is told of each example


class Told(NamedTuple):
    """What is known of the examples beside their explanations: as the arguments of `tfxai.report`.

    Attributes:
        titles: What each is called in place of its number.
        notes: A line on each.
    """

    labels: Any = None
    examples: Any = None
    predictions: Any = None
    tokens: Any = None
    names: Any = None
    titles: Any = None
    notes: Any = None

    def title(self, i: int) -> str:
        """What an example is called."""
        return f"Example {i}" if self.titles is None else self.titles[i]


class Head(NamedTuple):
    """The heading of a part of the page: its anchor, its words, and what stands between them and the part (HTML)."""

    id: str
    heading: str
    above: str


class Group(NamedTuple):
    """Explanations of the same inputs, what is known of these, and the part of the page that they stand in."""

    explanations: list[ExplanationData]
    told: Told
    head: Head | None = None


class Section(NamedTuple):
    """An example: its short name, its piece of the page, and the part that it stands in."""

    name: str
    body: str
    head: Head | None = None


def groups(explanations: Sequence[ExplanationData]) -> list[list[ExplanationData]]:
    """Explanations of the same inputs."""
    found: list[list[ExplanationData]] = []
    for e in explanations:
        for group in found:
            if _same_inputs(group[0], e):
                group.append(e)
                break
        else:
            found.append([e])
    return found


def check_told(told: Told, n: int) -> None:
    """Raises InputError where words, names or predictions are of another number of examples."""
    for name in EACH:
        given = getattr(told, name)
        if given is not None and len(given) != n:
            raise InputError(f"Expected {name} for {n} examples. Received: {len(given)}.")


def chosen(group: Sequence[ExplanationData], told: Told) -> list[int]:
    """Which examples of a group are shown.

    Raises:
        InputError: An example that is not there, or words, names, predictions of other examples.
    """
    n = len(group[0])
    check_told(told, n)
    found = list(range(min(EXAMPLES_SHOWN, n)) if told.examples is None else map(int, told.examples))
    if any(not 0 <= i < n for i in found):
        raise InputError(f"The explanations have {n} examples, 0 to {n - 1}. Received: examples={found}.")
    return found


def section(group: Group, i: int, marks: dict[str, str], look: layers.Look, only: bool) -> Section:
    """One example with the pictures of a group; where that is not the only one, the short name says which."""
    explanations, told, head = group
    called, title = "" if told.names is None else str(told.names[i]), told.title(i)
    level = "h2" if head is None else "h3"
    lines = [f"<{level}>{escape(title)}{': ' if called else ''}{escape(called)}</{level}>"]
    if told.notes is not None and told.notes[i]:
        lines.append(f"<p>{escape(told.notes[i])}</p>")
    if told.predictions is not None:
        lines.append(f"<p>Prediction: {escape(top_three(told.predictions[i], told.labels))}</p>")
    explained = [target_name(e, i, told.labels) for e in explanations]
    alike = len(set(explained)) == 1
    if alike and explained[0] not in ("", title):
        lines.append(f"<p>Explained: {escape(explained[0])}</p>")
    photos = panels.photographs(explanations, i, look)
    figures, alt = [], title[:1].lower() + title[1:]
    for key, photo in photos.items():
        above = panels.at(key, "input")
        figures.append(html.figure(layers.framed(key, photo, f"{above}, {alt}"), head=above, kind="map"))
    tokens = None if told.tokens is None else told.tokens[i]
    for e, name in zip(explanations, explained, strict=True):
        mark, begun = f"one {marks[_short(e)]}", "" if alike else f"for {name}: "
        figures.append(panels.panels(e, i, told.labels, tokens, look, mark, begun, alt))
    style = "".join(f"{layers.name(key)}:url({photo.address});" for key, photo in photos.items())
    opened = f'<div class="row" style="{style}">' if style else '<div class="row">'
    if told.titles is None:
        short = (called or str(i)) + ("" if only else f" ({_short(explanations[0])})")
    else:
        short = title + (f": {called}" if called else "")
    return Section(short, "\n".join([*lines, f"{opened}{''.join(figures)}</div>"]), head)


def marks(explanations: Iterable[ExplanationData]) -> dict[str, str]:
    """Methods as they are chosen, and the class of the figures of each."""
    return {name: f"m{k}" for k, name in enumerate(dict.fromkeys(map(_short, explanations)))}


def chooser(sections: Sequence[Section], methods: dict[str, str], photographs: bool) -> tuple[str, str]:
    """Buttons that choose examples, methods and how much of the photograph is seen, and the rules that obey them."""
    fields, rules = [], []
    if len(sections) > 1:
        options = [(f"x{k}", s.name) for k, s in enumerate(sections)]
        fields.append(html.choice("example", "Example", [("x", "all"), *options]))
        rules += [f"body:has(#{id}:checked) .example:not(.{id}){{display:none}}" for id, _ in options]
        if any(s.head for s in sections):
            rules += [f"body:has(#{id}:checked) .part:not(:has(.{id})){{display:none}}" for id, _ in options]
    if len(methods) > 1:
        fields.append(html.choice("method", "Method", [("m", "all"), *((id, name) for name, id in methods.items())]))
        rules += [f"body:has(#{id}:checked) .one:not(.{id}){{display:none}}" for id in methods.values()]
    if photographs:
        fields.append(
            html.choice("over", "Pictures", [("both", "map on picture"), ("map", "map"), ("picture", "picture")])
        )
    return "".join(rules), f'<div class="choose">{"".join(fields)}</div>' if fields else ""


def placed(sections: Sequence[Section]) -> str:
    """The sections, under the names by which they are chosen; those of a part of the page under its heading."""
    found = []
    for head, members in itertools.groupby(enumerate(sections), key=lambda one: one[1].head):
        own = "".join(f'<section class="example x{k}">\n{s.body}\n</section>' for k, s in members)
        if head is None:
            found.append(f'<div class="examples" id="examples">\n{own}\n</div>')
        else:
            above = f'<h2 id="{head.id}">{escape(head.heading)}</h2>{head.above}'
            found.append(f'<div class="part">\n{above}\n<div class="examples">\n{own}\n</div></div>')
    return "\n".join(found)


def top_three(outputs: np.ndarray, labels: Sequence[str] | None) -> str:
    """The largest outputs in words: "cat: 0.91, dog: 0.05, fox: 0.02"; a name may itself be a number."""
    outputs = np.asarray(outputs).reshape(-1)
    names = class_names(labels, len(outputs)) or {}
    both = class_names(labels) or {}
    if len(outputs) == 1 and 0 <= outputs[0] <= 0.5 and set(both) == {0, 1}:  # the other of two classes is the likelier
        return f"{both[0]}: {1 - outputs[0]:.3g}"
    best = [int(i) for i in np.argsort(-outputs, kind="stable")[:3]]
    return ", ".join(f"{names.get(i, f'class {i}')}: {outputs[i]:.3g}" for i in best)


def _short(e: ExplanationData) -> str:
    return title(e).replace("\n", " ")


def _same_inputs(a: ExplanationData, b: ExplanationData) -> bool:
    """Whether two explanations are of the same examples."""
    if len(a) != len(b) or (a.inputs is None) != (b.inputs is None):
        return False
    one, two = ([] if e.inputs is None else leaves(e.inputs) for e in (a, b))
    return len(one) == len(two) and all(_equal(np.asarray(p), np.asarray(q)) for p, q in zip(one, two, strict=True))


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two inputs are alike, also in what is missing."""
    return np.array_equal(a, b, equal_nan=a.dtype.kind == b.dtype.kind == "f")
