"""Data frames and black boxes: a pipeline of scikit-learn that goes by the names of columns, against loops by hand."""

import numpy as np
import pytest

import tfxai

pd = pytest.importorskip("pandas")
pytest.importorskip("sklearn")

from sklearn.compose import ColumnTransformer  # noqa: E402
from sklearn.ensemble import RandomForestClassifier  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import OneHotEncoder, StandardScaler  # noqa: E402


def people(rng, n=200):
    frame = pd.DataFrame({
        "age": rng.integers(18, 80, n), "job": rng.choice(["cook", "clerk", "none"], n), "wage": rng.uniform(1, 5, n),
        "owns": rng.uniform(size=n) < 0.5, "town": pd.Categorical(rng.choice(["A", "B"], n), ["A", "B", "C"]),
    })  # fmt: skip
    risk = (frame.age > 40) & (frame.job != "none") | (frame.town == "B") & (frame.wage > 3)
    return frame, risk.astype(int)


@pytest.fixture
def pipeline(rng):
    frame, risk = people(rng)
    columns = ColumnTransformer(
        [("n", StandardScaler(), ["age", "wage", "owns"]), ("w", OneHotEncoder(), ["job", "town"])]
    )
    forest = RandomForestClassifier(20, random_state=0)
    return make_pipeline(columns, forest).fit(frame, risk), frame


def by_hand(predict, frame, row):
    """What each column loses when it alone is the row's."""
    found = []
    for column in frame.columns:
        changed = frame.copy()
        changed[column] = pd.Series([row[column]] * len(frame), index=frame.index).astype(frame[column].dtype)
        found.append(predict(frame) - predict(changed))
    return np.stack(found, 1)


def test_a_pipeline_with_numbers_and_words(pipeline, tmp_path):
    model, frame = pipeline
    x, row = frame.iloc[:12], frame.mode().iloc[0]
    row["age"], row["wage"] = 30, 2.5
    for baseline in (row, row.to_frame().T):
        e = tfxai.explain(tfxai.black_box(model.predict_proba), x, "occlusion", 1, baseline)
        expected = by_hand(lambda f: model.predict_proba(f)[:, 1], x, row)
        np.testing.assert_allclose(e.values, expected, atol=1e-9)
        np.testing.assert_allclose(e.score, model.predict_proba(x)[:, 1], atol=1e-12)
    assert e.meta["features"] == {"": list(frame.columns)} and e.meta["words"]["job"][0] == x.job.iloc[0]
    assert np.abs(expected).max() > 0.1
    loaded = tfxai.load(e.save(tmp_path / "e"))
    assert loaded.meta == e.meta and list(e.to_dataframe().columns)[:5] == list(frame.columns)
    e.plot()


def test_shapley_values_of_a_pipeline(pipeline):
    """They add up to what the row has more than the other, which is far from what one column at a time adds up to."""
    model, frame = pipeline
    box = tfxai.black_box(model.predict_proba)
    e = tfxai.explain(box, frame.iloc[:6], "kernel_shap", 1, frame.iloc[[9]])
    change = model.predict_proba(frame.iloc[:6])[:, 1] - model.predict_proba(frame.iloc[[9]])[0, 1]
    np.testing.assert_allclose(e.values.sum(1), change, atol=1e-9)
    same = np.stack([frame.iloc[:6][c] == frame[c].iloc[9] for c in frame], axis=1)
    assert same.any() and np.abs(e.values[same]).max() < 1e-9  # what is as in the other row changes nothing


def test_the_frame_that_it_is_handed(rng):
    frame, _ = people(rng, 5)
    seen = []

    def function(f):
        seen.append(f)
        return f.age * 1.0

    tfxai.explain(tfxai.black_box(function), frame, "rise", baseline=frame.iloc[[0]], samples=8, seed=0)
    for f in seen:
        assert list(f.columns) == list(frame.columns) and f.dtypes.tolist() == frame.dtypes.tolist()
        for c in frame:
            assert set(f[c]) <= set(frame[c])


def test_numbers_alone_have_any_baseline(rng):
    frame = people(rng, 6)[0][["age", "wage"]]
    box = tfxai.black_box(lambda f: f["age"] * f["wage"])
    e = tfxai.explain(box, frame, "occlusion", baseline=frame.mean())
    expected = np.stack([(frame.age - frame.age.mean()) * frame.wage, frame.age * (frame.wage - frame.wage.mean())], 1)
    np.testing.assert_allclose(e.values, expected, atol=1e-9)
    e = tfxai.explain(box, frame.astype("float32"), "occlusion")
    assert e.values.dtype == np.float32
    e = tfxai.explain(box, frame.set_index(pd.Index(list("abcdef"))), "occlusion", 0, lambda x: x.mean(0))
    np.testing.assert_allclose(e.values, expected, atol=1e-9)
    assert e.meta["rows"] == list("abcdef")


def test_one_explainer_keeps_the_number_of_a_word(rng):
    frame, _ = people(rng, 30)
    box = tfxai.black_box(lambda f: 1.0 * (f.job == "cook") + 2.0 * (f.job == "none"))
    explainer = tfxai.Explainer(box, "occlusion")
    row = frame[frame.job == "cook"].iloc[0]
    for rows in (frame, frame[::-1], frame.iloc[7:9]):
        e = explainer(rows, baseline=row)
        np.testing.assert_allclose(e.values[:, 1], rows.job.map({"cook": 0, "clerk": -1, "none": 1}))


def test_columns_without_names(rng):
    frame = pd.DataFrame({0: ["a", "b"], 1: [1.0, 2.0], ("x", 2): [True, False]})
    box = tfxai.black_box(lambda f: 1.0 * (f[0] == "b") + f[1] * f[("x", 2)])
    e = tfxai.explain(box, frame, "occlusion", baseline=pd.DataFrame({0: ["a"], 1: [0.0], ("x", 2): [False]}))
    np.testing.assert_allclose(e.values, [[0, 1, 1], [1, 0, 0]])


def test_missing_words_are_words(rng):
    frame = pd.DataFrame({"job": ["cook", None, "clerk"], "wage": [1.0, 2.0, 3.0]})
    box = tfxai.black_box(lambda f: 1.0 * f.job.isna() + f.wage)
    e = tfxai.explain(box, frame, "occlusion", baseline=frame.iloc[0])
    np.testing.assert_allclose(e.values, [[0, 0], [1, 1], [0, 2]])


def test_what_is_refused(rng):
    frame, _ = people(rng, 6)
    box = tfxai.black_box(lambda f: f["age"] * 1.0)
    for baseline in (None, 0.0, frame[["age", "job"]].iloc[0], lambda x: x.mean(0)):
        with pytest.raises(tfxai.errors.BaselineError, match="'job', 'town' hold words"):
            tfxai.explain(box, frame, "occlusion", baseline=baseline)
    other = frame.iloc[0].copy()
    other["town"] = "D"
    with pytest.raises(tfxai.errors.BaselineError, match="categories A, B, C"):
        tfxai.explain(box, frame, "occlusion", baseline=other)
    twice = frame.rename(columns={"wage": "age"})
    with pytest.raises(tfxai.errors.InputTypeError, match="differ in name"):
        tfxai.explain(box, twice, "occlusion")
    noisy = tfxai.SmoothGrad("occlusion", samples=2)
    with pytest.raises(tfxai.errors.InputError, match="'job' holds words"):
        tfxai.explain(box, frame, noisy, baseline=frame.iloc[0], seed=0)
