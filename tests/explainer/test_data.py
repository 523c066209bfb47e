"""Data sets are explained as the arrays that they hold, and each example's own label as that class."""

import io
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfxai
from tfxai.explainer import batches
from tfxai.explainer.batches import gathered

X = np.random.default_rng(0).normal(size=(11, 4)).astype("float32")
Y = np.array([0, 2, 1, 1, 0, 2, 2, 0, 1, 0, 2])
PARTS = [slice(0, 4), slice(4, 8), slice(8, 11)]


def model_of(outputs=3, activation="softmax"):
    return keras.Sequential([keras.Input((4,)), layers.Dense(8, "tanh"), layers.Dense(outputs, activation=activation)])


class Pairs(keras.utils.PyDataset):
    """x, (x, y) or (x, y, w), in batches of 4; of no length if it is endless."""

    def __init__(self, *arrays, endless=False):
        super().__init__()
        self.arrays, self.endless = arrays, endless

    @property
    def num_batches(self):
        return None if self.endless else 3

    def __getitem__(self, k):
        found = tuple(a[PARTS[k % 3]] for a in self.arrays)
        return found if len(found) > 1 else found[0]


def dataset(*arrays, size=4):
    return tf.data.Dataset.from_tensor_slices(arrays if len(arrays) > 1 else arrays[0]).batch(size)


def generator(*arrays):
    return (tuple(a[p] for a in arrays) if len(arrays) > 1 else arrays[0][p] for p in PARTS)


W = np.ones(11)
KINDS = {
    "data set of x": (lambda: dataset(X), None),
    "data set of (x, y)": (lambda: dataset(X, Y), None),
    "data set of (x, y, w)": (lambda: dataset(X, Y, W), None),
    "in other batches": (lambda: dataset(X, Y, size=5), None),
    "one batch": (lambda: tf.data.Dataset.from_tensors((X, Y)), None),
    "(x,)": (lambda: tf.data.Dataset.from_tensors((X,)), None),
    "PyDataset of x": (lambda: Pairs(X), None),
    "PyDataset of (x, y)": (lambda: Pairs(X, Y), None),
    "PyDataset without an end": (lambda: Pairs(X, Y, endless=True), 3),
    "generator of x": (lambda: generator(X), 3),
    "generator of (x, y, w)": (lambda: generator(X, Y, W), 99),
    "arrays of a data set": (lambda: dataset(X, Y).as_numpy_iterator(), 3),
    "data set of a generator": (
        lambda: tf.data.Dataset.from_generator(lambda: iter(X), output_signature=tf.TensorSpec((4,))).batch(4), 3
    ),
    "data set without an end": (lambda: dataset(X, Y).repeat(), 3),
}  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_a_data_set_is_the_arrays_that_it_holds(kind):
    make, steps = KINDS[kind]
    model = model_of()
    options = {} if steps is None else {"steps": steps}
    expected, e = tfxai.explain(model, X), tfxai.explain(model, make(), **options)
    np.testing.assert_array_equal(e.values, expected.values)
    np.testing.assert_array_equal(e.inputs, X)
    np.testing.assert_array_equal(e.target, expected.target)
    some = tfxai.Explainer(model, "gradient")(make(), target=1, steps=2)
    np.testing.assert_array_equal(some.values, tfxai.explain(model, X[: len(some)], "gradient", 1).values)
    assert len(some) in (8, 10, 11)


def test_everything_else_is_as_with_arrays():
    model = tfxai.explainable(keras.models.clone_model(model_of(activation=None)))
    options = {"baseline": X.mean(0), "seed": 3, "batch_size": 2, "target": tfxai.targets.difference(0, 1)}
    e = model.explain(dataset(X, Y), "occlusion", **options)
    np.testing.assert_array_equal(e.values, tfxai.explain(model, X, "occlusion", **options).values)
    box = tfxai.black_box(lambda x: x * X[0])
    np.testing.assert_allclose(tfxai.explain(box, dataset(X, Y), "occlusion", 1).values[:, 1], X[:, 1] * X[0, 1])
    points = tfxai.explain(model, dataset(X, Y), "integrated_gradients", 0, steps=7)  # the option of the method
    assert points.options["steps"] == 7 and len(points) == 11
    object_ = tfxai.IntegratedGradients(steps=7)
    assert len(tfxai.explain(model, generator(X), object_, 0, steps=2)) == 8


