"""The page that shows all snapshots of a training beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from tfxai.plot import html

PICTURES = "'self' data: file:"  # a page opened from disk has no origin


def film_strip(entries: Sequence[dict]) -> str:
    """The film strip: one row per sample, one column per snapshot."""
    last = entries[-1]
    method = f"{last['method']} at {last['layer']}" if last.get("layer") else last["method"]
    head = "".join(f"<th>{_head(entry)}</th>" for entry in entries)
    rows = []
    for row, shown in enumerate(last["inputs"]):
        first = _image(shown, "input") if shown else f"sample {row}"
        cells = "".join(f"<td>{_cell(entry, row)}</td>" for entry in entries)
        rows.append(f'<tr><th class="first">{first}</th>{cells}</tr>')
    style = (
        "<style>body{max-width:none}td,th{vertical-align:bottom;text-align:center}td img,th img{width:170px}"
        "th.first{position:sticky;left:0;background:#fff;max-width:190px;white-space:normal}"
        "</style>"
    )
    intro = (
        f'<h1>Snapshots: {escape(method)}</h1><p class="quiet">Each picture on its own scale. Drift: how much the '
        "order of importance changed since the snapshot before (0 not at all, 1 unrelated, 2 reversed). Residual: what "
        "the contributions lack to add up, relative to the change of the score.</p>"
    )
    table = f'<div class="wide"><table><thead><tr><th class="first">sample</th>{head}</tr></thead>'
    return html.page("Snapshots", f"{style}{intro}{table}<tbody>{''.join(rows)}</tbody></table></div>", PICTURES)


def _head(entry: dict) -> str:
    """What stands over a column: the step and its numbers."""
    lines = [f"{entry.get('unit', 'step')} {entry['step']}"]
    lines += [f"{name} {entry[name]:.2g}" for name in ("drift", "residual") if entry.get(name) is not None]
    lines += [f"{entry['seconds']:.2g} s"] if "seconds" in entry else []
    return f'{escape(lines[0])}<br><span class="quiet">{escape(", ".join(lines[1:])) or "&nbsp;"}</span>'


def _cell(entry: dict, row: int) -> str:
    """A picture and what it explains."""
    if row >= len(entry["pictures"]):
        return ""
    picture = _image(entry["pictures"][row], f"{entry['folder']}, sample {row}")
    return f'{picture}<br><span class="quiet">{escape(str(entry["targets"][row]))}</span>'


def _image(path: str, alt: str) -> str:
    return f'<img src="{escape(path)}" alt="{escape(alt)}" loading="lazy">'
