"""Sums by groups: exact, of any explanation."""

import keras
import numpy as np
import pytest
from keras import layers
from matplotlib.figure import Figure

import tfxai


def made(values, **more):
    return tfxai.Explanation(values=values, score=np.ones(2), method="deeplift", target=np.array([0, 1]), **more)


def test_sums_are_exact_in_double_precision(rng):
    values = rng.normal(size=(2, 9, 7, 3)).astype("float32") * 10.0 ** rng.integers(-6, 6, (2, 9, 7, 3)).astype(
        "float32"
    )
    labels = rng.integers(0, 5, (9, 7))
    sums = made(values).grouped(labels)
    for k, name in enumerate(sums.names):
        assert name == str(k)
        np.testing.assert_allclose(sums.values[:, k], values.astype(float)[:, labels == k].sum((1, 2)), rtol=1e-13)
    np.testing.assert_allclose(sums.values.sum(1), values.sum((1, 2, 3), dtype=float), rtol=1e-12)
    np.testing.assert_array_equal(sums.painted().values[1, ..., 0], sums.values[1][labels])


def test_each_example_may_have_its_own(rng):
    values = rng.normal(size=(2, 6))
    labels = np.array([[0, 0, 1, 1, 2, 2], [4, 4, 4, 0, 0, 0]])
    sums = made(values).grouped(labels)
    assert sums.names == ["0", "1", "2", "4"]
    np.testing.assert_allclose(sums.values[1], [values[1, 3:].sum(), 0, 0, values[1, :3].sum()])


def test_several_inputs_meet_in_a_group_and_functions_make_their_own(rng):
    values = {"a": rng.normal(size=(2, 4)), "b": rng.normal(size=(2, 3, 2))}
    e = made(values, inputs=values)
    sums = e.grouped({"a": [0, 0, 1, 1], "b": [1, 1, 7]})
    np.testing.assert_allclose(sums.values[:, 1], values["a"][:, 2:].sum(1) + values["b"][:, :2].sum((1, 2)))
    assert e.grouped(tfxai.segments.grid(1)).names == ["a.0", "b.0"]
    named = e.grouped({"both": ["a", "b"]})
    np.testing.assert_allclose(named.values[:, 0], values["a"].sum(1) + values["b"].sum((1, 2)))
    with pytest.raises(tfxai.errors.OptionError, match="There are 2 inputs"):
        e.grouped([0, 1, 2])


def test_columns_of_a_frame_of_a_model(rng):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(rng.normal(size=(3, 3)), columns=["a", "b", "c"], index=["x", "y", "z"])
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4, activation="relu"), layers.Dense(1)])
    e = tfxai.explain(model, frame, target=0)
    sums = e.grouped({"one": ["a", "c"], "two": ["b"]})
    np.testing.assert_allclose(sums.values[:, 0], e.values[:, [0, 2]].sum(1, dtype=float))
    table = sums.to_dataframe()
    assert list(table.columns) == ["one", "two", "score", "baseline_score", "delta", "target"]
    assert list(table.index) == ["x", "y", "z"]
    np.testing.assert_allclose(
        table["one"] + table["two"] + table["delta"], table["score"] - table["baseline_score"], rtol=1e-5, atol=1e-6
    )
    with pytest.raises(tfxai.errors.OptionError, match="leave 1 features out: 'b'"):
        e.grouped({"one": ["a", "c"]})


def test_channels_first_and_maps_of_one_channel(rng):
    e = made(rng.normal(size=(2, 3, 4, 4)), meta={"channels": {"inputs": [1], "values": [1]}})
    sums = (
        e.grouped(tfxai.segments.grid(2)) if e.inputs is not None else e.grouped(np.repeat([[0, 1]], 4, 0).repeat(2, 1))
    )
    np.testing.assert_allclose(sums.values[:, 0], e.values[..., :2].sum((1, 2, 3)))
    heat = made(rng.normal(size=(2, 4, 4, 1)), inputs=rng.normal(size=(2, 4, 4, 3)))
    np.testing.assert_allclose(heat.grouped(tfxai.segments.grid(2)).values[:, 3], heat.values[:, 2:, 2:].sum((1, 2, 3)))


def test_names(rng):
    e = made(rng.normal(size=(2, 4)))
    assert e.grouped([3, 3, 5, 5], names={3: "left"}).names == ["left", "5"]
    assert e.grouped([3, 3, 5, 5], names=["left", "right"]).names == ["left", "right"]
    for wrong in (["left"], "ab", {4: "left"}):
        with pytest.raises(tfxai.errors.OptionError, match="names="):
            e.grouped([3, 3, 5, 5], names=wrong)
    with pytest.raises(tfxai.errors.OptionError, match="Received: None"):
        e.grouped(None)


def test_pictures_are_painted_and_tables_are_bars(rng):
    x = rng.uniform(size=(2, 8, 8, 3))
    values = rng.normal(size=(2, 8, 8, 3))
    sums = made(values, inputs=x).grouped(tfxai.segments.grid(2))
    ax = sums.plot(1, Figure().subplots(), outlier_perc=0)
    drawn = np.asarray(ax.images[-1].get_array())
    assert drawn.shape == (8, 8) and len(np.unique(drawn.round(9))) == 4
    np.testing.assert_allclose(drawn[0, 0], sums.values[1, 0])
    bars = sums.plot(0, Figure().subplots(), kind="bars", ordered=False, top=None)
    np.testing.assert_allclose([b.get_width() for b in bars.patches], sums.values[0])
    with pytest.raises(tfxai.errors.InputError, match="has 2 examples"):
        sums.plot(2)


def test_the_page_of_what_is_painted(tmp_path, rng):
    x = rng.uniform(size=(2, 8, 8, 3))
    sums = made(rng.normal(size=(2, 8, 8, 3)), inputs=x).grouped(tfxai.segments.grid(2))
    assert "deeplift" in sums.painted().to_html(tmp_path / "page.html").read_text()


def test_sums_of_several_inputs_and_of_words_are_bars(rng):
    values = {"a": rng.normal(size=(2, 8, 8, 3)), "b": rng.normal(size=(2, 4))}
    sums = made(values, inputs=values).grouped(tfxai.segments.grid(2))
    bars = sums.plot(0, Figure().subplots(), ordered=False)
    assert len(bars.patches) == 6
    np.testing.assert_allclose([b.get_width() for b in bars.patches], sums.values[0])
    painted = sums.plot(1, Figure().subplots(), input="a", outlier_perc=0)
    np.testing.assert_allclose(np.asarray(painted.images[-1].get_array())[0, 0], sums.values[1, 0])
    words = made(rng.normal(size=(2, 5)), inputs=np.arange(10).reshape(2, 5)).grouped(
        [0, 0, 1, 2, 2], ["the", "cat", "sat"]
    )
    assert [t.get_text() for t in words.plot(0, Figure().subplots(), ordered=False).get_yticklabels()] == words.names
