"""The demonstrations whose truth is known: sentences, DNA, and a table."""

from __future__ import annotations

from typing import Any

from tfxai.cli.shows import Show

PLANS: list[tuple[str, dict[str, Any]]] = [
    ("kernel_shap", {"samples": 256}),
    ("deeplift", {"rule": "rescale"}),
    ("integrated_gradients", {}),
    ("occlusion", {"window": 1}),
    ("lrp", {"rule": "epsilon"}),
    ("input_x_gradient", {}),
]
PICTURED = ["kernel_shap", "deeplift\nrescale", "integrated_gradients", "occlusion", "lrp\nepsilon", "input_x_gradient"]
DRAWN = ["deeplift\nrescale", "occlusion", "input_x_gradient"]
METRICS: dict[str, dict[str, Any]] = {"correlation": {}, "deletion": {}, "insertion": {}}
TRUE = "is the share of a map that lies"


def text() -> Show:
    """Words, of which good and bad ones and "not" are known to matter."""
    import numpy as np

    from tfxai.demo import text

    demo = text()
    about = 'A small network for made-up sentences: good words less bad ones; "not" turns round the word after it.'
    look = (
        'Good words should be red, bad ones blue, "not" what it makes of the next word, all others white:\n'
        f"the column true {TRUE} on such words. lrp compares with no sentence of blanks, and colours others too."
    )
    blanks = np.zeros_like(demo.examples[:1])
    return _show(demo, about, look, "Which words decide", _sentences, blanks)


def dna() -> Show:
    """Letters, of which two motifs are known to matter."""
    from tfxai.demo import dna

    about = "A small network for made-up DNA: TGACTCA makes it bound, CACCTG anywhere prevents that."
    look = (
        "In the grey stretches TGACTCA should stand up and CACCTG hang down:\n"
        f"the column true {TRUE} there, on a fifth of the letters.\n"
        "The network reads some letters elsewhere, too: no map is to blame for showing that."
    )
    return _show(dna(), about, look, "Where the motifs are", _letters, 0.25)


def table() -> Show:
    """Rents, by a formula that is known."""
    from tfxai.demo import flats, table

    about = (
        "A small network for the rents of made-up flats: 200 + 11 area - 35 kilometres + 60 balcony - 2 age,\n"
        "and for each floor above the second 15 with a lift, -40 without."
    )
    look = (
        "The numbers are euros beside an ordinary flat; where they add up (delta) they explain the whole difference.\n"
        "Flats three and four differ in their lift: five floors up it turns a burden into a gain, and both share it.\n"
        "The door number and the letters of the street get nothing."
    )
    return _show(table(), about, look, "What a flat costs, and why", _rents, flats.ORDINARY)


SHOWS = {"text": text, "dna": dna, "table": table}


def _show(demo: Any, about: str, look: str, heading: str, draw: Any, baseline: Any) -> Show:
    import numpy as np

    outputs = np.asarray(demo.model(demo.examples, training=False))
    if demo.features:
        said, predictions = [f"{one:.0f} euros" for one in outputs[:, 0]], None
    else:
        said, predictions = [f"{demo.labels[int(p > 0.5)]} {max(p, 1 - p):.2f}" for p in outputs[:, 0]], outputs
    return Show(about, look, heading, demo, predictions, said, PLANS, PICTURED, METRICS, draw, baseline)


def _sentences(show: Show, runs: dict[str, Any]) -> Any:
    """A line of words for each sentence and method."""
    return _lines(show, runs, (8.6, 0.34), _words)


def _words(demo: Any, e: Any, i: int, ax: Any) -> None:
    e.plot(
        i, ax=ax, kind="tokens", tokens=demo.tokens[i], width=80 if len(demo.tokens[i]) < 20 else 180, colorbar=False
    )


def _letters(show: Show, runs: dict[str, Any]) -> Any:
    """A logo for each sequence and method; coloured letters where logomaker is not installed."""
    from importlib.util import find_spec

    there = all(find_spec(name) is not None for name in ("logomaker", "pandas"))
    return _lines(show, runs, *(((10.0, 0.8), _logo) if there else ((10.0, 0.34), _words)))


def _logo(demo: Any, e: Any, i: int, ax: Any) -> None:
    """What all letters of a place contribute, at the one that is there; grey where the truth is known to be."""
    from tfxai.plot import logo

    logo(e.values[i].sum(-1, keepdims=True) * demo.examples[i], ax=ax, unit="")
    ax.set(xlabel="", xticks=[], yticks=[])
    for place, said in enumerate(demo.truth[i]):
        if said:
            ax.axvspan(place - 0.5, place + 0.5, color="0.9", zorder=-2, linewidth=0)


def _lines(show: Show, runs: dict[str, Any], size: tuple[float, float], drawn: Any) -> Any:
    """For each example a block with a line of each method, under one heading."""
    from tfxai.plot.figure import Picture

    demo, n = show.demo, len(show.demo.examples)
    figure = Picture(figsize=(size[0], n * (0.4 + size[1] * len(DRAWN)) + 0.3), layout="constrained")
    for i, block in enumerate(figure.subfigures(n, 1, squeeze=False)[:, 0]):
        called = "" if demo.names[i] == " ".join(demo.tokens[i]).strip() else f"{demo.names[i]}: "
        block.suptitle(called + show.said[i], x=0.02, ha="left", fontsize=11)
        for title, ax in zip(DRAWN, block.subplots(len(DRAWN), 1), strict=True):
            drawn(demo, runs[title], i, ax)
            ax.text(-0.01, 0.5, title.split("\n")[0], transform=ax.transAxes, ha="right", va="center", fontsize=9)
    up = "up" if drawn is _logo else "red"
    figure.supxlabel(f"{up} for {demo.labels[-1]!r}, {UNDER[up]} against it; each line on its own scale", fontsize=9)
    return figure


UNDER = {"up": "down", "red": "blue"}


def _rents(show: Show, runs: dict[str, Any]) -> Any:
    """Bars for each flat and method."""
    from tfxai.plot import compare

    chosen = [runs[title] for title in ("kernel_shap", *DRAWN[:2])]
    return compare(chosen, labels=show.demo.labels, rows=show.demo.names)
