"""What people hand over in good faith: the values of the plain array, or an error that says what to do."""

import copy
import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from matplotlib.figure import Figure

import tfxai
from tfxai import errors
from tfxai.result.describe import target_name

W = np.array([[1.0, 0.5], [2.0, 0.5], [3.0, 0.5]], "float32")
Z = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")


@pytest.fixture(scope="module")
def linear():
    model = keras.Sequential([keras.Input((3,), name="table"), layers.Dense(2, use_bias=False)])
    model.set_weights([W])
    return model


class Foreign:
    """A tensor of another library: part of a graph unless it is detached."""

    shape, ndim, dtype = (4, 3), 2, "float32"

    def __init__(self, error=None):
        self.error = error

    def detach(self):
        return Foreign(self.error)

    def __len__(self):
        return 4

    def __array__(self, *_, **__):
        if self.error:
            raise self.error
        return Z


class Sparse:
    def __init__(self, array):
        self.array, self.shape = array, array.shape

    def toarray(self):
        return self.array


SAME = {
    "TensorFlow's sparse": lambda: tf.sparse.from_dense(Z),
    "SciPy's sparse": lambda: Sparse(Z),
    "another library's tensor": lambda: Foreign(),
    "Python numbers and flags": lambda: np.array(Z.tolist(), object),
}


@pytest.mark.parametrize("name", SAME)
def test_read_as_the_plain_array(name, linear):
    e = tfxai.explain(linear, SAME[name](), target=0, verbose=0)
    np.testing.assert_allclose(e.values, Z * W[:, 0], rtol=1e-5)


