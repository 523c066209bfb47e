"""`explain()` and `Explainer`: the one waist through which every explanation flows."""

from tfxai.explainer.explainer import Explainer, explain
from tfxai.explainer.kept import forget

__all__ = ["Explainer", "explain", "forget"]
