"""Every method by name: the file of this folder and the class in it. Nothing is imported before it is used."""

from __future__ import annotations

METHODS: dict[str, str] = {
    "gradient": "gradient.Gradient",
    "input_x_gradient": "gradient.InputXGradient",
    "guided_backprop": "guided.GuidedBackprop",
    "deconvnet": "guided.DeconvNet",
    "gradcam": "cam.GradCAM",
    "gradcam++": "cam.GradCAMPlusPlus",
    "layercam": "cam.LayerCAM",
    "hirescam": "cam.HiResCAM",
    "scorecam": "scorecam.ScoreCAM",
    "guided_gradcam": "cam.GuidedGradCAM",
    "activation": "activation.Activation",
    "deeplift": "deeplift.DeepLIFT",
    "lrp": "lrp.LRP",
    "deep_taylor": "lrp.DeepTaylor",
    "patternnet": "pattern.PatternNet",
    "pattern_attribution": "pattern.PatternAttribution",
    "integrated_gradients": "path.IntegratedGradients",
    "expected_gradients": "path.ExpectedGradients",
    "occlusion": "perturb.Occlusion",
    "rise": "perturb.RISE",
    "shapley_sampling": "shapley.ShapleySampling",
    "kernel_shap": "shapley.KernelSHAP",
    "lime": "lime.LIME",
    "smoothgrad": "noise.SmoothGrad",
    "vargrad": "noise.VarGrad",
    "smoothgrad_squared": "noise.SmoothGradSquared",
}
ALIASES = {"ig": "integrated_gradients"}
