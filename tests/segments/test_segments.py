"""Segments of grids, pictures and words, and what may be said in groups=."""

import sys

import numpy as np
import pytest

import tfxai
from tfxai.segments.divide import Part, divided
from tfxai.segments.given import Given, given


def test_cells_are_of_equal_size_and_an_axis_may_be_short():
    np.testing.assert_array_equal(tfxai.segments.grid(2)(np.zeros((3, 5, 4, 2)))[0, :, 0], [0, 0, 0, 2, 2])
    sizes = np.bincount(tfxai.segments.grid(3)(np.zeros((1, 10, 1)))[0])
    assert sizes.max() - sizes.min() <= 1 and len(sizes) == 3
    np.testing.assert_array_equal(tfxai.segments.grid(8)(np.zeros((1, 3, 1))), [[0, 1, 2]])
    np.testing.assert_array_equal(tfxai.segments.grid((1, 2))(np.zeros((1, 2, 4, 1)))[0], [[0, 0, 1, 1]] * 2)
    np.testing.assert_array_equal(tfxai.segments.grid(2)(np.zeros((1, 4))), [[0, 0, 1, 1]])


def test_a_grid_knows_where_channels_are():
    e = tfxai.segments.grid(2)(np.zeros((1, 3, 4, 4)), (2, 3))  # channels first
    assert e.shape == (1, 4, 4) and e[0, 3, 3] == 3


def test_superpixels_follow_the_picture():
    pytest.importorskip("skimage")
    x = np.zeros((2, 16, 16, 3), "float32")
    x[0, :, 5:] = 1
    x[1, 9:] = -3
    labels = tfxai.segments.slic(8, compactness=0.01)(x)
    assert labels.shape == (2, 16, 16)
    assert not set(labels[0, :, :5].flat) & set(labels[0, :, 5:].flat) and not set(labels[1, :9].flat) & set(
        labels[1, 9:].flat
    )
    first = tfxai.segments.slic(8, compactness=0.01)(np.moveaxis(x, -1, 1), (2, 3))
    np.testing.assert_array_equal(first, labels)
    with pytest.raises(tfxai.errors.OptionError, match="for pictures and volumes"):
        tfxai.segments.slic(8)(np.zeros((2, 5)))


