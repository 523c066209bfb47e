"""`tfxai methods`: the methods, a line each."""

from __future__ import annotations

import argparse


def options(parser: argparse.ArgumentParser) -> None:
    """What the command takes: nothing."""


def run(chosen: argparse.Namespace) -> int:
    """Prints the table."""
    import tfxai

    for name, line in tfxai.methods().items():
        print(f"{name:20s} {line}")
    return 0
