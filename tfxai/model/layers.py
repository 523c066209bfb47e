"""Which tensors of a trace a layer returned: the only introspection of layers.

Keras gives no hook that works for functional, nested, shared and subclassed models alike, scopes in op names are
made unique (`a` may become `a_1`), and patching `Layer.__call__` would change Keras for everyone. So the
trace is watched from outside, in this thread only: Python's profiler hook sees every return from a layer's call,
with the layer and what it returned.
"""

from __future__ import annotations

import contextlib
import sys
import weakref
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any, NamedTuple

import tensorflow as tf

from tfxai.errors import LayerError, received, suggest
from tfxai.graph.capture import Graph

# Where a layer keeps the variables that are its own, in Keras 3 and tf_keras.
GROUPS = ("_trainable_variables", "_non_trainable_variables", "_trainable_weights", "_non_trainable_weights")


class LayerCall(NamedTuple):
    """One call of one layer: its path through the nesting, the tensors that it returned, the layer and its name.

    The layer is held weakly: it belongs to the model, which is not kept alive by what was captured of it.
    """

    path: str
    tensors: tuple[tf.Tensor, ...]
    of: weakref.ref[Any]
    name: str

    @property
    def layer(self) -> Any:
        """None, where it lives no more."""
        return self.of()


@contextlib.contextmanager
def watched() -> Iterator[list[LayerCall]]:
    """Notes every layer call of the trace inside, innermost first. The list is complete when it is over."""
    calls: list[LayerCall] = []
    stack: list[Any] = []
    before = sys.getprofile()

    def watch(frame: FrameType, event: str, returned: Any) -> None:
        if frame.f_code.co_name != "__call__" or event not in ("call", "return"):
            return
        owner: Any = frame.f_locals.get("self")
        if not _is_layer(owner):
            return
        if event == "call":
            stack.append((id(frame), owner))
        elif stack and stack[-1][0] == id(frame):
            path = _path([layer for _, layer in stack])
            stack.pop()
            flat = [t for t in tf.nest.flatten(returned) if isinstance(t, tf.Tensor)]
            if flat:
                calls.append(LayerCall(path, tuple(flat), weakref.ref(owner), owner.name))

    sys.setprofile(watch)
    try:
        yield calls
    finally:
        sys.setprofile(before)
        calls[:] = _distinct(calls)


def _is_layer(owner: Any) -> bool:
    """A Keras or tf_keras layer, told by its base class so that neither package is imported for the other."""
    return owner is not None and any(c.__name__ == "Layer" and "keras" in c.__module__ for c in type(owner).__mro__)


def _path(layers: list[Any]) -> str:
    """Names from below the model down to the layer; a layer's wrapped calls to itself count once."""
    names = [layer.name for k, layer in enumerate(layers) if k == 0 or layer is not layers[k - 1]]
    return "/".join(names[1:]) or names[0]


def _distinct(calls: Sequence[LayerCall]) -> list[LayerCall]:
    """Calls without the inner frames of the same call (a layer's `__call__` may pass through several)."""
    kept: list[LayerCall] = []
    for call in calls:
        if kept and kept[-1].of is call.of and kept[-1].tensors[0] is call.tensors[0]:
            kept.pop()
        kept.append(call)
    return kept


def same_call(a: LayerCall, b: LayerCall) -> bool:
    """Whether two traces have the same call of a layer that lives."""
    return (a.path, a.name) == (b.path, b.name) and a.layer is b.layer is not None


def name_of(call: LayerCall, calls: Sequence[LayerCall]) -> str:
    """The path of a call; of a layer that is called several times with the number of the call, `"base/conv#1"`."""
    same = [c for c in calls if c.path == call.path]
    return call.path if len(same) == 1 else f"{call.path}#{next(k for k, c in enumerate(same) if c is call)}"


def owners(model: Any, graph: Graph) -> dict[int, str]:
    """Value number of each variable that the model's layers own -> the name of its layer.

    Ops are told by the weights that they read: the scopes in their names are made unique, `a` becomes `a_1`.
    """
    names: dict[int, str] = {}
    for layer in model._flatten_layers() if hasattr(model, "_flatten_layers") else ():
        for variable in own_variables(layer):
            names.update((number, layer.name) for number in handles(variable) if number not in names)
    return {n: names[id(tensor)] for n, tensor in graph.captured.items() if id(tensor) in names}


def own_variables(layer: Any) -> list[Any]:
    """The weights that a layer holds itself, not those of the layers inside it."""
    return [variable for group in GROUPS for variable in getattr(layer, group, None) or ()]


def handles(variable: Any) -> list[int]:
    """The ids of what a graph captures of a variable."""
    own = getattr(variable, "_value", variable)  # what a variable of Keras 3 stands for
    copies = own.values if isinstance(getattr(own, "values", None), tuple) else (own,)  # one per device
    return [id(copy.handle) for copy in copies]


def find(calls: Sequence[LayerCall], layer: Any) -> LayerCall:
    """The call meant by a name, a path such as `"base/conv5"`, an index, a layer object, or `(one of them, call)`.

    Raises:
        LayerError: No such layer, or it is called several times and the call is not said.
    """
    found = matching(calls, layer)
    if len(found) > 1:
        names = list(dict.fromkeys(name_of(c, calls) for c in found))
        name = _name(layer)
        raise LayerError(
            f"The layer {name!r} is called {len(found)} times: pass the name of one call ({', '.join(names[:20])}), or "
            f"layer=({name!r}, k) for its call number k, from 0."
        )
    return found[0]


def matching(calls: Sequence[LayerCall], layer: Any) -> list[LayerCall]:
    """All calls meant by what `find` takes.

    Raises:
        LayerError: There is none.
    """
    which = None
    if isinstance(layer, tuple) and len(layer) == 2:
        layer, which = layer
    if isinstance(layer, int) and not isinstance(layer, bool):
        top = [c for c in calls if "/" not in c.path]
        if not -len(top) <= layer < len(top):
            raise LayerError(f"The model calls {len(top)} layers, so an index is in -{len(top)} to {len(top) - 1}. "
                             f"Received: layer={layer}.")  # fmt: skip
        return [top[layer]]
    found = [c for c in calls if _matches(c, layer)] or [c for c in calls if name_of(c, calls) == layer]
    if not found:
        raise LayerError(
            f"The model calls no layer {_name(layer)!r}. {suggest(_name(layer), {name_of(c, calls) for c in calls})} "
            f"{received(layer)}"
        )
    if which is None:
        return found
    if not -len(found) <= which < len(found):
        raise LayerError(f"The layer {_name(layer)!r} is called {len(found)} times. Received: call {which}.")
    return [found[which]]


def _matches(call: LayerCall, layer: Any) -> bool:
    if isinstance(layer, str):
        return call.path == layer or call.path.endswith("/" + layer) or call.name == layer
    return call.layer is layer


def _name(layer: Any) -> Any:
    return layer if isinstance(layer, (str, int)) else getattr(layer, "name", layer)


def number_of(graph: Graph, tensor: tf.Tensor) -> int:
    """The value number of a tensor of the trace."""
    outermost = graph.keep.graph
    if tensor.graph is outermost and tensor.name in graph.names:
        return graph.names[tensor.name]
    outside_loops = {*graph.inputs, *(o for op in graph.ops for o in op.outputs)}
    for number in sorted(outside_loops, reverse=True):
        if graph.values[number] is tensor:
            return number
    raise LayerError(
        f"The tensor {tensor.name!r} of this layer lives inside a loop, so there is no one feature map to "
        "attribute to. Choose the layer around the loop."
    )
