"""What several commands are asked with: target, baseline, layer, options of the method."""

from __future__ import annotations

import argparse
import ast
from pathlib import Path
from typing import Any

from tfxai.cli import shared
from tfxai.errors import OptionError, received


def add(parser: argparse.ArgumentParser) -> None:
    """The options of commands that explain."""
    parser.add_argument(
        "--target",
        help="class: an index, a label, one per example: 3,5,5, or index:2, label:2 (default: the predicted; "
        "of one output with two labels the second)",
    )
    parser.add_argument("--top", type=int, metavar="K", help="explain the K highest classes of each example")
    parser.add_argument("--baseline", help="a number, blur, or a .npy file (default: zeros)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="an option of the method: steps=50"
    )
    parser.add_argument("--layer", help="attribute to, or read, this layer: a path, or last_conv")
    parser.add_argument(
        "--labels", metavar="FILE", help="class names: one per line, a JSON list, class_indices or id2label"
    )
    parser.add_argument("--batch-size", type=int, help="examples per pass")


def given(args: argparse.Namespace) -> dict[str, Any]:
    """The options of the method."""
    return dict(_option(text) for text in args.set)


def outputs(model: Any, names: int) -> int | None:
    """How many outputs the model has, None where it does not say or has several; `names` where any axis is as long."""
    shape = getattr(model, "output_shape", None)
    if (signature := shared.signature(model)) is not None:
        found = [spec.shape for spec in signature.structured_outputs.values()]
        shape = tuple(found[0]) if len(found) == 1 and found[0].rank else None
    if not isinstance(shape, tuple) or len(shape) < 2 or not all(n is None or isinstance(n, int) for n in shape):
        return None
    return names if len(shape) > 2 and names in shape[1:] else shape[-1]


def target(args: argparse.Namespace, labels: list[str] | None) -> Any:
    """What is explained: --target, or --top."""
    from tfxai import targets
    from tfxai.cli.labels import target as of_text

    if args.top is None:
        return of_text(args.target, labels)
    if args.target is not None:
        raise OptionError("--top names the classes, and so does --target. Pass one of them.")
    return targets.top(args.top)


def _option(text: str) -> tuple[str, Any]:
    """name=value, the value as Python writes it, or else a text."""
    name, found, value = text.partition("=")
    if not found:
        raise OptionError(f"--set takes NAME=VALUE, such as steps=50. {received(text)}")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def baseline(text: str | None) -> Any:
    """What --baseline means: a number, blur, or the array in a file."""
    if text is None:
        return None
    if text == "blur":
        from tfxai import baselines

        return baselines.blur()
    try:
        return float(text)
    except ValueError:
        pass
    if text.endswith(".npy"):
        from tfxai.cli.readers import read_arrays

        return read_arrays(Path(text))
    raise OptionError(f"--baseline is a number, blur, or a .npy file. {received(text)}")
