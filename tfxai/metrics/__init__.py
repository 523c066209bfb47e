"""Measures of explanations: `tfxai.metrics.axioms` of a method, `tfxai.metrics.check` of your own model."""

from tfxai.metrics import axioms
from tfxai.metrics.selfcheck import Check, check

__all__ = ["Check", "axioms", "check"]
