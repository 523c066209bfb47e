"""`tfxai.report()`: explanations as one page that can be mailed, and what a notebook shows of one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from tfxai.errors import InputError, OptionError, received, warn
from tfxai.plot import html, layers, panels, preprocessed, sections
from tfxai.result.data import ExplanationData
from tfxai.result.describe import displayed, flat, keys, part, shown
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
    explanations: ExplanationData | Sequence[ExplanationData],
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
            their members.
        path: The `.html` file to write.
        labels: Class names.
        heading: Of the page.
        examples: Which to show; None the first 12.
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
        InputError: No explanation, or an example that is not there.
        OptionError: megabytes is no size.
        OSError: The file cannot be written.

    Example:
        >>> import tempfile
        >>> e = ExplanationData(values=np.ones((1, 3)), score=np.ones(1), method="deeplift")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     report([e], Path(folder) / "report.html").read_text().startswith("<!doctype html>")
        True
    """
    explanations = flat([explanations])
    if not (explanations or evaluation) or not all(isinstance(e, ExplanationData) for e in explanations):
        raise InputError("A report needs one or more explanations. Received: none, or something else.")
    if megabytes is not None and not (is_number(megabytes) and megabytes > 0):
        raise OptionError(f"megabytes is a size above 0, such as 2.0, or None for any. {received(megabytes)}")
    if display is None:
        preprocessed.check(explanations)
    explanations = [displayed(e, display) for e in explanations]
    told = sections.Told(labels, examples, predictions, tokens, names)
    page = _fitting(heading, explanations, told, evaluation, megabytes)
    path = Path(path)
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def _fitting(heading: str, explanations: Any, told: sections.Told, evaluation: Any, megabytes: float | None) -> str:
    """The page; where it would be too large, with smaller pictures, and at last with fewer examples."""
    most = np.inf if megabytes is None else megabytes * 1e6
    made = _sections(explanations, told, layers.Look())
    whole = page = _page(heading, explanations, told, evaluation, made)
    if len(page.encode()) <= most:
        return page
    made = _sections(explanations, told, layers.SMALL)
    page, kept = _page(heading, explanations, told, evaluation, made), len(made)
    while len(page.encode()) > most and kept > 1:
        over = len(page.encode()) - most
        while kept > 1 and over > 0:
            kept -= 1
            over -= len(made[kept].body.encode())
        page = _page(heading, explanations, told, evaluation, made[:kept], len(made))
    left = f", the last {len(made) - kept} of {len(made)} examples are left out" if kept < len(made) else ""
    still = f", and it still has {len(page.encode()) / 1e6:.1f} MB" if len(page.encode()) > most else ""
    warn(
        f"The page would have {len(whole.encode()) / 1e6:.1f} MB, too many to mail: its pictures are drawn smaller"
        f"{left}{still}. Choose examples with examples=, or pass megabytes= (it is {megabytes:g}; None for any size).",
        UserWarning,
    )
    return page


def _sections(
    explanations: Sequence[ExplanationData], told: sections.Told, look: layers.Look
) -> list[sections.Section]:
    marks = sections.marks(explanations)
    groups = sections.groups(explanations)
    return [
        sections.section(group, i, told, marks, look, only=len(groups) == 1)
        for group in groups
        for i in sections.chosen(group, told)
    ]


def _page(heading: str, explanations: Any, told: Any, evaluation: Any, made: Any, wanted: int | None = None) -> str:
    """The document: what there is to see, then the numbers behind it."""
    there = sum(len(group[0]) for group in sections.groups(explanations))
    fewer = f'<p class="quiet">{len(made)} of {there} examples; choose others with examples=.</p>'
    rules, chooser = sections.chooser(made, sections.marks(explanations), any("--photo" in s.body for s in made))
    parts = {"examples": "Examples"} if made else {}
    parts |= {"measured": "Measured"} if evaluation is not None else {}
    parts |= {"methods": "Methods", "origin": "Where it comes from"}
    links = " · ".join(f'<a href="#{id}">{words}</a>' for id, words in parts.items())
    body = [f"<header><h1>{escape(heading)}</h1>", f'<nav aria-label="Parts of this page">{links}</nav>']
    body += [LEGEND, "</header>", chooser, "<main>", sections.placed(made)]
    body.append(fewer if len(made) < there else "")
    if evaluation is not None:
        body += ['<h2 id="measured">Measured</h2>', evaluation.fragment()]
    body += ['<h2 id="methods">Methods</h2>', comparison(explanations), DELTA]
    body += ['<h2 id="origin">Where it comes from</h2>', provenance(explanations), "</main>"]
    return html.page(heading, "\n".join(filter(None, body)), style=rules)


def fragment(e: ExplanationData) -> str:
    """The summary of an explanation and the pictures of its first three examples, for a notebook."""
    style = "display:flex;flex-wrap:wrap;gap:12px;align-items:flex-end"
    body = "".join(f'<div style="{style}">{_drawings(shown(e), i)}</div>' for i in range(min(3, len(e))))
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
        rows.append([e.method, "-" if seed is None else str(seed), versions, e.fingerprint])
    return html.table(["method", "seed", "versions", "fingerprint of model and options"], rows)
