"""Where snapshots go: a folder with a film strip, TensorBoard, or any function.

A sink is a function `sink(explanation, figure, step)`. `explanation.meta["snapshot"]` holds its numbers: `residual`,
`drift`, `seconds`, `unit`. A sink with `figure = False` gets None for the figure, which then is not drawn;
one with `close()` is closed when training ends.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from tfxai.errors import FileFormatError
from tfxai.plot.film_strip import film_strip
from tfxai.plot.render import photograph, render
from tfxai.result.data import ExplanationData
from tfxai.result.describe import keys, target_name
from tfxai.result.storage import save
from tfxai.support.extras import extra
from tfxai.support.files import replacing, safe_name

INDEX = "index.json"


class directory:
    """Writes `epoch_0003/sample_0.png` for every sample, `epoch_0003/explanation.npz`, and a film strip.

    `index.html` shows all snapshots beside each other; it opens from disk, without a server. Training that is resumed
    with the same folder continues the strip; a step that is there already is replaced.

    Args:
        path: Folder, made when the first snapshot is written.
        labels: Class names.
        arrays: Write the `.npz` too.

    Raises:
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
        self, path: str | os.PathLike = "tfxai-snapshots", labels: Sequence[str] | None = None, arrays: bool = True
    ) -> None:
        self.path, self.labels, self.arrays = Path(path), labels, arrays

    def __call__(self, e: ExplanationData, figure: Any, step: int) -> None:
        """Writes one snapshot."""
        numbers = e.meta.get("snapshot", {})
        name = f"{safe_name(numbers.get('unit', 'step'))}_{step:04d}"
        folder = self.path / name
        folder.mkdir(parents=True, exist_ok=True)
        entries = [entry for entry in self.strip() if entry["folder"] != name]
        pictures, shown, targets = [], [], []
        for i in range(len(e)):
            for k, key in enumerate(keys(e)):
                file = f"sample_{i}.png" if key is None else f"sample_{i}_{k}_{safe_name(key)}.png"
                _write(render(e, i, key, self.labels), folder / file)
                pictures.append(f"{name}/{file}")
                inputs = photograph(e, i, key)
                shown.append(f"input_{i}_{k}.png" if inputs is not None else "")
                if inputs is not None:
                    _write(inputs, self.path / shown[-1])
                targets.append(" ".join(_words(e, i, key, self.labels)))
        if self.arrays:
            save(e, folder / "explanation.npz")
        entry = {"folder": name, "step": step, "pictures": pictures, "inputs": shown, "targets": targets}
        entry |= {"method": e.method, "layer": e.layer, "scores": [float(s) for s in e.score], **numbers}
        entries = sorted([*entries, entry], key=lambda one: (one.get("unit", ""), one["step"]))
        _text(self.path / INDEX, json.dumps({"tfxai": 1, "snapshots": entries}, indent=1))
        _text(self.path / "index.html", film_strip(entries))

    def strip(self) -> list[dict]:
        """What was written so far, also by earlier runs."""
        path = self.path / INDEX
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


class tensorboard:
    """Writes images and scalars for TensorBoard, beside what `keras.callbacks.TensorBoard(log_dir)` writes.

    Args:
        log_dir: The same as that callback's; the events go to `log_dir/explain`.
        labels: Class names.

    Raises:
        MissingExtraError: `pip install "tfxai[tensorboard]"`.

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

    def __init__(self, log_dir: str | os.PathLike = "logs", labels: Sequence[str] | None = None) -> None:
        extra("tensorboard", "tensorboard")  # now, not in the middle of training
        self.path, self.labels = Path(log_dir) / "explain", labels
        self.writer: Any = None  # nothing is written before training begins

    def __call__(self, e: ExplanationData, figure: Any, step: int) -> None:
        """Writes one snapshot."""
        import tensorflow as tf

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
