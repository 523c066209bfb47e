"""`tfxai demo`: every method on a real trained network and real input."""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

from tfxai.errors import CompletenessWarning, MissingExtraError


def options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("--network", choices=("auto", "imagenet", "digits"), default="auto", help="default: auto")
    parser.add_argument("-o", "--output", default="tfxai-demo", help="folder for the picture (default: tfxai-demo)")


def run(args: argparse.Namespace) -> int:
    """Explains, prints a table, writes one picture."""
    network = _network(args.network)
    folder = Path(args.output)
    folder.mkdir(parents=True, exist_ok=True)
    runs = _explained(network)
    figure = _picture(network, runs)
    path = folder / "explanations.png"
    figure.savefig(path, dpi=110)
    print(f"\nWrote {path}")
    return 0


def _network(name: str) -> Any:
    """The network and what it is shown, with a word on it; digits where the photographs are not installed."""
    from tfxai.demo import digits, imagenet

    if name != "digits":
        try:
            demo = imagenet()
            print("EfficientNet-Lite0, trained on ImageNet, and photographs it has never seen.\n")
            return demo
        except MissingExtraError as error:
            if name == "imagenet":
                raise
            print(f"{error}\nHere is the digit network that ships with tfxai instead.\n")
    demo = digits()
    chosen = [3, 5, 14, 16]
    return demo._replace(examples=demo.examples[chosen], names=[demo.names[i] for i in chosen])


def _explained(demo: Any) -> list[tuple[str, Any]]:
    """(title, explanation) of every method and DeepLIFT rule, with predictions, deltas and times printed."""
    import numpy as np

    from tfxai.explainer import Explainer
    from tfxai.method.lookup import methods

    probabilities = np.asarray(demo.model(demo.examples, training=False))
    for name, p in zip(demo.names, probabilities, strict=True):
        best = p.argsort()[::-1][:3]
        print(f"  {name:12s} " + ", ".join(f"{demo.labels[i]} {p[i]:.2f}" for i in best))
    print(f"\n  {'method':34s} {'delta':>9s} {'seconds':>8s}   (delta: what the map lacks of the change of the score)")
    runs = []
    explainer = Explainer(demo.model)
    for name, options in _plans(methods(), demo.examples.shape[1]):
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CompletenessWarning)  # few steps; the delta is in the table
            e = explainer.using(name, **options)(demo.examples, seed=0, verbose=0)
        seconds = time.perf_counter() - start
        title = " ".join([name, *(str(v) if k == "rule" else f"{k}={v}" for k, v in options.items())])
        delta = "-" if e.delta is None else f"{np.abs(e.delta).max():.1e}"
        print(f"  {title:34s} {delta:>9s} {seconds:8.1f}", flush=True)
        runs.append((f"{name}\n{options.get('rule', '')}".strip(), e))
    return runs


def _plans(methods: dict[str, str], side: int) -> list[tuple[str, dict]]:
    """Every method, with options that let all of them together finish within a minute."""
    from tfxai.method.lookup import class_of

    kinds = {name: class_of(name) for name in methods if name != "deeplift"}
    plans = [(name, {**kind.quick}) for name, kind in kinds.items() if not kind.needs_data]
    dict(plans)["occlusion"]["window"] = 3 * side // 14
    return plans + [("deeplift", {"rule": rule}) for rule in ("rescale", "reveal_cancel", "genomics")]


SIZES = ("gradient", "guided_backprop", "smoothgrad", "guided_gradcam")  # their sign is not for or against
PICTURED = (
    "gradient", "guided_backprop", "smoothgrad", "integrated_gradients", "gradcam", "guided_gradcam", "occlusion",
    "deeplift\nreveal_cancel",
)  # fmt: skip


def _picture(demo: Any, runs: list[tuple[str, Any]]) -> Any:
    """One figure of some methods, one row per example; what has no sign to speak of is drawn by size."""
    import dataclasses

    import numpy as np

    from tfxai.plot import grid

    n = len(demo.examples)
    runs = [run for title in PICTURED for run in runs if run[0] == title]
    sigma = demo.examples.shape[1] / 150  # a pixel's own value is noise to the eye; sums stay
    drawn = [dataclasses.replace(e, values=np.abs(e.values)) if title in SIZES else e for title, e in runs]
    maps = [[e.smooth(sigma).values[i] for e in drawn] for i in range(n)]
    titles = [f"{title}\n(size)" if title in SIZES else title for title, _ in runs]
    rows = [f"explained: {demo.labels[int(runs[-1][1].target[i])]}" for i in range(n)]
    return grid(demo.display(demo.examples), maps, titles, rows, outlier_perc=0.5, overlay=True)