def test_several_inputs_text_and_rows_of_different_length():
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    model = keras.Model({"a": a, "b": b}, layers.Dense(2)(layers.Concatenate()([a, b])))
    data = {"a": X, "b": 2 * X}
    e = tfxai.explain(model, dataset(data, Y), target=1)
    expected = tfxai.explain(model, data, target=1)
    for name in "ab":
        np.testing.assert_array_equal(e.values[name], expected.values[name])
    rows = tf.ragged.constant([[1.0, 2.0], [3.0], [1.0, 1.0, 1.0]])
    total = lambda x: tf.reduce_sum(x * x, axis=1)[:, None]  # noqa: E731
    e = tfxai.explain(total, tf.data.Dataset.from_tensor_slices(rows).batch(2))
    np.testing.assert_allclose(e.values, [[1, 4, 0], [9, 0, 0], [1, 1, 1]], atol=1e-5)
    assert e.meta["lengths"] == [2, 1, 3]
    both = lambda x: tf.stack([total(x)[:, 0], 2 * total(x)[:, 0]], axis=1)  # noqa: E731
    e = tfxai.explain(both, tf.data.Dataset.from_tensor_slices((rows, [1, 0, 1])).batch(2), target="labels")
    np.testing.assert_allclose(e.values, [[2, 8, 0], [9, 0, 0], [2, 2, 2]], atol=1e-5)
    words = tfxai.black_box(lambda x: 1.0 * (x == b"good").sum(1))
    e = tfxai.explain(words, dataset(np.array([["good", "film"]] * 3), size=2), "occlusion", baseline="")
    assert e.values.tolist() == [[1, 0]] * 3


def test_frames_of_a_generator():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=list("abcd"))
    box = tfxai.black_box(lambda f: f.a * 2 + f.d)
    e = tfxai.explain(box, (frame[p] for p in PARTS), "occlusion", steps=3)
    np.testing.assert_allclose(e.values, X * [2, 0, 0, 1], atol=1e-6)
    assert e.meta["features"] == {"": list("abcd")}


# --- Labels

