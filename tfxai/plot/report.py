"""`tfxai.report()`: explanations as one page that can be mailed, and what a notebook shows of one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tfxai.errors import InputError
from tfxai.plot import html, preprocessed
from tfxai.plot.automatic import draw
from tfxai.plot.comparison import ranged
from tfxai.plot.kinds import bars, lettering
from tfxai.plot.kinds.table import guess
from tfxai.plot.kinds.text import text
from tfxai.result.data import ExplanationData
from tfxai.result.describe import LONGEST, displayed, flat, keys, part, shown, target_name, title, unit
from tfxai.result.names import class_names
from tfxai.support.files import replacing
from tfxai.support.structure import leaves

EXAMPLES_SHOWN = 12  # examples per page unless told
LAYERS_SHOWN = 6  # maps per explanation of several layers


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
) -> Path:
    """Writes one static page: methods compared, and for each example prediction, target, delta and pictures.

    The page holds its pictures, no script, and a Content-Security-Policy that forbids any; labels and names are
    escaped. Explanations of the same inputs stand beside each other.

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

    Returns:
        The path.

    Raises:
        InputError: No explanation, or an example that is not there.
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
    if display is None:
        preprocessed.check(explanations)
    explanations = [displayed(e, display) for e in explanations]
    body = [f"<h1>{escape(heading)}</h1>"]
    if evaluation is not None:
        body += ["<h2>Measured</h2>", evaluation.fragment()]
    body += ["<h2>Methods</h2>", comparison(explanations)]
    body.append(
        '<p class="quiet">Delta: how far the contributions are from adding up to the change of the score; a method '
        "without one does not promise that they do. Red speaks for the target, blue against it; scales are per "
        "picture.</p>"
    )
    for group in _groups(explanations):
        body += _examples(group, labels, examples, predictions, tokens, names)
    body += ["<h2>Where it comes from</h2>", provenance(explanations)]
    path = Path(path)
    with replacing(path) as temporary:
        temporary.write_text(html.page(heading, "\n".join(body)), encoding="utf-8")
    return path


def fragment(e: ExplanationData) -> str:
    """The summary of an explanation and the pictures of its first three examples, for a notebook."""
    rows = [_pictures(e, i, None, None, dpi=75) for i in range(min(3, len(e)))]
    style = "display:flex;flex-wrap:wrap;gap:12px;align-items:flex-end"
    body = "".join(f'<div style="{style}">{row}</div>' for row in rows)
    more = f"<p>{len(e) - 3} more examples: e.plot(i)</p>" if len(e) > 3 else ""
    return f"<div><code>{escape(repr(e))}</code>{body}{more}</div>"


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


def _groups(explanations: Sequence[ExplanationData]) -> list[list[ExplanationData]]:
    """Explanations of the same inputs."""
    groups: list[list[ExplanationData]] = []
    for e in explanations:
        for group in groups:
            if _same_inputs(group[0], e):
                group.append(e)
                break
        else:
            groups.append([e])
    return groups


