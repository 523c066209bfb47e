"""The box of a detector as the target: its score by hand, its slopes by the tape, and where its evidence is."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfxai
from tfxai import targets
from tfxai.errors import OptionError, TargetError

SIDE, CELLS = 32, 8  # of the pictures, and of the predictions on each side


def by_hand(box, wanted, boxes, scores, objectness=None):
    """D-RISE's similarity of one box with predictions (k, 4), (k, classes); corners as x1, y1, x2, y2."""
    best = 0.0
    for j, (x1, y1, x2, y2) in enumerate(np.asarray(boxes, np.float64)):
        width, height = min(x2, box[2]) - max(x1, box[0]), min(y2, box[3]) - max(y1, box[1])
        both = max(width, 0) * max(height, 0)
        union = (x2 - x1) * (y2 - y1) + (box[2] - box[0]) * (box[3] - box[1]) - both
        p = np.asarray(scores[j], np.float64)
        angle = p @ wanted / (np.linalg.norm(p) * np.linalg.norm(wanted))
        best = max(best, both / union * angle * (1 if objectness is None else objectness[j]))
    return best


@pytest.fixture(scope="module")
def small():
    """Five boxes of a picture of 12 x 16, each made by a dense layer; scores of three classes; an objectness."""
    keras.utils.set_random_seed(3)
    picture = keras.Input((12, 16, 1))
    hidden = layers.Dense(10, "tanh")(layers.Flatten()(picture))
    near = layers.Dense(20, "sigmoid", kernel_initializer="glorot_normal")(hidden)
    start = layers.Reshape((5, 4))(near)
    corner, size = start[..., :2] * np.array([8.0, 6.0]), 2 + start[..., 2:] * np.array([6.0, 4.0])
    boxes = layers.Concatenate()([corner, corner + size])
    scores = layers.Softmax()(layers.Reshape((5, 3))(layers.Dense(15)(hidden)))
    objectness = layers.Dense(5, "sigmoid")(hidden)
    model = keras.Model(picture, {"boxes": boxes, "scores": scores, "objectness": objectness})
    x = np.random.default_rng(0).normal(size=(4, 12, 16, 1)).astype("float32")
    return model, x, {name: np.asarray(value) for name, value in model(x).items()}


BOXES = np.array([[1, 1, 9, 7], [2, 3, 8, 11], [5, 0, 14, 6], [3, 3, 7, 9.0]])
CLASSES = np.array([0, 2, 1, 2])
NAMES = ("boxes", "scores", "objectness")


def converted(corners, format):
    """Corners x1, y1, x2, y2 in another format, for a picture of 12 x 16."""
    corners = corners / [16, 12, 16, 12] if format.startswith("rel_") else corners
    x1, y1, x2, y2 = np.moveaxis(corners, -1, 0)
    named = {
        "xyxy": (x1, y1, x2, y2),
        "yxyx": (y1, x1, y2, x2),
        "xywh": (x1, y1, x2 - x1, y2 - y1),
        "center_xywh": ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1),
        "center_yxhw": ((y1 + y2) / 2, (x1 + x2) / 2, y2 - y1, x2 - x1),
    }
    return np.stack(named[format.removeprefix("rel_")], axis=-1)


@pytest.mark.parametrize("outputs", [NAMES[:2], NAMES])
def test_the_score_is_that_of_the_paper(small, outputs):
    model, x, found = small
    e = tfxai.explain(model, x, "gradient", targets.box(BOXES, CLASSES, format="xyxy", outputs=outputs))
    eye, third = np.eye(3), found["objectness"] if len(outputs) == 3 else [None] * 4
    expected = [by_hand(BOXES[i], eye[CLASSES[i]], found["boxes"][i], found["scores"][i], third[i]) for i in range(4)]
    np.testing.assert_allclose(e.score, expected, rtol=1e-4)
    assert min(expected) > 0.01 and e.options["on"] == "probability"


