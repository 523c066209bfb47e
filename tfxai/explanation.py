"""`Explanation`: the one result type, plain numpy and where it came from."""

from __future__ import annotations

import dataclasses
import json
import os
import uuid
from pathlib import Path
from typing import Any

import numpy as np

from tfxai._gaussian import blur, is_width
from tfxai.errors import FileFormatError, InputTypeError, OptionError, received
from tfxai.structure import leaves, map_structure

FORMAT = 1
STRUCTURES = (
    "values",
    "inputs",
    "multipliers",
    "standard_error",
)  # arrays, or lists and dicts of arrays, examples first
PER_EXAMPLE = ("score", "baseline_score", "delta", "target")
ARRAYS = (*STRUCTURES, *PER_EXAMPLE, "baseline")
AGAIN = " Save it again with explanation.save(path)."


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """The attributions of n examples.

    Attributes:
        values: Contribution of every input feature, in the structure and shape of the model's input (for a layer:
            of its output). Unit: that of the score; for `gradient`, score per unit of the input.
        score: (n,) the explained number at x.
        baseline_score: (n,) the explained number at the baseline; mean over several baselines. Where a mask says
            which steps exist, it is x's mask. None for methods without a baseline.
        delta: (n,) score - baseline_score - sum of the contributions: how far they are from adding up. None for
            methods that promise no completeness.
        target: (n,) class index that was explained, or a description.
        inputs: What was explained.
        method, options, layer: Provenance.
        multipliers: As `values`, when asked for.
        standard_error: As `values`, for means of random draws: how far each value may be from its limit. For tokens,
            an upper bound.
        fingerprint: Hash of the model and the options.
        meta: Versions, seed, baseline in words.
        baseline: The baseline, (1 or n, references, ...) in the structure of `inputs`, or in words; None where it
            was not kept.

    A structure is one array, or a list or dict of structures; tuples come back from a file as lists.

    Example:
        >>> import numpy as np
        >>> e = Explanation(values=np.ones((2, 3)), score=np.array([3.0, 3.0]), method="deeplift")
        >>> len(e), e[0].values.shape
        (2, (1, 3))
    """

    values: Any
    score: np.ndarray
    method: str
    baseline_score: np.ndarray | None = None
    delta: np.ndarray | None = None
    target: Any = None
    inputs: Any = None
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    layer: str | None = None
    multipliers: Any = None
    standard_error: Any = None
    fingerprint: str = ""
    meta: dict[str, Any] = dataclasses.field(default_factory=dict)
    baseline: Any = None

    def __len__(self) -> int:
        return len(self.score)

    def __getitem__(self, rows: int | slice) -> Explanation:
        """The explanation of one example (as a batch of one) or of some."""
        if isinstance(rows, (int, np.integer)):
            if not -len(self) <= rows < len(self):
                raise IndexError(f"example {rows} of {len(self)}")
            rows = slice(int(rows), int(rows) + 1 or None)
        cut = {k: map_structure(lambda a: a[rows], getattr(self, k)) for k in STRUCTURES
               if getattr(self, k) is not None}  # fmt: skip
        cut.update({k: getattr(self, k)[rows] for k in PER_EXAMPLE if isinstance(getattr(self, k), np.ndarray)})
        if not isinstance(self.baseline, str):
            cut["baseline"] = map_structure(lambda b: b if b is None or len(b) == 1 else b[rows], self.baseline)
        return dataclasses.replace(self, **cut)

    def __repr__(self) -> str:
        shapes = map_structure(lambda a: a.shape, self.values)
        parts = [repr(self.method), f"n={len(self)}", f"values={shapes}"]
        if self.layer:
            parts.append(f"layer={self.layer!r}")
        if isinstance(self.target, np.ndarray) and len(self.target) <= 8:
            parts.append(f"target={self.target.tolist()}")
        elif isinstance(self.target, str) and self.target:
            parts.append(f"target={self.target!r}")
        if self.delta is not None and len(self):
            parts.append(f"max |delta|={np.abs(self.delta).max():.2g}")
        return f"Explanation({', '.join(parts)})"

    def smooth(self, sigma: float) -> Explanation:
        """The same with values blurred over their spatial axes; the sum of every example stays.

        Args:
            sigma: Standard deviation in pixels (steps of a sequence), above 0.

        Raises:
            OptionError: sigma is not above 0, or the values have no spatial axis.

        Example:
            >>> e = Explanation(values=np.eye(5)[None, ..., None], score=np.ones(1), method="deeplift")
            >>> float(e.smooth(1.0).values.sum().round(6))
            5.0
        """
        if not is_width(sigma):
            raise OptionError(f"sigma is a number of pixels above 0, such as 2.0. {received(sigma)}")

        def one(array: np.ndarray) -> np.ndarray:
            if array.ndim < 3:
                raise OptionError(
                    "Only values with spatial axes (examples, ..., channels) can be smoothed. Received: shape "
                    f"{array.shape}. Use tabular values as they are."
                )
            return blur(array, sigma, tuple(range(1, array.ndim - 1)))

        return dataclasses.replace(self, values=map_structure(one, self.values))

    def plot(self, index: int = 0, ax: Any = None, **options: Any) -> Any:
        """Draws example `index` and returns the Axes: see `tfxai.plot.auto`."""
        from tfxai.plot import auto  # matplotlib only when something is drawn

        return auto(self, index, ax=ax, **options)

    def save(self, path: str | os.PathLike) -> Path:
        """Writes an `.npz` of plain arrays and one JSON text, no pickle; a killed process leaves no half file.

        Dtypes and shapes come back as they are, except strings (numpy's own) and bfloat16 (float32, the same values).

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
            value = getattr(self, field)
            if value is not None and not isinstance(value, str):
                skeletons[field] = _skeleton(value, field, arrays)
        rest = {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self) if f.name not in skeletons}
        text = json.dumps({"format": FORMAT, "skeletons": skeletons, "fields": rest})
        arrays["tfxai"] = np.frombuffer(text.encode(), np.uint8)
        temporary = path.with_name(f"{uuid.uuid4().hex}.tmp")  # beside it: os.replace does not cross file systems
        try:
            with open(temporary, "xb") as file:
                np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return path


def load(path: str | os.PathLike) -> Explanation:
    """Reads what `Explanation.save` wrote. Nothing in the file is executed.

    Raises:
        FileNotFoundError: No such file.
        FileFormatError: Not a saved explanation, damaged, or of a newer format.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No explanation at {str(path)!r}. `save` returns the path it wrote, ending in .npz.")
    try:
        explanation = _read(path)
        _check(explanation)
    except PermissionError:
        raise
    except FileFormatError as error:
        raise FileFormatError(f"{str(path)!r}: {error}") from error
    except Exception as error:  # damaged bytes fail in every way there is: zlib.error, RecursionError, MemoryError...
        raise FileFormatError(
            f"{str(path)!r} is not an explanation saved by tfxai ({type(error).__name__}: {error}). Save it again with "
            "explanation.save(path)."
        ) from error
    return explanation


