"""Samples in every form that `explain` and `fit` take are explained as `explain` does."""

import json

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from keras import layers

import tfxai
from tfxai.callbacks import ExplanationSnapshot, directory
from tfxai.callbacks.samples import Samples
from tfxai.errors import InputError, InputTypeError, TargetError

R = np.random.default_rng(0)
ROWS, LABELS, PAIRED = R.normal(size=(12, 3)).astype("float32"), np.zeros((12, 2)), R.normal(size=(12, 2))
PICTURES = R.normal(size=(12, 10, 12, 3)).astype("float32")
IDS = [[1, 2, 3], [4, 5], [6, 7, 8, 9, 10], [11]]
PADDED = np.array([row + [0] * (5 - len(row)) for row in IDS], "int32")
SIZES = [R.normal(size=(1, 8 + k, 9, 3)).astype("float32") for k in range(3)]


def ready(model):
    model.compile(keras.optimizers.SGD(0.0), "mse")
    return model


def table():
    return ready(keras.Sequential([keras.Input((3,)), layers.Dense(4, activation="relu"), layers.Dense(2)]))


def convolutions(size=(None, None)):
    parts = [layers.Conv2D(4, 3, activation="relu"), layers.GlobalAveragePooling2D(), layers.Dense(2)]
    return ready(keras.Sequential([keras.Input((*size, 3)), *parts]))


def fixed():
    return convolutions((10, 12))


def words():
    i = keras.Input((None,), dtype="int32")
    t = layers.GlobalAveragePooling1D()(layers.Embedding(12, 4, mask_zero=True)(i))
    return ready(keras.Model(i, layers.Dense(2)(t)))


def two():
    a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b")
    return ready(keras.Model([a, b], layers.Dense(2)(layers.Dense(4, activation="relu")(layers.Concatenate()([a, b])))))


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(x)


def subclassed():
    model = Subclassed()
    model(ROWS[:1])
    return ready(model)


class Sizes(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, k):
        return SIZES[k], LABELS[:1]


def batches(*arrays, size=5):
    return tf.data.Dataset.from_tensor_slices(arrays if len(arrays) > 1 else arrays[0]).batch(size)


def pieces():
    return tf.data.Dataset.from_generator(
        lambda: iter([np.array(row, "int32") for row in IDS]), output_signature=tf.TensorSpec((None,), tf.int32)
    )


FORMS = {
    "array": (convolutions, lambda: PICTURES, PICTURES[:8]),
    "list of pictures": (convolutions, lambda: list(PICTURES), PICTURES[:8]),
    "list of pictures of one size": (fixed, lambda: list(PICTURES), PICTURES[:8]),
    "tuple of three pictures": (convolutions, lambda: tuple(PICTURES[:3]), PICTURES[:3]),
    "tuple of two rows": (table, lambda: tuple(ROWS[:2]), ROWS[:2]),
    "list of tensors": (convolutions, lambda: [tf.constant(p) for p in PICTURES[:2]], PICTURES[:2]),
    "list of rows": (table, lambda: list(ROWS), ROWS[:8]),
    "lists of numbers": (table, lambda: ROWS.tolist(), ROWS[:8]),
    "frame": (table, lambda: pd.DataFrame(ROWS), ROWS[:8]),
    "inputs in a list": (two, lambda: [ROWS, PAIRED], [ROWS[:8], PAIRED[:8]]),
    "inputs by name": (two, lambda: {"a": ROWS, "b": PAIRED}, {"a": ROWS[:8], "b": PAIRED[:8]}),
    "inputs as lists of rows": (two, lambda: [list(ROWS), list(PAIRED)], [ROWS[:8], PAIRED[:8]]),
    "inputs as a tuple": (two, lambda: (ROWS, PAIRED), [ROWS[:8], PAIRED[:8]]),
    "inputs with labels": (two, lambda: ([ROWS, PAIRED], LABELS), [ROWS[:8], PAIRED[:8]]),
    "(x, y)": (table, lambda: (ROWS, LABELS), ROWS[:8]),
    "(x, y) of pictures": (convolutions, lambda: (PICTURES, LABELS), PICTURES[:8]),
    "(x, y, weights)": (table, lambda: (ROWS, LABELS, np.ones(12)), ROWS[:8]),
    "(x, y), subclassed": (subclassed, lambda: (ROWS, LABELS), ROWS[:8]),
    "list of rows, subclassed": (subclassed, lambda: list(ROWS), ROWS[:8]),
    "data set": (table, lambda: batches(ROWS, LABELS), ROWS[:8]),
    "one batch": (table, lambda: next(iter(batches(ROWS, LABELS))), ROWS[:5]),
    "generator": (table, lambda: ((ROWS[k : k + 2], LABELS[k : k + 2]) for k in range(0, 12, 2)), ROWS[:8]),
    "arrays of a data set": (table, lambda: batches(ROWS, LABELS).as_numpy_iterator(), ROWS[:8]),
    "list of batches": (table, lambda: [(ROWS[:5], LABELS[:5]), (ROWS[5:], LABELS[5:])], ROWS[:8]),
    "padded together": (words, lambda: pieces().padded_batch(4), PADDED),
    "padded apart": (words, lambda: pieces().padded_batch(2), PADDED[:2, :3]),
    "ragged batches": (words, lambda: batches(tf.ragged.constant(IDS), size=2), PADDED[:2, :3]),
    "ragged tensor": (words, lambda: tf.ragged.constant(IDS), PADDED),
    "generator of sizes": (convolutions, lambda: iter(SIZES), SIZES[0]),
    "PyDataset of sizes": (convolutions, Sizes, SIZES[0]),
}


