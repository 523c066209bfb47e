"""Measures of explanations: `tfxai.evaluate` compares methods by the metrics here, on your model and your examples.

Each metric is a function of a `Case` (predictions, their attributions, what is known beside) and its own options, and
returns one number per example: `available()` lists them. `axioms` measures a method's axioms, `check` your own model.
"""

from tfxai.metrics import axioms
from tfxai.metrics.agreement import rank_agreement, top_k_overlap
from tfxai.metrics.case import Case
from tfxai.metrics.complexity import entropy, sparseness
from tfxai.metrics.faithfulness import correlation, deletion, infidelity, insertion, road
from tfxai.metrics.localisation import pointing_game, relevance_mass, relevance_rank
from tfxai.metrics.randomisation import cascading_randomisation, independent_randomisation, random_logit
from tfxai.metrics.robustness import max_sensitivity
from tfxai.metrics.selfcheck import Check, check
from tfxai.metrics.sums import incompleteness
from tfxai.metrics.table import available

__all__ = [
    "Case", "Check", "available", "axioms", "cascading_randomisation", "check", "correlation", "deletion",
    "entropy", "incompleteness", "independent_randomisation", "infidelity", "insertion", "max_sensitivity",
    "pointing_game", "random_logit", "rank_agreement", "relevance_mass", "relevance_rank", "road", "sparseness",
    "top_k_overlap",
]  # fmt: skip