def test_the_class_may_be_the_probabilities_of_a_prediction(small):
    model, x, found = small
    wanted = found["scores"][:, 1]
    e = tfxai.explain(model, x, "gradient", targets.box(found["boxes"][:, 1], wanted, format="xyxy"))
    np.testing.assert_allclose(e.score, 1, rtol=1e-5)  # it agrees with itself


@pytest.mark.parametrize("format", ["yxyx", "xywh", "center_xywh", "center_yxhw", "rel_xyxy", "rel_yxyx", "rel_xywh"])
def test_formats_are_of_the_box_and_of_the_predictions(small, format):
    model, x, found = small

    class Other(keras.Model):
        def call(self, x):
            y = model(x)
            return [y["scores"], keras.ops.cast(convert(y["boxes"]), "float32")]

    def convert(corners):
        scale = [1 / 16, 1 / 12, 1 / 16, 1 / 12] if format.startswith("rel_") else [1.0, 1, 1, 1]
        x1, y1, x2, y2 = tf.unstack(corners * np.array(scale, "float32"), axis=-1)
        return tf.stack({
            "xyxy": (x1, y1, x2, y2), "yxyx": (y1, x1, y2, x2), "xywh": (x1, y1, x2 - x1, y2 - y1),
            "center_xywh": ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1),
            "center_yxhw": ((y1 + y2) / 2, (x1 + x2) / 2, y2 - y1, x2 - x1),
        }[format.removeprefix("rel_")], axis=-1)  # fmt: skip

    other = Other()
    other(x)
    target = targets.box(converted(BOXES, format), CLASSES, format=format, outputs=(1, 0))
    e = tfxai.explain(other, x, "gradient", target)
    plain = tfxai.explain(model, x, "gradient", targets.box(BOXES, CLASSES, format="xyxy"))
    np.testing.assert_allclose(e.score, plain.score, rtol=1e-4)
    np.testing.assert_allclose(e.values, plain.values, atol=1e-5)


@pytest.mark.parametrize("method", ["gradient", "deeplift", "integrated_gradients", "occlusion", "rise", "smoothgrad"])
def test_every_example_has_its_own_box_in_every_pass(small, method):
    model, x, _ = small
    baseline = np.random.default_rng(1).normal(size=(1, 2, 12, 16, 1))
    options = {"samples": 6} if method in ("rise", "smoothgrad") else {}
    explainer = tfxai.Explainer(model, method, **options)
    every = explainer(x, targets.box(BOXES, CLASSES, format="xyxy"), baseline, 3, 0)
    for i in range(4):
        own = explainer(x[i : i + 1], targets.box(BOXES[i], CLASSES[i], format="xyxy"), baseline, None, 0)
        np.testing.assert_allclose(every.values[i], own.values[0], atol=2e-5)
    if every.delta is not None and method == "deeplift":
        np.testing.assert_allclose(every.delta, 0, atol=1e-4)


def test_gradients_are_those_of_the_tape(small):
    model, x, _ = small
    t = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(t)
        y = model(t)
        a, b = y["boxes"], tf.constant(BOXES[:, None], tf.float32)
        sides = tf.nn.relu(tf.minimum(a[..., 2:], b[..., 2:]) - tf.maximum(a[..., :2], b[..., :2]))
        both = tf.reduce_prod(sides, -1)
        areas = [tf.reduce_prod(c[..., 2:] - c[..., :2], -1) for c in (a, b)]
        angle = tf.gather(tf.math.l2_normalize(y["scores"], -1), CLASSES, axis=2, batch_dims=1)
        score = tf.reduce_max(both / (areas[0] + areas[1] - both) * angle, 1)
    e = tfxai.explain(model, x, "gradient", targets.box(BOXES, CLASSES, format="xyxy"))
    np.testing.assert_allclose(e.values, tape.gradient(score, t), rtol=1e-3, atol=1e-6)
    assert np.abs(e.values).max() > 1e-4


