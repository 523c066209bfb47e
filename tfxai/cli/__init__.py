"""The command line. TensorFlow is imported by the commands that need it, so `--help` answers at once.

Exit codes: 0 done, 1 an error (one line on standard error) or a check that failed, 2 a wrong command line.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from tfxai.errors import TfxaiError

COMMANDS = {
    "demo": "explain real photographs (or digits) with every method",
    "explain": "explain a model's predictions of images, arrays or a table",
    "scale": "explain a whole data set into a store, which survives being killed; or say how far that is",
    "check": "measure on your model whether contributions add up, layer by layer",
    "methods": "list the methods",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    parser = argparse.ArgumentParser(prog="tfxai", description="Explain the predictions of any Keras model.")
    parser.add_argument("--debug", action="store_true", help="show where an error comes from")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, line in COMMANDS.items():
        room = importlib.import_module(f"tfxai.cli.{name}")
        command = commands.add_parser(name, help=line, description=room.__doc__)
        command.set_defaults(run=room.run)
        room.options(command)
    args = parser.parse_args(arguments)
    with _any_console():
        return _run(args)


def _run(args: argparse.Namespace) -> int:
    """Runs a command; an error of its becomes one line, whatever it is."""
    try:
        _import_quietly()
        with warnings.catch_warnings():
            warnings.showwarning = _warned
            return args.run(args)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if args.debug:
            raise
        kind = "" if isinstance(error, (TfxaiError, OSError)) else f"{type(error).__name__}: "
        hint = "" if not kind else " (tfxai --debug shows where)"
        print(f"tfxai: {kind}{' '.join(str(error).split())}{hint}", file=sys.stderr)
        return 1


def _warned(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: Any = None, line: Any = None
) -> None:
    """A warning in a line, without the place in Python that it came from."""
    print(f"tfxai: warning: {' '.join(str(message).split())}", file=sys.stderr)


@contextlib.contextmanager
def _any_console() -> Iterator[None]:
    """Letters that the console's encoding lacks are written as \\u732b: a name must not cost minutes of work."""
    kept = [(s, s.errors) for s in (sys.stdout, sys.stderr) if isinstance(s, io.TextIOWrapper)]
    try:
        for stream, _ in kept:
            stream.reconfigure(errors="backslashreplace")
        yield
    finally:
        for stream, errors in kept:
            stream.reconfigure(errors=errors)


def _import_quietly() -> None:
    """TensorFlow, without the lines it prints on standard error while it starts: they would drown the user's own."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")  # warnings and errors of later work are still shown
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        importlib.import_module("tensorflow").config.list_physical_devices()
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
