"""What a store says on the whole, against numpy on all of it."""

import keras
import numpy as np
import pytest

import tfxai
from tfxai import scale, targets
from tfxai.errors import InputError, OptionError
from tfxai.scale import summary as summaries


@pytest.fixture(scope="module")
def model(seeded_module):
    bent = keras.layers.Dense(5, "relu", bias_initializer="random_normal")
    return keras.Sequential([keras.Input((4,)), bent, keras.layers.Dense(3, "softmax")])


@pytest.fixture(scope="module")
def x(seeded_module):
    return np.random.default_rng(1).normal(size=(23, 4)).astype("float32")


@pytest.fixture(scope="module")
def store(model, x, tmp_path_factory):
    out = tmp_path_factory.mktemp("store") / "a.zarr"
    with pytest.warns(tfxai.CompletenessWarning, match="It is said once for all of the job") as said:
        scale.explain_dataset(model, x, out, "integrated_gradients", steps=2, chunk=5, verbose=0)
    assert len(said) == 1
    return scale.open(out)


def test_means_of_all_and_of_each_class(model, x, store):
    e, s = store[:], store.summary()
    assert s.n == 23 and s.left_out == 0
    np.testing.assert_allclose(s.mean_abs.values[0], np.abs(e.values).mean(0), rtol=1e-6)
    np.testing.assert_allclose(s.mean.values[0], e.values.mean(0), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(s.mean.score, [e.score.mean()], rtol=1e-6)
    np.testing.assert_allclose(s.mean.baseline_score, [e.baseline_score.mean()], rtol=1e-6)
    assert sorted(s.by_class) == sorted(set(e.target.tolist())) and len(s.by_class) > 1
    for c, (n, sizes, values) in s.by_class.items():
        rows = e.target == c
        assert n == rows.sum() and sizes.target.tolist() == [c] and not sizes.meta["signed"] and values.meta["signed"]
        np.testing.assert_allclose(sizes.values[0], np.abs(e.values[rows]).mean(0), rtol=1e-6)
        np.testing.assert_allclose(values.score, [e.score[rows].mean()], rtol=1e-6)


def test_examples_that_stand_out(store):
    e, s = store[:], store.summary(top=4)
    assert s.highest.tolist() == np.argsort(-e.score)[:4].tolist()
    numbers, residuals = s.incomplete
    assert numbers.tolist() == np.argsort(-e.residual)[:4].tolist()
    np.testing.assert_allclose(residuals, np.sort(e.residual)[::-1][:4], rtol=1e-5)
    assert residuals[0] > 1e-3 and f"worst residual={residuals[0]:.2g}" in repr(s)


def test_a_method_that_promises_nothing_has_no_incomplete_examples(model, x, tmp_path):
    s = scale.open(scale.explain_dataset(model, x, tmp_path / "a.zarr", "gradient", verbose=0)).summary()
    assert s.incomplete is None and s.mean.baseline_score is None


def test_only_what_is_done_counts(model, x, tmp_path):
    job = scale.Job(model, x, tmp_path / "a.zarr", chunk=5)
    with pytest.raises(InputError, match="No chunk of .* is done"):
        scale.open(tmp_path / "a.zarr").summary()
    job.explain_chunk(3)
    s = scale.open(tmp_path / "a.zarr").summary(top=50)
    assert s.n == 5 and sorted(s.highest) == list(range(15, 20))
    np.testing.assert_allclose(s.mean.values, tfxai.explain(model, x[15:20]).values.mean(0)[None], atol=1e-6)


def test_one_of_several_targets(model, x, tmp_path):
    out = scale.explain_dataset(model, x, tmp_path / "a.zarr", target=targets.each([0, 2]), chunk=9, verbose=0)
    found = scale.open(out).summary(target=1)
    np.testing.assert_allclose(found.mean.values, tfxai.explain(model, x, target=2).values.mean(0)[None], atol=1e-6)
    assert list(found.by_class) == [2]
    for wrong in (None, 2):
        with pytest.raises(OptionError, match="The store has 2 targets: say of which"):
            scale.open(out).summary(target=wrong)


def test_several_inputs(tmp_path, rng):
    a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b")
    two = keras.Model({"a": a, "b": b}, keras.layers.Dense(1)(keras.layers.Concatenate()([a, b])))
    x = {"a": rng.normal(size=(7, 3)).astype("float32"), "b": rng.normal(size=(7, 2)).astype("float32")}
    s = scale.open(scale.explain_dataset(two, x, tmp_path / "a.zarr", chunk=3, verbose=0)).summary()
    whole = tfxai.explain(two, x)
    for name in ("a", "b"):
        np.testing.assert_allclose(s.mean_abs.values[name], np.abs(whole.values[name]).mean(0)[None], rtol=1e-5)


def test_of_more_classes_than_fit_the_most_frequent_are_kept(store, monkeypatch):
    whole = store.summary()
    monkeypatch.setattr(summaries, "ROOM", 4 * 4 * 4 * 1)  # of one class: two means of four numbers in double precision
    s = store.summary()
    (own,) = s.by_class
    assert s.left_out == len(whole.by_class) - 1 and whole.by_class[own][0] == max(
        n for n, *_ in whole.by_class.values()
    )
