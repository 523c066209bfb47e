"""`tfxai methods`: the methods, a line each."""

from __future__ import annotations

import argparse


def options(parser: argparse.ArgumentParser) -> None:
    """What the command takes: nothing."""


def run(args: argparse.Namespace) -> int:
    """Prints the table."""
    from tfxai.method.lookup import methods

    for name, line in methods().items():
        print(f"{name:20s} {line}")
    return 0