def test_without_scikit_image_the_install_line_is_given(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.segmentation", None)
    with pytest.raises(tfxai.errors.MissingExtraError, match=r"pip install \"tfxai\[segments\]\""):
        tfxai.segments.slic(4)(np.zeros((1, 8, 8, 3)))


TABLE = Part("x", (3, 4), (1,), columns=["age", "sex", "loan", "debt"])
PICTURE = Part("x", (2, 4, 6, 3), (1, 2))


def test_names_of_columns():
    found = divided({"person": ["age", "sex"], "money": ["debt", "loan"]}, [TABLE], None)
    assert found.names == ["person", "money"]
    np.testing.assert_array_equal(found.labels[0], [[0, 0, 1, 1]])
    listed = divided([["age", "debt"], ["sex", "loan"]], [TABLE], None)
    assert listed.names == ["age, debt", "sex, loan"]
    np.testing.assert_array_equal(listed.labels[0], [[0, 1, 1, 0]])


def test_names_reach_over_inputs():
    parts = [
        Part("a", (3, 2), (1,), columns=["age", "sex"]),
        Part("b", (3, 5, 2), (1,)),
        Part("c", (3, 1), (1,), held=True),
    ]
    found = divided({"one": ["age", "b"], "two": "sex"}, parts, None)
    np.testing.assert_array_equal(found.labels[0], [[0, 1]])
    np.testing.assert_array_equal(found.labels[1], [[[0]]])
    assert found.labels[2] is None


def test_the_same_label_in_two_inputs_is_one_group_and_segments_are_not():
    parts = [Part("a", (3, 2), (1,)), Part("b", (3, 2), (1,))]
    found = divided([[0, 5], [5, 7]], parts, None)
    assert found.names == ["0", "5", "7"]
    np.testing.assert_array_equal(found.labels[1], [[1, 2]])
    by_name = divided({"b": [5, 7], "a": [0, 5]}, parts, None)
    np.testing.assert_array_equal(by_name.labels[1], [[1, 2]])
    parts = [p._replace(x=np.zeros((3, 2))) for p in parts]
    assert divided(tfxai.segments.grid(1), parts, None).names == ["a.0", "b.0"]


@pytest.mark.parametrize("shape", [(4, 6), (1, 4, 6), (2, 4, 6), (4, 6, 1), (2, 4, 6, 1), (4, 6, 3), (2, 4, 6, 3)])
def test_shapes_that_fit_a_picture(shape):
    labels = np.arange(np.prod(shape)).reshape(shape)
    (found,) = divided(labels, [PICTURE], None).labels
    assert found.size == labels.size and found.shape[1:3] == (4, 6)


@pytest.mark.parametrize(
    "groups, part, message",
    [
        ({"p": ["age", "sex"], "m": ["loan"]}, TABLE, "leave 1 features out: 'debt'"),
        ({"p": ["age", "sex"], "m": ["loan", "sex", "debt"]}, TABLE, "'sex' is in 'p' and in 'm'"),
        ({"p": ["age", "six"], "m": ["loan", "debt"]}, TABLE, "Did you mean 'sex'"),
        ({"p": ["age"]}, PICTURE, "need a data frame"),
        ([0.5, 1, 2, 3], TABLE, "whole numbers, one for each feature.*dtype float64"),
        ([0, 1, -1, 3], TABLE, "numbers from 0: no feature is left out. Received: -1"),
        ([0, 1, 2], TABLE, r"expected labels of shape \(4,\), or .* its 3 examples before it. Received: shape \(3,\)"),
        (np.zeros((5, 4), int), TABLE, r"Received: shape \(5, 4\)"),
        (np.zeros((6, 4), int), PICTURE, r"expected labels of shape \(4, 6\) \(its places\), \(4, 6, 3\)"),
        ("everything", TABLE, "whole numbers"),
        ([[0, 1], [2]], TABLE, "whole numbers|same length|read as an array"),
        (np.zeros((3, 3), int), Part("x", (3, 3, 3), (1,)), "fit input 'x' in several ways.*say what is meant"),
    ],
)  # fmt: skip
def test_what_is_refused(groups, part, message):
    with pytest.raises(tfxai.errors.OptionError, match=message):
        divided(groups, [part], None)


def test_inputs_that_are_missing_or_unknown():
    parts = [Part("a", (3, 2), (1,)), Part("b", (3, 2), (1,))]
    with pytest.raises(tfxai.errors.OptionError, match="nothing for input 'b'"):
        divided({"a": [0, 1]}, parts, None)
    with pytest.raises(tfxai.errors.OptionError, match="by input: Known: a, b"):
        divided({"a": [0, 1], "zzz": [0, 1]}, parts, None)
    with pytest.raises(tfxai.errors.OptionError, match=r"There are 2 inputs \(a, b\): groups= is a list or dict"):
        divided(np.array([0, 1]), parts, None)


def test_words_of_tokens():
    np.testing.assert_array_equal(tfxai.segments.words([None, 0, 0, 1, None]), [2, 0, 0, 1, 2])
    with pytest.raises(tfxai.errors.OptionError, match="as many for each example"):
        tfxai.segments.words([[0, 1], [0]])
    with pytest.raises(tfxai.errors.OptionError, match="whole number or None"):
        tfxai.segments.words([[0, "a"]])


@pytest.mark.parametrize("wrong", [0, 2.5, "3"])
def test_a_grid_of_nothing(wrong):
    with pytest.raises(tfxai.errors.OptionError, match="n is a whole number from 1"):
        tfxai.segments.grid(wrong)
    with pytest.raises(tfxai.errors.OptionError, match="n is a whole number from 1"):
        tfxai.segments.slic(wrong)


def test_what_was_given_is_told_apart_by_what_is_in_it():
    labels = np.arange(10_000).reshape(100, 100) // 100
    one, changed = given(labels), labels.copy()
    changed[50, 50] = 0
    assert given(labels.copy()) == one != given(changed) and repr(one) != repr(given(changed))
    labels[:] = 0
    assert one == given(one) and one.value[99, 99] == 99 and "groups=100" in repr(one)
    assert hash(given([[0, 1], [2, 3]])) == hash(Given([[0, 1], [2, 3]]))
    one, other = given(lambda x: labels), given(lambda x: labels + 1)
    assert one == given(one.value) and one != other
    assert repr(given({"a": ["b", "c"]})) == "{'a': ['b', 'c']}"


def test_one_input_by_name():
    (labels,) = divided({"x": [0, 0, 1, 1]}, [TABLE], None).labels
    np.testing.assert_array_equal(labels, [[0, 0, 1, 1]])
