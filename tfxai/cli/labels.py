"""Class names that users bring, and what `--target` means by them."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from tfxai.cli.tables import read_text
from tfxai.errors import FileFormatError, InputError, OptionError, received, suggest
from tfxai.result.names import class_names, two_sided

NUMBERED = re.compile(r"(\d+)[\s:,;]+(\S.*)")
SAID = {"index": int, "label": str}  # --target index:2, label:2


def read_labels(path: str) -> list[str]:
    """Class names, in the order of their indices: a line each; a JSON list; or a dict, either way round.

    Read are also lines that begin with their index, one line with commas, `id2label` and `label2id` of a config, and
    `imagenet_class_index` with its pairs.

    Raises:
        FileFormatError: None of these.
    """
    text = read_text(Path(path))[0]
    if not text.lstrip().startswith(("[", "{")):
        return _lines(text)
    try:
        found = json.loads(text)
    except ValueError as error:
        raise FileFormatError(f"{path!r} holds no labels, one per line or as JSON ({error}).") from error
    try:
        names = class_names(found) or {}
    except InputError as error:
        raise FileFormatError(f"{path!r} holds no labels: {error}") from error
    if not names or sorted(names) != list(range(len(names))):
        raise FileFormatError(f"{path!r} holds no labels: expected a name for each index from 0 on. {received(found)}")
    return [names[k] for k in range(len(names))]


def fitting(path: str, labels: list[str], outputs: int | None) -> list[str]:
    """The names of the classes: of the outputs, or two where the one output is the score of the second.

    Raises:
        OptionError: Other numbers of names and of outputs.
    """
    if outputs is None or len(labels) == outputs or two_sided(labels, outputs):
        return labels
    shown = ", ".join([*labels[:3], *(["..."] if len(labels) > 3 else [])])[:80]
    raise OptionError(
        f"{path!r} has {len(labels)} labels ({shown}), and the model has {outputs} outputs. Pass a file with the name "
        "of each output, in their order."
    )


def target(text: str | None, labels: list[str] | None) -> Any:
    """What `--target` means: one class, or a list of them; None where it was not given."""
    if text is None:
        return None
    parts = [text] if text in (labels or []) else [part.strip() for part in text.split(",")]
    found = [_class(part, labels or []) for part in parts]
    return found[0] if len(found) == 1 else found


def _class(text: str, labels: list[str]) -> int:
    """A class by its index or its label.

    Raises:
        OptionError: Neither; or both, of different classes.
    """
    kind, found, rest = text.partition(":")
    kinds = [kind] if found and kind in SAID and text not in labels else list(SAID)
    text = rest.strip() if len(kinds) == 1 else text
    meant = {}
    if "label" in kinds:
        meant.update({k: f"the label of class {k}" for k, name in enumerate(labels) if name == text})
    if "index" in kinds and re.fullmatch(r"-?[0-9]+", text):
        meant.setdefault(int(text), f"class {text}")
    if len(meant) == 1:
        return next(iter(meant))
    if meant:
        raise OptionError(
            f"--target {text!r} is {' and '.join(list(meant.values())[:4])}. Say which: --target index:NUMBER"
            + (f" or label:{text}." if Counter(labels)[text] == 1 else ".")
        )
    known = suggest(text, labels)[:300] if labels else "Labels are told by --labels FILE: one name per line."
    raise OptionError(f"--target is a class index or a label. {received(text)} {known}")


def _lines(text: str) -> list[str]:
    """A name per line; without its index where every line begins with its own; commas part those of a single line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) == 1 and "," in lines[0]:
        return [name.strip() for name in lines[0].split(",") if name.strip()]
    numbered = [NUMBERED.fullmatch(line) for line in lines]
    if all(found and int(found[1]) == k for k, found in enumerate(numbered)):
        return [found[2] for found in numbered if found]
    return lines