@pytest.mark.long
@pytest.mark.parametrize("form", FORMS)
def test_samples_are_explained_as_explain_does(form):
    build, given, meant = FORMS[form]
    model, seen = build(), []
    snapshot = ExplanationSnapshot(given(), "gradient", target=0, sinks=lambda e, *_: seen.append(e), strict=True)
    meant_by_fit = keras.tree.map_structure(np.asarray, meant)
    model.fit(meant_by_fit, np.zeros((len(keras.tree.flatten(meant)[0]), 2)), verbose=0, callbacks=[snapshot])
    want = tfxai.explain(model, meant, "gradient", target=0)
    assert len(seen) == 2
    for got, expected in zip(keras.tree.flatten(seen[-1].values), keras.tree.flatten(want.values), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(seen[-1].score, want.score, rtol=1e-5, atol=1e-7)


def test_at_most_so_many():
    model = convolutions()
    assert np.shape(Samples(list(PICTURES), 3).of(model)[0]) == (3, 10, 12, 3)
    assert np.shape(Samples(list(PICTURES[:2]), 64).of(model)[0]) == (2, 10, 12, 3)
    assert [np.shape(part) for part in Samples([ROWS, PAIRED], 1).of(two())[0]] == [(1, 3), (1, 2)]


def test_samples_stay_as_they_were():
    rows = ROWS.copy()
    kept = Samples(rows, 8)
    rows[:] = 0
    np.testing.assert_array_equal(kept.of(table())[0], ROWS[:8])


def test_columns_keep_their_names():
    frame = pd.DataFrame(ROWS, columns=["size", "age", "score"])
    assert list(Samples(frame, 2).of(table())[0].columns) == ["size", "age", "score"]


WRONG = {
    "nothing": (table, lambda: None, InputTypeError, "Received: None"),
    "number": (table, lambda: 3, InputError, "no axis of examples"),
    "lists of other lengths": (words, lambda: IDS, InputTypeError, "cannot be read as an array"),
    "pictures of other sizes": (convolutions, lambda: [p[0] for p in SIZES], InputTypeError, "different shapes"),
    "single examples": (table, lambda: tf.data.Dataset.from_tensor_slices(ROWS), InputError, "gives single examples"),
    "single numbers": (table, lambda: tf.data.Dataset.from_tensor_slices(ROWS[0]), InputError, "gives single numbers"),
    "empty": (table, lambda: ROWS[:0], InputError, "holds no examples"),
    "not a number": (table, lambda: ROWS * np.nan, InputError, "NaN or Inf in 8 of 8"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_samples_are_refused_before_training(case):
    build, given, error, words = WRONG[case]
    model = build()
    with pytest.raises(error, match=words) as found:
        fit(model, ExplanationSnapshot(given(), "gradient", target=0, sinks=[]))
    assert len(str(found.value)) < 500 and int(model.optimizer.iterations) == 0


def test_a_wrong_target_is_refused_before_training():
    model = table()
    with pytest.raises(TargetError, match="classes 0 to 1"):
        fit(model, ExplanationSnapshot(ROWS, "gradient", target=5, sinks=[]))
    assert int(model.optimizer.iterations) == 0


@pytest.mark.parametrize("labels", ["ab", {"a": "b"}, {"a", "b"}, 3])
def test_labels_that_are_no_names_are_refused_at_once(labels, tmp_path):
    for make in (lambda: ExplanationSnapshot(ROWS, labels=labels), lambda: directory(tmp_path, labels)):
        with pytest.raises(InputError, match="labels= "):
            make()


def test_labels_of_another_number_are_refused_before_training(tmp_path):
    model = table()
    for options in ({"labels": ["a"], "sinks": []}, {"sinks": [directory(tmp_path, ["a", "b", "c"])]}):
        with pytest.raises(InputError, match=r"each of the 2 classes of the output\. Received: [13] names"):
            fit(model, ExplanationSnapshot(ROWS, "gradient", **options))
    assert int(model.optimizer.iterations) == 0 and not list(tmp_path.iterdir())


def test_labels_are_names_in_any_form(rng, tmp_path):
    pictures = rng.random((2, 8, 8, 1))
    e = tfxai.Explanation(
        values=pictures, inputs=pictures, target=np.array([1, 0]), score=np.ones(2), method="gradient"
    )
    for k, labels in enumerate((pd.Series(["a", "b"], index=[5, 6]), np.array(["a", "b"]), {"b": 1, "a": 0})):
        directory(tmp_path / str(k), labels)(e, None, 0)
        assert json.loads((tmp_path / str(k) / "index.json").read_text())["snapshots"][0]["targets"] == ["b 1", "a 1"]


def fit(model, callback):
    shape = (4, *(3 if size is None else size for size in model.input_shape[1:]))
    model.fit(np.zeros(shape), np.zeros((4, 2)), verbose=0, callbacks=[callback])