FORMS = {
    "whole numbers": Y,
    "whole numbers as floats": Y.astype("float32"),
    "a column": Y[:, None].astype("uint8"),
    "one-hot": np.eye(3)[Y],
    "one-hot flags": np.eye(3)[Y] > 0,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", [dataset, generator, Pairs])
def test_each_example_is_explained_by_its_own_label(form, kind):
    model = model_of()
    e = tfxai.Explainer(model)(kind(X, FORMS[form]), "labels", steps=3)
    expected = tfxai.explain(model, X, target=Y)
    np.testing.assert_array_equal(e.values, expected.values)
    np.testing.assert_array_equal(e.target, Y)


def test_labels_beside_other_targets():
    own, second = tfxai.explain(model := model_of(), dataset(X, Y), target=tfxai.targets.each(["labels", 2]))
    np.testing.assert_array_equal(own.target, Y)
    np.testing.assert_allclose(own.values, tfxai.explain(model, X, target=Y).values, atol=1e-6)
    np.testing.assert_allclose(second.values, tfxai.explain(model, X, target=2).values, atol=1e-6)


def test_labels_of_an_output_of_one_number():
    """Class 1 has the score, class 0 what it lacks: -1 times the logit, 1 less the probability."""
    model, y = model_of(1, "sigmoid"), (Y > 0).astype("float32")
    logit = tfxai.explain(model, X)
    for labels in (y, y[:, None], y.astype(bool)):
        e = tfxai.explain(model, dataset(X, labels), target="labels")
        side = np.where(y > 0, 1, -1)
        np.testing.assert_allclose(e.values, side[:, None] * logit.values, atol=1e-6)
        np.testing.assert_allclose(e.score, side * logit.score, atol=1e-6)
        np.testing.assert_array_equal(e.target, y)
    e = tfxai.explain(model, dataset(X, y), target="labels", on="probability")
    p = model.predict_on_batch(X)[:, 0]
    np.testing.assert_allclose(e.score, np.where(y > 0, p, 1 - p), atol=1e-6)
    named = tfxai.explain(model, dataset(X, y), target="labels", labels=["no", "yes"])
    np.testing.assert_array_equal(named.target, y)
    assert np.abs(named.values - side[:, None] * logit.values).max() < 1e-6


def test_labels_that_are_names():
    names = np.array(["cat", "dog", "cow"])
    e = tfxai.explain(model_of(), dataset(X, names[Y]), target="labels", labels=list(names))
    np.testing.assert_array_equal(e.target, Y)
    with pytest.raises(tfxai.errors.TargetError, match="No class is called 'cow'"):
        tfxai.explain(model_of(), dataset(X, names[Y]), target="labels", labels=["cat", "dog", "cat 2"])


def test_labels_of_several_outputs():
    i = keras.Input((4,))
    model = keras.Model(
        i, {"kind": layers.Dense(3, name="kind")(i), "sick": layers.Dense(1, "sigmoid", name="sick")(i)}
    )
    y = {"kind": np.eye(3)[Y], "sick": Y > 1}
    kind = tfxai.explain(model, dataset(X, y), target=tfxai.targets.output("kind", "labels"))
    expected = tfxai.explain(model, X, target=tfxai.targets.output("kind", Y.tolist()))
    np.testing.assert_array_equal(kind.values, expected.values)
    sick = tfxai.explain(model, dataset(X, y), target=tfxai.targets.output("sick", "labels"))
    np.testing.assert_array_equal(sick.target, Y > 1)
    listed = keras.Model(i, [model.output["kind"], model.output["sick"]])
    e = tfxai.explain(listed, dataset(X, (Y, Y > 1)), target=tfxai.targets.output(0, "labels"))
    np.testing.assert_array_equal(e.values, expected.values)
    with pytest.raises(tfxai.errors.TargetError, match=r"2 outputs: say whose labels, .*output\('kind', 'labels'\)"):
        tfxai.explain(model, dataset(X, y), target="labels")
    with pytest.raises(
        tfxai.errors.TargetError, match="labels for other outputs than 'sick'.* Received: names kind, ill"
    ):
        data = dataset(X, {"kind": Y, "ill": Y})
        tfxai.explain(model, data, target=tfxai.targets.output("sick", "labels"))


WRONG = {
    "too large": (Y + 1, 3, r"fit no output: it has 3 numbers .* of example 1 \[3\]"),
    "below 0": (Y - 1, 3, r"of example 0 \[-1\]"),
    "fractions": (Y + 0.5, 3, r"of float64; of example 0 \[0.5\]"),
    "soft": (np.full((11, 3), 1 / 3), 3, r"one-hot rows"),
    "several at once": (np.ones((11, 3)), 3, r"one-hot rows"),
    "other classes": (np.eye(4)[Y], 3, r"shape \(11, 4\)"),
    "not 0 or 1": (Y, 1, r"1 number per example. .*of example 1 \[2\]"),
    "a regression": (X[:, 0], 1, "0 and 1 for an output of one number"),
    "names without labels=": (np.array(["a", "b", "c"])[Y], 3, "names that labels= has"),
}


@pytest.mark.parametrize("case", WRONG)
def test_labels_that_fit_no_output(case):
    y, outputs, words = WRONG[case]
    with pytest.raises(tfxai.errors.TargetError, match=words):
        tfxai.explain(model_of(outputs, None), dataset(X, y), target="labels")


def test_labels_that_are_not_there():
    model = model_of()
    with pytest.raises(tfxai.errors.TargetError, match="gives x alone"):
        tfxai.explain(model, dataset(X), target="labels")
    for target in ("labels", tfxai.targets.output(0, "labels")):
        with pytest.raises(tfxai.errors.TargetError, match="For arrays pass the classes: target=y"):
            tfxai.explain(model, X, target=target)
    picture = keras.Sequential([keras.Input((4, 4, 1)), layers.Conv2D(3, 1)])
    data = dataset(np.ones((2, 4, 4, 1), "float32"), np.zeros((2, 4, 4), int))
    with pytest.raises(tfxai.errors.TargetError, match=r"Labels are classes, and the output has shape \(4, 4, 3\)"):
        tfxai.explain(picture, data, target="labels")


# --- Bad data


def endless():
    while True:
        yield X[:2]


@pytest.mark.parametrize("data", [endless, lambda: dataset(X).repeat(), lambda: Pairs(X, endless=True),
                                  lambda: dataset(X).filter(lambda x: True)])  # fmt: skip
def test_how_much_to_read_is_asked_for(data):
    with pytest.raises(tfxai.errors.InputError, match="Say how many to read: steps="):
        tfxai.explain(model_of(), data())


def test_a_data_set_without_batches():
    for data in (dataset(X).take(0), iter([])):
        with pytest.raises(tfxai.errors.InputError, match="yields no batches"):
            tfxai.Explainer(model_of())(data, steps=3)
    with pytest.raises(tfxai.errors.InputError, match=r"gives single examples.*dataset.batch\(8\)"):
        tfxai.explain(model_of(), tf.data.Dataset.from_tensor_slices(X))
    with pytest.raises(tfxai.errors.InputError, match="gives single numbers"):
        tfxai.explain(model_of(), tf.data.Dataset.from_tensor_slices(X[0]))
    with pytest.raises(tfxai.errors.InputError, match="4 examples and other labels"):
        tfxai.Explainer(model_of())(((X[:4], Y[:3]) for _ in range(2)), steps=2)
    with pytest.raises(tfxai.errors.InputTypeError, match="gives no arrays"):
        tfxai.Explainer(model_of())(iter([{1, 2}]), steps=1)


def test_batches_of_different_shapes():
    model = keras.Sequential([keras.Input((None,), dtype="int32"), layers.Embedding(9, 3),
                              layers.GlobalAveragePooling1D(), layers.Dense(2)])  # fmt: skip
    padded = [np.ones((2, 5), int), np.ones((2, 7), int)]
    with pytest.raises(
        tfxai.errors.InputError, match=r"different shapes: x \(2, 5\) in the first, \(2, 7\) in batch 1"
    ):
        tfxai.Explainer(model)(iter(padded), steps=2)
    explainer = tfxai.Explainer(model)  # what the message says
    assert [explainer(batch).values.shape for batch in padded] == [(2, 5), (2, 7)]
    with pytest.raises(tfxai.errors.InputError, match="labels none in batch 1|labels .* none in batch 1"):
        tfxai.Explainer(model_of())(iter([(X[:4], Y[:4]), X[4:8]]), steps=2)


def test_what_memory_has_no_room_for_is_named(monkeypatch):
    monkeypatch.setattr(batches, "free", lambda: 4 * X.nbytes - 1)
    with pytest.raises(
        tfxai.errors.InputError,
        match=r"12 examples of \(4, 4\) a batch take .*explain_dataset\(model, data, out=\"attributions.zarr\"\)\.$",
    ):
        tfxai.explain(model_of(), dataset(X))
    with pytest.raises(tfxai.errors.InputError, match=r"more than 12 examples.*zarr\"\), of .* whose length is known"):
        tfxai.Explainer(model_of())(generator(X), steps=3)
    assert len(tfxai.Explainer(model_of())(dataset(X), steps=1)) == 4  # a piece
    monkeypatch.setattr(batches, "free", lambda: 5 * X.nbytes)
    assert len(tfxai.explain(model_of(), dataset(X))) == 11
    monkeypatch.setattr(batches, "free", lambda: None)  # not known
    assert len(tfxai.explain(model_of(), dataset(X))) == 11


def test_steps_are_of_data_sets():
    with pytest.raises(tfxai.errors.UnknownOptionError, match="batches of a data set"):
        tfxai.Explainer(model_of())(X, steps=2)
    with pytest.raises(tfxai.errors.UnknownOptionError, match="no option 'steps'"):
        tfxai.explain(model_of(), X, "deeplift", steps=2)
    for steps in (0, 1.5, True):
        with pytest.raises(tfxai.errors.OptionError, match="steps is a whole number from 1"):
            tfxai.explain(model_of(), dataset(X), steps=steps)


def test_reading_shows_how_far_it_is(monkeypatch):
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    gathered(dataset(X), None, verbose=1)
    gathered(generator(X), None, 2, verbose=1)
    assert "100% of 3 batches read" in out.getvalue() and "100% of 2 batches read" in out.getvalue()


def test_nothing_is_read_that_is_not_asked_for():
    left = iter([X[:4], X[4:8], X[8:]])
    tfxai.Explainer(model_of())(left, steps=2)
    np.testing.assert_array_equal(next(left), X[8:])


def test_metrics_are_of_arrays():
    with pytest.raises(
        tfxai.errors.InputTypeError, match=r"x is arrays here, not a .*BatchDataset.*next\(iter\(data\)\)"
    ):
        tfxai.evaluate(model_of(), dataset(X))
