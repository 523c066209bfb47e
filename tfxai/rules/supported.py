"""Which ops DeepLIFT has rules for, read from its tables."""

from __future__ import annotations

from tfxai.graph.ops import ALIASES, CALLS, CHAIN, CONTROL
from tfxai.graph.table import Rule
from tfxai.rules.deeplift import FIRST, RULES


def supported_ops() -> dict[str, str]:
    """TensorFlow op type -> the rule that DeepLIFT follows where the op carries what is explained.

    Ops on values that do not depend on the input, shapes, comparisons and random draws need no rule and are not
    listed. `NormalisationStep` stands for all ops of a normalisation, which are one to the rescale rule, and
    `LogSumExpStep` for those of `logsumexp`. Any other op raises `UnsupportedOpError`, unless `unknown_ops="average"`.

    Example:
        >>> import tfxai
        >>> tfxai.supported_ops()["Softplus"]
        'Rescale: dy / dx, and the slope where x did not change, as exact beside the reference as far from it.'
    """
    found = dict.fromkeys(ALIASES, "Passed through.") | dict.fromkeys(CONTROL | CALLS, "Replayed inside.")
    for types, _, rule in FIRST:
        found.update(dict.fromkeys(types, _described(rule)))
    found.update({op: _described(rule) for op, rule in RULES.items()})
    return dict(sorted((op, said) for op, said in found.items() if op != CHAIN))


def _described(rule: Rule) -> str:
    """The first line of the rule's docstring."""
    return (rule.__doc__ or "").strip().splitlines()[0]
