"""References that are taken from tables: of a model with an input per column, of a black box of mixed frames."""

import itertools
import math

import keras
import numpy as np
import pytest
from keras import layers

import tfxai
from tfxai import baselines
from tfxai.errors import BaselineError

DATA = {"age": np.array([20.0, 40.0, 60.0, 30.0]), "sex": np.array(["f", "m", "m", "f"])}


@pytest.fixture(scope="module")
def by_column():
    """score = .1 age + 2 [m] - 1 [f], as Keras' own examples of structured data are built."""
    age, sex = keras.Input((1,), name="age"), keras.Input((1,), name="sex", dtype="string")
    coded = layers.StringLookup(vocabulary=["f", "m"], output_mode="one_hot", num_oov_indices=0)(sex)
    model = keras.Model({"age": age, "sex": sex}, layers.Dense(1)(layers.Concatenate()([age, coded])))
    model.layers[-1].set_weights([np.array([[0.1], [-1.0], [2.0]]), np.zeros(1)])
    return model


@pytest.fixture
def x():
    return {"age": np.array([[50.0]], "float32"), "sex": np.array([["m"]], object)}


def test_a_sample_of_columns_with_words(by_column, x):
    for data in (DATA, {name: column[:, None] for name, column in DATA.items()}):
        e = tfxai.explain(by_column, x, baseline=baselines.sample_of(data, 4))
        assert e.values["age"] == pytest.approx(0.1 * (50 - 37.5), abs=1e-5)
        assert e.values["sex"] == pytest.approx(2 - 0.5, abs=1e-5)  # half of the references are m, half f
        assert e.meta["baseline"] == "sample_of(4 of 4 examples, seed=0)"


def test_a_mean_of_columns(by_column, x):
    mean = baselines.mean_of({"age": DATA["age"]})
    with pytest.raises(BaselineError, match=r"what each input is compared with: 'sex'. Received: 'age'"):
        tfxai.explain(by_column, x, baseline=mean)
    with pytest.raises(BaselineError, match=r"words in 'sex'. Pass tfxai.baselines.sample_of\(data\)"):
        baselines.mean_of(DATA)
    both = {"age": baselines.mean_of(DATA["age"]), "sex": "f"}  # what the error says
    e = tfxai.explain(by_column, x, baseline=both)
    assert e.values["age"] == pytest.approx(1.25, abs=1e-5) and e.values["sex"] == pytest.approx(3, abs=1e-5)
    a, b = keras.Input((1,), name="a"), keras.Input((3,), name="b")
    model = keras.Model({"a": a, "b": b}, layers.Dense(1, kernel_initializer="ones")(layers.Concatenate()([a, b])))
    data = {"a": np.arange(4.0), "b": np.arange(12.0).reshape(4, 3)}
    e = tfxai.explain(model, {"a": np.ones((2, 1)), "b": np.ones((2, 3))}, baseline=baselines.mean_of(data))
    np.testing.assert_allclose(e.values["a"], 1 - 1.5, atol=1e-6)
    np.testing.assert_allclose(e.values["b"], 1 - np.tile([4.5, 5.5, 6.5], (2, 1)), atol=1e-6)


def test_data_that_do_not_fit(by_column, x):
    with pytest.raises(BaselineError, match="Received: one array"):
        tfxai.explain(by_column, x, baseline=baselines.mean_of(DATA["age"]))
    with pytest.raises(BaselineError, match=r"needs one example or more.*\(4,\), \(3,\)"):
        baselines.sample_of({"age": DATA["age"], "sex": DATA["sex"][:3]})
    with pytest.raises(BaselineError, match=r"For 1 example of .*\(1, references, 2\).*sample_of\(data\)"):
        model = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
        tfxai.explain(model, np.ones((1, 2)), baseline=np.ones((5, 2)))


def test_frames(by_column, x):
    pandas = pytest.importorskip("pandas")
    e = tfxai.explain(by_column, x, baseline=baselines.sample_of(pandas.DataFrame(DATA), 4))
    assert e.values["age"] == pytest.approx(1.25, abs=1e-5) and e.values["sex"] == pytest.approx(1.5, abs=1e-5)
    numbers = pandas.DataFrame({"a": [1.0, 3.0], "b": [2, 6]})
    one = np.ones((5, 2), "float32")
    assert baselines.mean_of(numbers)(one).tolist() == [[2, 4]]
    assert baselines.sample_of(numbers, 2)(one).tolist() == [[[1, 2], [3, 6]]]


def test_a_black_box_of_a_frame_with_words_averages_over_a_sample():
    """The Shapley values by their definition, over rows of the data."""
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    columns = {"age": rng.integers(20, 60, 9), "sex": rng.choice(["f", "m"], 9), "dose": rng.random(9)}
    data = pandas.DataFrame(columns)

    def scores(frame):
        return np.where(frame["sex"] == "f", frame["age"] * frame["dose"], 3.0 * frame["dose"])

    rows, references = data.iloc[:2], data.iloc[np.sort(np.random.default_rng(5).choice(9, 4, replace=False))]

    def value(row, known):
        return float(scores(references.assign(**{name: row[name] for name in known})).mean())

    def shapley(row, name):
        others = [one for one in columns if one != name]
        weights = [math.factorial(k) * math.factorial(2 - k) / 6 for k in range(3)]
        sets = [s for k in range(3) for s in itertools.combinations(others, k)]
        return sum(weights[len(s)] * (value(row, (*s, name)) - value(row, s)) for s in sets)

    shuffled = data[["dose", "age", "sex"]]  # columns are told by their names
    for given in (data, shuffled):
        sample = baselines.sample_of(given, 4, seed=5)
        e = tfxai.explain(tfxai.black_box(scores), rows, "kernel_shap", baseline=sample)
        want = [[shapley(row, name) for name in columns] for _, row in rows.iterrows()]
        np.testing.assert_allclose(e.values, want, atol=1e-9)
