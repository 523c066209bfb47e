"""`tfxai check MODEL`: whether contributions add up on your model, the same in every batch and every time."""

from __future__ import annotations

import argparse

from tfxai.cli import shared
from tfxai.errors import InputError

LAYERS_SHOWN = 12  # layers


def options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("model", help="a .keras or .h5 file, or a SavedModel folder")
    parser.add_argument("inputs", nargs="*", help=f"{shared.INPUTS} (default: random examples)")
    parser.add_argument("--rule", default="rescale", help="of DeepLIFT: rescale, reveal_cancel, genomics")
    shared.add_reading(parser)


def run(args: argparse.Namespace) -> int:
    """Prints what was measured; 1 when something is not as it should be."""
    from tfxai.metrics.selfcheck import TOLERANCE, check

    model = shared.opened(args.model, args.modules)
    taken = shared.inputs(args, model)[0] if args.inputs else None
    if taken is not None and taken.apart:
        raise InputError("The pictures have other sizes, which one batch cannot hold. Check them one by one.")
    found = check(model, None if taken is None else taken.x, args.rule, allow_nan=args.allow_nan)
    source = "the given examples" if args.inputs else "4 random examples"
    print(f"{args.model}: {model.name if hasattr(model, 'name') else 'model'}, {source}\n")
    _line("adds up", found.residual <= TOLERANCE, f"largest residual {found.residual:.1e} of the score's change")
    _line("batch", found.batch <= TOLERANCE, f"in a batch and alone differ by {found.batch:.1e}")
    _line("repeats", found.repeats, "same call, same bits" if found.repeats else "the same call gave other numbers")
    names = ", ".join(found.unsupported) or "none"
    _line("every op has a rule", not found.unsupported, f"without: {names}")
    for text in found.warnings:
        print(f"  warning: {text}")
    print("\n  what each layer leaks of the change of the first example's score:")
    for layer, amount in list(found.layers.items())[:LAYERS_SHOWN]:
        print(f"    {amount:+.1e}  {layer}")
    if len(found.layers) > LAYERS_SHOWN:
        print(f"    less in {len(found.layers) - LAYERS_SHOWN} more")
    print(f"\n{'All well.' if found else 'Not as it should be: see above.'}")
    return 0 if found else 1


def _line(name: str, good: bool, text: str) -> None:
    print(f"  {'ok  ' if good else 'FAIL'} {name:20s} {text}")
