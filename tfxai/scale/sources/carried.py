"""What goes to another process with a source."""

from __future__ import annotations

import pickle
import sys
from typing import Any

from tfxai.errors import InputTypeError


def pickled(value: Any, instead: str) -> bytes:
    """What goes to another process: by cloudpickle where that is in use, which takes functions and classes along.

    Raises:
        InputTypeError: It cannot be pickled.
    """
    pickler = sys.modules.get("ray.cloudpickle") or sys.modules.get("cloudpickle") or pickle
    try:
        return pickler.dumps(value)
    except Exception as error:
        reason = " ".join(str(error).split())[:160]
        raise InputTypeError(
            f"{type(value).__name__} cannot be handed to another process ({type(error).__name__}: {reason}). Pass "
            f"files (.npy, Zarr, HDF5, a folder of images, a table), arrays, or {instead}."
        ) from error
