"""What a layer puts out, as an explanation."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from tfxai.method.base import Method, Tensors
from tfxai.model.attribution import Attribution
from tfxai.model.scorer import Scorer


@dataclasses.dataclass(frozen=True)
class Activation(Method):
    """The output of a layer itself: what is there to be read, not what the score makes of it.

    A_i = a_i(x), of any layer, in its own shape: (n, height, width, channels) of a convolution, (n, units) of a dense
    layer.  Zeiler and Fergus 2014, arXiv:1311.2901, section 4

    It does not depend on the target. `layer=` of `tfxai.explain` chooses the layer; None is the last convolution after
    its normalisation and activation, found through any nesting.

    Raises:
        LayerError: No layer is named, and the model has no convolution; or the score does not depend on it.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> layers = [keras.layers.Dense(2, "relu", name="hidden", kernel_initializer="ones"), keras.layers.Dense(1)]
        >>> model = keras.Sequential([keras.Input((3,)), *layers])
        >>> tfxai.explain(model, np.array([[1.0, 2.0, 3.0]]), "activation", layer="hidden").values.tolist()
        [[6.0, 6.0]]
    """

    name: ClassVar[str] = "activation"
    usual_layer: ClassVar[str | None] = "last_conv"

    def __call__(self, scorer: Scorer, x: Tensors, reference: Tensors, rng: np.random.Generator) -> Attribution:
        score, target = scorer.score(x)
        return Attribution(list(x), score, None, target)
