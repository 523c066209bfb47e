"""Every method by name."""

from __future__ import annotations

import dataclasses
from typing import Any

from tfxai.errors import MethodError, UnknownOptionError, received, suggest
from tfxai.method.base import Method
from tfxai.method.cam import GradCAM, GradCAMPlusPlus, GuidedGradCAM, LayerCAM, ScoreCAM
from tfxai.method.deeplift import DeepLIFT
from tfxai.method.gradient import Gradient, InputXGradient
from tfxai.method.guided import DeconvNet, GuidedBackprop
from tfxai.method.noise import SmoothGrad, SmoothGradSquared, VarGrad
from tfxai.method.path import ExpectedGradients, IntegratedGradients
from tfxai.method.perturb import RISE, Occlusion

METHODS: dict[str, type[Method]] = {
    "gradient": Gradient,
    "input_x_gradient": InputXGradient,
    "guided_backprop": GuidedBackprop,
    "deconvnet": DeconvNet,
    "gradcam": GradCAM,
    "gradcam++": GradCAMPlusPlus,
    "layercam": LayerCAM,
    "scorecam": ScoreCAM,
    "guided_gradcam": GuidedGradCAM,
    "deeplift": DeepLIFT,
    "integrated_gradients": IntegratedGradients,
    "expected_gradients": ExpectedGradients,
    "occlusion": Occlusion,
    "rise": RISE,
    "smoothgrad": SmoothGrad,
    "vargrad": VarGrad,
    "smoothgrad_squared": SmoothGradSquared,
}
ALIASES = {"ig": "integrated_gradients"}


def methods() -> dict[str, str]:
    """All method names with a one-line description.

    Example:
        >>> import tfxai
        >>> "deeplift" in tfxai.methods()
        True
    """
    return {name: (kind.__doc__ or "").strip().splitlines()[0] for name, kind in METHODS.items()}


def get(method: str | Method, options: dict[str, Any]) -> Method:
    """The method object for a name and its options, checked; a method object is taken as it is."""
    if isinstance(method, Method):
        if options:
            raise UnknownOptionError(
                f"A method object carries its own options. Received: {', '.join(options)} beside it. "
                f"Write tfxai.{type(method).__name__}({', '.join(f'{k}=...' for k in options)})."
            )
        made = method
    else:
        method = ALIASES.get(method, method) if isinstance(method, str) else method
        if not isinstance(method, str) or method not in METHODS:
            raise MethodError(f"No method {method!r}. {suggest(method, METHODS)} {received(method)}")
        kind = METHODS[method]
        known = [f.name for f in dataclasses.fields(kind)]
        for name in options:
            if name not in known:
                shared = ["on", "layer", "jit_compile"]
                raise UnknownOptionError(f"{method!r} has no option {name!r}. {suggest(name, known + shared)}")
        made = kind(**options)
    made.check()
    return made
