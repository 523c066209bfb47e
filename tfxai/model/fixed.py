"""What does not depend on the input: the weights, and what is folded from them, as they are now."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from tfxai.graph.capture import Op, every

FEW, OFTEN = 200, 8  # ops that cost less one by one than the call of a function; how often before to compile more
MOST = 2**28  # bytes that may be kept from one call to the next
READ = "ReadVariableOp"


class Kept:
    """What was made of variables, and these as they were read.

    TensorFlow writes into the buffer of a variable only where no one else holds it, else it takes a new one. As they
    are held here, a variable that is where it was has the numbers that it had. Should numpy ever copy what it shows,
    two copies that are held are at two places, and all is made anew.
    """

    def __init__(self, read: Sequence[tf.Tensor], made: list[tf.Tensor]) -> None:
        self.made = made
        self.shown = [shown(t) for t in read]

    def holds(self, read: Sequence[tf.Tensor]) -> bool:
        """Whether these are the same numbers."""
        return all(_at_one_place(shown(t), held) for t, held in zip(read, self.shown, strict=True))


def shown(tensor: tf.Tensor) -> np.ndarray | None:
    """The numbers of a tensor where they are in the memory of this computer; None where they are not, or are words."""
    return None if "CPU" not in tensor.device or tensor.dtype is tf.string else np.asarray(tensor)


def _at_one_place(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    if one is None or other is None:
        return False
    return one.__array_interface__["data"][0] == other.__array_interface__["data"][0]


@dataclasses.dataclass
class Fixed:
    """The values of a program that do not depend on the input, and the ops that make them.

    Of a large network it takes a third of the first call to compile them, and no more than a twentieth of a second to
    run them op by op.

    Attributes:
        numbers: Of the values that are asked for.
        ops: What makes them, the reading of variables included.
        captured: What they are made of: variables, and constants from outside.
        kept: What was made last.
        times: How often they were made.
    """

    numbers: list[int]
    ops: list[Op]
    captured: Mapping[int, tf.Tensor]
    kept: Kept | None = None
    times: int = 0

    @functools.cached_property
    def variables(self) -> list[Op]:
        """The ops that read them."""
        return [op for op in self.ops if op.type == READ and op.inputs[0] in self.captured]

    @functools.cached_property
    def follows(self) -> bool:
        """Whether the values are the same as long as these are: no other op has a state."""
        known = set(map(id, self.variables))
        others = [op.node for op in every(self.ops) if id(op) not in known and op.node is not None]
        return not any(node.op_def.is_stateful for node in others)

    def now(self, make: Callable[[list[tf.Tensor]], list[tf.Tensor]]) -> list[tf.Tensor]:
        """The values: as they were made in the last call, if the variables are the same, else anew.

        Args:
            make: `make(variables)`, these as they were read.
        """
        read = [op.run([self.captured[op.inputs[0]]])[0] for op in self.variables]
        kept = self.kept
        if kept is None or not kept.holds(read):
            self.times += 1
            kept = Kept(read, make(read))
            size = sum(t.dtype.size * t.shape.num_elements() for t in (*read, *kept.made))
            self.kept = kept if self.follows and size <= MOST else None
        return kept.made

    def pays(self, xla: bool) -> bool:
        """Whether to compile what is made so often."""
        return xla or any(op.bodies for op in self.ops) or (len(self.ops) > FEW and self.times > OFTEN)
