"""`tfxai check MODEL`: whether explanations of your model can be trusted, and which method to take."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import math
import sys
from typing import Any

from tfxai.cli import shared
from tfxai.errors import InputError

LAYERS_SHOWN = 12  # layers
LEVELS = {"ok": "ok  ", "note": "note", "fail": "FAIL", "skipped": "-   "}


def options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("model", help="a .keras or .h5 file, or a SavedModel folder")
    parser.add_argument("inputs", nargs="*", help=f"{shared.INPUTS} (default: random examples)")
    parser.add_argument("--rule", default="rescale", help="of DeepLIFT: rescale, reveal_cancel, genomics")
    parser.add_argument("--json", action="store_true", help="print what was measured as JSON")
    shared.add_reading(parser)


def run(args: argparse.Namespace) -> int:
    """Prints what was measured; 1 when something is not as it should be."""
    from tfxai.metrics.selfcheck import TOLERANCE, check

    with contextlib.redirect_stdout(sys.stderr) if args.json else contextlib.nullcontext():  # what was read is no JSON
        model = shared.opened(args.model, args.modules)
        taken = shared.inputs(args, model)[0] if args.inputs else None
    if taken is not None and taken.apart:
        raise InputError("The pictures have other sizes, which one batch cannot hold. Check them one by one.")
    found = check(model, None if taken is None else taken.x, args.rule, allow_nan=args.allow_nan)
    if args.json:
        print(json.dumps({"ok": bool(found), **_plain(found)}, indent=2))
        return 0 if found else 1
    source = "the given examples" if args.inputs else "4 random examples"
    print(f"{args.model}: {model.name if hasattr(model, 'name') else 'model'}, {source}\n")
    _line("adds up", found.residual <= TOLERANCE, f"largest residual {found.residual:.1e} of the score's change")
    _line("batch", found.batch <= TOLERANCE, f"in a batch and alone differ by {found.batch:.1e}")
    _line("repeats", found.repeats, "same call, same bits" if found.repeats else "the same call gave other numbers")
    names = ", ".join(found.unsupported) or "none"
    _line("every op has a rule", not found.unsupported, f"without: {names}")
    for finding in found.findings:
        _line(finding.name, finding.level, finding.text)
    for text in found.warnings:
        print(f"  warning: {text}")
    print("\n  what each layer leaks of the change of the first example's score:")
    for layer, amount in list(found.layers.items())[:LAYERS_SHOWN]:
        print(f"    {amount:+.1e}  {layer}")
    if len(found.layers) > LAYERS_SHOWN:
        print(f"    less in {len(found.layers) - LAYERS_SHOWN} more")
    if found.advice:
        print(f"\n  take: {found.advice}")
    print(f"\n{'All well.' if found else 'Not as it should be: see above.'}")
    return 0 if found else 1


def _line(name: str, good: bool | str, text: str) -> None:
    level = good if isinstance(good, str) else "ok" if good else "fail"
    print(f"  {LEVELS[level]} {name:20s} {text}")


def _plain(found: Any) -> dict[str, Any]:
    """What was measured as JSON can hold it: a number that is none is null."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {str(k): plain(v) for k, v in value.items()}
        if hasattr(value, "_asdict"):
            return plain(value._asdict())
        if isinstance(value, (list, tuple)):
            return [plain(v) for v in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return plain({field.name: getattr(found, field.name) for field in dataclasses.fields(found)})
