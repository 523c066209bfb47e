"""Black boxes: functions of arrays against closed forms, and against the same function explained as a model."""

import itertools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfxai
from tests.planted import KINDS
from tfxai.method.lookup import class_of, score_only

W = np.array([[1.0, -2.0, 0.5], [3.0, 0.0, 1.0], [-1.0, 4.0, 2.0], [0.5, 1.0, -3.0]])  # (features, classes)
X = np.array([[1.0, 2.0, 3.0, 4.0], [-1.0, 0.5, 2.0, 0.0], [2.0, -2.0, 1.0, 1.0]])
LINEAR = tfxai.black_box(lambda x: x @ W, name="linear")


# --- Targets, by closed forms

TARGETS = {
    "a class": (1, lambda x: x * W[:, 1]),
    "one each": ([2, 0, 1], lambda x: x * W[:, [2, 0, 1]].T),
    "the largest": (None, lambda x: x * W[:, (x @ W).argmax(1)].T),
    "a place": ((2,), lambda x: x * W[:, 2]),
    "difference": (tfxai.targets.difference(0, 2), lambda x: x * (W[:, 0] - W[:, 2])),
    "contrast": (tfxai.targets.contrast(0), lambda x: x * (W[:, 0] - W[:, 1:].mean(1))),
    "adjusted": (tfxai.targets.adjusted(1), lambda x: x * (W[:, 1] - W.mean(1))),
    "mask": (tfxai.targets.mask([1.0, 0.0, -2.0]), lambda x: x * (W[:, 0] - 2 * W[:, 2])),
    "a function": (lambda y: 2 * y[:, 0] - np.asarray(y)[:, 1], lambda x: x * (2 * W[:, 0] - W[:, 1])),
}


@pytest.mark.parametrize("name", TARGETS)
def test_targets(name):
    target, contributions = TARGETS[name]
    e = tfxai.explain(LINEAR, X, "occlusion", target)
    np.testing.assert_allclose(e.values, contributions(X), atol=1e-12)
    np.testing.assert_allclose(e.score, contributions(X).sum(1), atol=1e-12)
    assert e.values.dtype == e.score.dtype == np.float64


@pytest.mark.long
@pytest.mark.parametrize("method", score_only())
def test_several_targets_share_the_calls(method):
    """Each is what a call of its own gives, and the function is asked no more than for one."""
    rows = []

    def function(x):
        rows.append(len(x))
        return x @ W

    explainer = tfxai.Explainer(tfxai.black_box(function), method, **class_of(method).quick)
    targets = [1, [2, 0, 1], None, lambda y: y[:, 0] * y[:, 1]]
    together = explainer(X, tfxai.targets.each(targets[:3]), 0.5, seed=0)
    asked = sum(rows[3:])
    for target, e in zip(targets, together, strict=False):
        rows.clear()
        np.testing.assert_allclose(e.values, explainer(X, target, 0.5, seed=0).values, atol=1e-12)
        assert sum(rows) == asked
    both = explainer(X, tfxai.targets.each(targets[::3]), 0.5, batch_size=2, seed=0)
    for target, e in zip(targets[::3], both, strict=True):
        np.testing.assert_allclose(e.values, explainer(X, target, 0.5, seed=0).values, atol=1e-12)
    first, second = explainer(X, tfxai.targets.top(2), 0.5, seed=0)
    order = np.argsort(-(X @ W), axis=1)
    assert first.target.tolist() == order[:, 0].tolist() and second.target.tolist() == order[:, 1].tolist()
    with pytest.raises(tfxai.errors.LayerError, match="has no layers"):
        explainer(X, tfxai.targets.neuron("dense", 0))


