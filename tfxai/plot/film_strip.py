"""The page that shows all snapshots of a training beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from tfxai.plot import html

PICTURES = "'self' data: file:"  # a page opened from disk has no origin


STYLE = (
    "<style>body{max-width:none}td,th{vertical-align:bottom;text-align:center}td img,th img{width:170px}"
    "thead th{vertical-align:top;white-space:normal;max-width:170px}"
    "th.first{position:sticky;left:0;background:var(--paper);max-width:190px;white-space:normal}"
    "</style>"
)
INTRO = (
    '<p class="quiet">Each picture on its own scale. Drift: how much the order of importance changed since the '
    "snapshot before (0 not at all, 1 unrelated, 2 reversed). Residual: what the contributions lack to add up, "
    "relative to the change of the score.</p>"
)
NAMED = 3  # layers; more are counted, and named where the pointer rests


def film_strip(strips: Sequence[Sequence[dict]]) -> str:
    """The page of all strips, one for each training: one row per sample, one column per snapshot."""
    titles = [_title(entries) for entries in strips]
    if len(strips) == 1:
        return html.page("Snapshots", f"{STYLE}<h1>Snapshots: {titles[0]}</h1>{INTRO}{_strip(strips[0])}", PICTURES)
    parts = [
        f"<h2>Run {number}: {title}</h2>{_strip(entries)}"
        for number, (title, entries) in enumerate(zip(titles, strips, strict=True), 1)
    ]
    return html.page("Snapshots", f"{STYLE}<h1>Snapshots</h1>{INTRO}{''.join(parts)}", PICTURES)


def _title(entries: Sequence[dict]) -> str:
    last, start = entries[-1], entries[0].get("run", {}).get("start", 0)
    method = f"{last['method']} at {last['layer']}" if last.get("layer") else last["method"]
    return escape(method + (f", resumed at {entries[0]['unit']} {start}" if start else ""))


def _strip(entries: Sequence[dict]) -> str:
    """The table of one training."""
    head = "".join(f"<th>{_head(*two)}</th>" for two in zip([None, *entries], entries, strict=False))
    rows = []
    for row, shown in enumerate(entries[-1]["inputs"]):
        first = _image(shown, "input") if shown else f"sample {row}"
        cells = "".join(f"<td>{_cell(entry, row)}</td>" for entry in entries)
        rows.append(f'<tr><th class="first">{first}</th>{cells}</tr>')
    table = f'<div class="wide"><table><thead><tr><th class="first">sample</th>{head}</tr></thead>'
    return f"{table}<tbody>{''.join(rows)}</tbody></table></div>"


def _head(before: dict | None, entry: dict) -> str:
    """What stands over a column: the step, its numbers, and what of the training is not as it was."""
    lines = [f"{entry.get('unit', 'step')} {entry['step']}"]
    lines += [f"{name} {entry[name]:.2g}" for name in ("drift", "residual") if entry.get(name) is not None]
    lines += [f"{entry['seconds']:.2g} s"] if "seconds" in entry else []
    head = f'{escape(lines[0])}<br><span class="quiet">{escape(", ".join(lines[1:])) or "&nbsp;"}</span>'
    return head + "".join(f"<br>{line}" for line in _changes(before or {}, entry))


def _changes(before: dict, entry: dict) -> list[str]:
    """That the model was compiled again, and which layers are trained, where that is new."""
    same_run = before.get("run", {}).get("id") == entry.get("run", {}).get("id")
    again = entry.get("compiled", 0) > (before.get("compiled", 0) if same_run else 0)
    lines = ["compiled again"] if again else []
    trained, frozen = entry.get("trainable"), entry.get("frozen", [])
    if trained is not None and (trained, frozen) != (before.get("trainable"), before.get("frozen")):
        lines.append(_layers(trained, frozen))
    return lines


def _layers(trained: Sequence[str], frozen: Sequence[str]) -> str:
    """The layers that are trained, in a few words; all names where the pointer rests."""
    words = f"trained: {', '.join(trained) or 'no layer'}"
    if len(trained) > NAMED or not frozen:
        words = f"trained: {len(trained)} of {len(trained) + len(frozen)} layers"
    names = f"trained: {', '.join(trained) or 'none'}; frozen: {', '.join(frozen) or 'none'}"
    return f'<span class="quiet" title="{escape(names)}">{escape(words)}</span>'


def _cell(entry: dict, row: int) -> str:
    """A picture and what it explains."""
    if row >= len(entry["pictures"]):
        return ""
    picture = _image(entry["pictures"][row], f"{entry['folder']}, sample {row}")
    return f'{picture}<br><span class="quiet">{escape(str(entry["targets"][row]))}</span>'


def _image(path: str, alt: str) -> str:
    return f'<img src="{escape(path)}" alt="{escape(alt)}" loading="lazy">'
