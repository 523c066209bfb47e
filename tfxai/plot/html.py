"""Pieces of static pages: everything escaped, pictures inlined, no script."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1b1b1f;background:#fff;margin:0 auto;max-width:1150px;padding:1rem}
h1{font-size:1.5rem;margin:.3rem 0}h2{font-size:1.15rem;margin:1.6rem 0 .4rem;border-bottom:1px solid #ddd}
p{margin:.3rem 0}.quiet{color:#555;font-size:.9em}.row{display:flex;flex-wrap:wrap;gap:.8rem;align-items:flex-end}
figure{margin:0;max-width:100%}figure img{max-width:100%;height:auto;display:block}
figcaption{font-size:.85em;color:#333;overflow-wrap:anywhere}.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:.9em}
th,td{text-align:left;padding:.25rem .7rem;border-bottom:1px solid #e4e4e8;white-space:nowrap}
td.number{text-align:right;font-variant-numeric:tabular-nums}td.long{white-space:normal;min-width:14rem;overflow-wrap:anywhere}
"""
POLICY = "default-src 'none'; img-src {images}; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def page(title: str, body: str, images: str = "data:") -> str:
    """A whole document that runs nothing and loads nothing but `images`.

    Example:
        >>> "&lt;script&gt;" in page("<script>", "")
        True
    """
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY.format(images=images)}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table of texts; numbers stand right."""
    top = "".join(f"<th>{escape(h)}</th>" for h in head)
    lines = ["".join(_cell(c) for c in row) for row in rows]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def figure(content: str, caption: str = "", names: Sequence[str] = ()) -> str:
    """A picture (HTML already) above its caption (text), and the names that it shows cut, in full."""
    listed = "".join(f"<li>{escape(name)}</li>" for name in names)
    whole = f"<details><summary>names in full ({len(names)})</summary><ul>{listed}</ul></details>" if names else ""
    return f"<figure>{content}<figcaption>{escape(caption)}{whole}</figcaption></figure>"


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