def test_a_function_that_curves():
    """Of a product each factor loses all of it; against a baseline, what is between."""
    e = tfxai.explain(tfxai.black_box(lambda x: x[:, 0] * x[:, 1]), X[:, :2], "occlusion", baseline=1.0)
    a, b = X[:, 0], X[:, 1]
    np.testing.assert_allclose(e.values, np.stack([a * b - b, a * b - a], 1), atol=1e-12)
    assert e.options["on"] == "score" and e.meta["classes"] == 1


def test_the_mean_over_references():
    references = np.stack([np.zeros(4), np.ones(4)])[None]
    e = tfxai.explain(LINEAR, X, "occlusion", 0, references)
    np.testing.assert_allclose(e.values, (X - 0.5) * W[:, 0], atol=1e-12)


def test_names_of_classes():
    e = tfxai.explain(LINEAR, X, "occlusion", "cat", labels=["dog", "cat", "cow"])
    assert e.target.tolist() == [1, 1, 1] and e.meta["labels"] == {"0": "dog", "1": "cat", "2": "cow"}
    with pytest.raises(tfxai.errors.InputError, match="Two classes .*Return a column for each class.*on='probability'"):
        tfxai.explain(tfxai.black_box(lambda x: x[:, 0]), X, "occlusion", labels=["dog", "cat"])


@pytest.mark.parametrize("method", ["occlusion", "kernel_shap"])
def test_what_is_said_to_be_probabilities(method):
    """One number of two classes: the other has the rest of 1."""
    chance = tfxai.black_box(lambda x: 1 / (1 + np.exp(-x @ W[:, 0])), name="chance")
    both = {
        name: tfxai.explain(chance, X, method, name, labels=["dog", "cat"], on="probability") for name in ("dog", "cat")
    }
    np.testing.assert_allclose(both["cat"].score, 1 / (1 + np.exp(-X @ W[:, 0])))
    np.testing.assert_allclose(both["dog"].score, 1 - both["cat"].score)
    np.testing.assert_allclose(both["dog"].values, -both["cat"].values, atol=1e-12)
    assert both["cat"].options["on"] == "probability"
    plain = tfxai.explain(chance, X, method)
    np.testing.assert_array_equal(plain.values, tfxai.explain(chance, X, method, on="probability").values)
    assert plain.options["on"] == "score"


def test_several_inputs_and_outputs():
    def function(x):
        assert set(x) == {"a", "b"} and x["a"].dtype == np.float32
        total = x["a"].sum((1, 2)) + 10.0 * x["b"] @ np.array([1.0, 2.0])
        return {"one": total, "two": np.stack([total, -total], 1)}

    x = {"a": np.arange(6, dtype="float32").reshape(1, 2, 3), "b": np.array([[1.0, 2.0]])}
    box = tfxai.black_box(function, {"a": "sequence"})
    with pytest.raises(tfxai.errors.TargetError, match=r"2 outputs \(one, two\)"):
        tfxai.explain(box, x, "occlusion")
    e = tfxai.explain(box, x, "occlusion", tfxai.targets.output("two", 1), window=1)
    np.testing.assert_allclose(e.values["b"], [[-10, -40]])
    np.testing.assert_allclose(e.values["a"], -np.array([[[1.0] * 3, [4.0] * 3]]))
    e = tfxai.explain(box, x, "occlusion", lambda y: y["one"] + y["two"][:, 0], fixed=["a"])
    np.testing.assert_allclose(e.values["b"], [[20, 80]])
    assert not e.values["a"].any() and e.meta["fixed"] == ["a"]
    listed = tfxai.black_box(lambda x: [x[0] @ W, x[1].sum(1)])
    e = tfxai.explain(listed, [X, X], "occlusion", tfxai.targets.output(1))
    assert not e.values[0].any() and np.allclose(e.values[1], X)


# --- Shapley values and LIME


