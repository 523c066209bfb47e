"""Measures of explanations: `tfxai.metrics.axioms`."""

from tfxai.metrics import axioms

__all__ = ["axioms"]
