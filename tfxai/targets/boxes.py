"""A detector's box and class as the target: how well its best prediction agrees with them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from tfxai.errors import OptionError, TargetError, received
from tfxai.support.checks import one_of, whole_number

SLACK = 1e-3  # of the picture's size, by which rounding may put a box beyond its edge
# What the four numbers of a box say, in the words of Keras; all of them also relative to the picture, as "rel_...".
FORMATS: dict[str, Callable[[Any, Any, Any, Any], tuple[Any, Any, Any, Any]]] = {
    "xyxy": lambda x1, y1, x2, y2: (x1, y1, x2, y2),
    "yxyx": lambda y1, x1, y2, x2: (x1, y1, x2, y2),
    "xywh": lambda x, y, w, h: (x, y, x + w, y + h),
    "center_xywh": lambda x, y, w, h: (x - w / 2, y - h / 2, x + w / 2, y + h / 2),
    "center_yxhw": lambda y, x, h, w: (x - w / 2, y - h / 2, x + w / 2, y + h / 2),
}


@dataclasses.dataclass(frozen=True, eq=False)
class Box:
    """What `box` was given."""

    boxes: np.ndarray
    classes: np.ndarray
    outputs: Any
    format: str | None
    activation: str | None
    confidence: bool | None
    size: tuple[int, int] | None


def box(
    boxes: Any,
    classes: Any,
    *,
    format: str | None = None,
    outputs: Any = ("boxes", "scores"),
    activation: str | None = None,
    confidence: bool | None = None,
    size: tuple[int, int] | None = None,
) -> Box:
    """A box and its class, as a detector finds them: how well its best prediction agrees.

    S = max over predictions j of IoU(box, box_j) * cos(P, P_j) * O_j, as in D-RISE (Petsiuk et al. 2021,
    arXiv:2006.03204, section 3.2), where P are class probabilities and O is the objectness, of detectors that have one.
    Occlusion and RISE need this score alone; gradients go back through the prediction that agrees best. The outputs are
    read as the model returns them, whatever `on=` is.

    Args:
        boxes: (4,) for all examples, or (n, 4).
        classes: Class, or one per example; or the probabilities of all classes as floats, (classes,) or (n, classes),
            such as those of a prediction.
        format: What the four numbers are, of these boxes and of the predicted ones: "xyxy", "yxyx", "xywh" (x and y of
            the corner), "center_xywh" or "center_yxhw", in pixels of the network's input; the same after "rel_", in
            shares of it.
        outputs: Names or positions of the outputs, (boxes, scores) or (boxes, scores, objectness), of shapes
            (n, predictions, 4), (n, predictions, classes) and (n, predictions) or (n, predictions, 1); a function of
            the outputs that returns these tensors; or a RetinaNet of keras-hub itself, whose anchors and format are
            known then, before its non-maximum suppression.
        activation: What makes probabilities of the scores: "sigmoid", "softmax", or None where they are.
        confidence: Whether the objectness is the highest class probability of a prediction, for detectors that have no
            other and all of whose predictions are looked at: among many, some box lies right by chance. None: for a
            detector of keras-hub.
        size: (height, width) of the picture, for boxes in pixels; None: that of the one picture among the inputs.

    Raises:
        OptionError: A format or activation that is none of these; a detector that is not known.
        TargetError: Boxes of no area or beyond the picture, another number of them than of examples; when used: outputs
            of other shapes, a class that is not there.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> picture = keras.Input((8, 8, 1))
        >>> dense = keras.layers.Dense(2, kernel_initializer="ones", activation="sigmoid")
        >>> fixed = keras.layers.Lambda(lambda t: keras.ops.zeros_like(t[:, :1, :1, 0]) + np.array([0, 0, 4, 4.0]))
        >>> scores = keras.layers.Reshape((1, 2))(dense(keras.layers.Flatten()(picture)))
        >>> model = keras.Model(picture, {"boxes": fixed(picture), "scores": scores})
        >>> target = tfxai.targets.box([0, 0, 4, 2], 1, format="xyxy")
        >>> e = tfxai.explain(model, np.ones((1, 8, 8, 1)), target=target)
        >>> round(float(e.score[0]), 4)  # half of the union, and both classes alike
        0.3536
    """
    try:
        corners, wanted = np.asarray(boxes, np.float64), np.asarray(classes)
    except (TypeError, ValueError) as error:
        raise TargetError(f"A box is four numbers, one box for all examples or (n, 4). {received(boxes)}") from error
    if corners.ndim not in (1, 2) or corners.shape[-1] != 4 or not np.isfinite(corners).all():
        raise TargetError(f"A box is four numbers, one box for all examples or (n, 4). {received(boxes)}")
    if wanted.dtype.kind not in "iuf" or wanted.ndim > (2 if wanted.dtype.kind == "f" else 1):
        raise TargetError(
            "The class of a box is its number, or one per example; or probabilities of all classes, as floats. "
            + received(classes)
        )
    if wanted.dtype.kind == "f" and (not wanted.ndim or not (wanted >= 0).all() or not wanted.any(axis=-1).all()):
        raise TargetError(f"Class probabilities are numbers from 0, (classes,) or (n, classes). {received(classes)}")
    if format is not None:
        one_of(format, "format", [f"{rel}{name}" for rel in ("", "rel_") for name in FORMATS])
    if activation is not None:
        one_of(activation, "activation", ("sigmoid", "softmax"), ", or None")
    if size is not None:
        if not isinstance(size, (tuple, list)) or len(size) != 2:
            raise OptionError(f"size is (height, width) of the picture. {received(size)}")
        for length in size:
            whole_number(length, "size")
        size = (int(size[0]), int(size[1]))
    return Box(corners, wanted, outputs, format, activation, confidence, size)


def in_corners(boxes: Any, format: str) -> tuple[Any, Any, Any, Any]:
    """Left, top, right and bottom of boxes (..., 4)."""
    return FORMATS[format.removeprefix("rel_")](*(boxes[..., k] for k in range(4)))


def checked(boxes: np.ndarray, format: str, size: tuple[int, int] | None) -> np.ndarray:
    """(n or 1, 4) boxes as left, top, right, bottom.

    Args:
        boxes: (4,) or (n, 4).
        format: Of them.
        size: (height, width) of the picture; None for shares of it.

    Raises:
        TargetError: One of them has no area, or goes beyond the picture.
    """
    corners = np.stack(in_corners(np.atleast_2d(boxes), format), axis=-1)
    flat = np.flatnonzero((corners[:, 2:] - corners[:, :2] <= 0).any(axis=1))
    if len(flat):
        raise TargetError(
            f"A box has an area. Received: {np.atleast_2d(boxes)[flat[0]]} as {format!r} (box {flat[0]}), which has "
            "none. Is it in another format=?"
        )
    height, width = (1, 1) if size is None else size
    most = np.array([width, height, width, height])
    beyond = np.flatnonzero(((corners < -SLACK * most) | (corners > (1 + SLACK) * most)).any(axis=1))
    if len(beyond):
        raise TargetError(
            f"A box lies in the picture, of height {height} and width {width}. Received: "
            f"{np.atleast_2d(boxes)[beyond[0]]} as {format!r} (box {beyond[0]}). Is it in another "
            "format=, or for another size=? What a detector lets stick out, clip."
        )
    return corners
