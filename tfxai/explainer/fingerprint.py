"""Which model and which options an explanation came from."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

from tfxai.method.base import Method
from tfxai.model.fingerprint import digest_of
from tfxai.model.opaque import Opaque
from tfxai.model.traced import TracedModel


def fingerprint(model: TracedModel, method: Method, read: Mapping[int, tf.Tensor] | None = None) -> str:
    """A hash of the model's ops, a sample of its weights as they are now, and the method's options.

    Args:
        model: The traced model.
        method: The method.
        read: Values of its graph that have been read already.
    """
    digest = digest_of(model, read)
    if isinstance(model, Opaque):  # nothing is seen of it but its name
        digest.update(model.name.encode())
    digest.update(repr((method.name, sorted(method.options().items(), key=str))).encode())
    return digest.hexdigest()
