"""Explain any Keras model: `tfxai.explain(model, x)`.

    >>> import keras, numpy as np, tfxai
    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="softmax")])
    >>> e = tfxai.explain(model, np.ones((1, 3), "float32"), method="deeplift", target=0)
    >>> e.values.shape
    (1, 3)

Where to start:

    explain, Explainer          one call; a model prepared once and called often; forget drops what is kept of it
    black_box                   any function from arrays to scores, as a model
    methods()                   the methods by name; each is a class too: DeepLIFT, IntegratedGradients, GradCAM...
    Explanation, load           the result: values, score, delta; plot, save, to_html, to_dataframe...
    targets, baselines          what is explained, and against what
    segments                    what is hidden or summed together: superpixels, stretches, words, columns
    plot, figures, report       pictures, the lecture's figures, one page to mail
    callbacks                   explanations while a model learns
    scale                       a whole data set: a store that survives anything, filled by one process or many
    Patterns                    what the units of a model look for, of data: for patternnet, pattern_attribution
    check                       whether explanations of your model can be trusted
    evaluate, metrics           methods measured beside each other; axioms of a method
    ExplainMixin, explainable   model.explain(...)
    errors, supported_ops()     what can go wrong, and which operations have a rule

TensorFlow is imported when the first name that needs it is used: `import tfxai` itself takes no time.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tfxai.method.table import METHODS as _METHODS

if TYPE_CHECKING:  # what editors and type checkers see; at run time a name is imported when it is first used
    from tfxai import baselines as baselines
    from tfxai import callbacks as callbacks
    from tfxai import demo as demo
    from tfxai import errors as errors
    from tfxai import figures as figures
    from tfxai import metrics as metrics
    from tfxai import plot as plot
    from tfxai import scale as scale
    from tfxai import segments as segments
    from tfxai import targets as targets
    from tfxai.errors import CompletenessWarning as CompletenessWarning
    from tfxai.errors import EmptyMapWarning as EmptyMapWarning
    from tfxai.errors import SnapshotWarning as SnapshotWarning
    from tfxai.errors import TfxaiError as TfxaiError
    from tfxai.errors import UnsupportedOpError as UnsupportedOpError
    from tfxai.explainer import Explainer as Explainer
    from tfxai.explainer import explain as explain
    from tfxai.explainer import forget as forget
    from tfxai.explanation import Explanation as Explanation
    from tfxai.explanation import load as load
    from tfxai.keras_model import ExplainMixin as ExplainMixin
    from tfxai.keras_model import explainable as explainable
    from tfxai.method.activation import Activation as Activation
    from tfxai.method.cam import GradCAM as GradCAM
    from tfxai.method.cam import GradCAMPlusPlus as GradCAMPlusPlus
    from tfxai.method.cam import GuidedGradCAM as GuidedGradCAM
    from tfxai.method.cam import HiResCAM as HiResCAM
    from tfxai.method.cam import LayerCAM as LayerCAM
    from tfxai.method.deeplift import DeepLIFT as DeepLIFT
    from tfxai.method.gradient import Gradient as Gradient
    from tfxai.method.gradient import InputXGradient as InputXGradient
    from tfxai.method.guided import DeconvNet as DeconvNet
    from tfxai.method.guided import GuidedBackprop as GuidedBackprop
    from tfxai.method.lime import LIME as LIME
    from tfxai.method.lookup import methods as methods
    from tfxai.method.lrp import LRP as LRP
    from tfxai.method.lrp import DeepTaylor as DeepTaylor
    from tfxai.method.noise import SmoothGrad as SmoothGrad
    from tfxai.method.noise import SmoothGradSquared as SmoothGradSquared
    from tfxai.method.noise import VarGrad as VarGrad
    from tfxai.method.path import ExpectedGradients as ExpectedGradients
    from tfxai.method.path import IntegratedGradients as IntegratedGradients
    from tfxai.method.pattern import PatternAttribution as PatternAttribution
    from tfxai.method.pattern import PatternNet as PatternNet
    from tfxai.method.perturb import RISE as RISE
    from tfxai.method.perturb import Occlusion as Occlusion
    from tfxai.method.scorecam import ScoreCAM as ScoreCAM
    from tfxai.method.shapley import KernelSHAP as KernelSHAP
    from tfxai.method.shapley import ShapleySampling as ShapleySampling
    from tfxai.metrics.evaluated import Evaluation as Evaluation
    from tfxai.metrics.evaluation import evaluate as evaluate
    from tfxai.metrics.selfcheck import check as check
    from tfxai.model.black_box import black_box as black_box
    from tfxai.patterns import Patterns as Patterns
    from tfxai.plot.report import report as report
    from tfxai.rules.supported import supported_ops as supported_ops

__version__ = "0.1.0"

_WHERE = {
    "explain": "tfxai.explainer",
    "Explainer": "tfxai.explainer",
    "forget": "tfxai.explainer",
    "black_box": "tfxai.model.black_box",
    "ExplainMixin": "tfxai.keras_model",
    "explainable": "tfxai.keras_model",
    "Explanation": "tfxai.explanation",
    "load": "tfxai.explanation",
    "check": "tfxai.metrics.selfcheck",
    "evaluate": "tfxai.metrics.evaluation",
    "Evaluation": "tfxai.metrics.evaluated",
    "Patterns": "tfxai.patterns",
    "report": "tfxai.plot.report",
    "methods": "tfxai.method.lookup",
    "supported_ops": "tfxai.rules.supported",
    "TfxaiError": "tfxai.errors",
    "UnsupportedOpError": "tfxai.errors",
    "CompletenessWarning": "tfxai.errors",
    "EmptyMapWarning": "tfxai.errors",
    "SnapshotWarning": "tfxai.errors",
} | {kind: f"tfxai.method.{file}" for file, _, kind in (path.partition(".") for path in _METHODS.values())}
_MODULES = ("baselines", "callbacks", "demo", "errors", "figures", "metrics", "plot", "scale", "segments", "targets")

__all__ = [*_WHERE, *_MODULES]


if not TYPE_CHECKING:  # a checker that met this would believe every name

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
