"""What tells a page its own parts: something larger than explanations, such as a store of those of a whole data set."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from tfxai.errors import InputError
from tfxai.plot import html, sections
from tfxai.result.data import ExplanationData
from tfxai.result.describe import displayed
from tfxai.support.structure import map_structure


class Row(NamedTuple):
    """What stands beside each other.

    Attributes:
        name: What it is called, such as "Example 7".
        explanations: Of one example each.
        example: Its number, by which predictions, words, names and other pictures of it are found; None: it is none.
        note: A line above the pictures.
    """

    name: str
    explanations: Sequence[ExplanationData]
    example: int | None = None
    note: str = ""


class Part(NamedTuple):
    """A part of a page.

    Attributes:
        heading: Over it.
        about: What it shows.
        rows: What it shows.
        table: Column names, and lines; or None.
    """

    heading: str
    about: str
    rows: Sequence[Row]
    table: tuple[Sequence[str], Sequence[Sequence[Any]]] | None = None


@runtime_checkable
class InParts(Protocol):
    """Something that `tfxai.report` makes a page of, part by part."""

    def __len__(self) -> int:
        """How many examples there are."""

    def parts(self, examples: Sequence[int] | None = None, labels: Sequence[str] | None = None) -> list[Part]:
        """The parts of a page.

        Args:
            examples: Which examples to show; None: those that stand out.
            labels: Class names.

        Raises:
            InputError: An example that is not there.
        """


def groups(store: InParts, told: sections.Told, display: Any) -> list[sections.Group]:
    """What stands on the page of a store, in its order.

    Args:
        store: The store.
        told: Of all of its examples.
        display: As in `tfxai.report`, for all of its examples, or a function of the inputs of some.

    Raises:
        InputError: What is told is of other examples.
    """
    sections.check_told(told, len(store))
    found = []
    for number, part in enumerate(store.parts(told.examples, told.labels)):
        head = sections.Head(f"part{number}", part.heading, _above(part))
        for row in part.rows:
            shown = [_displayed(e, row.example, display) for e in row.explanations]
            found.append(sections.Group(shown, _of_row(told, row), head))
    return found


def _above(part: Part) -> str:
    """What stands between the heading of a part and its rows."""
    about = f"<p>{escape(part.about)}</p>" if part.about else ""
    return about if part.table is None else about + html.table(*part.table)


def _of_row(told: sections.Told, row: Row) -> sections.Told:
    """What is known of one example."""
    own = {"labels": told.labels, "titles": [row.name], "notes": [row.note]}
    if row.example is not None:
        each = {name: getattr(told, name) for name in sections.EACH}
        own |= {name: [given[row.example]] for name, given in each.items() if given is not None}
    return sections.Told(**own)


def _displayed(e: ExplanationData, example: int | None, display: Any) -> ExplanationData:
    if display is None or example is None:
        return e
    if not callable(display):
        return displayed(e, map_structure(lambda pictures: np.asarray(pictures[example])[None], display))
    if e.inputs is None:
        raise InputError("display= is a function of the inputs, and the store was opened without them: pass source=.")
    return displayed(e, display)