def test_a_function_reads_any_outputs_and_is_compiled_once(small):
    model, x, found = small
    joined = keras.Model(model.input, layers.Concatenate()([model.output["boxes"], model.output["scores"]]))

    def read(y):
        return y[..., :4], y[..., 4:]

    explainer = tfxai.Explainer(joined, "gradient")
    e = explainer(x, targets.box(BOXES, CLASSES, format="xyxy", outputs=read))
    plain = tfxai.explain(model, x, "gradient", targets.box(BOXES, CLASSES, format="xyxy"))
    np.testing.assert_allclose(e.values, plain.values, atol=1e-6)
    traces = explainer.traces
    explainer(x, targets.box(BOXES[::-1], CLASSES, format="xyxy", outputs=read))
    assert explainer.traces == traces
    with pytest.raises(TargetError, match="classes 0 to 2. Received: class 3"):
        explainer(x, targets.box(BOXES, 3, format="xyxy", outputs=read))


BAD = [
    ({}, OptionError, "Say what the four numbers of a box are"),
    ({"format": "xxyy"}, OptionError, "format is one of 'xyxy'"),
    ({"format": "xyxy", "activation": "relu"}, OptionError, "activation is one of 'sigmoid', 'softmax', or None"),
    ({"format": "xyxy", "boxes": [1, 1, 9]}, TargetError, "A box is four numbers"),
    ({"format": "xyxy", "boxes": [[1, 2], [1, 2, 3]]}, TargetError, "A box is four numbers"),
    ({"format": "xyxy", "size": 12}, OptionError, "size is .height, width. of the picture. Received: 12"),
    ({"format": "xyxy", "size": (12.5, 16)}, OptionError, "size is a whole number from 1"),
    ({"format": "xyxy", "size": (12, 8)}, TargetError, "lies in the picture, of height 12 and width 8"),
    ({"format": "xyxy", "boxes": [9, 1, 1, 7]}, TargetError, "A box has an area.*another format="),
    ({"format": "xyxy", "boxes": [1, 1, 17, 7]}, TargetError, "lies in the picture, of height 12 and width 16"),
    ({"format": "rel_xyxy", "boxes": [1, 1, 9, 7]}, TargetError, "lies in the picture, of height 1 and width 1"),
    ({"format": "xyxy", "boxes": BOXES[:3]}, TargetError, "one box for all, or one for each of the 4.*Received: 3"),
    ({"format": "xyxy", "classes": [0, 1]}, TargetError, "one class for all, or one for each of the 4.*Received: 2"),
    ({"format": "xyxy", "classes": 3}, TargetError, "classes 0 to 2. Received: target 3"),
    ({"format": "xyxy", "classes": [0.5, 0.5]}, TargetError, "has 3 classes. Received: 2 probabilities"),
    ({"format": "xyxy", "classes": "cat"}, TargetError, "The class of a box is its number"),
    ({"format": "xyxy", "outputs": ("boxes", "points")}, TargetError, "No output is called 'points'"),
    ({"format": "xyxy", "outputs": ("scores", "boxes")}, TargetError, r"Boxes are \(n, predictions, 4\)"),
    ({"format": "xyxy", "outputs": "boxes"}, OptionError, "outputs= is .boxes, scores."),
    ({"format": "xyxy", "outputs": lambda y: y["boxes"]}, TargetError, "gives boxes, scores and perhaps"),
]


@pytest.mark.parametrize("options, error, message", BAD)
def test_bad_boxes(small, options, error, message):
    model, x, _ = small
    options = dict(options)
    boxes, classes = options.pop("boxes", BOXES[0]), options.pop("classes", 0)
    with pytest.raises(error, match=message):
        tfxai.explain(model, x, "gradient", targets.box(boxes, classes, **options))


# --- Planted objects --------------------------------------------------------------------------------------------------


def drawn(count, rng):
    """Pictures with a bright disc or cross in two different quarters each, and the boxes and classes of both."""
    pictures = rng.normal(scale=0.1, size=(count, SIDE, SIDE, 1)).astype("float32")
    boxes, classes = np.zeros((count, 2, 4)), rng.integers(0, 2, (count, 2))
    rows, columns = np.mgrid[:8, :8] - 3.5
    shapes = [np.hypot(rows, columns) < 3.6, (np.abs(rows) < 1.1) | (np.abs(columns) < 1.1)]
    for i in range(count):
        for k, quarter in enumerate(rng.choice(4, 2, replace=False)):
            y, x = rng.integers(2, 7, 2) + 16 * np.array(divmod(int(quarter), 2))
            pictures[i, y : y + 8, x : x + 8, 0] += shapes[classes[i, k]]
            boxes[i, k] = x, y, x + 8, y + 8
    return pictures, boxes, classes


