"""How far a job is: by hand from the records of its store."""

import numpy as np
import pytest

import tfxai
from tfxai.scale.status import duration, status
from tfxai.scale.store import Store

pytest.importorskip("zarr")
NOW = 10_000.0


@pytest.fixture
def store(tmp_path):
    """Five chunks of 4 examples, the last of 2."""
    out = tfxai.scale.explain_dataset(lambda x: 2 * x, np.ones((18, 1), "float32"), tmp_path / "a.zarr", target=0,
                                      chunk=4, verbose=0)  # fmt: skip
    return Store.at(out)


def _record(store, k, worker, begun, finished):
    store.arrays["times"][k] = [begun, finished]
    store.arrays["worker"][k] = np.frombuffer(worker.encode().ljust(64, b"\0"), np.uint8)


def test_rates_and_what_is_left(store):
    for k, (worker, begun, finished) in enumerate([("a:1", 9900, 9910), ("b:2", 9900, 9990), ("a:1", 9910, 9930)]):
        _record(store, k, worker, begun, finished)
    store.drop(3), store.drop(4)
    found = status(store, NOW)
    assert found.chunks == (3, 5) and found.examples == (12, 18)
    assert [(w.name, w.chunks, w.ago, w.works) for w in found.workers] == [("b:2", 1, 10, True), ("a:1", 2, 70, False)]
    assert [w.rate for w in found.workers] == pytest.approx([4 / 90, 8 / 30])
    assert found.rate == pytest.approx(4 / 90) and found.left == pytest.approx(6 / (4 / 90))  # b alone works still
    text = str(found).splitlines()
    assert text[0].endswith("a.zarr, deeplift: 3 of 5 chunks done, 12 of 18 examples (67%)")
    assert text[1:] == ["  0.0444 examples/s, about 2 min left", "  b:2: 1 chunks, 0.0444 examples/s, last 10 s ago",
                        "  a:1: 2 chunks, 0.267 examples/s, last 70 s ago"]  # fmt: skip


def test_slow_workers_are_waited_for(store):
    _record(store, 0, "a:1", 0, 9000)  # a chunk takes hours: 1,000 s without one say nothing
    for k in range(1, 5):
        store.drop(k)
    assert status(store, NOW).workers[0].works and status(store, NOW).left == pytest.approx(14 / (4 / 9000))
    assert status(store, NOW + 30_000).left is None
    assert "nobody has finished a chunk lately: start it again" in str(status(store, NOW + 30_000))


def test_nothing_and_all_are_done(store):
    assert status(store).left == 0 and "left" not in str(status(store))
    for k in range(5):
        store.drop(k)
    found = status(store)
    assert found.workers == [] and found.left is None and found.examples == (0, 18)


def test_durations():
    assert [duration(s) for s in (0, 119, 120, 7199, 7200, 172800)] == [
        "0 s",
        "119 s",
        "2 min",
        "120 min",
        "2.0 h",
        "2.0 days",
    ]
