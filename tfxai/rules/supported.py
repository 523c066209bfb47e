"""Which ops DeepLIFT has rules for."""

from __future__ import annotations

from tfxai.graph import ops as optypes
from tfxai.graph.activity import ALIASES
from tfxai.graph.capture import BRANCHES, CALLS, CASES, LOOPS


def supported_ops() -> dict[str, str]:
    """TensorFlow op type -> the rule that DeepLIFT follows where the op carries what is explained.

    Ops on values that do not depend on the input, shapes, comparisons and random draws need no rule and are not
    listed. Any other op raises `UnsupportedOpError`, unless `unknown_ops="average"`.

    Example:
        >>> import tfxai
        >>> tfxai.supported_ops()["Relu6"]
        'rescale'
    """
    groups = (
        (ALIASES, "passed through"),
        (optypes.AFFINE | optypes.NORMALISATIONS, "linear"),
        (optypes.BILINEAR, "linear; with two varying operands Shapley"),
        (optypes.QUADRATIC, "exact mean gradient"),
        (optypes.ELEMENTWISE, "rescale"),
        (optypes.PAIRWISE, "rescale; with two varying operands Shapley"),
        (optypes.LARGEST | optypes.SMALLEST, "gain to x's winner, loss to the reference's"),
        (optypes.ROWS, "averaged Jacobian, complete by row"),
        (optypes.MIXING, "averaged Jacobian, complete by example"),
        (optypes.SELECTS, "linear; with a condition that changes completed by element"),
        (frozenset(LOOPS) | frozenset(BRANCHES) | CASES | CALLS, "replayed inside"),
    )
    return dict(sorted((op, rule) for ops, rule in groups for op in ops))
