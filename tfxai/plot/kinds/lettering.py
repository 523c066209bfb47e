"""Words in figures: that they fit, differ and can be read."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from tfxai.errors import warn

LONGEST = 30  # letters of a name beside a bar
BESIDE_A_SCALE = 30  # letters of a line there
LINES = 3


def plain(text: str) -> str:
    """Text that matplotlib draws as it is: a name with dollar signs is not mathematics."""
    return text.replace("\\$", "$").replace("$", "\\$")


def short(names: Sequence[str], longest: int = LONGEST) -> list[str]:
    """Names of so many letters at most, cut in their middle, each different from the others."""
    tails = longest * 2 // 3
    found: list[str] = []
    for name in names:
        one = name if len(name) <= longest else f"{name[: longest - tails - 1]}…{name[-tails:]}"
        again = 2
        while one in found and name not in names[: len(found)]:  # equal names stay equal
            end = f" ({again})"
            one, again = f"{one[: longest - len(end)]}{end}", again + 1
        found.append(one)
    return found


def beside(ax: Any, places: Any, names: Sequence[str]) -> None:
    """Names beside bars and the like, cut where they are long; the whole of those is kept for `cut`."""
    ax.set_yticks(places, [plain(name) for name in short(names)])
    for label, name, drawn in zip(ax.get_yticklabels(), names, short(names), strict=True):
        label.set_gid(None if drawn == name else name)


def cut(ax: Any) -> list[str]:
    """The whole names of those that were cut beside bars."""
    return [label.get_gid() for label in ax.get_yticklabels() if label.get_gid()]


def lines(text: str, width: int = BESIDE_A_SCALE, most: int = LINES) -> str:
    """A text in lines of so many letters; what does not fit is cut."""
    return "\n".join(textwrap.wrap(text, width, max_lines=most, placeholder="…", break_on_hyphens=False) or [""])


def check(words: Iterable[str], family: str | None = None) -> None:
    """Warns of words that the figure's font has no glyphs for, naming them."""
    from matplotlib import font_manager

    path = font_manager.findfont(font_manager.FontProperties(family=family))
    font = font_manager.get_font(path)
    lost = [w for w in words if any(not font.get_char_index(ord(c)) for c in w if not c.isspace())]
    if lost:
        named = ", ".join(dict.fromkeys(lost[:5])) + (", ..." if len(lost) > 5 else "")
        warn(
            f"The font {font.family_name} has no glyphs for {named}: boxes are drawn. Choose one that has them, "
            "matplotlib.rcParams['font.family'] = [...]; tfxai.report shows words as text.",
            UserWarning,
        )