def _read(path: Path) -> Explanation:
    with np.load(path, allow_pickle=False) as file:
        arrays = {k: file[k] for k in file.files}
    text = json.loads(bytes(arrays.pop("tfxai")).decode())
    if text["format"] != FORMAT:
        raise FileFormatError(f"The file has format {text['format']!r}; this tfxai reads {FORMAT}. Update tfxai.")
    return Explanation(**{k: _filled(s, arrays) for k, s in text["skeletons"].items()} | text["fields"])


def _check(e: Explanation) -> None:
    """Types, dtypes and shapes agree, whatever the file says about itself."""
    texts, dicts = (e.method, e.fingerprint, e.layer or ""), (e.options, e.meta)
    if not all(isinstance(t, str) for t in texts) or not all(isinstance(d, dict) for d in dicts):
        raise FileFormatError("Method, layer and fingerprint are texts, options and meta are dicts." + AGAIN)
    n = len(e.score) if _is_numbers(e.score) and e.score.ndim == 1 else -1
    for field in PER_EXAMPLE:
        value = getattr(e, field)
        if field == "target" and (value is None or isinstance(value, str)):
            continue
        good = isinstance(value, np.ndarray) and value.shape[:1] == (n,)
        if field != "target":
            good = good and _is_numbers(value) and value.ndim == 1
        if not good and (field == "score" or value is not None):
            raise FileFormatError(f"{field!r} is not one number for each example.{AGAIN}")
    for field in STRUCTURES:
        tree = getattr(e, field)
        for leaf in [] if tree is None and field != "values" else leaves(tree):
            text = field == "inputs" and isinstance(leaf, np.ndarray) and leaf.dtype.kind in "US"
            if not (text or _is_numbers(leaf)) or leaf.shape[:1] != (n,):
                raise FileFormatError(f"{field!r} does not hold an array of {n} examples, as the scores do.{AGAIN}")


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


__all__ = ["Explanation", "load"]
