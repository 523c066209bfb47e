"""Rows in which something is hidden, written out by hand."""

import numpy as np
import pytest
import tensorflow as tf

from tfxai.model.hidden import chosen, mixed, painted

X, BLANK = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], "float32"), np.array([[10.0, 20.0, 30.0]], "float32")


def test_windows_are_painted_copy_after_copy():
    windows = [(slice(None), slice(0, 1)), (slice(None), slice(1, 3))]
    want = [[10, 2, 3], [1, 20, 30], [10, 5, 6], [4, 20, 30]]
    np.testing.assert_array_equal(painted(X, BLANK, windows), want)
    own = np.stack([BLANK[0], -BLANK[0]])  # a blank of each example
    np.testing.assert_array_equal(painted(X, own, windows[:1]), [[10, 2, 3], [-10, 5, 6]])
    np.testing.assert_array_equal(X, [[1, 2, 3], [4, 5, 6]])


def test_what_is_shown_is_chosen_whole_along_axes_of_one():
    pictures = np.arange(8.0).reshape(1, 2, 2, 2)
    made = chosen(pictures, np.full((1, 2, 2, 2), 9.0), np.array([[[[[True], [False]], [[False], [True]]]]]))
    np.testing.assert_array_equal(made, [[[[0, 1], [9, 9]], [[9, 9], [6, 7]]]])
    words = chosen(np.array([[b"a", b"b"]], object), np.array([[b"z", b"z"]], object), np.array([[[True, False]]]))
    assert words.numpy().tolist() == [[b"a", b"z"]]


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "bfloat16", "float32", "float64", "complex64",
                                   "complex128"])  # fmt: skip
def test_the_numbers_are_those_that_were_chosen_bit_by_bit(dtype):
    x = np.array([[0, 1, 3], [1, 0, 2]]).astype(tf.as_dtype(dtype).as_numpy_dtype)
    blank = np.array([[1, 1, 0]]).astype(x.dtype)
    if dtype.startswith(("float", "bfloat")):
        x[0, 0], blank[0, 1], x[1, 1] = np.nan, np.inf, -0.0
    made = chosen(x, blank, np.array([[[True, False, True], [False, True, False]]])).numpy()
    want = [[x[0, 0], blank[0, 1], x[0, 2]], [blank[0, 0], x[0, 1], blank[0, 2]],
            [x[1, 0], blank[0, 1], x[1, 2]], [blank[0, 0], x[1, 1], blank[0, 2]]]  # fmt: skip
    assert made.dtype == x.dtype and made.tobytes() == np.array(want, x.dtype).tobytes()


@pytest.mark.parametrize("finite", [True, False])
def test_halves_lie_between(finite):
    masks = np.array([[0.25, 0.0, 1.0]])
    np.testing.assert_array_equal(mixed(X[:1], BLANK, masks, finite), [[7.75, 20, 3]])


def test_what_is_missing_is_so_where_it_is_shown_at_all():
    x = np.array([[np.nan, np.nan, np.nan]], "float32")
    np.testing.assert_array_equal(mixed(x, BLANK, np.array([[0.5, 0.0, 1.0]]), False), [[np.nan, 20, np.nan]])
    np.testing.assert_array_equal(mixed(x, BLANK, np.array([[1.0, 0.0, 0.0]]), False), [[np.nan, 20, 30]])


def test_bytes_are_mixed_without_wrapping_and_rounded():
    made = mixed(np.array([[250, 3]], "uint8"), np.array([[10, 0]], "uint8"), np.array([[0.1, 0.9]]), True)
    assert made.dtype == np.uint8 and made.numpy().tolist() == [[34, 3]]
