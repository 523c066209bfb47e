"""What several commands need: models, inputs, preprocessing."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfxai.errors import OptionError, received, suggest

if TYPE_CHECKING:
    from tfxai.cli.readers import Taken, Wanted

RANGES = {"none": (1.0, 0.0), "unit": (1 / 255, 0.0), "symmetric": (1 / 127.5, -1.0)}
INPUTS = "pictures, folders or patterns of them ('photos/*.png'), or one .npy, .npz, .csv or .tsv"


def add_reading(parser: argparse.ArgumentParser) -> None:
    """The options of commands that open a model and read inputs."""
    parser.add_argument(
        "--preprocess", action="append", default=[], metavar="[INPUT=]HOW",
        help="keras.applications.NAME, unit (0 to 1), symmetric (-1 to 1), none (default: pictures as 0 to 255); of a "
        "model with several inputs the pictures, or the named INPUT; repeat for several",
    )  # fmt: skip
    parser.add_argument(
        "--header", choices=("auto", "yes", "no"), default="auto",
        help="whether a table's first line is names (default: auto, where no cell of it is a number)",
    )  # fmt: skip
    parser.add_argument(
        "--allow-nan", action="store_true",
        help="the model is made for missing values: NaN, and missing cells of a table, are taken as they are",
    )  # fmt: skip
    parser.add_argument(
        "--import", action="append", default=[], dest="modules", metavar="MODULE",
        help="a module, or a .py file, with the model's own layers; its code runs",
    )  # fmt: skip


def opened(path: str, modules: Sequence[str] = ()) -> Any:
    """The model in a file, with the layers and functions of these modules."""
    import keras

    from tfxai.model.function import open_model

    own: dict[str, Any] = {}
    for name in modules:
        module = _imported(name)
        own.update({k: v for k, v in vars(module).items() if callable(v) and not k.startswith("_")})
    with keras.saving.custom_object_scope(own) if own else contextlib.nullcontext():  # an empty one hides those around
        return open_model(path)


def _imported(name: str) -> Any:
    """A module by its name, also from the folder that the command is started in, or by its file.

    Raises:
        OptionError: No such module.
    """
    try:
        if not name.endswith(".py"):
            with _folder_first():
                return importlib.import_module(name)
        spec = importlib.util.spec_from_file_location(Path(name).stem, name)
        if spec is None or spec.loader is None or not Path(name).is_file():
            raise ModuleNotFoundError(f"no file {name!r}", name=name)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    except ModuleNotFoundError as error:
        raise OptionError(
            f"--import takes a module that Python finds from this folder, or a .py file. Received: {name!r} ({error})."
        ) from error


@contextlib.contextmanager
def _folder_first() -> Iterator[None]:
    """Modules of the folder that the command is started in are found, as with `python -m`."""
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)


SCALES = ("Rescaling", "Normalization")  # layers that bring pictures to the range of a network
BYTES = 8  # above this largest number a picture is one of bytes


def inputs(args: argparse.Namespace, model: Any) -> tuple[Taken, Taken]:
    """What was read, as the model takes it and as it was; what there is to say about it is printed."""
    from tfxai.cli.readers import placed, read_inputs
    from tfxai.cli.tables import ANY

    declared, in_order = wanted(model)
    shape, dtype = (None, ANY) if declared and len(declared) > 1 else declared[0][1:] if declared else (None, None)
    words = [w.name for w in declared or () if w.dtype == "string" and len(declared or ()) > 1]
    raw = placed(read_inputs(args.inputs, shape, dtype, args.header, args.allow_nan, words), declared, in_order)
    if raw.apart:
        done = [preprocessed(one, args.preprocess, [w.name for w in declared or ()]) for one in raw.x]
        x, notes = [one for one, _ in done], done[0][1]
    else:
        x, notes = preprocessed(raw.x, args.preprocess, [w.name for w in declared or ()])
    for note in (*raw.notes, *notes, *fed(x, raw.files, model)):
        print(f"  {note}")
    return raw._replace(x=x), raw


def fed(x: Any, pictures: bool, model: Any) -> list[str]:
    """The range of what the model is fed, and a word where pictures of bytes meet a model that does not scale them."""
    from tfxai.support.structure import named

    arrays = [("", a) for a in x] if isinstance(x, list) else named(x)  # a list has single examples of one input
    numbers = [(name, a[a == a]) for name, a in arrays if a.dtype.kind in "uif"]  # NaN is not itself
    ranges: dict[str, list[float]] = {}
    for name, a in numbers:
        if a.size:
            ranges.setdefault(name, []).extend((float(a.min()), float(a.max())))
    if not ranges:
        return []
    said = [(f"{name} " if name else "") + f"{min(ends):g} to {max(ends):g}" for name, ends in ranges.items()]
    found, high = [f"the model is fed {', '.join(said)}"], max(map(max, ranges.values()))
    layers = model._flatten_layers() if hasattr(model, "_flatten_layers") else ()
    if pictures and high > BYTES and layers and not any(type(layer).__name__ in SCALES for layer in layers):
        found.append("it has no Rescaling or Normalization layer: if it was trained on 0 to 1, pass --preprocess unit")
    return found


def wanted(model: Any) -> tuple[list[Wanted] | None, bool]:
    """What the model says of its inputs, by the names that a dict of them has; and whether they have an order."""
    from tfxai.cli.readers import Wanted
    from tfxai.model.function import declared_inputs

    declared = declared_inputs(model)
    if declared:
        given = getattr(model, "input", None)
        keys = {t.name: key for key, t in given.items()} if isinstance(given, dict) else {}
        return [Wanted(keys.get(name, name), shape, dtype) for name, shape, dtype in declared], True
    served = signature(model)
    named = served.structured_input_signature[1] if served is not None else {}
    if not named or any(s.shape.rank is None for s in named.values()):
        return None, False
    return [Wanted(name, tuple(s.shape), s.dtype.name) for name, s in sorted(named.items())], False


def signature(model: Any) -> Any:
    """What a SavedModel serves, None of other models."""
    found = getattr(model, "signatures", None) or {}
    return found["serving_default"] if "serving_default" in found else next(iter(found.values()), None)


def preprocessed(x: Any, how: Sequence[str], names: Sequence[str] = ()) -> tuple[Any, list[str]]:
    """x with each input brought to its range, and a line on it where there are several.

    A way without a name is for a single input, and for the pictures among several: numbers and words beside a picture
    have ranges of their own.

    Args:
        x: One array, or a dict or list of them.
        how: Of `--preprocess`: ways, or inputs and their ways.
        names: Of the model's inputs, where it says so.

    Raises:
        OptionError: No such way, no such input, or no picture among several inputs.
    """
    if not isinstance(x, (dict, list)):
        every, by_name = _ways(how, names[:1])
        return _function(by_name.get(names[0], every) if names else every)(x), []
    arrays = x if isinstance(x, dict) else {str(k): array for k, array in enumerate(x)}
    ways = _each(arrays, *_ways(how, list(arrays)))
    found = {name: _function(way)(arrays[name]) for name, way in ways.items()}
    said = ", ".join(f"{name}: {way if way != 'none' else 'as it is'}" for name, way in ways.items())
    notes = [f"preprocess {said}"] if set(ways.values()) != {"none"} else []
    return (found if isinstance(x, dict) else list(found.values())), notes


def _each(arrays: dict[str, Any], every: str, by_name: dict[str, str]) -> dict[str, str]:
    """The way of each of several inputs."""
    pictures = [name for name, array in arrays.items() if _is_picture(array)]
    if every != "none" and not pictures:
        raise OptionError(
            f"--preprocess {every}: none of the inputs {', '.join(arrays)} looks like pictures. Say which it is for: "
            f"--preprocess {next(iter(arrays))}={every}."
        )
    return {name: by_name.get(name, every if name in pictures else "none") for name in arrays}


def _ways(how: Sequence[str], known: Sequence[str]) -> tuple[str, dict[str, str]]:
    """The way for all, and those of inputs by name."""
    every, by_name = "none", {}
    for text in how:
        name, found, way = text.rpartition("=")
        if not found:
            every = way
        elif name in known:
            by_name[name] = way
        else:
            raise OptionError(f"--preprocess {text}: no input is called {name!r}. {suggest(name, known)[:300]}")
    return every, by_name


def _is_picture(array: Any) -> bool:
    """Whether an input among several is pictures: height, width and 1, 3 or 4 channels at either end, or bytes."""
    if array.ndim == 3:
        return array.dtype == "uint8"
    return array.ndim == 4 and array.dtype.kind in "uf" and bool({array.shape[1], array.shape[3]} & {1, 3, 4})


def _function(how: str) -> Any:
    """A function of `keras.applications`, or one that brings 0..255 to another range.

    Raises:
        OptionError: No such function.
    """
    if how in RANGES:
        factor, shift = RANGES[how]
        return lambda a: a if how == "none" else a.astype("float32") * factor + shift
    found = re.fullmatch(r"keras\.applications\.(\w+)", how)
    try:
        module = importlib.import_module(how) if found else None
    except ImportError:
        module = None
    if module is None or not hasattr(module, "preprocess_input"):
        raise OptionError(
            f"--preprocess is keras.applications.NAME, {', '.join(RANGES)}, or INPUT=HOW. {received(how)}"
        )
    return lambda a: module.preprocess_input(a.astype("float32"))