def shapley_values(function, x, baseline=0.0):
    """By definition: over all sets of the other features, what the feature adds."""
    n = x.shape[1]
    found = np.zeros(x.shape)
    for i in range(n):
        others = [k for k in range(n) if k != i]
        for s in itertools.chain.from_iterable(itertools.combinations(others, r) for r in range(n)):
            shown = np.isin(np.arange(n), s)
            without = np.where(shown, x, baseline)
            with_it = np.where(shown | (np.arange(n) == i), x, baseline)
            share = math.factorial(len(s)) * math.factorial(n - len(s) - 1) / math.factorial(n)
            found[:, i] += share * (function(with_it) - function(without))
    return found


@pytest.mark.parametrize("method", ["kernel_shap", "shapley_sampling"])
def test_shapley_values_of_any_function(method):
    def function(x):
        return np.tanh(x @ W[:, 0]) + x[:, 0] * x[:, 1] * x[:, 2]

    options = {} if method == "kernel_shap" else {"samples": 4000}
    e = tfxai.explain(tfxai.black_box(function), X, method, baseline=0.5, seed=0, **options)
    truth = shapley_values(function, X, 0.5)
    if method == "kernel_shap":  # by enumeration
        np.testing.assert_allclose(e.values, truth, atol=1e-9)
    else:
        assert (np.abs(e.values - truth) <= 4 * e.standard_error + 1e-9).all()
    np.testing.assert_allclose(e.values.sum(1), function(X) - function(np.full((1, 4), 0.5)), atol=1e-9)


def test_lime_and_shapley_values_of_words_and_groups():
    x = np.array([["a", "good", "film"], ["so", "bad", "bad"]])
    box = tfxai.black_box(lambda x: (1.0 * (x == "good") - 2.0 * (x == "bad")).sum(1))
    for method in ("kernel_shap", "lime"):
        e = tfxai.explain(box, x, method, baseline="", seed=0)
        np.testing.assert_allclose(e.values, [[0, 1, 0], [0, -2, -2]], atol=0.02)
    e = tfxai.explain(LINEAR, X, "kernel_shap", 0, groups=[0, 0, 1, 1])
    np.testing.assert_allclose(e.values[:, :2].sum(1), X[:, :2] @ W[:2, 0], atol=1e-9)


# --- The same as the model itself


def convolved():
    return keras.Sequential([
        keras.Input((12, 10, 3)), layers.Conv2D(5, 3, activation="relu"), layers.MaxPooling2D(2),
        layers.Conv2D(4, 3, activation="tanh"), layers.GlobalAveragePooling2D(), layers.Dense(3),
    ])  # fmt: skip


def stepped():
    return keras.Sequential([keras.Input((9, 4)), layers.LSTM(6), layers.Dense(2)])


def tabular():
    return keras.Sequential([keras.Input((7,)), layers.Dense(16, "relu"), layers.Dense(3)])


PAIRS = {"image": (convolved, (12, 10, 3)), "sequence": (stepped, (9, 4)), "table": (tabular, (7,))}


@pytest.mark.parametrize("method", ["occlusion", "rise"])
@pytest.mark.parametrize("layout", PAIRS)
def test_it_equals_the_model_explained_as_one(layout, method, rng):
    make, shape = PAIRS[layout]
    model, x = make(), rng.normal(size=(3, *shape)).astype("float32")
    box = tfxai.black_box(lambda x: model.predict_on_batch(x), layout)
    options = {"samples": 64} if method == "rise" else {}
    for target in (None, 1, lambda y: y[:, 0] - 2 * y[:, 1]):
        native, e = (tfxai.explain(m, x, method, target, 0.3, seed=4, **options) for m in (model, box))
        np.testing.assert_allclose(e.values, native.values, atol=1e-6 * np.abs(native.values).max() + 1e-6)
        np.testing.assert_allclose(e.score, native.score, atol=1e-6)
        assert e.meta["channels"] == native.meta["channels"] and e.values.dtype == np.float32
        assert (e.standard_error is None) == (native.standard_error is None)


