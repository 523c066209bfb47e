"""What is sent to other processes: all that a job is made of, but never a model."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tfxai.errors import InputTypeError, ModelTypeError, TfxaiError, received
from tfxai.scale.job import Job
from tfxai.support.extras import extra

MODELS = (keras.layers.Layer, tf.Module, tf.Variable)

# What to pass in place of what cannot be sent.
INSTEAD = {
    "source": "Pass files (.npy, Zarr, HDF5, a folder of images, a table) or arrays.",
    "target": "Pass a class, an index, an object of tfxai.targets, or a function of its output alone.",
    "baseline": "Pass an array, an object of tfxai.baselines, or a function of x alone.",
    "layer": "Pass its name or path.",
    "method": "Pass its name and options.",
}


class Parts(NamedTuple):
    """What a job is made of in another process.

    Attributes:
        make: What makes it.
        given: Of these.
        custom: Name -> class or function that Keras needs to load the model, as they are registered here.
    """

    make: Callable[..., Job]
    given: tuple
    custom: dict[str, Any]


def sendable(job: Job) -> Parts:
    """What a job is made of.

    Raises:
        InputTypeError: Its source cannot be sent. The rest was checked before there was a job.
    """
    make, (arguments, source, batch_size) = job.__reduce__()
    _check("source", source)
    custom = {k: v for k, v in keras.saving.get_custom_objects().items() if _obstacle(v) is None}
    return Parts(make, (arguments, source, batch_size), custom)


def check_sendable(model: Any, arguments: dict[str, Any]) -> None:
    """Refuses what cannot be sent, before a job is made of it.

    Raises:
        ModelTypeError: A model in place of a path.
        InputTypeError: An argument that cannot be pickled, or that holds a model.
    """
    if not isinstance(model, (str, os.PathLike)):
        raise ModelTypeError(
            "engine='ray' sends workers the path of a model, never the model: save it, model.save('model.keras'), and "
            f"pass the path. {received(model)}"
        )
    for name, value in arguments.items():
        _check(name, value)


def _check(name: str, value: Any) -> None:
    if (reason := _obstacle(value)) is not None:
        instead = INSTEAD.get(name, "Pass numbers, words, arrays, or a function that holds nothing.")
        raise InputTypeError(f"{name}= cannot be sent to other processes ({reason}). {instead}")


def _obstacle(value: Any) -> str | None:
    """Why a value cannot be sent, or None. Arrays are not copied for it."""
    pickler: Any = extra("ray", "ray.cloudpickle").CloudPickler

    class Strict(pickler):
        def reducer_override(self, held: Any) -> Any:
            if isinstance(held, MODELS):
                raise TypeError(f"it holds a {type(held).__name__}, and a model is never pickled")
            return super().reducer_override(held)

    try:
        Strict(io.BytesIO(), protocol=5, buffer_callback=lambda buffer: None).dump(value)
    except TfxaiError:
        raise
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return None
