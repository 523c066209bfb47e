"""`tfxai.report()`: explanations as one page that can be mailed, and what a notebook shows of one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from tfxai.errors import InputError, OptionError, received, warn
from tfxai.plot import html, layers, panels, parts, preprocessed, sections
from tfxai.result.data import ExplanationData
from tfxai.result.describe import displayed, flat, keys, part, shown
from tfxai.result.tabled import tabled
from tfxai.support.checks import is_number
from tfxai.support.files import replacing

LEGEND = (
    '<p class="quiet">Red speaks for what is explained, blue against it, white is zero; white to brown tells how '
    "strong, not which way. Each picture has its own scale. Rest the pointer on a picture to read its numbers.</p>"
)
DELTA = (
    '<p class="quiet">Delta: how far the contributions are from adding up to the change of the score; a method without '
    "one does not promise that they do.</p>"
)


def report(
    explanations: ExplanationData | Sequence[ExplanationData] | parts.InParts,
    path: str | os.PathLike,
    labels: Sequence[str] | None = None,
    *,
    heading: str = "Explanations",
    examples: Sequence[int] | None = None,
    predictions: np.ndarray | None = None,
    tokens: Sequence[Sequence[str]] | None = None,
    display: Any = None,
    names: Sequence[str] | None = None,
    evaluation: Any = None,
    megabytes: float | None = 2.0,
) -> Path:
    """Writes one static page: for each example prediction, target, delta and pictures; then the methods compared.

    Explanations of the same inputs stand beside each other. The reader chooses an example, a method, map or
    photograph, and reads numbers where the pointer rests. The page holds its pictures, no script, and a
    Content-Security-Policy that forbids any; labels and names are escaped. It can be printed.

    Args:
        explanations: One or several, of one model or of many; lists among them, as of several targets, are taken as
            their members. Or a store of those of a whole data set (`tfxai.scale.open`): means of all and by class, and
            the examples that stand out, over their inputs where it was opened with its source.
        path: The `.html` file to write.
        labels: Class names.
        heading: Of the page.
        examples: Which to show; None the first 12, of a store those with the highest scores and those whose values add
            up worst.
        predictions: (n, classes) outputs of the model for the examples, to show the three largest.
        tokens: The words of each example of a text.
        display: What to show instead of the inputs, of their structure: the pictures as they were before the
            preprocessing of the network; or a function of the inputs that returns that.
        names: What each example is called, such as its file.
        evaluation: What `tfxai.evaluate` returned, to show its table; then there may be no explanation.
        megabytes: How large the page may become, so that it can be mailed; where it would be larger, pictures are drawn
            smaller, then the last examples left out, and a warning says so. None: any size.

    Returns:
        The path.

    Raises:
        InputError: No explanation, or an example that is not there; nothing of a store is done.
        OptionError: megabytes is no size.
        OSError: The file cannot be written.

    Example:
        >>> import tempfile
        >>> e = ExplanationData(values=np.ones((1, 3)), score=np.ones(1), method="deeplift")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     report([e], Path(folder) / "report.html").read_text().startswith("<!doctype html>")
        True
    """
    if megabytes is not None and not (is_number(megabytes) and megabytes > 0):
        raise OptionError(f"megabytes is a size above 0, such as 2.0, or None for any. {received(megabytes)}")
    told = sections.Told(labels, examples, predictions, tokens, names)
    if isinstance(explanations, parts.InParts):
        groups = parts.groups(explanations, told, display)
    else:
        groups = _of_explanations(explanations, told, display, evaluation is not None)
    if display is None:
        preprocessed.check(e for group in groups for e in group.explanations)
    page = _fitting(heading, groups, evaluation, megabytes)
    path = Path(path)
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def _of_explanations(given: Any, told: sections.Told, display: Any, measured: bool) -> list[sections.Group]:
    explanations = flat([given])
    if not (explanations or measured) or not all(isinstance(e, ExplanationData) for e in explanations):
        raise InputError(
            f"A report needs one or more explanations, or one store, as its first argument. {received(given)}"
        )
    return [sections.Group(g, told) for g in sections.groups([displayed(e, display) for e in explanations])]


def _fitting(heading: str, groups: Sequence[sections.Group], evaluation: Any, megabytes: float | None) -> str:
    """The page; where it would be too large, with smaller pictures, and at last with fewer examples."""
    most = np.inf if megabytes is None else megabytes * 1e6
    made = _sections(groups, layers.Look())
    whole = page = _page(heading, groups, evaluation, made)
    if len(page.encode()) <= most:
        return page
    made = _sections(groups, layers.SMALL)
    page, kept = _page(heading, groups, evaluation, made), len(made)
    while len(page.encode()) > most and kept > 1:
        over = len(page.encode()) - most
        while kept > 1 and over > 0:
            kept -= 1
            over -= len(made[kept].body.encode())
        page = _page(heading, groups, evaluation, made[:kept])
    left = f", the last {len(made) - kept} of {len(made)} examples are left out" if kept < len(made) else ""
    still = f", and it still has {len(page.encode()) / 1e6:.1f} MB" if len(page.encode()) > most else ""
    warn(
        f"The page would have {len(whole.encode()) / 1e6:.1f} MB, too many to mail: its pictures are drawn smaller"
        f"{left}{still}. Choose examples with examples=, or pass megabytes= (it is {megabytes:g}; None for any size).",
        UserWarning,
    )
    return page


def _sections(groups: Sequence[sections.Group], look: layers.Look) -> list[sections.Section]:
    marks = sections.marks(_all(groups))
    return [
        sections.section(group, i, marks, look, only=len(groups) == 1)
        for group in groups
        for i in sections.chosen(group.explanations, group.told)
    ]


def _page(heading: str, groups: Sequence[sections.Group], evaluation: Any, made: Sequence[sections.Section]) -> str:
    """The document: what there is to see, then the numbers behind it."""
    explanations = _all(groups)
    there = sum(len(group.explanations[0]) for group in groups)
    fewer = f'<p class="quiet">{len(made)} of {there} examples; choose others with examples=.</p>'
    heads = {s.head.id: s.head.heading for s in made if s.head is not None}
    rules, chooser = sections.chooser(made, sections.marks(explanations), any("--photo" in s.body for s in made))
    links = heads or ({"examples": "Examples"} if made else {})
    links |= {"measured": "Measured"} if evaluation is not None else {}
    links |= {} if heads else {"methods": "Methods"}
    links |= {"origin": "Where it comes from"}
    shown = " · ".join(f'<a href="#{id}">{escape(words)}</a>' for id, words in links.items())
    body = [f"<header><h1>{escape(heading)}</h1>", f'<nav aria-label="Parts of this page">{shown}</nav>']
    body += [LEGEND, "</header>", chooser, "<main>", sections.placed(made)]
    body.append(fewer if len(made) < there else "")
    if evaluation is not None:
        body += ['<h2 id="measured">Measured</h2>', evaluation.fragment()]
    if not heads:  # a store says itself what it holds
        body += ['<h2 id="methods">Methods</h2>', comparison(explanations), DELTA]
    body += ['<h2 id="origin">Where it comes from</h2>', provenance(explanations), "</main>"]
    return html.page(heading, "\n".join(filter(None, body)), style=rules)


def _all(groups: Sequence[sections.Group]) -> list[ExplanationData]:
    return [e for group in groups for e in group.explanations]


def fragment(e: ExplanationData) -> str:
    """The summary of an explanation and the pictures of its first three examples, for a notebook."""
    style = "display:flex;flex-wrap:wrap;gap:12px;align-items:flex-end"
    body = "".join(f'<div style="{style}">{_drawings(tabled(shown(e)), i)}</div>' for i in range(min(3, len(e))))
    more = f"<p>{len(e) - 3} more examples: e.plot(i)</p>" if len(e) > 3 else ""
    return f"<div><code>{escape(repr(e))}</code>{body}{more}</div>"


def _drawings(e: ExplanationData, i: int) -> str:
    """The figures of one example, which need no style sheet."""
    found = []
    for key in keys(e)[-panels.LAYERS_SHOWN :]:
        image = "<p>no picture: these values hold NaN or Inf</p>"
        if np.isfinite(part(e, key)[0][i]).all():
            image, ax = panels.drawing(e, i, key, None, 75, f"{e.method}, example {i}", title=panels.heading(e, key))
        found.append(html.figure(image, panels.caption(e, i)))
    return "".join(found)


def comparison(explanations: Sequence[ExplanationData]) -> str:
    """A table of methods: options, where, deltas."""
    rows = []
    for e in explanations:
        delta = "-" if e.delta is None or not len(e) else float(np.abs(e.delta).max())
        options = ", ".join(f"{k}={v}" for k, v in e.options.items() if v not in (None, False))
        rows.append([
            e.method, options, e.layer or "input", e.meta.get("baseline", "-") if e.baseline_score is not None else "-",
            len(e), delta,
        ])  # fmt: skip
    head = ["method", "options", "at", "baseline", "examples", "largest delta"]
    return html.table(head, rows)


def provenance(explanations: Sequence[ExplanationData]) -> str:
    """A table of what is needed to make them again: versions, seeds, fingerprints of model and options."""
    rows = []
    for e in explanations:
        versions = ", ".join(f"{k} {e.meta[k]}" for k in ("tensorflow", "keras") if k in e.meta)
        seed = e.meta.get("seed")
        rows.append((e.method, "-" if seed is None else str(seed), versions, e.fingerprint))
    head = ["method", "seed", "versions", "fingerprint of model and options"]
    return html.table(head, dict.fromkeys(rows))  # of a store, many have one
