"""Cost on sequences, in bare gradients of the same logit on the same batch. `pytest -m benchmark -n 0 -s`.

Every number is the median of ratios measured in turn in one process, zeros baseline.
"""

from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import pytest
from keras import layers

import tfxai
from tests.benchmarks.timing import bare_gradient, paired_ratio

pytestmark = pytest.mark.benchmark


def transformer(first: bool) -> keras.Model:
    """Four blocks of width 64 with a GELU network of width 256, normalised first (pre-norm) or last (post-norm)."""
    inputs = x = keras.Input((64, 64))
    norm = layers.LayerNormalization
    for _ in range(4):
        h = norm()(x) if first else x
        x = layers.Add()([x, layers.MultiHeadAttention(4, 16)(h, h)])
        x = x if first else norm()(x)
        h = norm()(x) if first else x
        x = layers.Add()([x, layers.Dense(64)(layers.Dense(256, activation="gelu")(h))])
        x = x if first else norm()(x)
    x = norm()(x) if first else x
    return keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling1D()(x)))


class Row(NamedTuple):
    """One model, its input, and what each rule may cost."""

    make: Callable[[], keras.Model]
    shape: tuple[int, ...]  # with the batch
    limits: dict[str, float]


ROWS = {
    "transformer, pre-norm": Row(lambda: transformer(True), (32, 64, 64), {"rescale": 1.6, "reveal_cancel": 2.4}),
    "transformer, post-norm": Row(lambda: transformer(False), (32, 64, 64), {"rescale": 1.6, "reveal_cancel": 2.4}),
}


@pytest.mark.parametrize("name", ROWS)
def test_deeplift(name):
    keras.utils.set_random_seed(0)
    row = ROWS[name]
    model, x = row.make(), np.random.default_rng(0).normal(size=row.shape).astype("float32")
    bare = bare_gradient(model, x)
    explainers = {rule: tfxai.Explainer(model, rule=rule) for rule in row.limits}
    ratios = {r: paired_ratio(lambda e=e: e(x, target=0, verbose=0), bare, 9) for r, e in explainers.items()}
    for rule, limit in row.limits.items():
        print(f"{name} {rule}: {ratios[rule]:.2f} bare gradients (limit {limit})")
    assert all(ratios[rule] <= limit for rule, limit in row.limits.items())
