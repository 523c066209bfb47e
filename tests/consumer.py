"""A user's code as a type checker sees it: every public name once. It is checked, never run."""

from pathlib import Path
from typing import Any, assert_type

import keras
import numpy as np

import tfxai


def explanations(model: keras.Model, x: np.ndarray) -> None:
    e = tfxai.explain(
        model, x, "deeplift", target=1, baseline=0.0, batch_size=8, seed=0, verbose=0,
        on="probability", layer="conv", jit_compile=False, fixed=["mask"], reduction="norm", rule="rescale",
    )  # fmt: skip
    assert_type(e, tfxai.Explanation)
    assert_type(e.score, np.ndarray)
    assert_type(e[0], tfxai.Explanation)
    assert_type(e.smooth(2.0), tfxai.Explanation)
    assert_type(e.residual, np.ndarray | None)
    assert_type(e.save("e.npz"), Path)
    assert_type(tfxai.load("e.npz"), tfxai.Explanation)
    assert_type(tfxai.report([e], "page.html", ["cat", "dog"]), Path)
    explainer = tfxai.Explainer(model, tfxai.DeepLIFT(rule="genomics"), on="logit", layer=None)
    assert_type(explainer(x, target=[0, 1]), tfxai.Explanation)
    assert_type(explainer.using("ig", steps=8), tfxai.Explainer)
    assert_type(explainer.leaks(x), dict[str, float])
    assert_type(explainer.traces, int)
    tfxai.forget(model)


class Mixed(tfxai.ExplainMixin, keras.Model):
    pass


def measures(model: keras.Model, x: np.ndarray) -> list[Any]:
    table = tfxai.evaluate(model, x, ["deeplift"], ["deletion"], 1, None, baseline=0.0, seed=0, on="probability")
    assert_type(table, tfxai.Evaluation)
    assert_type(table.mean("deeplift", "deletion"), float)
    case = tfxai.metrics.Case.of(model, x, "deeplift", masks=x > 0)
    assert_type(tfxai.metrics.deletion(case, steps=10), np.ndarray)
    return [table.plot("deletion"), table.to_dataframe(), table.to_html("page.html")]


def models(model: keras.Model, x: np.ndarray) -> None:
    assert_type(tfxai.explainable(model).explain(x, "gradient", layer="conv"), tfxai.Explanation)
    assert_type(Mixed().explain(x), tfxai.Explanation)


def functions(x: np.ndarray) -> tfxai.Explanation:
    scores = tfxai.black_box(lambda x: x.sum(axis=1), "table", batch_size=64, name="sums")
    return tfxai.Explainer(scores, "occlusion")(x)


def methods() -> list[Any]:
    assert_type(tfxai.methods(), dict[str, str])
    assert_type(tfxai.supported_ops(), dict[str, str])
    return [
        tfxai.Gradient(), tfxai.InputXGradient(at="baseline"), tfxai.GuidedBackprop(), tfxai.DeconvNet(),
        tfxai.GradCAM(resize=False), tfxai.GradCAMPlusPlus(), tfxai.LayerCAM(),
        tfxai.HiResCAM(resize=False, channels="each"), tfxai.ScoreCAM(channels=8, relu=False), tfxai.GuidedGradCAM(),
        tfxai.Activation(), tfxai.IntegratedGradients(steps=8),
        tfxai.ExpectedGradients(samples=8), tfxai.Occlusion(window=3), tfxai.RISE(samples=8),
        tfxai.ShapleySampling(samples=8), tfxai.KernelSHAP(groups=[0, 1]), tfxai.LIME(ridge=0.0),
        tfxai.LRP(rule="epsilon_plus"), tfxai.DeepTaylor(low=0, high=1), tfxai.PatternNet(), tfxai.PatternAttribution(),
        tfxai.SmoothGrad("gradient", samples=8), tfxai.SmoothGradSquared(tfxai.Gradient()), tfxai.VarGrad(noise=0.1),
    ]  # fmt: skip


def patterns(model: keras.Model, x: np.ndarray) -> None:
    assert_type(tfxai.Patterns.fit(model, x, "linear"), tfxai.Patterns)
    assert_type(tfxai.Patterns.load("patterns.npz"), tfxai.Patterns)


def modules(model: keras.Model, x: np.ndarray, e: tfxai.Explanation) -> list[Any]:
    digits = tfxai.demo.digits()
    return [
        tfxai.targets.difference(0, 1), tfxai.baselines.blur(3.0)(x), tfxai.plot.auto(e, 0),
        tfxai.figures.convergence(model, x, steps=(2, 4)), tfxai.metrics.axioms.completeness("ig", model, x).residual,
        tfxai.targets.per_example(lambda y, rows: y[:, 0] * rows, x), tfxai.targets.region(x[0], 1),
        tfxai.targets.box([0, 0, 4, 2], 1, format="xyxy"), tfxai.Occlusion(window={"x": (2, 3)}, fill=[None]),
        tfxai.segments.grid(8)(x), e.grouped(tfxai.segments.grid(2)).values, tfxai.check(model).layers,
        tfxai.callbacks.ExplanationSnapshot(x, "gradcam").history, digits.labels,
        tfxai.scale.open(tfxai.scale.explain_dataset(model, x, "a.zarr", "deeplift", chunk=64, target=0)).done,
    ]  # fmt: skip


def errors() -> list[type[Exception]]:
    return [
        tfxai.TfxaiError, tfxai.errors.OptionError, tfxai.UnsupportedOpError, tfxai.CompletenessWarning,
        tfxai.EmptyMapWarning, tfxai.SnapshotWarning,
    ]  # fmt: skip
