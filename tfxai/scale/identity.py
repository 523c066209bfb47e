"""What tells one job from another, as JSON: everything that its numbers depend on."""

from __future__ import annotations

import dataclasses
import hashlib
import types
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfxai.errors import StoreError
from tfxai.explainer import Explainer
from tfxai.explainer.fingerprint import fingerprint
from tfxai.graph.identity import content
from tfxai.method.lookup import SHARED
from tfxai.model.opaque import Opaque
from tfxai.model.traced import TracedModel

NOT_SEEN = "not told apart: it calls back into Python"
DEEPEST = 8  # values within values: a function may hold itself


def job_of(explainer: Explainer, traced: TracedModel, **given: Any) -> dict[str, Any]:
    """The identity of a job: the model with all its weights, the method, the arguments, the versions.

    Args:
        explainer: Of the job.
        traced: Its model.
        **given: What else decides its numbers, by name.
    """
    shared = {name: getattr(explainer, name) for name in SHARED}
    return {
        "model": _model(explainer, traced),
        "method": explainer.method.name,
        "options": told(explainer.method.options()),
        **{name: told(value) for name, value in {**shared, **given}.items()},
        "versions": {"tfxai": version("tfxai"), "tensorflow": tf.__version__, "keras": keras.__version__},
    }


def _model(explainer: Explainer, traced: TracedModel) -> Any:
    if isinstance(traced, Opaque):
        return {"black box": told(explainer.model.function), "fingerprint": fingerprint(traced, explainer.method)}
    return content(traced.graph) or {NOT_SEEN: fingerprint(traced, explainer.method)}


def told(value: Any, depth: int = 0) -> Any:
    """A value as JSON that is equal for equal values, in every process: arrays by a digest of their numbers.

    Functions are told by their name, their code, and what they hold. What they read elsewhere (globals, files) is not
    seen.

    Example:
        >>> told({"a": np.zeros(2), "b": (1, None)})["b"]
        [1, None]
        >>> told(np.zeros(2)) == told(np.zeros(2)), told(np.zeros(2)) == told(np.ones(2))
        (True, False)
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if depth > DEEPEST:
        return {"type": type(value).__qualname__}
    if isinstance(value, dict):
        return {str(k): told(v, depth + 1) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [told(v, depth + 1) for v in (sorted(value, key=repr) if isinstance(value, (set, frozenset)) else value)]
    if isinstance(value, np.generic):
        return told(value.item())
    if hasattr(value, "__array__") or hasattr(value, "columns"):
        return _array(np.asarray(value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: told(getattr(value, f.name), depth + 1) for f in dataclasses.fields(value)}
        return {type(value).__qualname__: fields}
    if isinstance(value, (types.FunctionType, types.MethodType)):
        return _function(value, depth + 1)
    if isinstance(value, bytes):
        return hashlib.blake2b(value, digest_size=8).hexdigest()
    if isinstance(value, keras.layers.Layer):
        return {"layer": value.name}
    return {"type": f"{type(value).__module__}.{type(value).__qualname__}"}


def _array(array: np.ndarray) -> dict[str, Any]:
    held = repr(array.tolist()).encode() if array.dtype.hasobject else np.ascontiguousarray(array).tobytes()
    digest = hashlib.blake2b(held, digest_size=8).hexdigest()
    return {"array": list(array.shape), "dtype": array.dtype.name, "digest": digest}


def _function(function: Any, depth: int) -> dict[str, Any]:
    """A function of Python: its code, its defaults, and the variables of its surroundings."""
    owner = getattr(function, "__self__", None)
    function = getattr(function, "__func__", function)
    cells = [told(c.cell_contents, depth) for c in function.__closure__ or () if c != types.CellType()]
    held = [*(told(v, depth) for v in (function.__defaults__, function.__kwdefaults__, owner)), cells]
    return {"function": function.__qualname__, "code": _code(function.__code__), "holds": held}


def _code(code: types.CodeType) -> str:
    """A digest of what a function does, whatever file and line it stands in."""
    digest = hashlib.blake2b(code.co_code, digest_size=8)
    for constant in code.co_consts:
        digest.update(_constant(constant).encode())
    digest.update(repr((code.co_names, code.co_varnames[: code.co_argcount])).encode())
    return digest.hexdigest()


def _constant(constant: Any) -> str:
    """A constant of a function's code as text: sets have another order in every process."""
    if isinstance(constant, types.CodeType):
        return _code(constant)
    if isinstance(constant, (tuple, frozenset)):
        parts = [_constant(part) for part in constant]
        return repr(sorted(parts) if isinstance(constant, frozenset) else parts)
    return repr(constant)


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What differs between two jobs, in words."""
    if before.get("method") != now.get("method"):  # other options follow from it
        before, now = ({k: v for k, v in job.items() if k != "options"} for job in (before, now))
    found = []
    for (name, *parts), was, is_ in _apart((), before, now):
        inside = ", ".join(str(part) for part in parts if part != "")  # a single input has no name
        where = f"{name} ({inside})" if inside else name
        found.append(f"{where}: {_short(was)}, now {_short(is_)}")
    return found


def _apart(path: tuple[Any, ...], was: Any, now: Any) -> Iterator[tuple[tuple[Any, ...], Any, Any]]:
    """Where two descriptions differ, down to the parts that do: the path of each, and both values."""
    if was == now:
        return
    if isinstance(was, dict) and isinstance(now, dict):
        for part in {**was, **now}:
            yield from _apart((*path, part), was.get(part), now.get(part))
    else:
        yield path, was, now


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def check_same(before: dict[str, Any], now: dict[str, Any], where: str) -> None:
    """Raises StoreError where a store holds another job than this."""
    if found := differences(before, now):
        raise StoreError(
            f"The store {where!r} holds another job: {'; '.join(found)}. Resume with what it was begun with, or write "
            "to another path with out=."
        )
