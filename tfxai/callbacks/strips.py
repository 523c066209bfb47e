"""The strips in a folder of snapshots: one for each training, the first in the folder itself, others in `run_2`, ..."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfxai.errors import FileFormatError
from tfxai.result.data import ExplanationData
from tfxai.support.structure import leaves

INDEX = "index.json"
SAME = 1e-3  # of the largest score: the same network, computed on another machine


def read_strip(folder: Path) -> list[dict]:
    """The entries of the strip in a folder, in the order of the training; none where there is no strip.

    Raises:
        FileFormatError: Its index is not that of a strip.
    """
    path = folder / INDEX
    if not path.exists():
        return []
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
        if read["tfxai"] != 1:
            raise ValueError(f"format {read['tfxai']!r}")
        return [dict(entry, folder=str(entry["folder"]), step=int(entry["step"])) for entry in read["snapshots"]]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise FileFormatError(
            f"{str(path)!r} is not the index of a film strip ({type(error).__name__}: {error}). Choose another "
            "folder, or delete the file."
        ) from error


def strips_in(path: Path) -> list[Path]:
    """The folders that hold a strip, in the order in which their trainings began."""
    later = [folder for folder in path.glob("run_*") if re.fullmatch(r"run_\d+", folder.name)]
    later.sort(key=lambda folder: int(folder.name[4:]))
    return [folder for folder in (path, *later) if (folder / INDEX).exists()]


def strip_of(path: Path, e: ExplanationData, step: int) -> Path:
    """The folder of the strip that a training's first snapshot belongs to: an old one that it continues, or a new one.

    It continues a strip of the same samples, method and unit that ends where the training was resumed, if it then was
    the same network. All else would lie among, or over, pictures of other networks.
    """
    for folder in reversed(strips_in(path)):
        entries = read_strip(folder)
        if entries and _continues(entries, facts(e), step):
            return folder
    if not (path / INDEX).exists():
        return path
    for number in itertools.count(2):
        try:
            (path / f"run_{number}").mkdir()  # fails where another process was faster
            return path / f"run_{number}"
        except FileExistsError:
            continue
    raise AssertionError


def facts(e: ExplanationData) -> dict[str, Any]:
    """What an entry of a strip notes beside its pictures."""
    numbers = e.meta.get("snapshot", {})
    digest = hashlib.blake2b(digest_size=8)
    for array in leaves(e.inputs) if e.inputs is not None else []:
        digest.update(repr(array.tolist()).encode() if array.dtype == object else np.ascontiguousarray(array).tobytes())
    return {
        "method": e.method, "layer": e.layer, "scores": [float(score) for score in e.score],
        "samples": digest.hexdigest(), **numbers,
    }  # fmt: skip


def _continues(entries: Sequence[dict], new: dict, step: int) -> bool:
    """Whether a strip goes on with a training whose first snapshot is that of this step."""
    last, run = entries[-1], new.get("run", {"start": step - 1})
    alike = all(last.get(name, new.get(name)) == new.get(name) for name in ("unit", "method", "samples"))
    start = run["start"]
    if not alike or last["step"] > start:
        return False
    if last["step"] < start:
        return True
    scores = new["scores"] if step == start else run.get("scores")
    return start > 0 and scores is None or scores is not None and _near(last["scores"], scores)


def _near(a: Sequence[float], b: Sequence[float]) -> bool:
    first, second = np.asarray(a, float), np.asarray(b, float)
    if first.shape != second.shape:
        return False
    return bool(np.abs(first - second).max(initial=0) <= SAME * max(np.abs(first).max(initial=0), SAME))
