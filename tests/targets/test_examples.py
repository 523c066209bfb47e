"""Targets with data of each example: against single calls, the tape, and weights of the whole output."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfxai
from tfxai import targets
from tfxai.errors import TargetError

RNG = np.random.default_rng(5)
X = RNG.normal(size=(5, 6)).astype("float32")
WEIGHTS, LABELS = RNG.normal(size=(5, 4)), np.array([0, 3, 1, 2, 1])


@pytest.fixture(scope="module")
def net():
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((6,)), layers.Dense(8, "tanh"), layers.Dense(4)])


def of_rows(y, rows):
    return tf.reduce_sum(y * rows["weights"], axis=1) + tf.gather(y, rows["labels"], batch_dims=1) ** 2


def of_one(i):
    """The same for one example, its data held by the function."""
    weights, label = WEIGHTS[i].astype("float32"), int(LABELS[i])
    return lambda y: tf.reduce_sum(y * weights, axis=1) + y[:, label] ** 2


DATA = {"weights": WEIGHTS, "labels": LABELS}
METHODS = [
    ("gradient", {}), ("deeplift", {}), ("deeplift", {"rule": "reveal_cancel"}), ("lrp", {}),
    ("integrated_gradients", {"steps": 6}), ("integrated_gradients", {"tolerance": 0.01}), ("expected_gradients", {}),
    ("occlusion", {}), ("rise", {"samples": 7}), ("smoothgrad", {"samples": 3}),
]  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("references", [RNG.normal(size=(1, 3, 6)), RNG.normal(size=(5, 6))], ids=["three", "own"])
@pytest.mark.parametrize("method, options", METHODS)
def test_each_row_meets_its_own_data_in_every_pass(net, method, options, references):
    explainer = tfxai.Explainer(net, method, **options)
    single = explainer.using(method, **options)
    target = targets.per_example(of_rows, DATA)
    i, size = (3, None) if len(references) == 1 else (4, 2)
    e = explainer(X, target, references, size, 0)
    own = single(X[i : i + 1], of_one(i), references if len(references) == 1 else references[i : i + 1], None, 0)
    np.testing.assert_allclose(e.values[i], own.values[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(e.score[i], own.score[0], rtol=1e-5)
    if own.baseline_score is not None:
        np.testing.assert_allclose(e.baseline_score[i], own.baseline_score[0], rtol=1e-4, atol=1e-5)
    assert e.target == "of_rows"


def test_the_gradient_is_that_of_the_tape(net):
    t = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(t)
        score = of_rows(net(t), {"weights": WEIGHTS.astype("float32"), "labels": LABELS})
    e = tfxai.explain(net, X, "gradient", targets.per_example(of_rows, DATA))
    np.testing.assert_allclose(e.values, tape.gradient(score, t), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("structure", ["array", "list", "tuple", "nested", "numbers", "flags"])
def test_the_structure_of_the_data_is_handed_on(net, structure):
    weights = np.abs(WEIGHTS[:, 0])
    data, read = {
        "array": (weights, lambda r: r),
        "list": ([weights, LABELS], lambda r: r[0]),
        "tuple": ((LABELS, weights), lambda r: r[1]),
        "nested": ({"a": [LABELS, {"b": weights}]}, lambda r: r["a"][1]["b"]),
        "numbers": (weights.tolist(), lambda r: r),
        "flags": (weights > 0.5, lambda r: tf.cast(r, tf.float32)),
    }[structure]
    e = tfxai.explain(net, X, "gradient", targets.per_example(lambda y, r: y[:, 1] * read(r), data))
    factor = (weights > 0.5) if structure == "flags" else weights
    np.testing.assert_allclose(e.values, tfxai.explain(net, X, "gradient", 1).values * factor[:, None], atol=1e-6)


@pytest.mark.long
def test_beside_other_targets_and_at_one_of_several_outputs(net):
    first, second = targets.per_example(of_rows, DATA), targets.per_example(of_rows, {**DATA, "labels": LABELS[::-1]})
    found = tfxai.explain(net, X, target=targets.each([first, 2, second, of_one(0), first]))
    for e, target in zip(found, (first, 2, second, of_one(0), first), strict=True):
        np.testing.assert_allclose(e.values, tfxai.explain(net, X, target=target).values, atol=1e-6)
    assert np.abs(found[0].values - found[2].values).max() > 1e-3
    i = keras.Input((6,))
    model = keras.Model(i, {"a": net(i), "b": i})
    e = tfxai.explain(model, X, target=targets.output("a", first))
    np.testing.assert_allclose(e.values, found[0].values, atol=1e-6)
    both = targets.per_example(lambda y, r: y["b"][:, 0] * y["a"][:, 1] * r, WEIGHTS[:, 0])
    score = X[:, 0] * np.asarray(net(X))[:, 1] * WEIGHTS[:, 0]
    np.testing.assert_allclose(tfxai.explain(model, X, target=both).score, score, rtol=1e-4)
    inside = targets.neuron(0, targets.per_example(lambda y, r: y[:, 0] * r, WEIGHTS[:, 0]))
    expected = tfxai.explain(net, X, "gradient", targets.neuron(0, 0)).values * WEIGHTS[:, :1]
    np.testing.assert_allclose(tfxai.explain(net, X, "gradient", inside).values, expected, atol=1e-6)


def test_other_data_are_no_other_function(net):
    explainer = tfxai.Explainer(net, "deeplift")
    explainer(X, targets.per_example(of_rows, DATA))
    traces = explainer.traces
    e = explainer(X, targets.per_example(of_rows, {"weights": 2 * WEIGHTS, "labels": LABELS[::-1]}))
    assert explainer.traces == traces
    expected = (2 * WEIGHTS * np.asarray(net(X))).sum(1) + np.asarray(net(X))[np.arange(5), LABELS[::-1]] ** 2
    np.testing.assert_allclose(e.score, expected, rtol=1e-5)


def test_a_function_that_closes_over_data_is_pointed_to_it(net):
    with pytest.raises(TargetError, match=r"tfxai\.targets\.per_example\(function, data\)"):
        tfxai.explain(net, X, "integrated_gradients", lambda y: tf.reduce_sum(y * WEIGHTS.astype("float32"), 1))
    with pytest.raises(TargetError, match=r"tfxai\.targets\.per_example\(function, data\)"):
        tfxai.explain(net, X, target=lambda y: tf.gather(y, LABELS, batch_dims=1), batch_size=2)


@pytest.mark.parametrize(
    "function, data, message",
    [
        (of_rows, WEIGHTS[:4], "have a row for each of the 5 examples"),
        (of_rows, {"weights": WEIGHTS, "labels": 3}, "'labels' of per_example.. have a row for each of the 5"),
        (of_rows, {"weights": WEIGHTS, "labels": np.array(list("abcde"))}, "'labels' of per_example.. are numbers"),
        (of_rows, {}, "takes data with a row for each example"),
        (lambda y, r: r, WEIGHTS[:, 0], "does not depend on the outputs"),
        (lambda y, r: y * r, WEIGHTS, r"This target function returned shape \(None, 4\)"),
        (lambda y: y[:, 0], WEIGHTS, "The target function stopped: TypeError"),
        (lambda y, r: y[:, 0] * tf.reduce_mean(y * r), WEIGHTS, "depends on the outputs of others"),
    ],
)
def test_bad_data_and_functions(net, function, data, message):
    with pytest.raises(TargetError, match=message):
        tfxai.explain(net, X, target=targets.per_example(function, data))


def test_what_is_no_function_is_refused():
    with pytest.raises(TargetError, match="per_example.. takes a function of the outputs and of rows of data"):
        targets.per_example(WEIGHTS, of_rows)


# --- Regions ----------------------------------------------------------------------------------------------------------


def segmenter(first=False, side=(6, 8)):
    """A network of pictures with a score of four classes for each place; channels first or last."""
    keras.utils.set_random_seed(2)
    shape = (2, *side) if first else (*side, 2)
    options = {"padding": "same", "data_format": "channels_first" if first else "channels_last"}
    model = keras.Sequential([
        keras.Input(shape), layers.Conv2D(6, 3, activation="tanh", **options), layers.Conv2D(4, 1, **options)
    ])  # fmt: skip
    return model


MASKS = RNG.uniform(size=(3, 6, 8)) > 0.6
PICTURES = RNG.normal(size=(3, 6, 8, 2)).astype("float32")


@pytest.mark.long
@pytest.mark.parametrize(
    "masks", [MASKS, MASKS[1], MASKS * RNG.normal(size=MASKS.shape)], ids=["each", "one", "weights"]
)
@pytest.mark.parametrize("method", ["gradient", "deeplift", "integrated_gradients", "occlusion"])
def test_a_region_is_a_weighted_sum_of_its_class(masks, method):
    model, classes = segmenter(), [3, 0, 2]
    full = np.broadcast_to(masks, MASKS.shape)[..., None] * np.eye(4)[classes][:, None, None]
    e = tfxai.explain(model, PICTURES, method, targets.region(masks, classes), batch_size=2)
    expected = tfxai.explain(model, PICTURES, method, targets.mask(full))
    np.testing.assert_allclose(e.values, expected.values, atol=1e-5)
    np.testing.assert_allclose(e.score, (np.asarray(model(PICTURES)) * full).sum((1, 2, 3)), rtol=1e-4, atol=1e-5)
    one = tfxai.explain(model, PICTURES, "gradient", targets.region(masks, 2))
    assert one.target == "class 2 in a region" and e.target == "a class in a region"


def test_the_axis_of_the_classes_is_followed():
    """Of square outputs with as many classes as places, nothing could be seen of the shape."""
    x = RNG.normal(size=(2, 4, 4, 2)).astype("float32")
    mask = RNG.uniform(size=(4, 4)) > 0.5
    last, first = segmenter(side=(4, 4)), segmenter(True, side=(4, 4))
    first.set_weights(last.get_weights())
    e = tfxai.explain(last, x, "deeplift", targets.region(mask, 1))
    moved = tfxai.explain(first, np.moveaxis(x, -1, 1), "deeplift", targets.region(mask, 1))
    np.testing.assert_allclose(np.moveaxis(moved.values, 1, -1), e.values, atol=1e-5)
    np.testing.assert_allclose(e.score, (np.asarray(last(x))[..., 1] * mask).sum((1, 2)), rtol=1e-4)


def test_regions_of_steps_of_open_length_and_side_by_side():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((None, 2)), layers.Conv1D(3, 3, padding="same", activation="tanh")])
    x = RNG.normal(size=(2, 7, 2)).astype("float32")
    masks = np.eye(7)[[2, 5]]
    found = tfxai.explain(model, x, target=targets.each([targets.region(masks, 1), targets.region(masks[0], [0, 2])]))
    y = np.asarray(model(x))
    np.testing.assert_allclose(found[0].score, [y[0, 2, 1], y[1, 5, 1]], rtol=1e-5)
    np.testing.assert_allclose(found[1].score, [y[0, 2, 0], y[1, 2, 2]], rtol=1e-5)
    np.testing.assert_allclose(found[0].values, tfxai.explain(model, x, target=[(2, 1), (5, 1)]).values, atol=1e-6)
    with pytest.raises(TargetError, match="the mask of the region has another size than the output"):
        tfxai.explain(model, x, target=targets.region(np.ones(6), 1))


@pytest.mark.parametrize(
    "mask, classes, message",
    [
        (MASKS[:2], 1, r"shape of the output's places, \(6, 8\), or an axis of 1 or 3"),
        (np.ones((8, 6)), 1, r"places, \(6, 8\).*Received: an array of shape \(8, 6\)"),
        (MASKS * [[[1]], [[0]], [[1]]], 1, "A region has a place. Received: a mask of example 1 that is 0"),
        (np.full((6, 8), np.nan), 1, "finite weights"),
        (MASKS, 4, "classes 0 to 3. Received: target 4"),
        (MASKS, [0, 1], "one class index per example, 3 in all. Received: 2"),
        (MASKS, None, "A region is explained for a class"),
        ("here", 1, "an array of booleans or weights"),
    ],
)
def test_bad_regions(mask, classes, message):
    with pytest.raises(TargetError, match=message):
        tfxai.explain(segmenter(), PICTURES, "gradient", targets.region(mask, classes))


def test_an_output_whose_classes_cannot_be_found_is_refused(net):
    with pytest.raises(TargetError, match="cannot be followed which of its axes holds the classes"):
        tfxai.explain(net, X, target=targets.region(np.ones(4), 1))
    flat = keras.Sequential([keras.Input((6, 8, 2)), *segmenter().layers, layers.Reshape((8, 6, 4))])
    with pytest.raises(TargetError, match="cannot be followed which of its axes holds the classes"):
        tfxai.explain(flat, PICTURES, target=targets.region(np.ones((8, 6)), 1))


# --- Black boxes ------------------------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize("method, options", [("occlusion", {}), ("rise", {"samples": 9}), ("kernel_shap", {})])
def test_a_black_box_gets_its_rows_too(net, method, options):
    """Its functions are of arrays; what it returns is what the network does."""

    def as_arrays(y, rows):
        assert isinstance(y, np.ndarray) and isinstance(rows["weights"], np.ndarray)
        return (y * rows["weights"]).sum(1) + np.take_along_axis(y, rows["labels"][:, None], 1)[:, 0] ** 2

    box = tfxai.black_box(lambda x: np.asarray(net(x)))
    e = tfxai.explain(box, X, method, targets.per_example(as_arrays, DATA), seed=0, batch_size=2, **options)
    plain = tfxai.explain(net, X, method, targets.per_example(of_rows, DATA), seed=0, **options)
    np.testing.assert_allclose(e.values, plain.values, atol=1e-5)