def grid_truth(boxes, classes):
    """What each of the cells should say: the class (2: nothing) and where the box's corner is from the cell."""
    labels = np.full((len(boxes), CELLS, CELLS), 2)
    offsets = np.zeros((len(boxes), CELLS, CELLS, 2), np.float32)
    for i, k in np.ndindex(*classes.shape):
        x, y = boxes[i, k, :2] + 4  # the middle
        row, column = int(y) // 4, int(x) // 4
        labels[i, row, column] = classes[i, k]
        offsets[i, row, column] = x / 4 - column, y / 4 - row
    return labels, offsets


@pytest.fixture(scope="module")
def detector():
    """A small one, trained on objects that are drawn: boxes of 8 x 8 and their classes, one prediction in each cell."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    picture = keras.Input((SIDE, SIDE, 1))
    y = picture
    for filters, stride in ((12, 2), (24, 2), (32, 1)):
        y = layers.Conv2D(filters, 3, strides=stride, padding="same", activation="relu")(y)
    y = layers.Conv2D(32, 3, padding="same", activation="relu")(y)
    classes, offsets = layers.Conv2D(3, 1, name="classes")(y), layers.Conv2D(2, 1, name="offsets")(y)
    network = keras.Model(picture, {"classes": classes, "offsets": offsets})
    x, boxes, truth = drawn(1500, rng)
    labels, where = grid_truth(boxes, truth)

    def at_objects(true, predicted):
        there = keras.ops.cast(keras.ops.any(true != 0, axis=-1, keepdims=True), "float32")
        return keras.ops.sum(there * (true - predicted) ** 2, axis=(1, 2, 3))

    losses = {"classes": keras.losses.SparseCategoricalCrossentropy(True), "offsets": at_objects}
    network.compile(keras.optimizers.Adam(4e-3), losses, loss_weights={"classes": 20.0, "offsets": 1.0})
    network.fit(x, {"classes": labels, "offsets": where}, batch_size=50, epochs=8, verbose=0)
    rows, columns = np.mgrid[:CELLS, :CELLS]
    cells = np.stack([columns, rows], -1).reshape(1, -1, 2).astype("float32")
    middle = 4 * (layers.Reshape((-1, 2))(offsets) + cells)
    made = layers.Concatenate()([middle - 4, middle + 4])
    scores = layers.Softmax()(layers.Reshape((-1, 3))(classes))
    return keras.Model(picture, {"boxes": made, "scores": scores})


def peak_is_in(values, box):
    row, column = np.unravel_index(np.asarray(values).sum(-1).argmax(), values.shape[:2])
    return box[0] <= column < box[2] and box[1] <= row < box[3]


OPTIONS = {
    "rise": {"samples": 1200, "grid": 8},
    "occlusion": {"window": 8, "stride": 2},
    "deeplift": {},
    "integrated_gradients": {"steps": 128},  # it jumps where another prediction becomes the best
}


@pytest.mark.slow
@pytest.mark.parametrize("method", list(OPTIONS))
def test_the_evidence_for_a_box_lies_in_it_and_moves_with_it(detector, method):
    """Twenty pictures with two objects each: the peak for each of them is in its own box."""
    x, boxes, classes = drawn(20, np.random.default_rng(1))
    explainer = tfxai.Explainer(detector, method, **OPTIONS[method])
    for k in range(2):
        e = explainer(x, targets.box(boxes[:, k], classes[:, k], format="xyxy"), seed=0)
        assert e.score.min() > 0.5  # all are found
        assert all(peak_is_in(e.values[i], boxes[i, k]) for i in range(20))
        assert not any(peak_is_in(e.values[i], boxes[i, 1 - k]) for i in range(20))


# --- RetinaNet --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def retinanet():
    """A tiny one of keras-hub, and a picture batch."""
    hub = pytest.importorskip("keras_hub")
    keras.utils.set_random_seed(5)
    encoder = hub.models.ResNetBackbone(
        input_conv_filters=[64], input_conv_kernel_sizes=[3], stackwise_num_filters=[64, 64], block_type="basic_block",
        stackwise_num_blocks=[1, 1], stackwise_num_strides=[1, 2], image_shape=(32, 40, 3),
    )  # fmt: skip
    backbone = hub.models.RetinaNetBackbone(
        image_encoder=encoder, min_level=2, max_level=3, use_p5=False, image_shape=(32, 40, 3)
    )
    generator = hub.layers.AnchorGenerator("xyxy", 2, 3, num_scales=1, aspect_ratios=[0.5, 1.0], anchor_size=2)
    everything = hub.layers.NonMaxSuppression("yxyx", True, iou_threshold=1.0, confidence_threshold=0.0)
    model = hub.models.RetinaNetObjectDetector(
        backbone, 3, "yxyx", anchor_generator=generator, pre_logits_num_conv_layers=1, prediction_decoder=everything
    )
    for weight in model.weights:  # a new one has deltas of 0, and all scores alike
        if "logits" in weight.path or "box_head" in weight.path:
            weight.assign(np.random.default_rng(1).normal(scale=0.05, size=weight.shape))
    return model, np.random.default_rng(0).normal(size=(2, 32, 40, 3)).astype("float32")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_retinanet_is_read_as_its_decoder_reads_it(retinanet):
    """The decoder's own boxes, before any is left out, scored by hand."""
    model, x = retinanet
    outputs = model(x)
    kept = []

    class Keep(keras.layers.Layer):
        bounding_box_format = "yxyx"

        def call(self, boxes, scores, images=None):
            kept[:] = np.asarray(boxes), np.asarray(keras.ops.sigmoid(scores))
            return {"boxes": boxes}

    decoder, model._prediction_decoder = model._prediction_decoder, Keep()
    model.decode_predictions(outputs, x)
    model._prediction_decoder = decoder
    boxes, scores = kept
    yxyx = np.array([[4, 6, 20, 30], [10, 10, 30, 34.0]])
    wanted = np.eye(3)[[2, 0]]
    order = [1, 0, 3, 2]
    expected = [by_hand(yxyx[i][order], wanted[i], boxes[i][:, order], scores[i], scores[i].max(1)) for i in range(2)]
    target = targets.box(yxyx, [2, 0], outputs=model)
    for method in ("gradient", "occlusion", "deeplift"):
        e = tfxai.explain(model, x, method, target)
        np.testing.assert_allclose(e.score, expected, rtol=1e-3)
        assert np.abs(e.values).max() > 0
    np.testing.assert_allclose(e.delta, 0, atol=1e-4)
    with pytest.raises(OptionError, match="The detector's boxes are 'yxyx'.*leave format= and activation= out"):
        tfxai.explain(model, x, target=targets.box(yxyx, 1, format="xyxy", outputs=model))
    with pytest.raises(TargetError, match="classes 0 to 2. Received: target 3"):
        tfxai.explain(model, x, target=targets.box(yxyx, 3, outputs=model))


def test_other_models_are_no_outputs(small):
    model, x, _ = small
    with pytest.raises(OptionError, match="or a RetinaNetObjectDetector of keras-hub. Of another detector name"):
        tfxai.explain(model, x, target=targets.box(BOXES, CLASSES, format="xyxy", outputs=model))


def test_a_black_box_that_detects(small):
    """Of a function of arrays, as a served detector is."""
    model, x, _ = small

    def served(pictures):
        return {name: np.asarray(value) for name, value in model(pictures).items()}

    target = targets.box(BOXES, CLASSES, format="xyxy")
    e = tfxai.explain(tfxai.black_box(served, layout="image"), x, "occlusion", target, window=4)
    np.testing.assert_allclose(e.values, tfxai.explain(model, x, "occlusion", target, window=4).values, atol=1e-5)
