"""Which values are norms, or inverses of norms: what normalisations divide by, whatever ops they are made of."""

from __future__ import annotations

from collections.abc import Mapping

from tfxai.graph.activity import ALIASES, Kind
from tfxai.graph.capture import Op

NORM, INVERSE = "Sqrt", "Rsqrt"
OTHER = {NORM: INVERSE, INVERSE: NORM}
CARRIERS = ALIASES | {
    "BroadcastTo", "Cast", "ExpandDims", "Maximum", "Minimum", "Mul", "Neg", "Reshape", "Squeeze", "Tile",
}  # fmt: skip


def norm_of(op: Op, kinds: Mapping[int, Kind], known: Mapping[int, str]) -> str | None:
    """Whether the op makes a norm or an inverse one, up to a constant factor, `known` being those made before it."""
    if op.type in OTHER:
        return op.type
    data = [i for i in op.inputs if kinds[i] is Kind.DATA]
    among = {known.get(i) for i in data}
    found = among.pop() if len(among) == 1 and (len(data) == 1 or op.type == "Mul") else None
    if found is None or op.type in CARRIERS:
        return found
    if op.type in ("Reciprocal", "Inv") or op.type in ("RealDiv", "Div") and data[0] == op.inputs[1]:
        return OTHER[found]
    return found if op.type in ("Add", "AddV2") and found == NORM else None  # and a small number
