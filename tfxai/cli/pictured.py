"""The demonstration with pictures: photographs, or digits where those are not installed."""

from __future__ import annotations

import dataclasses
from typing import Any

from tfxai.cli.shows import Show
from tfxai.errors import MissingExtraError

SIZES = ("gradient", "guided_backprop", "smoothgrad")  # their sign is not for or against
PICTURED = (
    "gradient", "smoothgrad", "guided_backprop", "integrated_gradients", "gradcam", "occlusion", "lrp\nepsilon_plus",
    "deeplift\nreveal_cancel",
)  # fmt: skip
RULES = {
    "deeplift": ("rescale", "reveal_cancel", "genomics"),
    "lrp": ("epsilon_plus", "epsilon_gamma_box", "epsilon_alpha2_beta1"),
}
BOX = {"low": -1.0, "high": 1.0}  # what the pixels of these networks can be
LOOK = """Open index.html: choose an example, a method, the map or the picture, and rest the pointer on a map.
Look whether the coloured places are what you would name as the reason; "Measured" says which maps the network obeys."""


def show(network: str) -> Show:
    """Every method on photographs, or on digits."""
    import numpy as np

    demo, about = _network(network)
    side = demo.examples.shape[1]
    probabilities = np.asarray(demo.model(demo.examples, training=False))
    said = [", ".join(f"{demo.labels[i]} {p[i]:.2f}" for i in p.argsort()[::-1][:3]) for p in probabilities]
    metrics: dict[str, dict[str, Any]] = {"deletion": {"steps": 6}, "insertion": {"steps": 6}, "sparseness": {}}
    return Show(about, LOOK, "What the network looks at", demo, probabilities, said, _plans(side), PICTURED, metrics,
                _figure, eased=lambda title, e: _eased(title, e, side))  # fmt: skip


def _network(name: str) -> tuple[Any, str]:
    """The network and what it is shown, with a word on it; digits where the photographs are not installed."""
    from tfxai.demo import digits, imagenet

    said = ""
    if name != "digits":
        try:
            return imagenet(), "EfficientNet-Lite0, trained on ImageNet, and photographs it has never seen."
        except MissingExtraError as error:
            if name == "imagenet":
                raise
            said = f"{error}\nHere is the digit network that ships with tfxai instead. "
    demo = digits()
    chosen = [3, 5, 14, 16]
    demo = demo._replace(examples=demo.examples[chosen], names=[demo.names[i] for i in chosen])
    return demo, f"{said}A small network for digits, and four it has not been trained on."


def _plans(side: int) -> list[tuple[str, dict]]:
    """Every method, with options that let all of them together finish within a minute."""
    from tfxai.method.lookup import class_of, methods
    from tfxai.segments import grid

    kinds = {name: class_of(name) for name in methods() if name not in RULES}
    plans = {name: {**kind.quick} for name, kind in kinds.items() if not kind.needs_data}
    squares = {"groups": grid(4)}  # sixteen
    plans["occlusion"]["window"] = 3 * side // 14
    plans["integrated_gradients"]["steps"] = 24
    plans["expected_gradients"]["samples"] = 20
    plans["rise"]["samples"] = 32
    plans["shapley_sampling"] = {"samples": 4, **squares}
    for name in ("kernel_shap", "lime"):
        plans[name] = {"samples": 64, **squares}
    ruled = [
        (name, {"rule": rule, **(BOX if "box" in rule else {})}) for name, rules in RULES.items() for rule in rules
    ]
    return [*plans.items(), *ruled]


def _eased(title: str, e: Any, side: int) -> Any:
    """For the eye: a pixel's own value is noise; what has no sign to speak of by its size. Sums stay."""
    import numpy as np

    if title in SIZES:
        e = dataclasses.replace(e, values=np.abs(e.values), meta=e.meta | {"signed": False})
    return e.smooth(side / 150)


def _figure(show: Show, runs: dict[str, Any]) -> Any:
    """One row per example, one column per method."""
    from tfxai.plot import grid

    demo = show.demo
    drawn = [_eased(title, runs[title], demo.examples.shape[1]) for title in PICTURED]
    maps = [[e.values[i] for e in drawn] for i in range(len(demo.examples))]
    titles = [f"{title}\n(size)" if title in SIZES else title for title in PICTURED]
    signs = ["positive" if title in (*SIZES, "gradcam") else "all" for title in PICTURED]
    rows = [f"explained: {demo.labels[int(t)]}" for t in drawn[-1].target]
    return grid(demo.display(demo.examples), maps, titles, rows, signs, outlier_perc=0.5, overlay=True)
