"""The command line: `tfxai demo`, `tfxai methods`. TensorFlow is imported by the commands that need it."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfxai.errors import MissingExtraError, TfxaiError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code: 0, or 1 with one line on standard error."""
    parser = argparse.ArgumentParser(prog="tfxai", description="Explain the predictions of any Keras model.")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="explain real photographs (or digits) with every method")
    demo.add_argument("--network", choices=("auto", "imagenet", "digits"), default="auto", help="default: auto")
    demo.add_argument("-o", "--output", default="tfxai-demo", help="folder for the picture (default: tfxai-demo)")
    demo.set_defaults(run=_demo)
    commands.add_parser("methods", help="list the methods").set_defaults(run=_methods)
    chosen = parser.parse_args(arguments)
    try:
        chosen.run(chosen)
    except (TfxaiError, OSError) as error:
        print(f"tfxai: {error}", file=sys.stderr)
        return 1
    return 0


def _methods(_: argparse.Namespace) -> None:
    import tfxai

    for name, line in tfxai.methods().items():
        print(f"{name:18s} {line}")


def _demo(chosen: argparse.Namespace) -> None:
    network = _network(chosen.network)
    folder = Path(chosen.output)
    folder.mkdir(parents=True, exist_ok=True)
    runs = _explained(network)
    figure = _picture(network, runs)
    path = folder / "explanations.png"
    figure.savefig(path, dpi=110)
    print(f"\nWrote {path}")


def _network(name: str) -> Any:
    import tfxai

    if name != "digits":
        try:
            demo = tfxai.demo.imagenet()
            print("EfficientNet-Lite0, trained on ImageNet, and photographs it has never seen.\n")
            return demo
        except MissingExtraError as error:
            if name == "imagenet":
                raise
            print(f"{error}\nHere is the digit network that ships with tfxai instead.\n")
    demo = tfxai.demo.digits()
    chosen = [3, 5, 14, 16]
    return demo._replace(examples=demo.examples[chosen], names=[demo.names[i] for i in chosen])


def _explained(demo: Any) -> list[tuple[str, Any]]:
    """(title, explanation) of every method and DeepLIFT rule, with predictions, residuals and times printed."""
    import numpy as np

    import tfxai

    probabilities = np.asarray(demo.model(demo.examples, training=False))
    for name, p in zip(demo.names, probabilities, strict=True):
        best = p.argsort()[::-1][:3]
        print(f"  {name:12s} " + ", ".join(f"{demo.labels[i]} {p[i]:.2f}" for i in best))
    print(f"\n  {'method':34s} {'residual':>9s} {'seconds':>8s}   (residual: score change the map does not add up to)")
    runs = []
    plans: list[tuple[str, dict]] = [(name, {}) for name in tfxai.methods() if name != "deeplift"]
    plans += [("deeplift", {"rule": rule}) for rule in ("rescale", "reveal_cancel", "genomics")]
    for name, options in plans:
        start = time.perf_counter()
        e = tfxai.explain(demo.model, demo.examples, name, verbose=0, **options)
        seconds = time.perf_counter() - start
        title = " ".join([name, *options.values()])
        residual = "-" if e.delta is None else f"{np.abs(e.delta).max():.1e}"
        print(f"  {title:34s} {residual:>9s} {seconds:8.1f}")
        runs.append((title.replace(" ", "\n", 1), e))
    return runs


def _picture(demo: Any, runs: list[tuple[str, Any]]) -> Any:
    from tfxai.plot import grid

    n = len(demo.examples)
    sigma = demo.examples.shape[1] / 150  # a pixel's own value is noise to the eye; sums stay
    maps = [[e.smooth(sigma).values[i] for _, e in runs] for i in range(n)]
    rows = [f"explained: {demo.labels[int(runs[-1][1].target[i])]}" for i in range(n)]
    return grid(demo.display(demo.examples), maps, [title for title, _ in runs], rows, outlier_perc=0.5, overlay=True)


if __name__ == "__main__":
    sys.exit(main())
