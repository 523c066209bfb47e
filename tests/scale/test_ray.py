"""Ray itself: actors that share a job, that die, that fail. One session for all: each actor costs an import of
TensorFlow."""

import collections
import os
import signal
import threading
import time
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfxai
from tests.scale.trapped import Trapped
from tfxai.errors import InputError, InputTypeError, ModelTypeError, OptionError, WorkerError
from tfxai.explainer.batches import Batch
from tfxai.scale.engines import ray as engine

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.xdist_group("ray")
X = np.random.default_rng(0).normal(size=(40, 6)).astype("float32")
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F"}  # as the kernel writes it


def _left():
    """What Ray changes in this process, and is put back."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    return environment, signal.getsignal(signal.SIGTERM), os.getcwd()


@pytest.fixture(scope="module")
def session():
    """As the engine starts it, of two cores."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Ray's own
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.delenv("RAY_ADDRESS", raising=False)
        before = _left()
        with engine.session(ray, num_cpus=2):
            yield
        assert _left() == before


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(8, activation="relu"), keras.layers.Dense(3)])
    path = tmp_path_factory.mktemp("ray") / "model.keras"
    model.save(path)
    return path


@pytest.fixture
def asked(tmp_path):
    """A job whose every part has to be sent: functions, a method, a source of the tests' own."""
    return {"source": Trapped(X, tmp_path), "method": tfxai.SmoothGrad(samples=3), "chunk": 5, "seed": 3, "verbose": 0,
            "target": lambda y: y[:, 1] - y[:, 0], "baseline": lambda x: 0.5 * x}  # fmt: skip


def _same(one, other):
    a, b = tfxai.scale.open(one), tfxai.scale.open(other)
    assert a.keys() == b.keys() and a.done.all() and b.done.all()
    for name in a.keys():
        np.testing.assert_array_equal(a[name], b[name])


def _listening():
    """Where the processes that this one has started listen, as the kernel writes it."""
    parents = {int(p.name): int(p.joinpath("stat").read_text().rpartition(")")[2].split()[1])
               for p in Path("/proc").iterdir() if p.name.isdigit()}  # fmt: skip
    mine = {os.getpid()}
    while more := {p for p, parent in parents.items() if parent in mine} - mine:
        mine |= more
    held = {os.readlink(link) for p in mine for link in Path(f"/proc/{p}/fd").iterdir() if link.is_symlink()}
    lines = [line.split() for f in ("tcp", "tcp6") for line in Path(f"/proc/net/{f}").read_text().splitlines()[1:]]
    return [line[1].split(":")[0] for line in lines if line[3] == "0A" and f"socket:[{line[9]}]" in held]


@pytest.mark.long
def test_nobody_else_reaches_the_session(session):
    addresses = _listening()
    assert len(addresses) > 3 and set(addresses) <= LOOPBACK


def _by_one_process(path, asked, folder):
    return tfxai.scale.explain_dataset(path, out=folder / "one.zarr", **asked)


@pytest.mark.long
def test_two_actors_on_two_cores_explain_what_one_process_does(session, path, asked, tmp_path):
    one = _by_one_process(path, asked, tmp_path)
    local = collections.Counter(start for start, _ in asked["source"].reads())
    two = tfxai.scale.explain_dataset(path, out=tmp_path / "two.zarr", engine="ray", workers=2, **asked)
    _same(one, two)
    reads = asked["source"].reads()
    assert len({process for _, process in reads}) == 3  # this one, and two actors
    assert all(n == 2 * local[start] for start, n in collections.Counter(s for s, _ in reads).items() if start)


@pytest.mark.long
def test_an_actor_that_is_killed_is_replaced_and_what_one_meets_comes_back(session, path, asked, tmp_path):
    source, out = asked["source"], tmp_path / "a.zarr"
    source.set(15, "dies_once")
    source.set(30, "fails")
    with pytest.raises(InputError, match=r"^This example cannot be read\.$"):
        tfxai.scale.explain_dataset(path, out=out, engine="ray", workers=1, **asked)
    reads = source.reads()
    assert [start for start, _ in reads if start] == [5, 10, 15, 15, 20, 25, 30]  # the chunk again, first of all
    assert len({process for _, process in reads}) == 3  # this one, and two actors
    assert tfxai.scale.open(out).done.tolist() == 6 * [True] + 2 * [False]
    assert ray.is_initialized()  # not ours to shut down
    (tmp_path / "30").unlink()
    _same(tfxai.scale.explain_dataset(path, out=out, **asked), _by_one_process(path, asked, tmp_path))


@pytest.mark.long
def test_workers_and_gpus_that_are_not_there(session, path, asked, tmp_path):
    def refused(match, **more):
        with pytest.raises(OptionError, match=match):
            tfxai.scale.explain_dataset(path, out=tmp_path / "a.zarr", engine="ray", **asked, **more)

    refused("3 workers of 1 core and num_gpus=0 each take 3 cores; Ray has 2. Pass fewer", workers=3)
    refused("2 workers of 1 core and num_gpus=0.5 each take 1 GPUs; Ray has 0", workers=2, num_gpus=0.5)
    refused("1 workers of 1 core and num_gpus=1 each take 1 GPUs; Ray has 0", num_gpus=1)
    refused("workers is a whole number from 1, or None", workers=0)
    refused("num_gpus is how many GPUs each worker has", num_gpus=-1)


