"""What `tfxai demo` shows: a network with its input, what is asked of it, and how that is drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple


class Show(NamedTuple):
    """One demonstration.

    Attributes:
        about: What is shown, before anything is computed.
        look: What there is to see, at the end.
        heading: Of the page.
        demo: The network and its examples.
        predictions: (n, classes) outputs, for the page; None where the lines of `said` tell it.
        said: What the network says of each example, in words.
        plans: (method, options) each.
        pictured: Which of them are drawn and measured: the method, and after a line break its rule.
        metrics: As in `tfxai.evaluate`.
        draw: Of the show and its explanations by title, the figure.
        baseline: As in `tfxai.explain`.
        eased: Of a title and its explanation, what the page shows of it; None: as it is.
    """

    about: str
    look: str
    heading: str
    demo: Any
    predictions: Any
    said: Sequence[str]
    plans: Sequence[tuple[str, dict[str, Any]]]
    pictured: Sequence[str]
    metrics: dict[str, dict[str, Any]]
    draw: Callable[[Any, dict[str, Any]], Any]
    baseline: Any = None
    eased: Callable[[str, Any], Any] | None = None
