"""`tfxai.Patterns`: what the signal of each unit looks like, estimated from data in one pass."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfxai.errors import FileFormatError, InputError
from tfxai.explainer import Explainer
from tfxai.explainer.batches import batches_of, split
from tfxai.explainer.inputs import leaves_of
from tfxai.explainer.progress import Progress
from tfxai.graph.capture import Op
from tfxai.model.fingerprint import digest_of
from tfxai.model.function import declared_inputs
from tfxai.model.observe import observed
from tfxai.model.traced import TracedModel
from tfxai.rules.patterns import Gathering, PatternData, Sums, numbered
from tfxai.support.checks import either, whole_number
from tfxai.support.files import replacing

FORMAT = 1
LEAST = 10  # values of a unit from which its pattern is estimated


class Patterns(PatternData):
    """The patterns of a model: per dense layer and convolution, the direction in which each unit's signal shows.

    a = (E[x y] - E[x] E[y]) / w^T (E[x y] - E[x] E[y]), where x is what the unit sees and y what it answers; "linear"
    takes the means over all of the data, a = cov(x, y) / var(y); "relu" takes E[x y] and E[x] over the data for which
    the unit is above 0, where a ReLU is behind it: the part a+ of the two-component estimator, the one that a ReLU lets
    through. Kindermans et al. 2018, arXiv:1705.05598. Units that never vary have a pattern of 0.

    Example:
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(2)])
        >>> patterns = Patterns.fit(model, np.random.default_rng(0).normal(size=(200, 3)))
        >>> [a.shape for a in patterns.arrays]
        [(3, 4), (4, 2)]
    """

    @classmethod
    def fit(
        cls, model: Any, data: Any, estimator: str = "relu", *, batch_size: int = 32, verbose: int | str = "auto"
    ) -> Patterns:
        """Estimates them in one pass; memory does not grow with the data.

        Args:
            model: As in `tfxai.explain`.
            data: Examples as `explain` takes them; or a `tf.data.Dataset`, a `keras.utils.PyDataset` or an iterator of
                batches: x, or (x, y) and (x, y, weights), of which x is read.
            estimator: "linear" or "relu".
            batch_size: Examples per pass, of arrays.
            verbose: As in `explain`; a bar needs to know how many examples there are.

        Raises:
            OptionError: Another estimator.
            InputError: No data, or too few of them for an estimate.
            UnsupportedOpError: A dense layer or convolution inside of a loop.
        """
        either(estimator, "estimator", "linear", "relu")
        whole_number(batch_size, "batch_size")
        explainer, table = Explainer(model, "gradient"), Gathering(estimator)
        sums: list[Sums] = []
        examples, traced = 0, None
        length = _length(data)
        bar = None if length is None else Progress(length, verbose)
        for x in _batches(data, explainer, batch_size):
            inputs, traced = explainer.trace(x)
            found = observed(traced, table, [tf.constant(a) for a in inputs.arrays], table.taken)
            sums = sums or [Sums() for _ in found]
            for one, of_batch in zip(sums, found, strict=True):
                one.add(of_batch)
            examples += inputs.n
            if bar is not None:
                bar.step(inputs.n)
        if traced is None:
            raise InputError("The data hold no examples. Expected batches of them.")
        _check_enough(sums, examples)
        names = tuple(op.name for op in kernels_of(traced, table))
        return cls(estimator, tuple(s.pattern() for s in sums), names, digest_of(traced).hexdigest(), examples)

    def __repr__(self) -> str:
        return f"Patterns({self.estimator!r}, kernels={len(self.arrays)}, examples={self.examples})"

    def save(self, path: str | os.PathLike) -> Path:
        """Writes an `.npz` of plain arrays and one JSON text, without pickle: see `load`."""
        path = Path(path)
        path = path if path.suffix == ".npz" else path.with_name(path.name + ".npz")
        text = {"format": FORMAT, "estimator": self.estimator, "names": self.names, "fingerprint": self.fingerprint,
                "examples": self.examples}  # fmt: skip
        arrays = {f"a{k}": a for k, a in enumerate(self.arrays)}
        arrays["tfxai_patterns"] = np.frombuffer(json.dumps(text).encode(), np.uint8)
        with replacing(path) as temporary, open(temporary, "xb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
        return path

    @classmethod
    def load(cls, path: str | os.PathLike) -> Patterns:
        """Reads what `save` wrote. Nothing in the file is executed.

        Raises:
            FileNotFoundError: No such file.
            FileFormatError: It holds no patterns.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"No patterns at {str(path)!r}. `save` returns the path it wrote, ending in .npz.")
        try:
            with np.load(path, allow_pickle=False) as file:
                text = json.loads(bytes(file["tfxai_patterns"]).decode())
                arrays = tuple(file[f"a{k}"] for k in range(len(text["names"])))
            known = text["format"] == FORMAT
            made = cls(text["estimator"], arrays, tuple(text["names"]), text["fingerprint"], int(text["examples"]))
        except Exception as error:  # damaged bytes fail in every way there is
            raise FileFormatError(
                f"{str(path)!r} holds no patterns saved by tfxai ({type(error).__name__}: {error})."
            ) from error
        if not known:
            raise FileFormatError(
                f"{str(path)!r} has format {text['format']!r}; this tfxai reads {FORMAT}. Update tfxai."
            )
        return made


def kernels_of(traced: TracedModel, table: Gathering) -> list[Op]:
    """The dense layers and convolutions that have patterns, in their order."""
    graph, activity = traced.program(table)
    known = numbered(graph, activity)
    return [op for op in graph.ops if op.outputs and op.outputs[0] in known]


def _batches(data: Any, explainer: Explainer, batch_size: int) -> Iterator[Any]:
    """The examples, some at a time, without what belongs to them."""
    given = batches_of(data)
    if given is not None:
        for batch in given:
            yield split(batch).x
        return
    leaves = leaves_of(data, declared_inputs(explainer.model))
    for start in range(0, _length(data) or 0, batch_size):
        yield keras.tree.map_structure(lambda leaf, k=start: leaf.value[k : k + batch_size], leaves)


def _length(data: Any) -> int | None:
    """How many examples there are; None where a data set does not say so."""
    if isinstance(data, dict):
        return _length(next(iter(data.values()), None))
    if isinstance(data, (list, tuple)) and data and hasattr(data[0], "shape"):
        return _length(data[0])
    if batches_of(data) is not None:
        return None
    return len(data) if hasattr(data, "__len__") else None


def _check_enough(sums: Iterable[Sums], examples: int) -> None:
    """Raises InputError where a unit has too few values for an estimate."""
    fewest = min((s.total for s in sums), default=LEAST)
    if fewest < LEAST:
        needed = math.ceil(LEAST * examples / fewest)
        raise InputError(
            f"A pattern is estimated from {LEAST} values of each unit or more, better from thousands: pass at least "
            f"{needed} examples. Received: {examples}, which give {fewest} values."
        )
