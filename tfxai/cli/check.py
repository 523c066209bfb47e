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


def options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("model", help="a .keras or .h5 file, or a SavedModel folder")
    parser.add_argument("inputs", nargs="*", help=f"{shared.INPUTS} (default: random examples)")
    parser.add_argument("--rule", default="rescale", help="of DeepLIFT: rescale, reveal_cancel, genomics")
    parser.add_argument("--json", action="store_true", help="print what was measured as JSON")
    shared.add_reading(parser)


def run(args: argparse.Namespace) -> int:
    """Prints what was measured; 1 when something is not as it should be."""
    from tfxai.metrics.selfcheck import check

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
    print(f"{args.model}: {model.name if hasattr(model, 'name') else 'model'}, {source}\n\n{found}")
    return 0 if found else 1


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
