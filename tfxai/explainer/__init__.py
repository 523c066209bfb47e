"""`explain()` and `Explainer`: the one waist through which every explanation flows."""

from tfxai.explainer.explainer import Explainer, explain

__all__ = ["Explainer", "explain"]
