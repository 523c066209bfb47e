"""Chunks that are written in several pieces, each while the next is explained."""

import keras
import numpy as np
import pytest

import tfxai
from tfxai import scale
from tfxai.errors import StoreError
from tfxai.scale import store as stores
from tfxai.scale.store import Store, Writer


@pytest.fixture(scope="module")
def model(seeded_module):
    bent = keras.layers.Dense(5, "relu", bias_initializer="random_normal")
    return keras.Sequential([keras.Input((4,)), bent, keras.layers.Dense(3)])


@pytest.fixture(scope="module")
def x(seeded_module):
    return np.random.default_rng(1).normal(size=(20, 4)).astype("float32")


@pytest.fixture
def job(model, x, tmp_path, monkeypatch):
    """Of chunks of 6 examples, in pieces of 2."""
    monkeypatch.setattr(stores, "PIECE", 2 * 4 * 4)  # bytes of two rows of values
    monkeypatch.setattr(stores, "NARROW", 6 * 4)  # of the scores of a chunk
    return scale.Job(model, x, tmp_path / "a.zarr", chunk=6)


def test_pieces_make_the_chunk(job, model, x):
    assert job.store.pieces(1) == [range(6, 8), range(8, 10), range(10, 12)] and job.store.pieces(3) == [range(18, 20)]
    for index in range(job.store.chunks):
        assert job.explain_chunk(index)
    e, opened = tfxai.explain(model, x, verbose=0), scale.open(job.store.path)
    for name in ("values", "score", "delta", "target"):
        np.testing.assert_allclose(np.asarray(opened[name]), getattr(e, name), atol=1e-6)
    assert all(job.store.is_whole(k) for k in range(4))


def test_narrow_arrays_are_one_piece_of_the_chunk(job, monkeypatch, model, x, tmp_path):
    assert job.store.arrays["values"].chunks == (2, 4) and job.store.arrays["score"].chunks == (6,)
    monkeypatch.setattr(stores, "NARROW", 3 * 4)
    other = scale.Job(model, x, tmp_path / "b.zarr", chunk=6)
    assert other.store.arrays["score"].chunks == (2,)
    for one in (job, other):
        one.explain_chunk(2)
    a, b = (scale.open(one.store.path) for one in (job, other))
    for name in a.keys():
        np.testing.assert_array_equal(np.asarray(a[name][12:18]), np.asarray(b[name][12:18]))


def test_nothing_is_done_before_all_is_written(job, monkeypatch):
    """What finish finds: all values, and a record that says that they are not done."""
    found = {}
    finish = Writer.finish

    def looked(self):
        there = Store.at(self.store.path)
        found.update(values=there.arrays["values"][6:12], done=there.is_done(1))
        finish(self)

    monkeypatch.setattr(Writer, "finish", looked)
    job.explain_chunk(1)
    assert np.isfinite(found["values"]).all() and not found["done"] and job.store.is_done(1)


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_piece_that_cannot_be_written(job, monkeypatch, at):
    """The error comes out, at whichever piece, and the chunk is not done; called again it is, and whole."""
    write = Writer.piece

    def refused(self, rows, arrays):
        if rows.start == 6 + 2 * at:
            raise StoreError("no space")
        write(self, rows, arrays)

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "piece", refused)
        with pytest.raises(StoreError, match="no space"):
            job.explain_chunk(1)
    assert not job.store.is_done(1) and 1 in job.todo()
    assert job.explain_chunk(1) and job.store.is_whole(1)


def test_a_piece_that_cannot_be_explained(job, monkeypatch):
    explained = type(job).explained

    def failed(self, rows):
        if rows.start == 10:
            raise ValueError("a bad row")
        return explained(self, rows)

    with monkeypatch.context() as patch:
        patch.setattr(type(job), "explained", failed)
        with pytest.raises(ValueError, match="a bad row"):
            job.explain_chunk(1)
    assert not job.store.is_done(1) and np.isnan(job.store.arrays["score"][6:12]).all()
    assert job.explain_chunk(1) and job.store.is_whole(1)


@pytest.mark.parametrize("dtype, digits", [("float16", 11), ("bfloat16", 8)])
def test_the_largest_change_is_that_of_numpy(model, x, tmp_path, dtype, digits):
    out = scale.explain_dataset(model, x, tmp_path / "a.zarr", dtype=dtype, chunk=7, verbose=0)
    values = tfxai.explain(model, x, verbose=0).values
    opened = scale.open(out)
    change = np.abs(values.astype("float64") - np.asarray(opened["values"]).astype("float64")).max()
    assert opened.rounding == pytest.approx(change, rel=1e-3, abs=1e-7)
    assert 0 < change <= np.abs(values).max() * 2.0**-digits


def test_changes_of_what_is_not_finite_are_none():
    array = np.array([np.nan, np.inf, -np.inf, 1.0, 70000.0], "float32")
    with np.errstate(over="ignore"):
        stored = array.astype("float16")
    assert stores._change(array[:4], stored[:4]) == 0 and stores._change(array[:3], stored[:3]) == 0
    assert stores._change(array, stored) == np.inf  # a number that became none
