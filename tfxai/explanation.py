"""`Explanation`: the one result type, plain numpy and where it came from."""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from tfxai._gaussian import blur
from tfxai.errors import FileFormatError, OptionError, received
from tfxai.structure import leaves, map_structure

FORMAT = 1
ARRAYS = ("values", "inputs", "multipliers", "score", "baseline_score", "delta", "target")
PER_EXAMPLE = ("score", "baseline_score", "delta", "target")


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
        fingerprint: Hash of the model and the options.
        meta: Versions, seed, baseline in words.

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
    fingerprint: str = ""
    meta: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.score)

    def __getitem__(self, rows: int | slice) -> Explanation:
        """The explanation of one example (as a batch of one) or of some."""
        if isinstance(rows, (int, np.integer)):
            if not -len(self) <= rows < len(self):
                raise IndexError(f"example {rows} of {len(self)}")
            rows = slice(int(rows), int(rows) + 1 or None)
        cut = {k: map_structure(lambda a: a[rows], getattr(self, k)) for k in ("values", "inputs", "multipliers")
               if getattr(self, k) is not None}  # fmt: skip
        cut.update({k: getattr(self, k)[rows] for k in PER_EXAMPLE if isinstance(getattr(self, k), np.ndarray)})
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
        if self.delta is not None:
            parts.append(f"max |delta|={np.abs(self.delta).max():.2g}")
        return f"Explanation({', '.join(parts)})"

    def smooth(self, sigma: float) -> Explanation:
        """The same with values blurred over their spatial axes; the sum of every example stays.

        Args:
            sigma: Standard deviation in pixels (steps of a sequence), above 0.

        Raises:
            OptionError: sigma is not above 0, or the values have no spatial axis.
        """
        if not np.isfinite(sigma) or sigma <= 0:
            raise OptionError(f"sigma is a number of pixels above 0. {received(sigma)}")

        def one(array: np.ndarray) -> np.ndarray:
            if array.ndim < 3:
                raise OptionError(
                    f"Only values with spatial axes (examples, ..., channels) can be smoothed. Received: {array.shape}."
                )
            return blur(array, sigma, tuple(range(1, array.ndim - 1)))

        return dataclasses.replace(self, values=map_structure(one, self.values))

    def plot(self, index: int = 0, ax: Any = None, **options: Any) -> Any:
        """Draws example `index` and returns the Axes: see `tfxai.plot.auto`."""
        from tfxai.plot import auto  # matplotlib only when something is drawn

        return auto(self, index, ax=ax, **options)

    def save(self, path: str | os.PathLike) -> Path:
        """Writes an `.npz` of plain arrays and one JSON text, no pickle; a killed process leaves no half file.

        Returns:
            The path, ending in `.npz`.
        """
        path = Path(path)
        path = path if path.suffix == ".npz" else path.with_name(path.name + ".npz")
        arrays: dict[str, np.ndarray] = {}
        skeletons = {}
        for field in ARRAYS:
            value = getattr(self, field)
            if value is not None and not isinstance(value, str):
                skeletons[field] = _skeleton(value, field, arrays)
        rest = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in skeletons}
        text = json.dumps({"format": FORMAT, "skeletons": skeletons, "fields": rest}, default=_plain)
        arrays["tfxai"] = np.frombuffer(text.encode(), np.uint8)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
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
        raise FileNotFoundError(f"No explanation at {str(path)!r}.")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {k: file[k] for k in file.files}
        text = json.loads(bytes(arrays.pop("tfxai")).decode())
        if text["format"] != FORMAT:
            raise FileFormatError(
                f"{str(path)!r} has format {text['format']}; this tfxai reads {FORMAT}. Update tfxai."
            )
        fields = {k: _filled(s, arrays) for k, s in text["skeletons"].items()} | text["fields"]
        explanation = Explanation(**fields)
        _check(explanation)
    except FileFormatError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise FileFormatError(
            f"{str(path)!r} is not an explanation saved by tfxai ({type(error).__name__}: {error}). Save it again with "
            "explanation.save(path)."
        ) from error
    return explanation


def _check(e: Explanation) -> None:
    n = len(e.score)
    for field in ("values", "inputs", "multipliers"):
        if any(len(a) != n for a in leaves(getattr(e, field)) if a is not None):
            raise FileFormatError(f"The arrays of {field!r} do not hold {n} examples, as the scores do.")
    for field in PER_EXAMPLE:
        value = getattr(e, field)
        if isinstance(value, np.ndarray) and value.shape[:1] != (n,):
            raise FileFormatError(f"{field!r} holds {value.shape} numbers for {n} examples.")


def _skeleton(value: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
    """The structure with array names for arrays, which go to `arrays`."""
    if isinstance(value, dict):
        return {"dict": {str(k): _skeleton(v, f"{name}.{k}", arrays) for k, v in value.items()}}
    if isinstance(value, (list, tuple)):
        return {"list": [_skeleton(v, f"{name}.{k}", arrays) for k, v in enumerate(value)]}
    array = np.asarray(value)
    if array.dtype == object:  # strings of a text model
        array = array.astype(str)
    arrays[name] = array
    return name


def _filled(skeleton: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(skeleton, str):
        return arrays[skeleton]
    if "dict" in skeleton:
        return {k: _filled(v, arrays) for k, v in skeleton["dict"].items()}
    return [_filled(v, arrays) for v in skeleton["list"]]


def _plain(value: Any) -> Any:
    """What JSON does not know, as text or numbers."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    return repr(value)


__all__ = ["Explanation", "load"]
