"""The tables of the README and the guide, made from the code: `python -m docs.tables --write`.

Each stands in its page between `<!-- table: NAME -->` and `<!-- end -->`. Without `--write` the stale pages are named,
and the exit code says so; a test asks the same.
"""

from __future__ import annotations

import argparse
import configparser
import inspect
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAPER = re.compile(
    r"([A-Z][\w-]+(?:\s+et\s+al\.|\s+and\s+[A-Z]\w+)?\s+\d{4}),\s+(arXiv:[\d.]+\d|doi:[\w./]+\w|IEEE TIP \d+)"
)
PLACES = {"arXiv:": "https://arxiv.org/abs/", "doi:": "https://doi.org/"}


def table(head: str, rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table: column names between bars, and rows of cells."""
    names = [name.strip() for name in head.split("|")]
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def paper(text: str) -> str:
    """The first paper that a docstring names, as a link where it says an address."""
    found = PAPER.search(text)
    if found is None:
        return ""
    who, where = " ".join(found[1].split()), found[2]
    kind = next((kind for kind in PLACES if where.startswith(kind)), None)
    return f"{who}, {where}" if kind is None else f"[{who}]({PLACES[kind]}{where.removeprefix(kind)})"


def methods() -> str:
    """What every method says of itself, and what its class declares."""
    from tfxai.method.lookup import class_of
    from tfxai.method.table import METHODS

    def row(name: str) -> list[str]:
        kind = class_of(name)
        sums = ("exactly" if kind().accuracy() == 0 else "nearly") if kind.complete else ""
        needs = [said for flag, said in (
            (kind.scores_only, "only scores"), (kind.reads_feature_maps, "a layer's maps"),
            (kind.needs_data, "`Patterns`"), (kind.uses_baseline, "`baseline`"), (kind.random, "`seed`")
        ) if flag]  # fmt: skip
        return [f"`{name}`", first_line(kind), sums, ", ".join(needs), paper(inspect.getdoc(kind) or "")]

    return table("method | what it gives | adds up | needs | paper", map(row, METHODS))


def metrics() -> str:
    """What every metric says of itself, and its row in the table of metrics."""
    from tfxai.metrics.table import METRICS

    def said(row: Any) -> str:
        own = ", ".join(f"`{option}={value!r}`" for option, value in row.options.items())
        return first_line(row.function).removesuffix(".") + (f", with {own}." if own else ".")

    rows = ([f"`{name}`", said(row), row.better, ", ".join(row.needs)] for name, row in METRICS.items())
    return table("metric | what it measures | better | needs", rows)


def families() -> str:
    """The metrics by family, and which way each of them is better."""
    from tfxai.metrics.table import METRICS

    arrow = {"higher": " ↑", "lower": " ↓", "": ""}
    found: dict[str, list[str]] = {}
    for name, row in METRICS.items():
        found.setdefault(row.family, []).append(f"`{name}`{arrow[row.better]}")
    return table("asks for | metrics (↑ higher is better, ↓ lower)", ([k, ", ".join(found[k])] for k in found))


def layers() -> str:
    """The layers that `tests/test_every_layer.py` measures, by the room that Keras keeps them in."""
    import keras

    from tests.test_every_layer import CASES, TOKENS

    rooms: dict[str, list[str]] = {}
    for name in sorted([*CASES, *TOKENS], key=str.lower):
        module = getattr(keras.layers, name).__module__
        rooms.setdefault(module.partition(".layers.")[2].split(".")[0], []).append(f"`{name}`")
    return table("kind | layers", ([room, " ".join(rooms[room])] for room in sorted(rooms)))


def refusals() -> str:
    """Every error and warning, and when it is raised."""
    from tfxai import errors

    kinds = [kind for kind in vars(errors).values() if inspect.isclass(kind) and kind.__module__ == errors.__name__]
    rows = ([f"`{k.__name__}`", first_line(k)] for k in kinds if k is not errors.TfxaiError)
    return table("raised | when", rows)


def versions() -> str:
    """What can be installed beside it, from setup.cfg."""
    options = configparser.ConfigParser()
    options.read(ROOT / "setup.cfg")
    needed = [f"python{options['options']['python_requires']}", *options["options"]["install_requires"].split()]
    return table("needs | version", (re.match(r"(\w+)(.*)", one).groups() for one in needed if one[0].isalpha()))


def extras() -> str:
    """The optional packages, from setup.cfg, where a comment says what each is for."""
    text = (ROOT / "setup.cfg").read_text().split("[options.extras_require]\n")[1].split("\n\n")[0]
    found = re.findall(r"^((?:# .*\n)+)([\w-]+) =\n", text, re.MULTILINE)
    rows = ([f"`{name}`", " ".join(line.strip("# ") for line in said.splitlines())] for said, name in found)
    return table("extra | what it is for", rows)


def first_line(thing: object) -> str:
    """The first paragraph's first line of a docstring, made safe for a table."""
    return (inspect.getdoc(thing) or "").splitlines()[0].replace("|", "\\|")


TABLES: dict[str, Callable[[], str]] = {
    "methods": methods, "metrics": metrics, "families": families, "layers": layers, "refusals": refusals,
    "versions": versions, "extras": extras,
}  # fmt: skip
MARKED = re.compile(r"(<!-- table: (\w+) -->\n)(?:\|.*\n)*(<!-- end -->)")


def renewed(text: str) -> str:
    """A page with its tables made anew."""
    return MARKED.sub(lambda found: f"{found[1]}{TABLES[found[2]]()}\n{found[3]}", text)


def main() -> int:
    """Writes the pages, or names those that are stale."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the pages instead of naming the stale ones")
    write = parser.parse_args().write
    stale = {page: new for page in PAGES if (new := renewed(page.read_text())) != page.read_text()}
    for page, new in stale.items():
        print(f"{'written' if write else 'stale'}: {page.relative_to(ROOT)}")
        if write:
            page.write_text(new)
    return int(bool(stale) and not write)


if __name__ == "__main__":
    raise SystemExit(main())
