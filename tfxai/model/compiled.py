"""What has been compiled of one traced model."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

TARGETS = 3
TABLES = 16


class Owner(NamedTuple):
    """What compiled functions belong to, of which there may be a new one at every call.

    Attributes:
        kind: Of what.
        most: Of how many of this kind they are kept.
        key: Tells it from others; a target function is not kept alive by it.
    """

    kind: str
    most: int
    key: Any


def of_target(key: Any) -> Owner:
    """A target function of the user's, as the owner of what was compiled for it."""
    return Owner("target", TARGETS, key)


def of_table(table: Any) -> Owner:
    """A rule table: a method with its options."""
    return Owner("table", TABLES, table)


@dataclasses.dataclass(eq=False)
class Compiled:
    """What one traced model has compiled so far: filled as it is needed, by several threads at once.

    Attributes:
        functions: Traced functions by what they depend on.
        owners: Which of them belong to whom; the last used is the last.
        traces: How many functions TensorFlow has traced.
        whole_reference: Whether a reference of batch 1 was seen to fail, and one of the size of x to work.
    """

    functions: dict[Any, Any] = dataclasses.field(default_factory=dict)
    owners: dict[Owner, set[Any]] = dataclasses.field(default_factory=dict)
    traces: int = 0
    whole_reference: bool = False
    lock: Any = dataclasses.field(default_factory=threading.RLock)

    def get(self, key: Any, make: Callable[[], Any], owner: Owner | None = None, *, traced: bool = True) -> Any:
        """What is kept under `key`, made at its first use; for a while only where it belongs to an owner."""
        with self.lock:  # two threads may share one explainer
            if key not in self.functions:
                self.functions[key] = make()
                self.traces += traced
            found = self.functions[key]
            if owner is not None:
                self.owners[owner] = self.owners.pop(owner, set()) | {key}
                self._forget_all_but(owner.most, owner.kind)
            return found

    def _forget_all_but(self, most: int, kind: str) -> None:
        """Drops what belongs to all owners of a kind but the last used."""
        for old in [owner for owner in self.owners if owner.kind == kind][:-most]:
            for key in self.owners.pop(old):
                self.functions.pop(key, None)
