"""`tfxai explain MODEL INPUT...`: explains predictions, and writes pictures, a page, or the numbers."""

from __future__ import annotations

import argparse
import ast
import dataclasses
from pathlib import Path
from typing import Any

from tfxai.cli import shared
from tfxai.errors import OptionError, received, suggest

KINDS = (".png", ".html", ".npz")
MOST = 12  # rows of a picture


def options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("model", help="a .keras or .h5 file, or a SavedModel folder")
    parser.add_argument("inputs", nargs="+", help="images, or one .npy, .npz or .csv")
    parser.add_argument(
        "--method", action="append", help="name of `tfxai methods`; repeat to compare (default: deeplift)"
    )
    parser.add_argument("--target", help="class: an index, a label, or one per example: 3,5,5 (default: the predicted)")
    parser.add_argument("--baseline", help="a number, blur, or a .npy file (default: zeros)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="an option of the method: steps=50"
    )
    parser.add_argument("--layer", help="attribute to, or read, this layer: a path, or last_conv")
    parser.add_argument("--labels", metavar="FILE", help="class names, one per line or a JSON list")
    parser.add_argument("--smooth", type=float, metavar="PIXELS", help="blur the maps for the eye; sums stay")
    parser.add_argument("--seed", type=int, default=0, help="of methods that draw (default: 0)")
    parser.add_argument("--batch-size", type=int, help="examples per pass")
    parser.add_argument(
        "-o", "--output", action="append", metavar="OUT",
        help=".png, .html or .npz; repeat for several (default: explanation.png)",
    )  # fmt: skip
    shared.add_preprocess(parser)


def run(args: argparse.Namespace) -> int:
    """Explains, prints a line per example, writes the files."""
    outputs = [Path(o) for o in args.output or ["explanation.png"]]
    methods = args.method or ["deeplift"]
    _check(outputs, len(methods))
    from tfxai.cli.readers import read_labels
    from tfxai.explainer import Explainer

    labels = read_labels(args.labels) if args.labels else None
    given = dict(_option(text) for text in args.set)
    target, baseline = _target(args.target, labels), _baseline(args.baseline)
    model = shared.opened(args.model)
    x, raw, names = shared.inputs(args, model)
    explainer = Explainer(model, methods[0], layer=args.layer, **given)
    found = []
    for method in methods:
        e = explainer.using(method, **given)(x, target, baseline, args.batch_size, args.seed)
        if names and e.layer is None:
            e = dataclasses.replace(e, meta={**e.meta, "features": {"": names}})
        found.append(e)
        _print(e, labels)
    drawn = [_shown(e if args.smooth is None else e.smooth(args.smooth), raw) for e in found]
    predictions = _predictions(model, x)
    for path in outputs:
        _write(path, found[0], drawn, labels, predictions)
        print(f"Wrote {path}")
    return 0


def _check(outputs: list[Path], methods: int) -> None:
    """Before minutes of work: can the result be written?"""
    for path in outputs:
        if path.suffix.lower() not in KINDS:
            raise OptionError(f"-o writes {', '.join(KINDS)}. {received(str(path))}")
        if path.suffix.lower() == ".npz" and methods > 1:
            raise OptionError("An .npz holds one explanation. Received: several methods. Run them one by one.")
        if not path.parent.is_dir():
            raise FileNotFoundError(f"There is no folder {str(path.parent)!r} to write {path.name!r} into.")
        if path.is_dir():
            raise IsADirectoryError(f"{str(path)!r} is a folder; -o names a file.")


def _option(text: str) -> tuple[str, Any]:
    """name=value, the value as Python writes it, or else a text."""
    name, found, value = text.partition("=")
    if not found:
        raise OptionError(f"--set takes NAME=VALUE, such as steps=50. {received(text)}")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def _target(text: str | None, labels: list[str] | None) -> Any:
    """What --target means: one class, or a list of them; None where it was not given."""
    if text is None:
        return None
    found = (
        [_class(part.strip(), labels) for part in text.split(",")]
        if text not in (labels or [])
        else [_class(text, labels)]
    )
    return found[0] if len(found) == 1 else found


def _class(text: str, labels: list[str] | None) -> int:
    """A class by its index or its label."""
    if text.lstrip("-").isdigit():
        return int(text)
    if labels and text in labels:
        return labels.index(text)
    raise OptionError(f"--target is a class index or a label. {received(text)} {suggest(text, labels or ['0'])[:400]}")


def _baseline(text: str | None) -> Any:
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


def _print(e: Any, labels: list[str] | None) -> None:
    """A line per example: what was explained, its score, and how far the values are from adding up."""
    from tfxai.result.describe import target_name

    for i in range(min(len(e), MOST)):
        line = f"  {e.method}: example {i}, {target_name(e, i, labels) or 'output'}: {e.options['on']} {e.score[i]:.4g}"
        print(line + ("" if e.delta is None else f", delta {e.delta[i]:.1e}"))


def _shown(e: Any, raw: Any) -> Any:
    """With the inputs as they were before preprocessing, for the eye."""
    import numpy as np

    same = isinstance(raw, np.ndarray) and isinstance(e.inputs, np.ndarray) and raw.shape == e.inputs.shape
    return dataclasses.replace(e, inputs=raw) if same else e


def _predictions(model: Any, x: Any) -> Any:
    """(n, classes) outputs, where the model has one such output."""
    import numpy as np

    if not hasattr(model, "predict"):
        return None
    outputs = model.predict(x, verbose=0)
    return outputs if isinstance(outputs, np.ndarray) and outputs.ndim == 2 else None


def _write(path: Path, e: Any, drawn: list[Any], labels: Any, predictions: Any) -> None:
    """One file, of the kind that its suffix says."""
    from tfxai import plot
    from tfxai.plot.report import report
    from tfxai.support.files import replacing

    kind = path.suffix.lower()
    if kind == ".npz":
        e.save(path)
    elif kind == ".html":
        report(drawn, path, labels, predictions=predictions)
    else:
        with replacing(path) as temporary:
            figure = plot.compare(drawn, range(min(len(e), MOST)), labels=labels)
            figure.savefig(temporary, format="png", dpi=110)