def test_channels_first_is_the_same_picture(rng):
    model, x = convolved(), rng.normal(size=(2, 12, 10, 3)).astype("float32")
    last = tfxai.explain(tfxai.black_box(model, "image"), x, "occlusion", 1)
    moved = tfxai.black_box(lambda x: model.predict_on_batch(np.moveaxis(x, 1, -1)), "image_channels_first")
    first = tfxai.explain(moved, np.moveaxis(x, -1, 1), "occlusion", 1)
    np.testing.assert_allclose(np.moveaxis(first.values, 1, -1), last.values, atol=1e-6)
    assert first.meta["channels"]["inputs"] == [1]


NEEDS_MORE = ("cascading_randomisation", "independent_randomisation")


@pytest.mark.long
@pytest.mark.parametrize("kind", ["images", "sequences", "tables", "two inputs"])
def test_metrics_measure_what_they_measure_of_the_model(kind):
    model, x, truth, masks = KINDS[kind](np.random.default_rng(0))
    words = {"images": "image", "sequences": "sequence", "tables": "table", "two inputs": ["image", "table"]}
    box = tfxai.black_box(lambda x: model.predict_on_batch(x), words[kind])
    known = [m for m in tfxai.metrics.available() if m not in NEEDS_MORE]
    known = [m for m in known if m[:4] != "road" or kind in ("images", "sequences")]  # it needs neighbours
    given = ({"occlusion": tfxai.Occlusion(window=2) if kind != "tables" else "occlusion", "truth": truth}, known)
    tables = [tfxai.evaluate(m, x, *given, 0, masks, verbose=0) for m in (model, box)]
    for metric in known:
        a, b = (t.values["occlusion"][metric] for t in tables)
        np.testing.assert_allclose(a, b, atol=2e-4 * max(1, np.abs(a).max()), err_msg=metric)
    assert tables[1].meta["on"] == "score" and "deletion" in str(tables[1])


def test_metrics_of_bytes_and_of_text(rng):
    """Everything that hides features; what moves x a little needs floats."""
    x = rng.integers(0, 256, (4, 8, 8, 1)).astype("uint8")
    x[:, 2:4, 2:4] = 255

    def function(x):
        assert x.dtype == np.uint8
        return x[:, 2:4, 2:4].astype(float).mean((1, 2, 3))

    box, hidden = tfxai.black_box(function, "image"), ["deletion", "insertion", "correlation", "road", "pointing_game"]
    inside = np.zeros((4, 8, 8))
    inside[:, 2:4, 2:4] = 1
    table = tfxai.evaluate(box, x, ["occlusion"], hidden, masks=inside, verbose=0)
    assert table.mean("occlusion", "pointing_game") == 1
    assert table.mean("occlusion", "road") < table.mean("random", "road")
    with pytest.raises(tfxai.errors.InputError, match="holds floats. Received: dtype uint8"):
        tfxai.evaluate(box, x, ["occlusion"], ["max_sensitivity"], verbose=0)
    words = np.array([["good", "film", "so"], ["not", "so", "good"]])
    box = tfxai.black_box(lambda x: 1.0 * (x == "good").sum(1))
    table = tfxai.evaluate(box, words, ["occlusion"], ["deletion"], baseline="", verbose=0)
    assert table.mean("occlusion", "deletion") == pytest.approx(
        1 / 6
    )  # 1 of three steps, of which the first counts half
    again = tfxai.evaluate(box, words.tolist(), ["occlusion"], ["deletion"], baseline="", verbose=0)
    np.testing.assert_array_equal(again.values["random"]["deletion"], table.values["random"]["deletion"])


def test_what_is_compared_unless_told():
    table = tfxai.evaluate(LINEAR, X, metrics=["deletion"], target=0, verbose=0)
    assert table.methods == [*score_only(), "random"]
    with pytest.raises(tfxai.errors.ModelError, match="weights of a Keras model"):
        tfxai.evaluate(LINEAR, X, ["occlusion"], ["cascading_randomisation"], 0)


