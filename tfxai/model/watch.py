"""Whether a model may have changed since it was captured: told at every call, by looking where Python keeps things.

Weights are read at every call; everything else that a trace reads (activations, layers, numbers, policies, adapted
statistics) is an attribute of an object, an item of a container, or a variable of a function. All of those that can be
reached from the model are compared with what they were, by identity. A change that does not matter, such as what
`compile` and `fit` note, costs a new capture and no more: equal graphs are one (see `tfxai.graph.identity`).
"""

from __future__ import annotations

import functools
import operator
import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

PLAIN = (bool, int, float, complex, str, bytes, type(None))
ARRAY = 2**20  # bytes: of larger arrays only which object they are is compared, as they would slow every call
# Training alone reads these, and a trace at inference does not.
TRAINING = (
    keras.optimizers.Optimizer, keras.losses.Loss, keras.metrics.Metric, keras.callbacks.Callback,
    keras.initializers.Initializer, keras.regularizers.Regularizer, keras.constraints.Constraint,
)  # fmt: skip
NOTES = frozenset({
    # of training
    "_compile_config", "_compile_loss", "_compile_metrics", "_compiled_trainable_state", "_jit_compile",
    "_loss_tracker", "_losses", "_loss_ids", "_losses_override", "_metrics", "compiled", "compiled_loss",
    "compiled_metrics", "history", "loss", "optimizer", "predict_function", "stop_evaluating", "stop_predicting",
    "stop_training", "test_function", "train_function", "_epoch_iterator", "_eval_epoch_iterator",
    # of saving, and of the graph of a functional model, which is rebuilt and not changed
    "_auto_config", "_build_shapes_dict", "_call_context_args", "_call_signature", "_inbound_nodes", "_nodes",
    "_nodes_by_depth", "_operations_by_depth", "_outbound_nodes", "_self_unconditional_checkpoint_dependencies",
    "_self_unconditional_dependency_names", "_tracker",
})  # fmt: skip
# Their objects do not change what a trace of the user's own code makes.
LIBRARIES = sys.stdlib_module_names | {"tensorflow", "numpy", "scipy", "pandas", "h5py", "tfxai", "absl", "wrapt"}
KERAS = {"keras", "tf_keras", "keras_hub", "keras_nlp", "keras_cv"}


class Watch:
    """What can be reached from a model, as it was last looked at."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self._seen: list[tuple[Any, Any]] = []

    def look(self) -> None:
        """Takes everything as it is now."""
        self._seen = list(_reached(self.model))

    def changed(self) -> bool:
        """Whether something is not as it was."""
        try:
            return any(_differs(live, before) for live, before in self._seen)
        except RuntimeError:  # another thread changes a container while it is compared
            return True


def _reached(model: Any) -> Iterator[tuple[Any, Any]]:
    """(container, what is in it) of everything that a trace of the model may read."""
    waiting, known = [model], set()
    keep = []  # what is made here for comparing must live, or its id would be given again
    while waiting:
        value = waiting.pop()
        if isinstance(value, PLAIN) or id(value) in known:
            continue
        known.add(id(value))
        keep.append(value)
        if isinstance(value, np.ndarray):
            if value.nbytes <= ARRAY and value.dtype != object:
                yield value, value.copy()
            continue
        for container in _containers(value):
            content = _content(container)
            if not isinstance(container, (tuple, frozenset)):  # those stay as they are
                yield container, content
            waiting += _read(content).values() if isinstance(content, dict) else content


def _containers(value: Any) -> list[Any]:
    """Where an object keeps what belongs to it."""
    if isinstance(value, (list, tuple, dict, set, frozenset)):
        return [value]
    if isinstance(value, types.MethodType):
        return [(value.__self__, value.__func__)]
    if isinstance(value, functools.partial):
        return [(value.func, value.args, value.keywords)]
    if isinstance(value, types.FunctionType):
        return [] if _root(value) in LIBRARIES | KERAS else [_Variables(value)]
    if isinstance(value, type):
        return [] if _root(value) in LIBRARIES | KERAS else [vars(value)]
    if isinstance(value, types.ModuleType) or isinstance(value, TRAINING) or _is_tensor(value):
        return []
    if hasattr(value, "python_function"):  # a tf.function
        return [(value.python_function,)]
    if _root(type(value)) in LIBRARIES and not isinstance(value, tf.Module):
        return []
    return [vars(value), (type(value),)] if hasattr(value, "__dict__") else []


class _Variables(Mapping):
    """The variables of its surroundings that a function reads: of its closure, its module, and modules named there."""

    def __init__(self, function: types.FunctionType) -> None:
        self.function = function
        self.names = _names(function.__code__)

    def _now(self) -> dict[str, Any]:
        function = self.function
        found: dict[str, Any] = {"__code__": function.__code__}
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            found[f"closure.{name}"] = cell.cell_contents if cell != types.CellType() else None
        found["defaults"], found["keywords"] = function.__defaults__, function.__kwdefaults__
        for name in self.names:
            value = function.__globals__.get(name)
            found[name] = value
            if isinstance(value, types.ModuleType) and _top(value.__name__) not in LIBRARIES | KERAS:
                found |= {f"{name}.{inner}": vars(value).get(inner) for inner in self.names}
        return found

    def __getitem__(self, name: str) -> Any:
        return self._now()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())

    def values(self) -> Any:
        return self._now().values()


def _names(code: types.CodeType) -> tuple[str, ...]:
    """The names that a function's code looks up outside, those of functions inside it included."""
    inner = [name for const in code.co_consts if isinstance(const, types.CodeType) for name in _names(const)]
    return tuple(dict.fromkeys([*code.co_names, *inner]))


def _content(container: Any) -> Any:
    """What is in a container now, as another one."""
    if isinstance(container, Mapping):
        return dict(container)
    return set(container) if isinstance(container, (set, frozenset)) else list(container)


def _read(content: dict) -> dict:
    """What a trace may read of it."""
    return {k: v for k, v in content.items() if k not in NOTES}


def _differs(live: Any, before: Any) -> bool:
    """Whether a container has other things in it."""
    if isinstance(before, dict):
        if len(live) == len(before) and all(map(operator.is_, live.values(), before.values())):
            return False
        now, then = _read(dict(live)), _read(before)
        return now.keys() != then.keys() or not all(_same(value, then[k]) for k, value in now.items())
    if isinstance(before, list):
        return len(live) != len(before) or not all(map(_same, live, before))
    return live != before if isinstance(before, set) else not np.array_equal(live, before)


def _same(a: Any, b: Any) -> bool:
    """The same object, or an equal number or text."""
    return a is b or (type(a) is type(b) and isinstance(a, PLAIN) and a == b)


def _is_tensor(value: Any) -> bool:
    return tf.is_tensor(value) or isinstance(value, (tf.Variable, keras.Variable, keras.KerasTensor, tf.TensorShape))


def _root(owner: Any) -> str:
    return _top(getattr(owner, "__module__", None) or "")


def _top(name: str) -> str:
    return name.partition(".")[0]
