"""Flats and their rents, made up by a formula that is known, and a small network that learned it."""

from __future__ import annotations

from typing import Any

import numpy as np

from tfxai.demo.networks import Demo, stored
from tfxai.errors import InputError

FEATURES = (
    "area",
    "kilometres to the centre",
    "balcony",
    "floor",
    "lift",
    "age",
    "door number",
    "letters of the street",
)
NOISE = ("door number", "letters of the street")  # no rent depends on them
MEANS = np.array([70, 5, 0.5, 3, 0.5, 40, 50, 12], "float32")
SPREADS = np.array([25, 3, 0.5, 2, 0.5, 25, 29, 4], "float32")
ORDINARY = np.array([[70, 5, 0, 2, 0, 40, 50, 12]], "float32")  # what others are compared with
EXAMPLES = np.array(
    [
        [110, 1, 1, 5, 1, 10, 87, 9],
        [45, 9, 0, 0, 0, 70, 3, 17],
        [70, 5, 0, 6, 0, 40, 44, 12],
        [70, 5, 0, 6, 1, 40, 99, 6],
    ],
    "float32",
)


def table() -> Demo:
    """A network for the monthly rent of a flat in euros, from eight columns, and four flats; the formula is known.

    The flats are made up: rent = 200 + 11 area - 35 kilometres + 60 balcony - 2 age, and a floor above the second costs
    40 euros for each without a lift and brings 15 with one. Two columns are noise: `truth` is 0 there, else 1.
    Trained by `tutorials/train_small.py` on 6,000 flats. `tfxai.demo.flats.ORDINARY` is a flat to compare with.

    Example:
        >>> import tfxai
        >>> demo = tfxai.demo.table()
        >>> bool(abs(demo.model(demo.examples).numpy()[0, 0] - 1460) < 5)
        True
    """
    truth = np.tile([int(name not in NOISE) for name in FEATURES], (len(EXAMPLES), 1))
    names = ["large, central", "small, far out", "sixth floor, no lift", "sixth floor, lift"]
    return Demo(stored("table", build()), EXAMPLES.copy(), ["rent in euros"], preprocess, np.asarray, names,
                features=list(FEATURES), truth=truth)  # fmt: skip


def build() -> Any:
    """The network without weights."""
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((len(FEATURES),), name="flat"),
            layers.Rescaling(1 / SPREADS, -MEANS / SPREADS, name="scaled"),
            layers.Dense(24, activation="relu", name="hidden1"),
            layers.Dense(24, activation="relu", name="hidden2"),
            layers.Dense(1, name="hundreds"),
            layers.Rescaling(100.0, name="rent"),
        ],
        name="flats",
    )


def preprocess(rows: Any) -> np.ndarray:
    """Flats as dicts, one or several, or an array -> (n, 8) float32.

    Raises:
        InputError: A column that is missing, or is not one of these.
    """
    rows = [rows] if isinstance(rows, dict) else rows
    if len(rows) and isinstance(rows[0], dict):
        if any(set(row) != set(FEATURES) for row in rows):
            raise InputError(f"A flat has the columns {', '.join(FEATURES)}. Received: {', '.join(map(str, rows[0]))}.")
        rows = [[row[name] for name in FEATURES] for row in rows]
    found = np.asarray(rows, "float32")
    if found.ndim != 2 or found.shape[1] != len(FEATURES):
        raise InputError(f"Flats have shape (n, {len(FEATURES)}): {', '.join(FEATURES)}. Received: {found.shape}.")
    return found


def rent(flats: np.ndarray) -> np.ndarray:
    """(n,) euros, by the formula."""
    area, far, balcony, floor, lift, age = flats[:, :6].T
    high = np.maximum(floor - 2, 0)
    return 200 + 11 * area - 35 * far + 60 * balcony - 2 * age + high * np.where(lift > 0.5, 15, -40)


def made(count: int, rng: np.random.Generator) -> np.ndarray:
    """So many random flats."""
    low, high = np.array([[25, 0, 0, 0, 0, 0, 1, 4], [120, 12, 1, 8, 1, 90, 100, 22]])
    return np.round(rng.uniform(low - 0.5, high + 0.5, (count, len(FEATURES)))).clip(low, high).astype("float32")
