"""What sums, products and quotients make of a value, its mean and its norm: the algebra of `graph.normalisations`.

A rule here takes two operands, each such a `Form` or the number of a constant value, and says of which form the result
is; None where it is of no such form.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Form(NamedTuple):
    """A value as (parts[0] x + parts[1] mean(x)) / r ** power * gains + a constant, with r the norm of x.

    Attributes:
        parts: How often x and its mean are in it; None for a 1 in the place of this sum.
        power: Of 1 / r.
        gains: The constants that it is multiplied by.
        shifted: Whether constants were added.
    """

    parts: tuple[int, int] | None
    power: int = 0
    gains: tuple[int, ...] = ()
    shifted: bool = False

    @property
    def normalised(self) -> bool:
        """Whether that is what a normalisation ends with."""
        return self.power == 1 and self.parts in ((1, -1), (1, 0))


Operand = Form | int  # a number is that of a constant value


def _negated(a: Operand) -> Form | None:
    if isinstance(a, int) or a.parts is None:
        return None
    return a._replace(parts=(-a.parts[0], -a.parts[1]))


def _added(a: Operand, b: Operand) -> Form | None:
    if isinstance(a, int):
        a, b = b, a
    if isinstance(a, int) or a.parts is None:
        return None
    if isinstance(b, int):
        return a._replace(shifted=True) if a.power == 1 else None
    if b.parts is None or (a.power, a.gains) != (b.power, b.gains):
        return None
    return a._replace(parts=(a.parts[0] + b.parts[0], a.parts[1] + b.parts[1]), shifted=a.shifted or b.shifted)


def _subtracted(a: Operand, b: Operand) -> Form | None:
    minus = b if isinstance(b, int) else _negated(b)
    return None if minus is None else _added(a, minus)


def _multiplied(a: Operand, b: Operand) -> Form | None:
    if isinstance(a, int):
        a, b = b, a
    if isinstance(a, int) or a.shifted:
        return None
    if isinstance(b, int):
        return a._replace(gains=tuple(sorted((*a.gains, b)))) if a.power == 1 else None
    if a.parts is None:
        a, b = b, a
    if a.parts is None or b.parts is not None or (a.power, b.power) != (0, 1):
        return None
    return Form(a.parts, 1, b.gains)


def _divided(a: Operand, b: Operand) -> Form | None:
    if isinstance(b, int) or b.parts is not None or b.power != -1:
        return None
    if isinstance(a, int):
        return Form(None, 1, (a,))
    return Form(a.parts, 1) if a.parts is not None and a.power == 0 else None


def _inverted(a: Operand) -> Form | None:
    return Form(None, 1) if isinstance(a, Form) and a.parts is None and a.power == -1 else None


FORMS: dict[str, Callable[..., Form | None]] = {
    "Neg": _negated,
    "Add": _added,
    "AddV2": _added,
    "Sub": _subtracted,
    "Mul": _multiplied,
    "RealDiv": _divided,
    "Reciprocal": _inverted,
    "Inv": _inverted,
}
