"""`tfxai explain MODEL INPUT...`: explains predictions, and writes pictures, a page, or the numbers."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tfxai.cli import asking, shared
from tfxai.errors import OptionError, received

if TYPE_CHECKING:
    from tfxai.cli.readers import Taken

SHOWN = {".png": 12, ".html": 48, ".npz": sys.maxsize}  # kinds of files, and how many examples each holds
LINES = 12  # of examples that are no files of their own


def options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("model", help="a .keras or .h5 file, or a SavedModel folder")
    parser.add_argument("inputs", nargs="+", help=shared.INPUTS)
    parser.add_argument(
        "--method", action="append", help="name of `tfxai methods`; repeat to compare (default: deeplift)"
    )
    asking.add(parser)
    parser.add_argument("--smooth", type=float, metavar="PIXELS", help="blur the maps for the eye; sums stay")
    parser.add_argument("--seed", type=int, default=0, help="of methods that draw (default: 0)")
    parser.add_argument(
        "-o", "--output", action="append", metavar="OUT",
        help=".png, .html or .npz; repeat for several (default: explanation.png)",
    )  # fmt: skip
    shared.add_reading(parser)


def run(args: argparse.Namespace) -> int:
    """Explains, prints a line per example, writes the files."""
    outputs = [Path(o) for o in args.output or ["explanation.png"]]
    methods = args.method or ["deeplift"]
    _check(outputs, len(methods), args.top)
    from tfxai.cli.labels import fitting, read_labels

    labels = read_labels(args.labels) if args.labels else None
    given = asking.given(args)
    baseline = asking.baseline(args.baseline)
    model = shared.opened(args.model, args.modules)
    if labels is not None:
        labels = fitting(args.labels, labels, asking.outputs(model, len(labels)))
    asked = asking.target(args, labels)
    taken, raw = shared.inputs(args, model)
    run = _Run(model, methods, given, baseline, args, labels)
    for part in _parts(taken, raw, asked, outputs) if taken.apart else [_Part(taken, raw.x, asked, outputs, 0)]:
        run(part)
    return 0


class _Part(NamedTuple):
    """Examples that are explained together, and where the result goes."""

    taken: Taken
    raw: Any
    target: Any
    outputs: list[Path]
    first: int


class _Run:
    """One command line: what is the same for all parts."""

    def __init__(self, model: Any, methods: list[str], given: dict, baseline: Any, args: Any, labels: Any):
        from tfxai.explainer import Explainer

        self.model, self.methods, self.given, self.baseline, self.args = model, methods, given, baseline, args
        self.labels = labels
        self.explainer = Explainer(model, methods[0], layer=args.layer, allow_nan=args.allow_nan, **given)

    def __call__(self, part: _Part) -> None:
        """Explains the part, prints its lines, writes its files."""
        from tfxai.cli.labels import fitting
        from tfxai.result.names import two_sided

        args, labels, predictions, found, files = self.args, self.labels, None, list[Any](), list[tuple[Path, Any]]()
        if labels is not None and two_sided(labels, self.explainer.trace(part.taken.x)[1].classes()):
            self.explainer.labels = labels  # a target is one of two classes, not an output
        for method in self.methods:
            explainer = self.explainer.using(method, **self.given)
            made = explainer(part.taken.x, part.target, self.baseline, args.batch_size, args.seed)
            for e in made if isinstance(made, list) else [made]:
                if part.taken.columns and e.layer is None:
                    e = dataclasses.replace(e, meta={**e.meta, "features": {"": part.taken.columns}})
                if not found:
                    files = [file for path in part.outputs for file in _files(path, e)]
                    predictions = _predictions(self.model, part.taken.x)
                    if labels is not None and predictions is not None:  # some models say how many only when they run
                        labels = fitting(args.labels, labels, predictions.shape[1])
                found.append(e)
                _print(e, labels, part, [path for path, _ in files])
        drawn = [_shown(e if args.smooth is None else e.smooth(args.smooth), part.raw) for e in found]
        for path, input in files:
            _write(path, found[0], drawn, labels, predictions, _called(part.taken), input)
            print(f"Wrote {path}")


def _parts(taken: Taken, raw: Taken, asked: Any, outputs: list[Path]) -> list[_Part]:
    """A part for each picture of its own size, with files of its own: explanation-beach.png."""
    from tfxai.support.files import safe_name

    names = taken.examples or []
    if isinstance(asked, list) and len(asked) != len(names):
        raise OptionError(f"--target takes one class, or one for each of the {len(names)} pictures. {received(asked)}")
    stems = [safe_name(Path(name).stem) for name in names]
    stems = stems if len(set(stems)) == len(stems) else [f"{k}-{stem}" for k, stem in enumerate(stems)]
    parts = []
    for k, stem in enumerate(stems):
        one = taken._replace(x=taken.x[k], examples=names[k : k + 1])
        files = [path.with_name(f"{path.stem}-{stem}{path.suffix}") for path in outputs]
        parts.append(_Part(one, raw.x[k], asked[k] if isinstance(asked, list) else asked, files, k))
    return parts


def _check(outputs: list[Path], methods: int, top: int | None = None) -> None:
    """Before minutes of work: can the result be written?"""
    for path in outputs:
        if path.suffix.lower() not in SHOWN:
            raise OptionError(f"-o writes {', '.join(SHOWN)}. {received(str(path))}")
        if path.suffix.lower() == ".npz" and (methods > 1 or top is not None):
            more = "several methods" if methods > 1 else "--top"
            raise OptionError(f"An .npz holds one explanation. Received: {more}. Run them one by one.")
        if not path.parent.is_dir():
            raise FileNotFoundError(f"There is no folder {str(path.parent)!r} to write {path.name!r} into.")
        if path.is_dir():
            raise IsADirectoryError(f"{str(path)!r} is a folder; -o names a file.")


def _print(e: Any, labels: list[str] | None, part: _Part, files: list[Path]) -> None:
    """A line per example: what was explained, score, how far the values are from adding up, file, result."""
    from tfxai.result.describe import target_name

    names = _called(part.taken)
    lines = len(e) if part.taken.files else min(len(e), LINES)
    for i in range(lines):
        text = f"{target_name(e, i, labels) or 'output'}: {e.options['on']} {e.score[i]:.4g}"
        delta = "" if e.delta is None else f", delta {e.delta[i]:.1e}"
        name = f", {names[i]}" if names else ""
        print(f"  {e.method}: example {part.first + i}, {text}{delta}{name} -> {_where(files, i)}")
    if lines < len(e):
        print(f"  {e.method}: {len(e) - lines} more of {len(e)} examples; an .npz holds them all")


def _called(taken: Taken) -> list[str] | None:
    """What the examples are called, where they have names: files, or rows of a table."""
    if taken.examples is None or taken.files:
        return taken.examples
    return [f"row {name}" for name in taken.examples]


def _where(outputs: list[Path], i: int) -> str:
    """The files that hold example i."""
    found = [path.name for path in outputs if i < SHOWN[path.suffix.lower()]]
    return ", ".join(found) or f"not drawn (the first {SHOWN['.png']} are); -o OUT.npz holds it"


def _shown(e: Any, raw: Any) -> Any:
    """With the inputs as they were before preprocessing, for the eye."""
    import numpy as np

    if isinstance(raw, dict) and isinstance(e.inputs, dict):
        return dataclasses.replace(e, inputs={k: raw.get(k, v) for k, v in e.inputs.items()})
    same = isinstance(raw, np.ndarray) and isinstance(e.inputs, np.ndarray) and raw.shape == e.inputs.shape
    return dataclasses.replace(e, inputs=raw) if same else e


def _predictions(model: Any, x: Any) -> Any:
    """(n, classes) outputs, where the model has one such output."""
    import numpy as np
    import tensorflow as tf

    from tfxai.support.structure import map_structure

    if not hasattr(model, "predict"):
        return None
    x = map_structure(lambda a: tf.constant(a) if a.dtype.kind in "OSU" else a, x)  # Keras takes no words of numpy
    outputs = model.predict(x, verbose=0)
    return outputs if isinstance(outputs, np.ndarray) and outputs.ndim == 2 else None


def _files(path: Path, e: Any) -> list[tuple[Path, Any]]:
    """The files of one -o, and the input that each shows: a picture of several inputs is one for each of them."""
    from tfxai.result.describe import keys
    from tfxai.result.tabled import tabled
    from tfxai.support.files import safe_name

    e = tabled(e)
    if path.suffix.lower() != ".png" or e.layer is not None or not isinstance(e.values, (dict, list)):
        return [(path, None)]
    return [(path.with_name(f"{path.stem}-{safe_name(key)}{path.suffix}"), key) for key in keys(e)]


def _write(path: Path, e: Any, drawn: list[Any], labels: Any, predictions: Any, names: Any, input: Any = None) -> None:
    """One file, of the kind that its suffix says."""
    from tfxai import plot
    from tfxai.plot.report import report
    from tfxai.support.files import replacing

    kind = path.suffix.lower()
    examples = range(min(len(e), SHOWN[kind]))
    if kind == ".npz":
        e.save(path)
    elif kind == ".html":
        report(drawn, path, labels, predictions=predictions, examples=examples, names=names)
    else:
        with replacing(path) as temporary:
            one = {} if input is None else {"input": input}
            called = names or [f"example {i}" for i in range(len(e))]
            figure = plot.compare(drawn, examples, labels=labels, rows=called, **one)
            figure.savefig(temporary, format="png", dpi=110)
