"""Explanations as a method would return them, without a model."""

import numpy as np

from tfxai.explanation import Explanation


def example(rng, structure="array"):
    values = rng.normal(size=(3, 8, 9, 2)).astype("float32")
    if structure == "dict":
        values = {"a": values, "b": [rng.normal(size=(3, 4)), rng.normal(size=(3, 2))]}
    return Explanation(
        values=values,
        inputs=values,
        score=np.arange(3.0),
        baseline_score=np.ones(3),
        delta=np.array([0, 1e-3, -2e-3]),
        target=np.array([4, 5, 6]),
        method="deeplift",
        options={"rule": "rescale", "number": np.float32(0.5)},
        layer="base/conv",
        fingerprint="abc",
        meta={"seed": None},
    )
