"""Explanations in the forms that other packages read."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfxai.errors import InputError
from tfxai.result.data import PER_EXAMPLE, ExplanationData
from tfxai.support.extras import extra
from tfxai.support.files import replacing
from tfxai.support.structure import named

VALUES = ("values", "multipliers", "standard_error")
AXES = {1: (), 2: ("feature",), 3: ("step", "channel"), 4: ("y", "x", "channel"), 5: ("z", "y", "x", "channel")}


def to_xarray(e: ExplanationData) -> Any:
    """An `xarray.Dataset`: values and inputs with named dimensions, one number per sample for the rest.

    Dimensions by rank: sample, then feature; step, channel; y, x, channel; or z, y, x, channel. Of several inputs or
    layers, every one is a variable `values.<name>` with dimensions of its own (`y.<name>`). Provenance is in `attrs`,
    as text and JSON, so the data set can be written to netCDF or Zarr.

    Raises:
        MissingExtraError: `pip install "tfxai[data]"`.
    """
    xarray = extra("data", "xarray")
    return xarray.Dataset(variables(e, (*VALUES, "inputs")), coordinates(e), attributes(e))


Variables = dict[str, tuple[tuple[str, ...], np.ndarray]]


def variables(e: ExplanationData, fields: Sequence[str]) -> Variables:
    """The arrays of an explanation under names, each with the names of its dimensions: those fields, and all numbers
    that there are per example.
    """
    found: Variables = {}
    for field in fields:
        for name, array in named(getattr(e, field)):
            suffix = f".{name}" if name else ""
            where = "" if field != "inputs" or _same_shape(e, name, array) else "input."
            dims = ("sample", *(f"{where}{axis}{suffix}" for axis in AXES.get(array.ndim, _numbered(array.ndim))))
            found[f"{field}{suffix}"] = (dims, array)
    for field in PER_EXAMPLE:
        value = getattr(e, field)
        if isinstance(value, np.ndarray):
            found[field] = (("sample", *(f"{field}_{k}" for k in range(value.ndim - 1))), value)
    return found


def coordinates(e: ExplanationData) -> dict[str, list]:
    """The names of the columns of data frames, and those of the examples."""
    features = {f"feature.{name}" if name else "feature": list(columns)
                for name, columns in e.meta.get("features", {}).items()}  # fmt: skip
    dims = {dim for own, _ in variables(e, VALUES).values() for dim in own}
    found = {k: v for k, v in features.items() if k in dims}
    return found | ({"sample": e.meta["rows"]} if "rows" in e.meta else {})


def attributes(e: ExplanationData) -> dict[str, str]:
    """Where an explanation came from, as text and JSON."""
    attrs = {"method": e.method, "layer": e.layer or "", "fingerprint": e.fingerprint}
    return attrs | {"options": json.dumps(e.options, default=repr), "meta": json.dumps(e.meta, default=repr)}


def to_dataframe(e: ExplanationData, names: Sequence[str] | None = None) -> Any:
    """A `pandas.DataFrame` of a table's explanation: one row per example.

    Columns are the features, then score, baseline_score, delta and target as far as they are there: a feature that is
    called so comes first. Of several inputs, the columns carry the input's name. The index has the names of the rows.

    Args:
        e: Values of shape (n, features), or several inputs of this shape.
        names: One per feature; None takes the columns of the data frame that was explained, or numbers.

    Raises:
        MissingExtraError: `pip install "tfxai[data]"`.
        InputError: Values of another rank, another number of names.
    """
    pandas = extra("data", "pandas")
    columns: list[str] = []
    parts = []
    for name, array in named(e.values):
        array = array[:, None] if array.ndim == 1 else array
        if array.ndim != 2:
            raise InputError(
                f"A data frame holds values of shape (n, features). Received: {array.shape}. Use to_xarray() for more "
                "axes."
            )
        count = array.shape[1]
        known = e.meta.get("features", {}).get(name)
        own = known or ([""] if count == 1 and name else map(str, range(count)))
        columns += [f"{name}.{one}" if one else name for one in own] if name else own
        parts.append(array)
    if names is not None:
        if len(names) != len(columns):
            raise InputError(f"Expected {len(columns)} names, one per feature. Received: {len(names)}.")
        columns = [str(n) for n in names]
    features = pandas.DataFrame(np.concatenate(parts, axis=1), columns=columns, index=e.meta.get("rows"))
    found = {field: getattr(e, field) for field in PER_EXAMPLE}
    about = {f: v for f, v in found.items() if isinstance(v, np.ndarray) and v.ndim == 1}
    # Columns of their own, also beside features of the same name.
    return pandas.concat([features, pandas.DataFrame(about, index=features.index)], axis=1)


def to_shap(e: ExplanationData, names: Sequence[str] | None = None) -> Any:
    """A `shap.Explanation`, which shap's own plots draw.

    Its `base_values` are the scores at the baseline, so that base value + sum = score up to `delta`.

    Raises:
        MissingExtraError: `pip install "tfxai[shap]"`.
        InputError: Several inputs: shap has one array.
    """
    shap = extra("shap", "shap")
    if not isinstance(e.values, np.ndarray):
        raise InputError("shap.Explanation holds one array. Received: an explanation of several inputs or layers.")
    data = e.inputs if isinstance(e.inputs, np.ndarray) and e.inputs.shape == e.values.shape else None
    names = e.meta.get("features", {}).get("") if names is None else list(names)
    return shap.Explanation(values=e.values, base_values=e.baseline_score, data=data, feature_names=names)


def to_modisco(e: ExplanationData, folder: str | os.PathLike) -> tuple[Path, Path]:
    """Writes `ohe.npz` and `shap.npz`, each one array `arr_0` of shape (n, 4, length): the input of TF-MoDISco.

    `modisco motifs -s ohe.npz -a shap.npz -n 2000 -w 400 -o results.h5` then finds the motifs; `-w` is how much of the
    middle it reads, at most the length.

    Args:
        e: Hypothetical contributions of one-hot sequences (n, length, 4): `explain(..., hypothetical=True)`.
        folder: Made if it is not there.

    Returns:
        The paths of the sequences and of the scores.

    Raises:
        InputError: Not hypothetical, another shape, or sequences that are not one-hot.
    """
    if not e.options.get("hypothetical"):
        raise InputError(
            "TF-MoDISco reads hypothetical contributions, of every letter at every position. Received: actual ones. "
            'Explain with method="deeplift", hypothetical=True.'
        )
    values, sequences = e.values, e.inputs
    if not isinstance(values, np.ndarray) or values.ndim != 3 or values.shape[-1] != 4:
        raise InputError(f"Expected values of shape (n, length, 4). Received: {np.shape(values)}.")
    if not np.isin(sequences, (0, 1)).all() or (np.sum(sequences, axis=-1) > 1).any():
        raise InputError("Expected one-hot sequences: zeros, and at most one 1 per position. Received: other numbers.")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "ohe.npz", folder / "shap.npz"
    for path, array in zip(paths, (sequences, values), strict=True):
        with replacing(path) as temporary, open(temporary, "xb") as file:
            np.savez_compressed(file, np.ascontiguousarray(array.transpose(0, 2, 1)).astype(np.float32))
    return paths


def _numbered(rank: int) -> tuple[str, ...]:
    return tuple(f"axis_{k}" for k in range(1, rank))


def _same_shape(e: ExplanationData, name: str, array: np.ndarray) -> bool:
    return dict(named(e.values)).get(name, np.empty(0)).shape == array.shape
