"""The same numbers drawn by captum, shap, xplique and tfxai, beside each other: python plot_pairs.py FOLDER

Needs the extras demo and test-interop, and captum (with torch) and xplique; a package that is missing leaves its
pictures out. Writes photograph.png, cam.png, bars.png and beeswarm.png; what they show is in plots.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

import tfxai


def main(folder: str) -> None:
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    demo = tfxai.demo.imagenet()
    x, pictures = demo.examples[:1], demo.display(demo.examples[:1])
    for name, method, options in (("photograph", "deeplift", {}), ("cam", "gradcam", {})):
        e = tfxai.explain(demo.model, x, method, verbose=0, **options)
        beside([_captum, _shap, _xplique, _tfxai], (e, pictures, demo.labels), out / f"{name}.png")
    flats = tfxai.demo.table()
    e = tfxai.explain(flats.model, flats.examples, baseline=tfxai.demo.flats.ORDINARY, verbose=0)
    beside([_shap_bar, _shap_waterfall, _tfxai_bars], (e, flats), out / "bars.png")
    many = tfxai.demo.flats.made(200, np.random.default_rng(1))
    e = tfxai.explain(flats.model, many, baseline=tfxai.demo.flats.ORDINARY, verbose=0)
    beside([_shap_beeswarm, _tfxai_summary], (e, flats), out / "beeswarm.png")


def beside(draw: list, given: tuple, path: Path) -> None:
    """One picture of all, as each library makes it."""
    images = []
    for one in draw:
        plt.close("all")
        try:
            figure = one(*given)
        except ImportError as error:
            print(f"{path.name}: without {one.__name__[1:]}: {error}")
            continue
        figure.savefig(path, dpi=80, bbox_inches="tight")
        images.append(Image.open(path).convert("RGB"))
        images[-1].load()
    height = max(image.height for image in images)
    page = Image.new("RGB", (sum(image.width + 20 for image in images), height), "white")
    left = 0
    for image in images:
        page.paste(image, (left, 0))
        left += image.width + 20
    page.save(path)


def _captum(e, pictures, labels):
    from captum.attr import visualization

    figure, _ = visualization.visualize_image_attr(
        e.values[0], pictures[0], "blended_heat_map", "all", use_pyplot=False, show_colorbar=True, title="captum"
    )
    return figure


def _shap(e, pictures, labels):
    import shap

    values = np.broadcast_to(e.values, pictures.shape) / (1 if e.values.shape[-1] == 3 else 3)
    shap.image_plot([values], pictures, labels=np.array([["shap"]]), show=False)
    return plt.gcf()


def _xplique(e, pictures, labels):
    from xplique.plots import plot_attributions

    plt.figure(figsize=(4, 4))
    plot_attributions(e.values, pictures, img_size=4.0, cmap="jet", alpha=0.4, cols=1)
    plt.suptitle("xplique")
    return plt.gcf()


def _tfxai(e, pictures, labels):
    return e.plot(0, display=pictures, labels=labels, title="tfxai").figure


def _shapley(e, flats):
    import shap

    return shap.Explanation(e.values, e.baseline_score, data=e.inputs, feature_names=list(flats.features))


def _shap_bar(e, flats):
    import shap

    shap.plots.bar(_shapley(e, flats)[0], show=False)
    plt.title("shap bar")
    return plt.gcf()


def _shap_waterfall(e, flats):
    import shap

    shap.plots.waterfall(_shapley(e, flats)[0], show=False)
    plt.title("shap waterfall")
    return plt.gcf()


def _shap_beeswarm(e, flats):
    import shap

    shap.plots.beeswarm(_shapley(e, flats), show=False)
    plt.title("shap beeswarm")
    return plt.gcf()


def _tfxai_bars(e, flats):
    named = tfxai.Explanation(**{**vars(e), "meta": e.meta | {"features": {"": list(flats.features)}}})
    return named.plot(0, title="tfxai", labels=["rent in euros"]).figure


def _tfxai_summary(e, flats):
    return tfxai.plot.summary(e.values, e.inputs, flats.features, title="tfxai", unit="contribution in euros").figure


if __name__ == "__main__":
    main(sys.argv[1])