REFUSED = {
    "on another device": (lambda: Foreign(TypeError("lies elsewhere.")), r"lies elsewhere\..*x\.detach\(\)\.cpu\(\)"),
    "part of a graph": (lambda: Foreign(RuntimeError("in a graph.")), r"in a graph\..*\.numpy\(\)"),
    "ragged": (lambda: tf.ragged.constant([[1.0, 2.0], [3.0]]), r"different length.*to_tensor"),
    "missing": (lambda: np.array([[1.0, None, 2.0]], object), r"1 of 3 values are missing.*impute"),
    "other sizes": (lambda: [np.ones(3), np.ones(5)], r"different shapes \(\(3,\), \(5,\)\): explain them one by one"),
    "a pair": (lambda: (Z, np.zeros(4)), r"1 input .*2 arrays.*pass x alone"),
    "too large": (lambda: np.array([[1.0, 2.0, 1e39]]), r"too large for float32 in 1 of 1 .*example 0\)\. Scale"),
    "NaN": (lambda: np.array([[1.0, 2.0, np.nan]]), r"NaN or Inf in 1 of 1.*pass allow_nan=True"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_words(name, linear):
    x, said = REFUSED[name]
    with pytest.raises(errors.InputError, match=said) as caught:
        tfxai.explain(linear, x(), target=0, verbose=0)
    assert len(str(caught.value)) < 500


def test_foreign_baselines_and_too_large_ones(linear):
    e = tfxai.explain(linear, Z, target=0, baseline=Sparse(Z[:1]), verbose=0)
    np.testing.assert_allclose(e.values, (Z - Z[:1]) * W[:, 0], atol=1e-6)
    for baseline, said in ((Foreign(RuntimeError("no.")), r"\.cpu\(\)\.numpy\(\)"), (1e39, r"float32.*1e\+39, too")):
        with pytest.raises(errors.BaselineError, match=said):
            tfxai.explain(linear, Z, target=0, baseline=baseline, verbose=0)


@pytest.mark.parametrize("name", ["predict", "predict_on_batch"])
def test_predict_is_no_model(name, linear):
    with pytest.raises(errors.ModelTypeError, match=f"{name} returns arrays.*pass the model itself"):
        tfxai.explain(getattr(linear, name), Z, target=0)
    with pytest.raises(errors.ModelError, match=r"without numpy\(\), predict") as caught:
        tfxai.explain(lambda x: linear.predict(x, verbose=0), Z, target=0)
    assert len(str(caught.value)) < 500 and "Traceback" not in str(caught.value) and "\n" not in str(caught.value)


def test_columns(rng):
    a, b = keras.Input((1,), name="a"), keras.Input((2,), name="b")
    head = layers.Dense(1, use_bias=False)
    model = keras.Model([a, b], head(layers.Concatenate()([a, b])))
    w = head.kernel.numpy()[:, 0]
    column, rest = rng.normal(size=4), rng.normal(size=(4, 2))
    for x in ([column, rest], {"a": column, "b": rest}):
        values = tfxai.explain(model, x, target=0, verbose=0).values
        one, two = values.values() if isinstance(values, dict) else values
        np.testing.assert_allclose(one, column[:, None] * w[0], rtol=1e-5)
        np.testing.assert_allclose(two, rest * w[1:], rtol=1e-5)
    with pytest.raises(errors.BaselineError, match=r"no order: pass the baselines as one too, by name \(a, b\)"):
        tfxai.explain(model, {"a": column, "b": rest}, target=0, baseline=[column, rest], verbose=0)


def test_axes_of_one_before_the_classes(rng):
    i = keras.Input((8, 8, 2))
    scores = layers.Conv2D(3, 1)(layers.GlobalAveragePooling2D(keepdims=True)(layers.Conv2D(4, 3)(i)))
    model, flat = keras.Model(i, layers.Softmax()(scores)), keras.Model(i, layers.Softmax()(layers.Flatten()(scores)))
    x = rng.normal(size=(2, 8, 8, 2)).astype("float32")
    for target in (None, 1, [0, 2], tfxai.targets.adjusted(1)):
        e, wanted = (tfxai.explain(m, x, target=target, verbose=0) for m in (model, flat))
        np.testing.assert_allclose(e.values, wanted.values, atol=1e-6)
        assert e.target == wanted.target if isinstance(e.target, str) else (e.target == wanted.target).all()
    with pytest.raises(errors.TargetError, match="classes 0 to 2"):
        tfxai.explain(model, x, target=3, verbose=0)


@pytest.mark.parametrize("baseline", [
    tfxai.baselines.mean_of(np.array([[[[3]], [[6]]], [[[4]], [[7]]]], "uint8")), tfxai.baselines.uniform(0, 255, n=3),
])  # fmt: skip
def test_pictures_of_bytes_have_baselines_of_bytes(baseline, rng):
    model = keras.Sequential([keras.Input((2, 1, 1), dtype="uint8"), layers.Rescaling(1 / 255), layers.Flatten(),
                              layers.Dense(1)])  # fmt: skip
    x = rng.integers(0, 256, (2, 2, 1, 1)).astype("uint8")
    references = np.rint(baseline(x)).astype("uint8")
    assert (baseline(x) == references).all() and baseline(x).dtype == np.uint8
    w = model.layers[-1].kernel.numpy()[:, 0].reshape(2, 1, 1) / 255
    mean = references.reshape(-1, 2, 1, 1).astype(float).mean(0)
    e = tfxai.explain(model, x, target=0, baseline=baseline, verbose=0)
    np.testing.assert_allclose(e.values, (x - mean) * w, atol=1e-5)


@pytest.mark.parametrize("copied", [copy.deepcopy, copy.copy, lambda e: pickle.loads(pickle.dumps(e))])
def test_a_copy_of_an_explainer_that_was_used(copied, linear):
    tfxai.forget(linear)  # what others have traced of it
    explainer = tfxai.Explainer(linear, "integrated_gradients", steps=8)
    wanted = explainer(Z, target=0, verbose=0).values
    other = copied(explainer)
    np.testing.assert_array_equal(other(Z, target=0, verbose=0).values, wanted)
    assert other.method == explainer.method and other.traces == explainer.traces


def test_names_of_columns_and_rows(linear):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(Z, columns=["score", "b", "delta"], index=["w", "x", "y", "z"])
    e = tfxai.explain(linear, frame, target=0, verbose=0)
    table = e.to_dataframe()
    np.testing.assert_allclose(table.iloc[:, :3], Z * W[:, 0], rtol=1e-5)
    assert list(table.columns) == ["score", "b", "delta", "score", "baseline_score", "delta", "target"]
    np.testing.assert_allclose(table.iloc[:, 3], e.score)
    assert list(table.index) == list("wxyz") and list(e[1:3].to_dataframe().index) == ["x", "y"]
    pytest.importorskip("xarray")
    coordinates = {k: v.values.tolist() for k, v in e.to_xarray().coords.items()}
    assert coordinates == {"feature": ["score", "b", "delta"], "sample": list("wxyz")}


LABELS = ["cat", "fox", "hen"]


@pytest.fixture(scope="module")
def three():
    return keras.Sequential([keras.Input((3,)), layers.Dense(3)])


@pytest.mark.parametrize("labels", [LABELS, {"hen": 2, "fox": 1, "cat": 0}, {"0": "cat", "1": "fox", "2": "hen"}])
def test_a_class_by_its_name(labels, three):
    e = tfxai.explain(three, Z, target="fox", labels=labels, verbose=0)
    np.testing.assert_array_equal(e.values, tfxai.explain(three, Z, target=1, verbose=0).values)
    assert e.target.tolist() == [1] * 4 and e.plot(0, ax=Figure().subplots()).get_xlabel() == "contribution to fox"
    e = tfxai.explain(three, Z, target=["hen", "cat", "cat", "fox"], labels=labels, verbose=0)
    assert e.target.tolist() == [2, 0, 0, 1]
    e = tfxai.explain(three, Z, labels=labels, verbose=0)
    best = three(Z).numpy().argmax(1)
    assert e.target.tolist() == best.tolist() and target_name(e, 0) == LABELS[best[0]]
    assert target_name(e, 0, ["a", "b", "c"]) == "abc"[best[0]]


def test_names_that_are_none_of_the_model(three):
    for target, said in (("hem", "No class is called 'hem'.*mean 'hen'"), (["cat"] * 3 + ["dog"], "called 'dog'")):
        with pytest.raises(errors.TargetError, match=said):
            tfxai.explain(three, Z, target=target, labels=LABELS, verbose=0)
    with pytest.raises(errors.TargetError, match="Several classes are called 'a'"):
        tfxai.explain(three, Z, target="a", labels=["a", "b", "a"], verbose=0)
    with pytest.raises(errors.InputError, match="each of the 3 classes of the output. Received: 2 names"):
        tfxai.explain(three, Z, target=0, labels=["cat", "fox"], verbose=0)


def test_one_number_of_two_classes_without_their_names():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1, activation="sigmoid")])
    for target in (None, 0):
        e = tfxai.explain(model, Z, target=target, labels=None, verbose=0)
        np.testing.assert_allclose(e.values, Z * model.layers[-1].kernel.numpy()[:, 0], rtol=1e-5)
    with pytest.raises(errors.TargetError, match=r"target 0; of two.*labels=\[first, second\].*lambda y: -y\[:, 0\]"):
        tfxai.explain(model, Z, target=1, verbose=0)
