"""Where snapshots go: a folder with a film strip, TensorBoard, or any function.

A sink is a function `sink(explanation, figure, step)`. `explanation.meta["snapshot"]` holds its numbers: `residual`,
`drift`, `seconds`, `unit`, and the `trainable` and `frozen` layers. A sink with `figure = False` gets None for the
figure, which then is not drawn; one with `close()` is closed when training ends.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from tfxai.callbacks.strips import INDEX, facts, read_strip, strip_of, strips_in
from tfxai.plot.film_strip import film_strip
from tfxai.plot.render import photograph, render
from tfxai.result.data import ExplanationData
from tfxai.result.describe import displayed, keys, target_name
from tfxai.result.names import class_names
from tfxai.result.storage import save
from tfxai.result.tabled import tabled
from tfxai.support.extras import extra
from tfxai.support.files import replacing, safe_name


class directory:
    """Writes `epoch_0003/sample_0.png` for every sample, `epoch_0003/explanation.npz`, and a film strip.

    `index.html` shows all snapshots beside each other, which layers were trained, and where the model was compiled
    again; it opens from disk, without a server. Training that is resumed with the same folder continues the strip. Any
    other training (another network, other samples, another method, from the start again) is a strip of its own on the
    same page, in `run_2`, `run_3`, ...: nothing of an earlier one is replaced.

    Args:
        path: Folder, made when the first snapshot is written.
        labels: Class names.
        arrays: Write the `.npz` too.
        display: What to show instead of the samples, as in `tfxai.report`.

    Attributes:
        folder: Where the snapshots of the training are that was written last.

    Raises:
        InputError: The labels are no names of classes.
        FileFormatError: The folder has an `index.json` that is not a strip's.
        OSError: It cannot be written.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> e = ExplanationData(values=np.ones((1, 8, 8, 1)), score=np.ones(1), method="gradcam")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     directory(folder)(e, None, step=3)
        ...     (Path(folder) / "step_0003" / "sample_0.png").exists(), (Path(folder) / "index.html").exists()
        (True, True)
    """

    figure = False

    def __init__(
        self, path: str | os.PathLike = "tfxai-snapshots", labels: Sequence[str] | None = None, arrays: bool = True,
        *, display: Any = None,
    ) -> None:  # fmt: skip
        class_names(labels)  # refused now if they are none
        self.path, self.labels, self.arrays, self.display = Path(path), labels, arrays, display
        self.folder = self.path
        self._folders: dict[Any, Path] = {}  # training -> where its strip is

    def __call__(self, e: ExplanationData, figure: Any, step: int) -> None:
        """Writes one snapshot."""
        self.folder = self._folder(e, step)
        entry = facts(e) | {"folder": f"{safe_name(facts(e).get('unit', 'step'))}_{step:04d}", "step": step}
        (self.folder / entry["folder"]).mkdir(exist_ok=True)
        before = [old for old in self.strip() if old["folder"] != entry["folder"]]
        entry |= self._pictures(e, entry["folder"])
        if self.arrays:
            save(e, self.folder / entry["folder"] / "explanation.npz")
        entries = sorted([*before, entry], key=lambda one: one["step"])
        _text(self.folder / INDEX, json.dumps({"tfxai": 1, "snapshots": entries}, indent=1))
        strips = {folder: read_strip(folder) for folder in strips_in(self.path)}
        _text(self.path / "index.html", film_strip([_from(self.path, *strip) for strip in strips.items()]))

    def _folder(self, e: ExplanationData, step: int) -> Path:
        """Where the strip of this training is: chosen at its first snapshot."""
        run = e.meta.get("snapshot", {}).get("run", {}).get("id")
        if run not in self._folders:
            self.path.mkdir(parents=True, exist_ok=True)
            self._folders[run] = strip_of(self.path, e, step)
        self._folders[run].mkdir(parents=True, exist_ok=True)
        return self._folders[run]

    def _pictures(self, e: ExplanationData, name: str) -> dict[str, list[str]]:
        """Writes the pictures of one snapshot, and says where they are and what they show."""
        found: dict[str, list[str]] = {"pictures": [], "inputs": [], "targets": []}
        e = tabled(displayed(e, self.display))
        for i in range(len(e)):
            for k, key in enumerate(keys(e)):
                file = f"sample_{i}.png" if key is None else f"sample_{i}_{k}_{safe_name(key)}.png"
                _write(render(e, i, key, self.labels), self.folder / name / file)
                inputs = photograph(e, i, key)
                shown = f"input_{i}_{k}.png" if inputs is not None else ""
                if inputs is not None:
                    _write(inputs, self.folder / shown)
                found["pictures"].append(f"{name}/{file}")
                found["inputs"].append(shown)
                found["targets"].append(" ".join(_words(e, i, key, self.labels)))
        return found

    def strip(self) -> list[dict]:
        """What was written so far of the training that was written last, also by earlier runs that it continues."""
        return read_strip(self.folder)


class tensorboard:
    """Writes images and scalars for TensorBoard, beside what `keras.callbacks.TensorBoard(log_dir)` writes.

    Args:
        log_dir: The same as that callback's; the events go to `log_dir/explain`.
        labels: Class names.
        display: As of `directory`.

    Raises:
        MissingExtraError: `pip install "tfxai[tensorboard]"`.
        InputError: The labels are no names of classes.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> e = ExplanationData(values=np.ones((1, 8, 8, 1)), score=np.ones(1), method="gradcam")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     sink = tensorboard(folder)
        ...     sink(e, None, step=3)
        ...     sink.close()
        ...     len(list((Path(folder) / "explain").iterdir()))
        1
    """

    figure = False

    def __init__(
        self, log_dir: str | os.PathLike = "logs", labels: Sequence[str] | None = None, *, display: Any = None
    ) -> None:
        extra("tensorboard", "tensorboard")  # now, not in the middle of training
        class_names(labels)  # refused now if they are none
        self.path, self.labels, self.display = Path(log_dir) / "explain", labels, display
        self.writer: Any = None  # nothing is written before training begins

    def __call__(self, e: ExplanationData, figure: Any, step: int) -> None:
        """Writes one snapshot."""
        import tensorflow as tf

        e = tabled(displayed(e, self.display))
        if self.writer is None:
            self.writer = tf.summary.create_file_writer(str(self.path))
        with self.writer.as_default(step=step):
            for i in range(len(e)):
                for key in keys(e):
                    tag = f"{e.method}/sample_{i}" + ("" if key is None else f"_{safe_name(key)}")
                    tf.summary.image(tag, render(e, i, key, self.labels)[None])
            for name in ("residual", "drift", "seconds"):
                value = e.meta.get("snapshot", {}).get(name)
                if value is not None:
                    tf.summary.scalar(f"{e.method}/{name}", value)
        self.writer.flush()

    def close(self) -> None:
        """Closes the event file; another snapshot opens a new one."""
        if self.writer is not None:
            self.writer.close()
            self.writer = None


def _from(path: Path, folder: Path, entries: Sequence[dict]) -> list[dict]:
    """The entries of a strip with their pictures as a page in `path` finds them."""
    below = "" if folder == path else f"{folder.name}/"

    def found(files: Sequence[str]) -> list[str]:
        return [file and below + file for file in files]

    return [entry | {name: found(entry[name]) for name in ("pictures", "inputs")} for entry in entries]


def _words(e: ExplanationData, i: int, key: Any, labels: Sequence[str] | None) -> list[str]:
    """What is under a picture: the target, its score, and which input or layer."""
    words = [target_name(e, i, labels), f"{float(e.score[i]):.3g}", "" if key is None else f"({key})"]
    return [word for word in words if word]


def _write(pixels: Any, path: Path) -> None:
    with replacing(path) as temporary:
        Image.fromarray(pixels).save(temporary, format="PNG", compress_level=1)


def _text(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
