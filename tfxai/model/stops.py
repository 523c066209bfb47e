"""What stops a pass through a model when it runs, as an error that says what to do."""

from __future__ import annotations

import re

import tensorflow as tf

from tfxai.errors import ModelError, NoMemoryError, TargetError
from tfxai.targets.bound import OTHER_SIZE, OUT_OF_RANGE, BoundTarget, FunctionTarget

NO_ROWS = "The model does not return one row per example"
STATES = (
    "A layer that keeps a state (stateful=True) has it for so many examples: pass as many, and batch_size= that number."
)
ONE_EACH = (
    "Expected an output whose first axis is that of the examples. For bags of examples with one prediction each, pass "
    f"bags with an axis of their own, (bags, instances, ...). {STATES}"
)
SCOPE = "target_function"  # the ops of a target function are made in it: when one fails, its name says whose it is
SOME_ROWS = (
    "It sees some rows at a time: a chunk of the examples, or changed copies of them. Data of each example do not fit "
    "into it: pass them as class indices, target=[...], or beside it, tfxai.targets.per_example(function, data), which "
    "is handed those of its rows."
)
# What went wrong, in a message of TensorFlow: the line before the one with the name of the op, or the last one.
REASON = re.compile(r"^(?!Graph execution|Detected at|<stack)(\S.+)(?:\n\s*\[\[|\Z)", re.MULTILINE)


def by_position(target: BoundTarget) -> str:
    """That a target function cannot know rows by their position."""
    return f"The target function {target.label!r} gives equal rows different numbers, by their position. {SOME_ROWS}"


def understood_as(message: str, target: BoundTarget, n: int) -> Exception | None:
    """What stopped a pass when it ran, as an error that says what to do; None where it is not known."""
    if OUT_OF_RANGE in message:
        return TargetError(f"{OUT_OF_RANGE}. Received: target {target.label}.")
    if OTHER_SIZE in message:
        return TargetError(f"{OTHER_SIZE}, at the inputs given. Received: target {target.label}.")
    if NO_ROWS in message and not isinstance(target, FunctionTarget):
        return ModelError(f"{NO_ROWS}. {ONE_EACH}")
    if NO_ROWS in message:
        return TargetError(
            f"A target function returns one number per example. For {n} examples this target returned another number "
            f"of them. {SOME_ROWS} Received: target {target.label!r}."
        )
    if SCOPE in message:
        return TargetError(f"The target function {target.label!r} fails when it runs: {_reason(message)}. {SOME_ROWS}")
    return None


def stopped(error: tf.errors.OpError, size: int) -> ModelError:
    """What TensorFlow cannot run with so many examples in a pass, as an error that says what to do."""
    if isinstance(error, tf.errors.ResourceExhaustedError):
        found = NoMemoryError(
            f"Not enough memory for {size} examples at once. Pass a smaller batch_size=. {_reason(error.message)}"
        )
        found.size = size
        return found
    return ModelError(
        f"TensorFlow cannot run a pass through the model: {_reason(error.message)}. Check that model.predict runs on "
        f"these inputs, on this machine. {STATES}"
    )


def _reason(message: str) -> str:
    return next(iter(REASON.findall(message)), message)[:160].strip().removesuffix(".")
