"""How well what a detector predicts agrees with a box and its class: the score behind `tfxai.targets.box`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Sequence
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from tfxai.errors import OptionError, TargetError, received
from tfxai.targets.bound import FunctionTarget, weakly
from tfxai.targets.boxes import Box, checked, in_corners
from tfxai.targets.factories import class_index

Read = Callable[[Any], Sequence[tf.Tensor]]
TINY = 1e-12
ACTIVATIONS: dict[str | None, Callable[[tf.Tensor], tf.Tensor]] = {
    None: tf.identity,
    "sigmoid": tf.sigmoid,
    "softmax": tf.nn.softmax,
}


@dataclasses.dataclass(frozen=True, eq=False)
class BoxTarget(FunctionTarget):
    """Data: boxes (n, 4) as left, top, right and bottom; their classes (n,), or probabilities (n, classes)."""

    as_returned: ClassVar[bool] = True
    casts: ClassVar[bool] = False

    def of(self, outputs: Any, feed: Sequence[Any]) -> Any:
        """The score is made of tensors, also where a black box returns arrays."""
        made = tf.nest.map_structure(lambda o: None if o is None else tf.convert_to_tensor(o), outputs)
        return super().of(made, [tf.convert_to_tensor(t) for t in feed])


@dataclasses.dataclass(frozen=True, eq=False)
class Detector:
    """What is known of the outputs of a detector.

    Attributes:
        read: Outputs -> boxes, scores and perhaps the objectness.
        cache_key: Tells `read` from others.
        classes: How many there are, if that is known.
        format, activation, confidence: As in `tfxai.targets.box`.
    """

    read: Read
    cache_key: Hashable
    classes: int | None
    format: str
    activation: str | None
    confidence: bool


def bound(
    target: Box, shapes: Sequence[tuple | str], position: Callable[[Any], int], sizes: Sequence[tuple[int, int]], n: int
) -> BoxTarget:
    """Checks a box against the outputs and the pictures.

    Args:
        target: As the user gave it.
        shapes: Of each flat output without the examples, or in words why it cannot be explained.
        position: Name -> position of a flat output.
        sizes: (height, width) of the pictures among the inputs.
        n: How many examples.

    Raises:
        OptionError, TargetError: It does not fit.
    """
    size = target.size or (sizes[0] if len(sizes) == 1 else None)
    detector = _detector(target, shapes, position, size)
    relative = detector.format.startswith("rel_")
    if size is None and not relative:
        raise TargetError(
            f"Of boxes in pixels the size of the picture must be known, and the model has {len(sizes)} pictures among "
            "its inputs. Pass size=(height, width), or boxes as shares of it with a format of rel_."
        )
    corners = checked(target.boxes, detector.format, None if relative else size)
    classes = target.classes
    named = classes.dtype.kind != "f"
    for what, count in (("box", len(corners)), ("class", len(classes) if classes.ndim > (not named) else 1)):
        if count not in (1, n):
            raise TargetError(f"There is one {what} for all, or one for each of the {n} examples. Received: {count}.")
    if named:
        classes = class_index(classes, (detector.classes,), n)
        label = f"a box of class {classes[0]}" if (classes == classes[0]).all() else "a box"
    elif detector.classes not in (None, classes.shape[-1]):
        raise TargetError(f"The detector has {detector.classes} classes. Received: {classes.shape[-1]} probabilities.")
    else:
        classes, label = np.broadcast_to(classes, (n, classes.shape[-1])).astype(np.float32), "a box"
    least = int(classes.max()) + 1 if named and detector.classes is None else 0
    data = np.broadcast_to(corners, (n, 4)).astype(np.float32), classes
    return BoxTarget(0, data, label, function=Agreement(detector, least), structure=[0, 1])


def _detector(
    target: Box, shapes: Sequence[tuple | str], position: Callable[[Any], int], size: tuple[int, int] | None
) -> Detector:
    """What outputs= says."""
    if any(c.__name__ == "RetinaNetObjectDetector" and c.__module__.startswith("keras_hub")
           for c in type(target.outputs).__mro__):  # fmt: skip
        return _retinanet(target, size)
    if target.format is None:
        raise OptionError("Say what the four numbers of a box are, such as format='xyxy': it cannot be seen of them.")
    options = target.format, target.activation, bool(target.confidence)
    named = isinstance(target.outputs, (tuple, list)) and len(target.outputs) in (2, 3)
    if named and all(isinstance(name, (str, int)) for name in target.outputs):
        places = [position(name) for name in target.outputs]
        found = [shapes[k] for k in places]
        if wrong := next((shape for shape in found if isinstance(shape, str)), None):
            raise TargetError(wrong)
        classes = next(iter(found[1][-1:]), None)

        def read(outputs: Any) -> list[tf.Tensor]:
            flat = [o for o in tf.nest.flatten(outputs) if o is not None]
            return [flat[k] for k in places]

        return Detector(read, ("flat", *places), classes, *options)
    if callable(target.outputs) and not hasattr(target.outputs, "layers"):
        return Detector(target.outputs, weakly(target.outputs), None, *options)
    raise OptionError(
        "outputs= is (boxes, scores) or (boxes, scores, objectness) by name or position, a function of the outputs "
        "that returns them, or a RetinaNetObjectDetector of keras-hub. Of another detector name the outputs, such as "
        '("pred_boxes", "logits") with format="rel_center_xywh" and activation="sigmoid". ' + received(target.outputs)
    )


def _retinanet(target: Box, size: tuple[int, int] | None) -> Detector:
    """All predictions of a RetinaNet of keras-hub, made as its `decode_predictions` makes them, before it chooses."""
    import keras  # the rest of this room knows nothing of models

    model, said = target.outputs, target.outputs.bounding_box_format
    if target.format not in (None, said) or target.activation is not None:
        raise OptionError(
            f"The detector's boxes are {said!r}, and it says itself what its scores are: leave format= and activation= "
            f"out, and give boxes as {said!r}. Received: format={target.format!r}, activation={target.activation!r}."
        )
    if size is None:
        raise TargetError("The anchors of a RetinaNet depend on the size of the picture: pass size=(height, width).")
    made = model.anchor_generator(np.zeros((1, *size, 3), np.float32))
    anchors = np.concatenate([np.asarray(level) for level in made.values()])
    formats = {"anchor_format": model.anchor_generator.bounding_box_format, "box_format": said}

    def read(outputs: Any) -> tuple[tf.Tensor, tf.Tensor]:
        deltas, scores = (tf.cast(outputs[name], tf.float32) for name in ("bbox_regression", "cls_logits"))
        boxes = keras.utils.bounding_boxes.decode_deltas_to_boxes(
            tf.constant(anchors), deltas, encoded_format="center_xywh", image_shape=(*size, 3), **formats
        )
        return boxes, scores

    activation = "sigmoid" if getattr(model.prediction_decoder, "from_logits", True) else None
    confidence = True if target.confidence is None else target.confidence
    key = ("RetinaNet", size, anchors.tobytes(), *formats.values())
    return Detector(read, key, model.num_classes, said, activation, confidence)


# --- The score --------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, eq=False)
class Agreement:
    """`(outputs, rows) -> (n,)` how well the best prediction agrees with a box and its class.

    Attributes:
        detector: What the outputs are.
        least: How many classes there must be.
    """

    detector: Detector
    least: int

    @property
    def cache_key(self) -> tuple:
        known = self.detector
        return known.cache_key, known.format, known.activation, known.confidence, self.least

    def __call__(self, outputs: Any, rows: list[tf.Tensor]) -> tf.Tensor:
        predicted, scores, *more = self._read(outputs)
        probabilities = ACTIVATIONS[self.detector.activation](scores)
        own, wanted = rows
        if wanted.dtype.is_integer:
            wanted = tf.one_hot(wanted, tf.shape(scores)[-1])
        own, wanted = (tf.cast(t, scores.dtype) for t in (own, wanted))
        found = overlap(in_corners(predicted, self.detector.format), [own[:, None, k] for k in range(4)])
        found = found * cosine(probabilities, wanted[:, None])
        for objectness in more:
            found = found * (objectness if objectness.shape.rank == 2 else objectness[..., 0])
        if self.detector.confidence:
            found = found * tf.reduce_max(probabilities, axis=-1)
        return tf.reduce_max(found, axis=1)

    def _read(self, outputs: Any) -> Sequence[tf.Tensor]:
        """What the detector predicts, seen to have the shapes that are expected, in one dtype."""
        found = self.detector.read(outputs)
        if not isinstance(found, (tuple, list)) or len(found) not in (2, 3) or not all(map(tf.is_tensor, found)):
            raise TargetError(f"outputs= gives boxes, scores and perhaps the objectness, as tensors. {received(found)}")
        boxes, scores, *more = found
        shapes = [tuple(t.shape) for t in found]
        ranks = boxes.shape.rank == scores.shape.rank == 3 and all(o.shape.rank in (2, 3) for o in more)
        if not ranks or boxes.shape[-1] != 4 or any(o.shape.rank == 3 and o.shape[-1] != 1 for o in more):
            raise TargetError(
                "Boxes are (n, predictions, 4), scores (n, predictions, classes), and the objectness (n, predictions) "
                f"or (n, predictions, 1). Received: {shapes}."
            )
        if scores.shape[-1] is not None and scores.shape[-1] < self.least:
            known = scores.shape[-1] - 1
            raise TargetError(f"The detector has classes 0 to {known}. Received: class {self.least - 1}.")
        dtype = tf.float32 if scores.dtype.size < 4 else scores.dtype
        return [tf.cast(t, dtype) for t in found]


def overlap(a: Sequence[tf.Tensor], b: Sequence[tf.Tensor]) -> tf.Tensor:
    """Intersection over union of boxes a with boxes b, which have an area; each as left, top, right, bottom."""
    width = tf.nn.relu(tf.minimum(a[2], b[2]) - tf.maximum(a[0], b[0]))
    height = tf.nn.relu(tf.minimum(a[3], b[3]) - tf.maximum(a[1], b[1]))
    both = width * height
    own = tf.nn.relu(a[2] - a[0]) * tf.nn.relu(a[3] - a[1])
    return both / (own + (b[2] - b[0]) * (b[3] - b[1]) - both)


def cosine(p: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
    """Of the angle between probabilities (..., classes); 0 where one of them has none."""
    lengths = tf.reduce_sum(p * p, axis=-1) * tf.reduce_sum(wanted * wanted, axis=-1)
    return tf.reduce_sum(p * wanted, axis=-1) / tf.sqrt(tf.maximum(lengths, TINY))
