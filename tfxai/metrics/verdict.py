"""What a measurement of an axiom returns."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What an axiom's measurement says.

    Attributes:
        axiom: Its name.
        residual: How far the method is from it, 0 for not at all; the unit is the axiom's, said in `detail`.
        tolerance: Up to where rounding (and the method's own quadrature) explains the residual.
        detail: The measurement in words.

    True in a condition when the axiom holds.

    Example:
        >>> bool(Verdict("completeness", 1e-7, 1e-4, "")), Verdict("completeness", 0.1, 1e-4, "").holds
        (True, False)
    """

    axiom: str
    residual: float
    tolerance: float
    detail: str

    @property
    def holds(self) -> bool:
        """Whether the residual is within the tolerance."""
        return self.residual <= self.tolerance

    def __bool__(self) -> bool:
        return self.holds
