"""What has been compiled of one traced model."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import Any

OWNERS = 3


@dataclasses.dataclass(eq=False)
class Compiled:
    """What one traced model has compiled so far: filled as it is needed, by several threads at once.

    Attributes:
        functions: Traced functions by what they depend on.
        owners: Which of them belong to a target function, of which there may be a new one at every call; the last used
            is the last.
        traces: How many functions TensorFlow has traced.
        whole_reference: Whether a reference of batch 1 was seen to fail, and one of the size of x to work.
    """

    functions: dict[Any, Any] = dataclasses.field(default_factory=dict)
    owners: dict[Any, list[Any]] = dataclasses.field(default_factory=dict)
    traces: int = 0
    whole_reference: bool = False
    lock: Any = dataclasses.field(default_factory=threading.RLock)

    def get(self, key: Any, make: Callable[[], Any], owner: Any = None, *, traced: bool = True) -> Any:
        """What is kept under `key`, made at its first use; for a while only where it belongs to an owner."""
        with self.lock:  # two threads may share one explainer
            if owner is not None:
                self.owners[owner] = self.owners.pop(owner, [])
            if key not in self.functions:
                self.functions[key] = make()
                self.traces += traced
                if owner is not None:
                    self.owners[owner].append(key)
                while len(self.owners) > OWNERS:
                    for old in self.owners.pop(next(iter(self.owners))):
                        del self.functions[old]
            return self.functions[key]