# --- What the function is handed


def test_arrays_as_they_were_given():
    for x in (np.ones((2, 3), "float16"), np.ones((2, 3), "uint8"), np.ones((2, 3), bool), np.ones((2, 3), ">f4")):
        seen = []

        def function(x, seen=seen):
            seen.append(x.dtype)
            return x.sum(1, dtype="float64")

        e = tfxai.explain(tfxai.black_box(function), x, "occlusion")
        assert {kind.newbyteorder("=") for kind in seen} == {x.dtype.newbyteorder("=")}
        np.testing.assert_allclose(e.values, np.ones((2, 3)))


def test_bytes_of_pictures_are_mixed_and_rounded(rng):
    x = rng.integers(0, 256, (1, 8, 8, 3)).astype("uint8")
    seen = []

    def function(x):
        assert x.dtype == np.uint8
        seen.append(x.copy())
        return x.astype(float).mean((1, 2, 3))

    e = tfxai.explain(tfxai.black_box(function, "image"), x, "rise", samples=40, seed=0, baseline=255)
    mixed = np.concatenate(seen)
    assert (mixed >= x).all() and (mixed <= 255).all() and e.values.dtype == np.float64  # between x and the baseline
    assert len(np.unique((mixed[8:] - x.astype(float)).round())) > 50


def test_flags_of_pictures_are_shown_whole(rng):
    """Binary pictures: what a mask shows by half is shown or hidden, and counted as that."""
    x = np.ones((1, 6, 6), bool)
    box = tfxai.black_box(lambda x: x[:, 2, 3].astype(float), "image")
    e = tfxai.explain(box, x, "rise", samples=2000, grid=3, seed=0)
    assert (
        e.values[0].max() == e.values[0, 2, 3] == pytest.approx(1, abs=0.06)
    )  # the share of masks that show it, twice


def test_texts():
    def function(x):
        return (1.0 * (x == "good") - 2.0 * (x == "bad")).sum(1)

    x = np.array([["a", "good", "film"], ["so", "bad", "bad"]])
    e = tfxai.explain(tfxai.black_box(function), x, "occlusion", baseline="")
    assert e.values.tolist() == [[0, 1, 0], [0, -2, -2]] and e.inputs.tolist() == x.tolist()
    e = tfxai.explain(tfxai.black_box(function), x.astype("S"), "occlusion", baseline="")  # others than x == "good"
    assert not e.values.any()
    e = tfxai.explain(tfxai.black_box(function), x.tolist(), "rise", baseline="good", samples=400, seed=0)
    assert e.values[1, 0] > e.values[1, 1] + 0.5
    e = tfxai.explain(tfxai.black_box(lambda x: 1.0 * (x == b"good").sum(1)), tf.constant(x), "occlusion", baseline="")
    assert e.values.tolist() == [[0, 1, 0], [0, 0, 0]]  # tensors hold bytes
    e = tfxai.explain(tfxai.black_box(function), x.astype(object), "occlusion", baseline="")
    assert e.values.tolist() == [[0, 1, 0], [0, -2, -2]]
    with pytest.raises(tfxai.errors.BaselineError, match="stands for nothing"):
        tfxai.explain(tfxai.black_box(function), x, "occlusion")
    with pytest.raises(tfxai.errors.OptionError, match="holds text, which fill"):
        tfxai.explain(tfxai.black_box(function), x, "occlusion", baseline="", fill=0)
    with pytest.raises(tfxai.errors.OptionError, match="whole numbers .int64., which fill"):
        tfxai.explain(tfxai.black_box(lambda x: x.sum(1) * 1.0), np.array([[1, 2]]), "occlusion", fill=0.5)


def test_a_function_may_change_what_it_is_handed():
    def function(x):
        x *= 2
        return x.sum(1) / 2

    x = X.copy()
    e = tfxai.explain(tfxai.black_box(function), x, "occlusion")
    np.testing.assert_allclose(e.values, X)
    np.testing.assert_array_equal(x, X)


