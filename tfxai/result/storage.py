"""Explanations on disk: `.npz` files of plain arrays, no pickle."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from tfxai.errors import FileFormatError, InputTypeError
from tfxai.result.data import PER_EXAMPLE, STRUCTURES, ExplanationData
from tfxai.support.files import replacing
from tfxai.support.structure import leaves

FORMAT = 1
ARRAYS = (*STRUCTURES, *PER_EXAMPLE, "baseline")
SAVE_AGAIN = " Save it again with explanation.save(path)."


def save(e: ExplanationData, path: str | os.PathLike) -> Path:
    """Writes an `.npz` of plain arrays and one JSON text; a killed process leaves no half file.

    Dtypes and shapes come back as they are, except strings (numpy's own) and bfloat16 (float32, the same values).

    Args:
        e: What to write.
        path: Where; `.npz` is added where it is missing.

    Returns:
        The path, ending in `.npz`.

    Raises:
        InputTypeError: An array holds Python objects.
    """
    path = Path(path)
    path = path if path.suffix == ".npz" else path.with_name(path.name + ".npz")
    arrays: dict[str, np.ndarray] = {}
    skeletons = {}
    for field in ARRAYS:
        value = getattr(e, field)
        if value is not None and not isinstance(value, str):
            skeletons[field] = _skeleton(value, field, arrays)
    rest = {f.name: _plain(getattr(e, f.name)) for f in dataclasses.fields(e) if f.name not in skeletons}
    text = json.dumps({"format": FORMAT, "skeletons": skeletons, "fields": rest})
    arrays["tfxai"] = np.frombuffer(text.encode(), np.uint8)
    with replacing(path) as temporary, open(temporary, "xb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return path


def read(path: str | os.PathLike) -> dict[str, Any]:
    """The fields of the explanation that `save` wrote at this path, checked. Nothing in the file is executed.

    Raises:
        FileNotFoundError: No such file.
        FileFormatError: Not a saved explanation, damaged, or of a newer format.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No explanation at {str(path)!r}. `save` returns the path it wrote, ending in .npz.")
    try:
        fields = _fields(path)
        _check(ExplanationData(**fields))
    except PermissionError:
        raise
    except FileFormatError as error:
        raise FileFormatError(f"{str(path)!r}: {error}") from error
    except Exception as error:  # damaged bytes fail in every way there is: zlib.error, RecursionError, MemoryError...
        said = f"{type(error).__name__}: {error}"
        reason = "it is no archive of arrays" if "pickle" in said else said  # numpy advises to run what is in the file
        raise FileFormatError(
            f"{str(path)!r} is not an explanation saved by tfxai ({reason}). Save it again with explanation.save(path)."
        ) from error
    return fields


def _fields(path: Path) -> dict[str, Any]:
    """What the file says, not yet checked."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {k: file[k] for k in file.files}
    text = json.loads(bytes(arrays.pop("tfxai")).decode())
    if text["format"] != FORMAT:
        raise FileFormatError(f"The file has format {text['format']!r}; this tfxai reads {FORMAT}. Update tfxai.")
    return {k: _filled(s, arrays) for k, s in text["skeletons"].items()} | text["fields"]


def _check(e: ExplanationData) -> None:
    """Types, dtypes and shapes agree, whatever the file says about itself."""
    texts, dicts = (e.method, e.fingerprint, e.layer or ""), (e.options, e.meta)
    if not all(isinstance(t, str) for t in texts) or not all(isinstance(d, dict) for d in dicts):
        raise FileFormatError("Method, layer and fingerprint are texts, options and meta are dicts." + SAVE_AGAIN)
    n = len(e.score) if _is_numbers(e.score) and e.score.ndim == 1 else -1
    for field in PER_EXAMPLE:
        value = getattr(e, field)
        if field == "target" and (value is None or isinstance(value, str)):
            continue
        good = isinstance(value, np.ndarray) and value.shape[:1] == (n,)
        if field != "target":
            good = good and _is_numbers(value) and value.ndim == 1
        if not good and (field == "score" or value is not None):
            raise FileFormatError(f"{field!r} is not one number for each example.{SAVE_AGAIN}")
    for field in STRUCTURES:
        tree = getattr(e, field)
        for leaf in [] if tree is None and field != "values" else leaves(tree):
            text = field == "inputs" and isinstance(leaf, np.ndarray) and leaf.dtype.kind in "US"
            if not (text or _is_numbers(leaf)) or leaf.shape[:1] != (n,):
                held = f"{field!r} does not hold an array of {n} examples, as the scores do."
                raise FileFormatError(held + SAVE_AGAIN)


def _is_numbers(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "biuf"


def _skeleton(value: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
    """The structure with names of arrays for arrays, which go to `arrays`.

    Names count positions: names made of keys could meet ({"a": {"b": ...}} and {"a.b": ...}).
    """
    if isinstance(value, dict):
        return {"dict": {str(k): _skeleton(v, f"{name}.{i}", arrays) for i, (k, v) in enumerate(value.items())}}
    if isinstance(value, (list, tuple)):
        return {"list": [_skeleton(v, f"{name}.{i}", arrays) for i, v in enumerate(value)]}
    if value is None:
        return None
    arrays[name] = _storable(np.asarray(value), name)
    return name


def _storable(array: np.ndarray, name: str) -> np.ndarray:
    """The array in a dtype that a file gives back: the strings of a text model, and bfloat16 as float32."""
    if array.dtype.name == "bfloat16":
        return array.astype(np.float32)
    if array.dtype == object and all(isinstance(v, (str, bytes)) for v in array.reshape(-1)):
        return array.astype(str)
    if array.dtype.kind not in "biufUS":
        raise InputTypeError(
            f"{name!r} cannot be saved without pickle: expected numbers or strings. Received: dtype {array.dtype}. "
            "Convert it, for example with numpy.asarray(..., float)."
        )
    return array


def _filled(skeleton: Any, arrays: dict[str, np.ndarray]) -> Any:
    """A skeleton with its arrays in place: the inverse of `_skeleton`."""
    if skeleton is None:
        return None
    if isinstance(skeleton, str):
        return arrays[skeleton]
    if "dict" in skeleton:
        return {k: _filled(v, arrays) for k, v in skeleton["dict"].items()}
    return [_filled(v, arrays) for v in skeleton["list"]]


def _plain(value: Any) -> Any:
    """As JSON knows it: text keys, numbers, lists; what has no such form becomes its repr."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, (np.generic, np.ndarray)):
        return _plain(value.tolist())
    return value if value is None or isinstance(value, (str, int, float, bool)) else repr(value)
