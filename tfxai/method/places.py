"""Maps of places: tokens as a grid, and any map brought to the size of the input."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from tfxai.errors import LayerError
from tfxai.model.scorer import Scorer

FILTERS = ("bilinear", "nearest")


def as_places(features: tf.Tensor, axis: int, scorer: Scorer) -> tf.Tensor:
    """(n, places..., channels): channels last, and the tokens of a picture as a grid, without a class token."""
    if axis == 1:
        features = tf.transpose(features, [0, *range(2, features.shape.rank), 1])
    picture = next((t.shape for t in scorer.inputs if t.shape.rank == 4), None)
    if features.shape.rank != 3 or picture is None or any(t.shape.rank == 3 for t in scorer.inputs):
        return features
    tokens, height, width = features.shape[1], *_space(picture, scorer)
    for extra in (0, 1):  # a class token stands before the others
        for rows in range(1, tokens - extra + 1):
            columns, rest = divmod(tokens - extra, rows)
            if not rest and rows * width == columns * height:
                return tf.reshape(features[:, extra:], [-1, rows, columns, features.shape[-1]])
    raise LayerError(
        f"The layer returns {tokens} tokens for a picture of {height} x {width}; expected a grid of the same "
        "proportions, with or without a class token before it. Choose another layer."
    )


def size_of(scorer: Scorer, axes: int) -> list[int]:
    """The spatial size of the input that has as many spatial axes as the map."""
    for tensor in scorer.inputs:
        if tensor.shape.rank == axes + 2:
            return _space(tensor.shape, scorer)
        if axes == 1 and tensor.shape.rank == 2:  # tokens
            return [tensor.shape[1]]
    shapes = ", ".join(str(tuple(t.shape)) for t in scorer.inputs)
    raise LayerError(
        f"A map with {axes} spatial axes fits no input; shapes: {shapes}. Choose another layer, or resize=False."
    )


def _space(shape: tf.TensorShape, scorer: Scorer) -> list[int]:
    """The sizes of the axes of places of an input."""
    first = any(m.channels == 1 for m in scorer.model.feature_maps)
    return [int(s) for s in (shape[2:] if first else shape[1:-1])]


def resized(heat: tf.Tensor, size: Sequence[int], method: str) -> tf.Tensor:
    """(n, places...) -> (n, *size), one, two or three axes."""
    dtype = heat.dtype
    if len(size) == 1:
        return tf.cast(tf.image.resize(heat[..., None, None], [size[0], 1], method)[..., 0, 0], dtype)
    if len(size) == 2:
        return tf.cast(tf.image.resize(heat[..., None], size, method)[..., 0], dtype)
    n, depth = heat.shape[0], heat.shape[1]
    flat = tf.reshape(heat, [n * depth, *heat.shape[2:], 1])
    flat = tf.reshape(tf.image.resize(flat, size[1:], method), [n, depth, size[1] * size[2], 1])
    flat = tf.image.resize(flat, [size[0], size[1] * size[2]], method)
    return tf.cast(tf.reshape(flat, [n, *size]), dtype)
