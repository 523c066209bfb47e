"""Where the examples of a job come from: what every source can do."""

from __future__ import annotations

from typing import Any, Protocol

from tfxai.explainer.batches import Batch


class Source(Protocol):
    """Examples that are read in stretches, by any process that holds the source, as often as it wants.

    Attributes:
        n: How many examples there are.
        names: Names of the classes, in their order, where the source knows them (folders of images); else None.
        sequential: Whether a stretch is reached by reading all before it: then a worker goes on from where it is, and
            reads from the start again for a stretch that lies behind it.
    """

    n: int
    names: list[str] | None
    sequential: bool

    def read(self, start: int, stop: int) -> Batch:
        """The examples from start to stop: x in the structure that `explain` takes, and y where there are labels.

        Raises:
            InputError: The source has other rows than when it was opened.
        """

    def identity(self) -> dict[str, Any]:
        """What tells this source from another, as JSON: its kind, length, shapes, dtypes, and a digest of its content.

        A job that is resumed compares it: equal content of another kind (a file, and the array it holds) may differ.
        """
