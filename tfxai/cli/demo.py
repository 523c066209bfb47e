"""`tfxai demo`: methods on a trained network and real input; with --text, --dna, --table where the truth is known."""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

from tfxai.errors import CompletenessWarning

UNSAID = ("groups", "low", "high")  # options that would make the table wide
KINDS = {"text": "sentences on films", "dna": "planted motifs", "table": "rents of flats"}


def options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--network", choices=("auto", "imagenet", "digits"), default="auto", help="default: auto")
    for kind, line in KINDS.items():
        what.add_argument(f"--{kind}", action="store_const", const=kind, dest="kind", help=f"instead: {line}")
    parser.add_argument("-o", "--output", default="tfxai-demo", help="folder for what is written (default: tfxai-demo)")


def run(args: argparse.Namespace) -> int:
    """Explains, measures, prints two tables, writes a picture and a page."""
    from tfxai.cli import pictured, planted

    folder = Path(args.output)
    folder.mkdir(parents=True, exist_ok=True)
    show = planted.SHOWS[args.kind]() if args.kind else pictured.show(args.network)
    print(f"{show.about}\n")
    runs = _explained(show)
    table = _measured(show, runs)
    _write(show, runs, table, folder)
    print(f"\n{show.look}")
    return 0


def _explained(show: Any) -> dict[str, Any]:
    """Title -> explanation of every plan, with predictions, deltas and times printed."""
    import numpy as np

    from tfxai.explainer import Explainer

    for name, said in zip(show.demo.names, show.said, strict=True):
        print(f"  {name:{max(map(len, show.demo.names))}s}  {said}")
    true = "" if show.demo.truth is None else f"{'true':>6s}"
    print(f"\n  {'method':34s} {'delta':>9s} {'seconds':>8s}{true}   (delta: what the map lacks to add up)")
    runs = {}
    explainer = Explainer(show.demo.model)
    for name, given in show.plans:
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CompletenessWarning)  # few steps; the delta is in the table
            e = explainer.using(name, **given)(show.demo.examples, baseline=show.baseline, seed=0, verbose=0)
        seconds = time.perf_counter() - start
        told = [str(v) if k == "rule" else f"{k}={v}" for k, v in given.items() if k not in UNSAID]
        delta = "-" if e.delta is None else f"{np.abs(e.delta).max():.1e}"
        share = f"{_true(e, show.demo.truth):6.2f}" if true else ""
        print(f"  {' '.join([name, *told]):34s} {delta:>9s} {seconds:8.1f}{share}", flush=True)
        runs[f"{name}\n{given.get('rule', '')}".strip()] = _named(e, show.demo.features)
    return runs


def _true(e: Any, truth: Any) -> float:
    """The share of all contributions, whatever their sign, that lies where the truth is known to be."""
    import numpy as np

    sizes = np.abs(e.values.reshape(*truth.shape, -1).sum(axis=-1))
    return float(np.mean((sizes * (truth != 0)).sum(axis=1) / np.maximum(sizes.sum(axis=1), 1e-12)))


def _measured(show: Any, runs: dict[str, Any]) -> Any:
    """The pictured methods beside random attributions, by a few metrics."""
    from tfxai.metrics.evaluation import evaluate

    methods = {title.replace("\n", " "): runs[title] for title in show.pictured}
    table = evaluate(show.demo.model, show.demo.examples, methods, show.metrics, baseline=show.baseline,
                     verbose=0)  # fmt: skip
    print(f"\n{table}\n")
    return table


def _write(show: Any, runs: dict[str, Any], table: Any, folder: Path) -> None:
    """The picture and the page."""
    from tfxai.plot.report import report

    demo, eased = show.demo, show.eased or (lambda title, e: e)
    chosen = [eased(title, runs[title]) for title in show.pictured]
    picture, page = folder / "explanations.png", folder / "index.html"
    over = ", over that of an earlier demo (-o FOLDER keeps both)" if page.exists() else ""
    show.draw(show, runs).savefig(picture, dpi=110)
    report(chosen, page, demo.labels, heading=show.heading, names=demo.names, predictions=show.predictions,
           display=demo.display, tokens=demo.tokens, evaluation=table)  # fmt: skip
    print(f"Wrote {picture}\nWrote {page}{over}")


def _named(e: Any, features: Any) -> Any:
    """With the names of its columns."""
    import dataclasses

    return e if features is None else dataclasses.replace(e, meta=e.meta | {"features": {"": list(features)}})
