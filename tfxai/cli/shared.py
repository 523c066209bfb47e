"""What several commands need: models, inputs, preprocessing."""

from __future__ import annotations

import argparse
import importlib
import re
from typing import Any

from tfxai.errors import OptionError, received

RANGES = {"none": (1.0, 0.0), "unit": (1 / 255, 0.0), "symmetric": (1 / 127.5, -1.0)}


def add_preprocess(parser: argparse.ArgumentParser) -> None:
    """The option of commands that read inputs."""
    parser.add_argument(
        "--preprocess", default="none", metavar="HOW",
        help="keras.applications.NAME, unit (0 to 1), symmetric (-1 to 1), none (default: images as 0 to 255)",
    )  # fmt: skip


def opened(path: str) -> Any:
    """The model in a file."""
    from tfxai.model.function import open_model

    return open_model(path)


def inputs(args: argparse.Namespace, model: Any) -> tuple[Any, Any, list[str] | None]:
    """x as the model takes it, x as it was read, and the names of the columns of a table."""
    from tfxai.cli.readers import read_inputs
    from tfxai.model.function import declared_inputs

    declared = declared_inputs(model)
    shape = declared[0][1] if declared else None
    raw, names = read_inputs(args.inputs, shape)
    return preprocessed(raw, args.preprocess), raw, names


def preprocessed(x: Any, how: str) -> Any:
    """x through a function of `keras.applications`, or brought to another range.

    Raises:
        OptionError: No such function.
    """
    if how in RANGES:
        factor, shift = RANGES[how]
        return x if how == "none" else _each(x, lambda a: a.astype("float32") * factor + shift)
    found = re.fullmatch(r"keras\.applications\.(\w+)", how)
    try:
        module = importlib.import_module(how) if found else None
    except ImportError:
        module = None
    if module is None or not hasattr(module, "preprocess_input"):
        raise OptionError(f"--preprocess is keras.applications.NAME, {', '.join(RANGES)}. {received(how)}")
    return _each(x, lambda a: module.preprocess_input(a.astype("float32")))


def _each(x: Any, function: Any) -> Any:
    return {k: function(v) for k, v in x.items()} if isinstance(x, dict) else function(x)
