"""Pieces of static pages: everything escaped, pictures inlined, no script."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from tfxai.plot.style import sheet

POLICY = "default-src 'none'; img-src {images}; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def page(title: str, body: str, images: str = "data:", style: str = "") -> str:
    """A whole document that runs nothing and loads nothing but `images`; `style` comes after the sheet of all pages.

    Example:
        >>> "&lt;script&gt;" in page("<script>", "")
        True
    """
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY.format(images=images)}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{sheet()}{style}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table of texts; numbers stand right."""
    top = "".join(f'<th scope="col">{escape(h)}</th>' for h in head)
    lines = ["".join(_cell(c) for c in row) for row in rows]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="wide" tabindex="0"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def figure(content: str, caption: str = "", head: str = "", kind: str = "") -> str:
    """A picture (HTML already) between its heading and its caption (texts).

    Example:
        >>> figure("<img>", "logit 2", kind="map")
        '<figure class="map"><img><figcaption>logit 2</figcaption></figure>'
    """
    above = f'<p class="head">{escape(head)}</p>' if head else ""
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f"<figure{f' class={chr(34)}{escape(kind)}{chr(34)}' if kind else ''}>{above}{content}{below}</figure>"


def choice(name: str, legend: str, options: Sequence[tuple[str, str]]) -> str:
    """Radio buttons, of which the first is taken: (id, words) each.

    Example:
        >>> choice("method", "Method", [("m", "all"), ("m0", "<b>")]).count("<input")
        2
    """
    buttons = [
        f'<label><input type="radio" name="{name}" id="{id}"{"" if k else " checked"}>{escape(words)}</label>'
        for k, (id, words) in enumerate(options)
    ]
    return f"<fieldset><legend>{escape(legend)}</legend>{''.join(buttons)}</fieldset>"


def picture(figure: Any, alt: str, dpi: int = 110) -> str:
    """A matplotlib Figure as an inline image."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="{escape(alt)}" src="data:image/png;base64,{data}">'


def _cell(value: Any) -> str:
    """A cell of a table; numbers stand right, long texts may break."""
    if isinstance(value, float):
        return f'<td class="number">{value:.3g}</td>'
    if isinstance(value, int):
        return f'<td class="number">{value}</td>'
    text = str(value)
    opening = '<td class="long">' if len(text) > 30 else "<td>"
    return f"{opening}{escape(text)}</td>"
