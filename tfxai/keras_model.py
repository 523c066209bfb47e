"""`model.explain(...)`: a mixin for one's own classes, a wrapper for models that exist."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import keras

from tfxai.errors import ModelTypeError, received
from tfxai.explainer import explain
from tfxai.explanation import Explanation
from tfxai.method.base import Method
from tfxai.targets.several import Each


class ExplainMixin:
    """Gives a Keras model the method `explain`.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> class MyModel(tfxai.ExplainMixin, keras.Model):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.dense = keras.layers.Dense(2)
        ...     def call(self, x):
        ...         return self.dense(x)
        >>> model = MyModel()
        >>> _ = model(np.ones((1, 3), "float32"))
        >>> model.explain(np.ones((1, 3), "float32"), "gradient").values.shape
        (1, 3)
    """

    @overload
    def explain(self, x: Any, method: str | Method = ..., *, target: Each, **more: Any) -> list[Explanation]: ...

    @overload
    def explain(self, x: Any, method: str | Method, target: Each, *more: Any, **also: Any) -> list[Explanation]: ...

    @overload
    def explain(
        self,
        x: Any,
        method: str | Method = ...,
        target: Any = ...,
        baseline: Any = ...,
        batch_size: int | None = ...,
        seed: int | None = ...,
        verbose: int | str = ...,
        **options: Any,
    ) -> Explanation: ...

    def explain(
        self,
        x: Any,
        method: str | Method = "deeplift",
        target: Any = None,
        baseline: Any = None,
        batch_size: int | None = None,
        seed: int | None = None,
        verbose: int | str = "auto",
        *,
        on: str = "logit",
        layer: Any = None,
        jit_compile: bool = False,
        fixed: Sequence[str | int] | None = None,
        reduction: str | None = None,
        labels: Any = None,
        allow_nan: bool = False,
        **options: Any,
    ) -> Any:
        """`tfxai.explain(self, x, ...)`."""
        return explain(
            self, x, method, target, baseline, batch_size, seed, verbose, on=on, layer=layer, jit_compile=jit_compile,
            fixed=fixed, reduction=reduction, labels=labels, allow_nan=allow_nan, **options,
        )  # fmt: skip


@keras.saving.register_keras_serializable(package="tfxai")
class ExplainableModel(ExplainMixin, keras.Model):
    """A Keras model with `explain`; saved and loaded like any other."""


def explainable(model: keras.Model) -> ExplainableModel:
    """The same layers and weights as a model that has `.explain`.

    Training either trains both: they share their variables. A file saved from the result loads where tfxai has been
    imported; elsewhere pass `custom_objects={"tfxai>ExplainableModel": keras.Model}`, or save the original model.

    Args:
        model: A functional or Sequential model.

    Raises:
        ModelTypeError: The model has no fixed inputs and outputs (a subclassed model: use `ExplainMixin` in its
            class, or `tfxai.explain(model, x)`).

    Example:
        >>> import keras, numpy as np, tfxai
        >>> model = tfxai.explainable(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]))
        >>> model.explain(np.ones((1, 3), "float32"), target=0).values.shape
        (1, 3)
    """
    if not isinstance(model, keras.Model) or not getattr(model, "inputs", None) or not getattr(model, "outputs", None):
        raise ModelTypeError(
            "explainable() takes a built functional or Sequential Keras model. For a subclassed model put "
            f"tfxai.ExplainMixin among its base classes, or call tfxai.explain(model, x). {received(model)}"
        )
    functional = getattr(model, "_functional", None) or model  # a Sequential keeps one inside
    return ExplainableModel(functional.input, functional.output, name=model.name)


__all__ = ["ExplainMixin", "ExplainableModel", "explainable"]