def _same_inputs(a: ExplanationData, b: ExplanationData) -> bool:
    """Whether two explanations are of the same examples."""
    if len(a) != len(b) or (a.inputs is None) != (b.inputs is None):
        return False
    one, two = ([] if e.inputs is None else leaves(e.inputs) for e in (a, b))
    return len(one) == len(two) and all(_equal(np.asarray(p), np.asarray(q)) for p, q in zip(one, two, strict=True))


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two inputs are alike, also in what is missing."""
    return np.array_equal(a, b, equal_nan=a.dtype.kind == b.dtype.kind == "f")


def _examples(group, labels, examples, predictions, tokens, names) -> list[str]:
    """The examples of a page, each with the pictures of all explanations in the group."""
    n = len(group[0])
    chosen = range(min(EXAMPLES_SHOWN, n)) if examples is None else [int(i) for i in examples]
    for name, given in (("predictions", predictions), ("tokens", tokens), ("names", names)):
        if given is not None and len(given) != n:
            raise InputError(f"Expected {name} for {n} examples. Received: {len(given)}.")
    if any(not 0 <= i < n for i in chosen):
        raise InputError(f"The explanations have {n} examples, 0 to {n - 1}. Received: examples={list(chosen)}.")
    parts = []
    for i in chosen:
        called = "" if names is None else f": {escape(str(names[i]))}"
        parts.append(f"<h2>Example {i}{called}</h2>")
        if predictions is not None:
            parts.append(f"<p>Prediction: {escape(top_three(predictions[i], labels))}</p>")
        explained = [target_name(e, i, labels) for e in group]
        alike = len(set(explained)) == 1
        if alike and explained[0]:
            parts.append(f"<p>Explained: {escape(explained[0])}</p>")
        pictures = _input(group[0], i) + "".join(
            _pictures(e, i, labels, None if tokens is None else tokens[i], said="" if alike else f"for {name}: ")
            for e, name in zip(group, explained, strict=True)
        )
        parts.append(f'<div class="row">{pictures}</div>')
    if len(chosen) < n:
        parts.append(f'<p class="quiet">{len(chosen)} of {n} examples; choose others with examples=.</p>')
    return parts


def top_three(outputs: np.ndarray, labels: Sequence[str] | None) -> str:
    """The largest outputs in words: "cat 0.91, dog 0.05, fox 0.02"."""
    outputs = np.asarray(outputs).reshape(-1)
    names = class_names(labels, len(outputs)) or {}
    both = class_names(labels) or {}
    if len(outputs) == 1 and 0 <= outputs[0] <= 0.5 and set(both) == {0, 1}:  # the other of two classes is the likelier
        return f"{both[0]} {1 - outputs[0]:.3g}"
    best = [int(i) for i in np.argsort(-outputs, kind="stable")[:3]]
    return ", ".join(f"{names.get(i, f'class {i}')} {outputs[i]:.3g}" for i in best)


def _pictures(e: ExplanationData, i: int, labels, tokens, dpi: int = 100, said: str = "") -> str:
    """The pictures of one example: one, or one per input or layer. `said` begins the line under each."""
    found, caption = [], said + _caption(e, i)
    for key in keys(e)[-LAYERS_SHOWN:]:
        if not np.isfinite(part(e, key)[0][i]).all():
            found.append(html.figure("<p>no picture: these values hold NaN or Inf</p>", caption))
            continue
        if tokens is not None and (words := _words(e, i, key, labels, tokens)) is not None:
            found.append(html.figure(words, caption))
            continue
        size = (3.65, 3.0) if _is_map(e, key) else (6.0, _height(e, key))
        drawn = Figure(figsize=size, layout="constrained")
        ax = drawn.subplots()
        draw(e, i, ax, key, labels=labels, **({} if tokens is None else {"tokens": tokens}))
        ax.set_title(title(e).replace("\n", " ") + ("" if key is None else f", {key}"), fontsize=11, parse_math=False)
        target = target_name(e, i, labels)
        whole = [*lettering.cut(ax), *([target] if len(target) > LONGEST else [])]
        found.append(html.figure(html.picture(drawn, f"{e.method}, example {i}", dpi), caption, whole))
    return "".join(found)


def _words(e: ExplanationData, i: int, key: Any, labels, tokens) -> str | None:
    """Words as text, which a page can show in any script; None where there is not one number for each."""
    one = part(e, key)[0][i]
    if one.ndim not in (1, 2) or len(one) != len(tokens):
        return None
    heading = title(e).replace("\n", " ") + ("" if key is None else f", {key}")
    return f"<p>{escape(heading)}</p>{text(one, tokens, unit(e, i, labels)).html()}"


def _height(e: ExplanationData, key: Any) -> float:
    """Inches of a drawing that is no map: more for many bars."""
    values = part(e, key)[0]
    return max(3.2, bars.height(values.shape[1])) if values.ndim == 2 else 3.2


def _input(e: ExplanationData, i: int) -> str:
    """The image itself, before its maps."""
    e = shown(e)
    x = e.inputs[i] if isinstance(e.inputs, np.ndarray) else None
    picture = ranged(x) if x is not None and guess(np.asarray(x), None) == "image" else None
    if picture is None:
        return ""
    drawn = Figure(figsize=(2.75, 2.95), layout="constrained")
    ax = drawn.subplots()
    ax.imshow(np.squeeze(picture), cmap="gray", vmin=0, vmax=1)
    ax.set_axis_off()
    ax.set_title("input", fontsize=11)
    return html.figure(html.picture(drawn, f"input, example {i}", 100), "\N{NO-BREAK SPACE}")


def _is_map(e: ExplanationData, key: Any) -> bool:
    values = e.values if key is None else e.values[key]
    return values.ndim == 4


def _caption(e: ExplanationData, i: int) -> str:
    """The numbers under a picture."""
    on = e.options.get("on", "score")
    line = f"{on} {float(e.score[i]):.4g}"
    if e.baseline_score is not None:
        line += f", at the baseline {float(e.baseline_score[i]):.4g}"
    if e.delta is not None:
        line += f", delta {float(e.delta[i]):.1e}"
    return line