def test_numbers_that_are_missing():
    x = np.array([[np.nan, 2.0], [1.0, 3.0]])
    box = tfxai.black_box(lambda x: np.where(np.isnan(x[:, 0]), 7.0, x[:, 0]) + x[:, 1])
    with pytest.raises(tfxai.errors.InputError, match="allow_nan=True"):
        tfxai.explain(box, x, "occlusion")
    np.testing.assert_allclose(tfxai.explain(box, x, "occlusion", allow_nan=True).values, [[7, 2], [1, 3]])


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:lime. near example")  # the function is not linear
@pytest.mark.parametrize("method", score_only())
def test_rows_in_a_call(method, rng):
    x = rng.normal(size=(4, 5))
    quick, found = class_of(method).quick, []
    for size, asked in ((None, None), (3, None), (50, 3), (1, None)):
        rows = []

        def function(x, rows=rows):
            rows.append(len(x))
            return np.sin(x @ np.arange(5.0)) * x[:, 1]

        box = tfxai.black_box(function, batch_size=size)
        found.append(tfxai.explain(box, x, method, baseline=0.2, batch_size=asked, seed=1, **quick).values)
        assert max(rows) <= (asked or size or max(rows))
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], atol=1e-12)


def test_an_explainer_tries_it_once():
    calls = []
    explainer = tfxai.Explainer(tfxai.black_box(lambda x: calls.append(len(x)) or x[:, 0]), "occlusion")
    explainer(X)
    first = len(calls)
    assert calls[:3] == [2, 2, 1] and sum(calls) == 5 + 3 + 3 * 4  # tried; at x; without each feature
    explainer.using("occlusion")(X)
    assert len(calls) == 2 * first - 3
    with pytest.raises(tfxai.errors.MethodError, match="looks inside"):
        explainer.using("gradient")


# --- Results are like any other


def test_results_are_like_any_other(tmp_path, rng):
    model, x = convolved(), rng.normal(size=(2, 12, 10, 3)).astype("float32")
    e = tfxai.explain(tfxai.black_box(model, "image"), x, "occlusion", labels=["a", "b", "c"])
    loaded = tfxai.load(e.save(tmp_path / "e"))
    np.testing.assert_array_equal(loaded.values, e.values)
    assert loaded.meta == e.meta and e.fingerprint
    e.plot()
    page = tfxai.report([e], tmp_path / "page.html").read_text()
    assert "score" in page and "occlusion" in page
    assert len(tfxai.explain(LINEAR, X, "occlusion").to_dataframe()) == len(X)


def test_shapley_values_of_bytes_and_words_by_hand(rng):
    """f = a b + [word is yes] a, against the first row: every value by the definition."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1, 3], "b": [2, 5], "word": ["no", "yes"]})
    box = tfxai.black_box(lambda z: (z["a"] * z["b"] + (z["word"] == "yes") * z["a"]).to_numpy(float))
    e = tfxai.explain(box, frame, "kernel_shap", baseline=frame.iloc[:1])
    # of the product 15 - 2: a gets (4 + 10) / 2, b (3 + 9) / 2; of the word's 3: a (0 + 2) / 2, the word (1 + 3) / 2
    np.testing.assert_allclose(e.values, [[0, 0, 0], [8, 6, 2]], atol=1e-9)
    picture = tfxai.black_box(lambda z: z.astype(float).sum((1, 2, 3)), layout="image")
    x = rng.integers(0, 256, (2, 4, 4, 3)).astype("uint8")
    values = tfxai.explain(picture, x, "kernel_shap", groups=tfxai.segments.grid(2), seed=0)
    sums = values.grouped(tfxai.segments.grid(2)).values
    np.testing.assert_allclose(sums[:, 0], x[:, :2, :2].sum((1, 2, 3), dtype=float), rtol=1e-9)
