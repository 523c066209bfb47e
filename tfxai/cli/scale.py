"""`tfxai scale MODEL DATA -o STORE`: explains a whole data set into a store; killed and started again it goes on.

`tfxai scale --status STORE` says how far that is: done, rate, time left, per worker.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import os
from pathlib import Path
from typing import Any

from tfxai.cli import asking, shared
from tfxai.errors import OptionError, received

HEAD = 2**20  # bytes of a table that tell how it is written
FED = 8  # examples whose range is said


def options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.set_defaults(wrong=parser.error)
    parser.add_argument("model", nargs="?", help="a .keras or .h5 file, or a SavedModel folder")
    parser.add_argument(
        "data", nargs="?",
        help=".npy, .npz, .zarr, .h5 (file.h5::/name), .csv, .tsv, .parquet, or a folder of pictures, with a folder "
        "in it for each class",
    )  # fmt: skip
    parser.add_argument("--status", metavar="STORE", help="how far a job is, while it runs or after")
    parser.add_argument("-o", "--output", default="attr.zarr", metavar="STORE", help="(default: attr.zarr)")
    parser.add_argument("--method", default="deeplift", help="name of `tfxai methods` (default: deeplift)")
    asking.add(parser)
    parser.add_argument("--seed", type=int, default=0, help="of methods that draw (default: 0)")
    parser.add_argument("--chunk", type=int, default=1024, help="examples that are marked as done together")
    parser.add_argument("--dtype", default="float32", help="of stored values: float32, float64, float16, bfloat16")
    parser.add_argument("--engine", default="local", help="local, mirrored (all GPUs), ray (default: local)")
    parser.add_argument("--workers", type=int, help="that work at once, of mirrored and ray")
    parser.add_argument("--num-gpus", type=float, default=0, help="of each worker of ray")
    parser.add_argument(
        "--shard", default="0/1", metavar="K/N",
        help="the K-th of every N chunks, K from 0: $SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT",
    )  # fmt: skip
    parser.add_argument(
        "--resume", action=argparse.BooleanOptionalAction, default=True, help="go on with what is there"
    )
    parser.add_argument("--image-size", metavar="HxW", help="of pictures, where the model does not say: 224x224")
    parser.add_argument(
        "--label", metavar="COLUMN", help="of a table: the labels, which are no input (--target labels)"
    )
    parser.add_argument("--columns", metavar="A,B,...", help="of a table: those that the model takes, in its order")
    shared.add_reading(parser)


def run(args: argparse.Namespace) -> int:
    """Explains what is not explained yet, or says how much that is."""
    if args.status is not None:
        return _status(args.status)
    if args.model is None or args.data is None:
        args.wrong("MODEL and DATA are needed, or --status STORE")
    shard = _shard(args.shard)
    if args.engine == "ray" and args.modules:
        raise OptionError("--import does not reach the workers of ray: they load what Keras knows. Use --engine local.")
    from tfxai.cli.labels import fitting, read_labels
    from tfxai.scale import explain_dataset
    from tfxai.scale.store import Store

    labels = read_labels(args.labels) if args.labels else None
    given, baseline = asking.given(args), asking.baseline(args.baseline)
    model = shared.opened(args.model, args.modules)
    if labels is not None:
        labels = fitting(args.labels, labels, asking.outputs(model, len(labels)))
    target = "labels" if args.target == "labels" and "labels" not in (labels or ()) else asking.target(args, labels)
    source = _source(args, model)
    _say(args, source, model)
    out = explain_dataset(
        os.path.abspath(args.model) if args.engine == "ray" else model, source, args.output, args.method, target=target,
        baseline=baseline, batch_size=args.batch_size, chunk=args.chunk, engine=args.engine, workers=args.workers,
        num_gpus=args.num_gpus, shard=shard, resume=args.resume, dtype=args.dtype, seed=args.seed, layer=args.layer,
        labels=labels, allow_nan=args.allow_nan, **given,
    )  # fmt: skip
    print(_done(Store.at(out)))
    return 0


def _shard(text: str) -> tuple[int, int]:
    """K/N."""
    try:
        share, count = map(int, text.split("/"))
    except ValueError as error:
        raise OptionError(f"--shard is K/N, such as 3/16 (K from 0 to N - 1). {received(text)}") from error
    return share, count


@dataclasses.dataclass(frozen=True)
class Preprocess:
    """What `--preprocess` asks for, of stretches of a source; another process gets it too."""

    how: tuple[str, ...]
    names: tuple[str, ...]

    def __call__(self, x: Any) -> Any:
        return shared.preprocessed(x, self.how, self.names)[0]


def _source(args: argparse.Namespace, model: Any) -> Any:
    """What DATA is, for this model."""
    from tfxai.scale.sources import opened
    from tfxai.scale.sources.paths import is_table
    from tfxai.scale.sources.preprocessed import Preprocessed

    path = Path(args.data)
    declared: Any = shared.wanted(model)[0]
    if is_table(path):
        asked: Any = _table(args, declared)
    elif args.label or args.columns:
        raise OptionError(f"--label and --columns are of tables. {received(args.data)}")
    elif args.image_size is not None:
        from tfxai.scale import images

        asked = images(path, _size(args.image_size))
    else:
        asked = args.data
    source = opened(asked, declared)
    if not args.preprocess:
        return source
    return Preprocessed(source, Preprocess(tuple(args.preprocess), tuple(name for name, *_ in declared or ())))


def _size(text: str) -> tuple[int, int]:
    """HxW."""
    try:
        height, width = (int(part) for part in text.lower().split("x"))
    except ValueError as error:
        raise OptionError(f"--image-size is HxW, such as 224x224. {received(text)}") from error
    return height, width


def _table(args: argparse.Namespace, declared: list | None) -> Any:
    """A table, written as its first lines are."""
    from tfxai.scale import table
    from tfxai.scale.sources.paths import is_text

    path, columns = Path(args.data), args.columns.split(",") if args.columns else None
    if not path.is_file():
        raise FileNotFoundError(f"No input file at {args.data!r}.")
    if not is_text(path):
        return table(path, args.label, columns)
    from tfxai.cli.tables import decoded, layout_of
    from tfxai.scale.sources.records import opened

    with opened(args.data) as file:
        head = file.read(HEAD)
        head = head[: head.rfind(b"\n") + 1] or head if file.read(1) else head
    text, encoding = decoded(head, path)
    one = declared is not None and len(declared) == 1 and len(declared[0][1]) == 2 and columns is None
    width = declared[0][1][1] if one and declared else None
    width = None if width is None else width + (args.label is not None)
    layout, _ = layout_of(path, io.StringIO(text, newline=""), width, args.header)
    return table(
        path, args.label, columns, separator=layout.separator, decimal=layout.decimal, header=layout.names is not None,
        index=layout.indexed, encoding="utf-8" if encoding == "utf-8-sig" else encoding,
    )  # fmt: skip


def _say(args: argparse.Namespace, source: Any, model: Any) -> None:
    """What there is to say of the data before it is explained."""
    classes = f", classes {', '.join(source.names[:8])}{', ...' * (len(source.names) > 8)}" if source.names else ""
    print(f"  {os.path.basename(args.data.rstrip('/'))}: {source.n:,} examples{classes}")
    x = source.read(0, min(FED, source.n)).x
    if not hasattr(x, "columns"):
        for note in shared.fed(x, os.path.isdir(args.data), model):
            print(f"  {note}")


def _done(store: Any) -> str:
    """What a run has come to."""
    done = store.record("done")
    if not done.all():
        return (
            f"{int(done.sum())} of {len(done)} chunks of {store.path} are done: see tfxai scale --status {store.path}"
        )
    return f"Wrote {store.path}: {store.n:,} examples. Read it with tfxai.scale.open({store.path!r})"


def _status(path: str) -> int:
    """Prints how far a job is."""
    from tfxai.scale.status import status
    from tfxai.scale.store import Store

    store = Store.at(path)
    if store is None:
        raise FileNotFoundError(f"No store of explanations at {path!r}.")
    print(status(store))
    return 0
