"""Explanations as named arrays, an example a row, and back."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from tfxai.errors import TargetError
from tfxai.explanation import Explanation
from tfxai.result.data import PER_EXAMPLE
from tfxai.result.export import VALUES, Variables, attributes, coordinates, variables
from tfxai.support.structure import map_structure, named

FIELDS = (*VALUES, "layer_sums")  # structures of arrays that a store holds: all but the inputs, which the source has
MEASURED = ("steps", "r2")  # numbers of each example that are in `meta`
OF_A_CALL = ("seed", "rows", "model_rows", *MEASURED)  # of `meta`, what says nothing of other examples
SEVERAL = "explained"  # the dimension of several targets

Found = Explanation | Sequence[Explanation]


@dataclasses.dataclass(frozen=True)
class Layout:
    """How the explanations of some examples are made of arrays with names. All of it is JSON.

    Attributes:
        structures: Field -> its structure, with the names of arrays for arrays.
        numbers: The fields with one number (or place) per example.
        about: Of each target, what all its examples share: method, options, layer, meta, target in words...
        several: Whether the arrays have an axis of targets behind that of the examples.
        names: Dimension -> names of its places, such as the columns of a table.
        attrs: What `to_xarray` says of an explanation.
    """

    structures: dict[str, Any]
    numbers: list[str]
    about: list[dict[str, Any]]
    several: bool
    names: dict[str, list]
    attrs: dict[str, str]

    @classmethod
    def of(cls, found: Found) -> Self:
        """The layout of what a call returned."""
        listed = [found] if isinstance(found, Explanation) else list(found)
        first = listed[0]
        names = {k: v for k, v in coordinates(first).items() if k != "sample"}
        about = json.loads(json.dumps([_about(e) for e in listed], default=repr))
        numbers = [f for f in PER_EXAMPLE if isinstance(getattr(first, f), np.ndarray)]
        structures = {f: _structure(f, getattr(first, f)) for f in FIELDS if getattr(first, f) is not None}
        return cls(structures, numbers, about, not isinstance(found, Explanation), names, attributes(first))

    def explanations(self, arrays: Mapping[str, np.ndarray], more: dict[str, Any], inputs: Any = None) -> list:
        """The explanations that rows of the arrays hold, one for each target.

        Args:
            arrays: Name -> the rows.
            more: What `meta` says beside what it said of the first.
            inputs: Of these rows, where they are at hand.
        """
        return [self._explanation(arrays, more, inputs, k if self.several else None) for k in range(len(self.about))]

    def _explanation(
        self, arrays: Mapping[str, np.ndarray], more: dict, inputs: Any, target: int | None
    ) -> Explanation:
        def of(name: str) -> np.ndarray:
            return arrays[name] if target is None else arrays[name][:, target]

        about = self.about[target or 0]
        fields = {f: map_structure(of, tree) for f, tree in self.structures.items()}  # type: ignore[arg-type]
        fields |= {f: of(f) for f in self.numbers}
        measured = {name: of(name).tolist() for name in MEASURED if name in arrays}
        return Explanation(**{**about, **fields, "meta": {**about["meta"], **more, **measured}, "inputs": inputs})


def arrays_of(found: Found) -> Variables:
    """What a store holds of what a call returned: name -> its dimensions, its rows."""
    if isinstance(found, Explanation):
        measured = {name: (("sample",), np.asarray(found.meta[name])) for name in MEASURED if name in found.meta}
        return {**variables(found, FIELDS), **measured}
    parts = [arrays_of(e) for e in found]
    if any(p.keys() != parts[0].keys() for p in parts):
        raise TargetError(
            "A store has one array for all targets of each(): they are of one kind, all classes or all functions. "
            f"Received: {', '.join(str(e.target) for e in found)}."
        )
    return {name: ((dims[0], SEVERAL, *dims[1:]), np.stack([p[name][1] for p in parts], axis=1))
            for name, (dims, _) in parts[0].items()}  # fmt: skip


def _structure(field: str, tree: Any) -> Any:
    """The structure with the names that `variables` gives its arrays."""
    names = iter(f"{field}.{name}" if name else field for name, _ in named(tree))
    return map_structure(lambda _: next(names), tree)


def _about(e: Explanation) -> dict[str, Any]:
    meta = {k: v for k, v in e.meta.items() if k not in OF_A_CALL}
    found = {"method": e.method, "options": e.options, "layer": e.layer, "fingerprint": e.fingerprint, "meta": meta}
    found["baseline"] = None if e.baseline is None else str(e.meta["baseline"])
    return found | {f: getattr(e, f) for f in PER_EXAMPLE if not isinstance(getattr(e, f), np.ndarray)}