@pytest.mark.long
def test_a_cluster_without_room_is_waited_for_and_a_chunk_that_kills_is_named(
    session, path, asked, tmp_path, monkeypatch
):
    @ray.remote(num_cpus=2)
    class Other:
        def here(self):
            return True

    other, said = Other.remote(), []
    assert ray.get(other.here.remote())

    def freed(words, category):
        said.append((words, category))
        ray.kill(other)

    monkeypatch.setattr(engine, "PATIENCE", 0.2)
    monkeypatch.setattr(engine, "DEATHS", 1)  # each costs an import of TensorFlow
    monkeypatch.setattr(engine, "warn", freed)
    asked["source"].set(10, "dies")
    with pytest.raises(WorkerError, match=r"^1 worker died at chunk 2, the last by: .*smaller batch_size"):
        tfxai.scale.explain_dataset(path, out=tmp_path / "a.zarr", engine="ray", workers=1, **asked)
    assert tfxai.scale.open(tmp_path / "a.zarr").done.tolist() == 2 * [True] + 6 * [False]
    stuck = (
        "No worker runs after 0.2 s: each takes 1 core and num_gpus=0. Free in the cluster: 0 of 2 cores, 0 of 0 GPUs. "
        "The job goes on when other work there has ended."
    )
    assert said == [(stuck, UserWarning)]


class _Holding(Trapped):
    def __init__(self, x, held):
        super().__init__(x, os.devnull)
        self.held = held

    def read(self, start, stop):
        return Batch(self.x[start:stop])


def test_what_cannot_be_sent_is_named_before_anything_is_made(path, tmp_path, monkeypatch):
    monkeypatch.setattr(ray, "init", lambda *a, **k: pytest.fail("Ray was started"))
    model, lock = keras.saving.load_model(path), threading.Lock()
    weights = tf.Variable([1.0, 0.0, 0.0])

    def refused(kind, match, model=path, source=X, **more):
        with pytest.raises(kind, match=match):
            tfxai.scale.explain_dataset(model, source, tmp_path / "a.zarr", engine="ray", verbose=0, **more)

    def locked(y):
        with lock:
            return y[:, 0]

    refused(ModelTypeError, r"sends workers the path of a model.*model.save\('model.keras'\)", model=model)
    refused(
        InputTypeError,
        "target= cannot be sent.*cannot pickle '_thread.lock' object.*of its output alone",
        target=locked,
    )
    refused(
        InputTypeError,
        "target= cannot.*holds a .*Variable.*never pickled",
        target=lambda y: tf.linalg.matvec(y, weights),
    )
    refused(InputTypeError, "baseline= cannot.*holds a Sequential, and a model is never pickled.*an array",
            baseline=lambda x: 0 * x * model.count_params())  # fmt: skip
    assert not (tmp_path / "a.zarr").exists()
    refused(InputTypeError, "source= cannot be sent.*holds a ResourceVariable.*Pass files", source=_Holding(X, weights))


@pytest.mark.slow
def test_actors_killed_at_random_moments(session, path, tmp_path):
    """From outside, while others work: five times, each after some chunks."""
    x = np.random.default_rng(1).normal(size=(2000, 6)).astype("float32")
    source, rng, killed = Trapped(x, tmp_path), np.random.default_rng(0), []
    asked = {"source": source, "method": "smoothgrad", "samples": 50, "chunk": 5, "seed": 3, "target": 1, "verbose": 0}
    whole = tfxai.scale.explain_dataset(path, out=tmp_path / "whole.zarr", **asked)
    (tmp_path / "reads").write_text("")

    def of(process):
        return [start for start, own in source.reads() if own == process and start]

    def kill():
        while len(killed) < 5:
            living = {own for start, own in source.reads() if start and own != os.getpid()} - set(killed)
            ready = [own for own in living if len(of(own)) >= 3]
            if ready:
                killed.append(int(rng.choice(ready)))
                os.kill(killed[-1], signal.SIGKILL)
            time.sleep(rng.uniform(0, 0.2))

    killer = threading.Thread(target=kill)
    killer.start()
    out = tfxai.scale.explain_dataset(path, out=tmp_path / "a.zarr", engine="ray", workers=2, **asked)
    killer.join()
    _same(out, whole)
    at = collections.Counter(of(process)[-1] for process in killed)
    read = collections.Counter(start for start, _ in source.reads() if start)
    assert len(read) == 399 and all(1 <= n <= 1 + at[start] for start, n in read.items())


def test_an_address_at_which_nobody_answers(path, asked, tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")

    def nobody(**given):
        raise ConnectionError("as Ray does after some seconds")

    monkeypatch.setattr(ray, "init", nobody)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(WorkerError, match="No cluster of Ray answers at RAY_ADDRESS='127.0.0.1:9'.*ray start --head"):
        tfxai.scale.explain_dataset(path, out=tmp_path / "a.zarr", engine="ray", **asked)
