"""Explain any Keras model: `tfxai.explain(model, x)`.

    >>> import keras, numpy as np, tfxai
    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="softmax")])
    >>> e = tfxai.explain(model, np.ones((1, 3), "float32"), method="deeplift", target=0)
    >>> e.values.shape
    (1, 3)

Where to start:

    explain, Explainer          one call; a model prepared once and called often
    methods()                   the methods by name; each is a class too: DeepLIFT, IntegratedGradients, GradCAM...
    Explanation, load           the result: values, score, delta; plot, save, to_html, to_dataframe...
    targets, baselines          what is explained, and against what
    plot, figures, report       pictures, the lecture's figures, one page to mail
    callbacks                   explanations while a model learns
    metrics                     axioms of a method; a check of your model
    ExplainMixin, explainable   model.explain(...)
    errors, supported_ops()     what can go wrong, and which operations have a rule

TensorFlow is imported when the first name that needs it is used: `import tfxai` itself takes no time.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_WHERE = {
    "explain": "tfxai.explainer",
    "Explainer": "tfxai.explainer",
    "ExplainMixin": "tfxai.keras_model",
    "explainable": "tfxai.keras_model",
    "Explanation": "tfxai.explanation",
    "load": "tfxai.explanation",
    "report": "tfxai.plot.report",
    "methods": "tfxai.method.table",
    "supported_ops": "tfxai.rules.supported",
    "DeepLIFT": "tfxai.method.deeplift",
    "Gradient": "tfxai.method.gradient",
    "InputXGradient": "tfxai.method.gradient",
    "GuidedBackprop": "tfxai.method.guided",
    "DeconvNet": "tfxai.method.guided",
    "GradCAM": "tfxai.method.cam",
    "GradCAMPlusPlus": "tfxai.method.cam",
    "LayerCAM": "tfxai.method.cam",
    "ScoreCAM": "tfxai.method.cam",
    "GuidedGradCAM": "tfxai.method.cam",
    "IntegratedGradients": "tfxai.method.path",
    "ExpectedGradients": "tfxai.method.path",
    "Occlusion": "tfxai.method.perturb",
    "RISE": "tfxai.method.perturb",
    "SmoothGrad": "tfxai.method.noise",
    "SmoothGradSquared": "tfxai.method.noise",
    "VarGrad": "tfxai.method.noise",
    "TfxaiError": "tfxai.errors",
    "UnsupportedOpError": "tfxai.errors",
    "CompletenessWarning": "tfxai.errors",
    "EmptyMapWarning": "tfxai.errors",
    "SnapshotWarning": "tfxai.errors",
}
_MODULES = ("baselines", "callbacks", "demo", "errors", "figures", "metrics", "plot", "targets")

__all__ = [*_WHERE, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        value = getattr(importlib.import_module(_WHERE[name]), name)
        globals()[name] = value
        return value
    if name in _MODULES:
        return importlib.import_module(f"tfxai.{name}")
    raise AttributeError(f"module 'tfxai' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
