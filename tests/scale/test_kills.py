"""A job that is killed, cut off or damaged ends with the store of one that ran through, and does nothing twice."""

import collections
import contextlib
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import keras
import numpy as np
import pytest
import zarr.storage._local as disk

import tfxai
from tests.scale.driver import JOB, run
from tests.scale.trapped import Trapped
from tfxai.errors import FileFormatError, StoreError
from tfxai.scale.store import RECORDS, Store

ROOT = Path(__file__).parents[2]
ROWS, CHUNK = 40, 5
X = np.random.default_rng(0).normal(size=(ROWS, 6)).astype("float32")
STARTS = list(range(CHUNK, ROWS, CHUNK))  # of all chunks but the first, whose rows are also read to begin a job


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    keras.utils.set_random_seed(0)
    layers = [keras.Input((6,)), keras.layers.Dense(8, activation="tanh"), keras.layers.Dense(3)]
    path = tmp_path_factory.mktemp("kills") / "model.keras"
    keras.Sequential(layers).save(path)
    return path


@pytest.fixture
def folder(model, tmp_path):
    """What the driver finds in its folder."""
    shutil.copy(model, tmp_path)
    np.save(tmp_path / "x.npy", X)
    return tmp_path


@pytest.fixture(scope="module")
def whole(model, tmp_path_factory):
    """The store of a job that was never stopped."""
    folder = tmp_path_factory.mktemp("whole")
    shutil.copy(model, folder)
    np.save(folder / "x.npy", X)
    return run(folder, folder / "a.zarr")


def _check(out, whole):
    """All is there, and equal to the bit; with its checksums."""
    one, other = Store.at(out), Store.at(whole)
    assert one.record("done").all() and all(one.is_whole(k) for k in range(one.chunks))
    assert one.names == other.names and one.job == other.job
    for name in [*one.names, "checksum", "rounding"]:
        np.testing.assert_array_equal(one.arrays[name][:], other.arrays[name][:], name)


def _reads(folder):
    """How often the rows of each chunk but the first were read."""
    return collections.Counter(s for s, _ in Trapped(X, folder).reads() if s)


class PowerCut(Exception):
    """The process is no more."""


@pytest.fixture
def cut(monkeypatch):
    """Stops this process, as it were, at the n-th file that it writes to a store from now on."""
    left, put = [None], disk._put

    def counted(path, *more, **also):
        if left[0] is not None:
            left[0] -= 1
            if left[0] < 0:
                raise PowerCut(path)
        return put(path, *more, **also)

    monkeypatch.setattr(disk, "_put", counted)
    return lambda n: left.__setitem__(0, n)


def _files(out):
    """The content of every file, but for times and processes."""
    own = {p: p.relative_to(out) for p in Path(out).rglob("*") if p.is_file() and p.suffix != ".partial"}
    return {str(name): p.read_bytes() for p, name in own.items() if name.parts[0] not in ("times", "worker")}


@pytest.mark.long
def test_a_chunk_cut_off_at_any_of_its_files(folder, whole, cut):
    """Nothing says that it is there before all of it is; and again it is written as if nothing had been."""
    source, out, before = Trapped(X, folder), folder / "a.zarr", folder / "before.zarr"
    job = tfxai.scale.Job(folder / "model.keras", source, out, **JOB)
    job.explain_chunk(0), job.explain_chunk(1)
    shutil.copytree(out, before)
    job.explain_chunk(2)
    after, files = _files(out), 0
    while files is not None:
        shutil.rmtree(out)
        shutil.copytree(before, out)
        cut(files)
        try:
            job.explain_chunk(2)
            files = None
        except PowerCut:
            cut(None)
            assert not Store.at(out).is_done(2)
            assert job.explain_chunk(2)
            last, files = files, files + 1
        assert _files(out) == after
    assert last + 1 == len(job.store.names) + len(RECORDS)


def test_a_store_cut_off_while_it_is_made_is_not_there(folder, cut, monkeypatch):
    arguments, created = [], Store.created
    monkeypatch.setattr(Store, "created", lambda *given: arguments.append(given) or created(*given))
    tfxai.scale.Job(folder / "model.keras", Trapped(X, folder), folder / "a.zarr", **JOB)
    out, files = folder / "b.zarr", 0
    while not out.exists():
        cut(files)
        with contextlib.suppress(PowerCut):
            created(out, *arguments[0][1:])
        cut(None)
        files += 1
        assert Store.at(out) is None or _files(out) == _files(folder / "a.zarr")
    assert files > 10 and not list(folder.glob("*.tmp"))


def test_two_processes_make_a_store_at_once(folder, whole, monkeypatch):
    """The second is done with it while the first is about to put its own there."""
    out, rename, other = folder / "a.zarr", os.rename, []

    def late(source, target):
        if not other:
            other.append(True)
            run(folder, out, shard=(1, 2))
        rename(source, target)

    monkeypatch.setattr(os, "rename", late)
    run(folder, out, shard=(0, 2))
    _check(out, whole)
    assert set(_reads(folder).values()) == {1}


def _process(folder, out, engine="local", *shard, **environment):
    return subprocess.Popen(
        [sys.executable, ROOT / "tests/scale/driver.py", folder, out, engine, *map(str, shard)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0", **environment}, cwd=ROOT,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def _until(happens, process, seconds=120):
    """Waits for it while the process lives."""
    end = time.monotonic() + seconds
    while not happens():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.long
def test_killed_within_a_chunk(folder, whole):
    """A real process and a real SIGKILL, and another process that goes on: this one."""
    out, source = folder / "a.zarr", Trapped(X, folder)
    source.set(3 * CHUNK, "stops")
    process = _process(folder, out)
    _until((folder / "stopped").exists, process)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    before = Store.at(out).record("times")
    assert Store.at(out).record("done").tolist() == 3 * [True] + 5 * [False]
    run(folder, out)
    _check(out, whole)
    assert _reads(folder) == {s: 1 + (s == 3 * CHUNK) for s in STARTS}
    np.testing.assert_array_equal(Store.at(out).record("times")[:3], before[:3])


def _damaged(out, name, index, change):
    [path] = Path(out, name, "c", str(index)).rglob("*") if Path(out, name, "c", str(index)).is_dir() else [
        Path(out, name, "c", str(index))]  # fmt: skip
    path.write_bytes(change(path.read_bytes()))


DAMAGES = {
    "cut off": lambda held: held[: len(held) // 2],
    "empty": lambda held: b"",
    "a byte flipped": lambda held: held[:-5] + bytes([held[-5] ^ 1]) + held[-4:],
}


@pytest.mark.long
@pytest.mark.parametrize("name", ["values", "score", "checksum", "done", "rounding"])
def test_damage_is_found_and_explained_again(folder, whole, name):
    """By the checksum, whatever file of a chunk it is in; the other chunks are not touched."""
    shutil.copytree(whole, folder / "a.zarr")
    for index, change in zip((1, 3, 4), DAMAGES.values(), strict=True):
        _damaged(folder / "a.zarr", name, index, change)
    run(folder, folder / "a.zarr")
    _check(folder / "a.zarr", whole)
    assert set(_reads(folder)) <= {1 * CHUNK, 3 * CHUNK, 4 * CHUNK}


def test_a_store_copied_while_it_is_written(folder, whole):
    """Its files are of different moments: marks that are newer than the values beside them are not believed."""
    out, copy = folder / "a.zarr", folder / "copy.zarr"
    job = tfxai.scale.Job(folder / "model.keras", Trapped(X, folder), out, **JOB)
    for index in range(4):
        job.explain_chunk(index)
        if index == 1:
            shutil.copytree(out, copy)  # of the values
    for record in RECORDS:
        shutil.copytree(out / record, copy / record, dirs_exist_ok=True)
    assert Store.at(copy).record("done").sum() == 4
    (folder / "reads").write_text("")
    run(folder, copy)
    _check(copy, whole)
    assert set(_reads(folder)) == set(STARTS[1:])


@contextlib.contextmanager
def _disk(size):
    """A file system of so many bytes, or of none that can be written, and what makes room; None where that takes rights
    that this process does not have.
    """
    with tempfile.TemporaryDirectory() as place:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], capture_output=True)
        if mounted.returncode:
            yield None
            return
        try:
            yield Path(place), lambda more: subprocess.run(["mount", "-o", f"remount,{more}", place], check=True)
        finally:
            subprocess.run(["umount", "-l", place], check=True)


@contextlib.contextmanager
def _files_of_at_most(size):
    """The same limit by the kernel on each file: what a process without rights can ask for."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


WIDE = np.random.default_rng(1).normal(size=(ROWS, 6000)).astype("float32")  # random numbers do not pack


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """A job whose chunks take space, and its store."""
    keras.utils.set_random_seed(1)
    folder = tmp_path_factory.mktemp("wide")
    keras.Sequential([keras.Input((6000,)), keras.layers.Dense(2, activation="tanh")]).save(folder / "model.keras")
    np.save(folder / "x.npy", WIDE)
    return folder, run(folder, folder / "a.zarr")


FULL = "Nothing more can be written to .*: {}. What was marked as done is whole; make room.*resume=True"


@pytest.mark.long
def test_no_space_left(wide):
    folder, whole = wide
    space = sum(p.stat().st_size for p in Path(whole).rglob("*") if p.is_file())
    assert space > 500_000
    with _disk(space // 2) as found:
        if found is None:  # without a disk of its own: the next test is of a limit that any process can set itself
            return
        place, remount = found
        (folder / "reads").write_text("")
        with pytest.raises(StoreError, match=FULL.format("No space left on device")):
            run(folder, place / "a.zarr")
        done = Store.at(place / "a.zarr").record("done")
        assert 0 < done.sum() < len(done) - 1 and all(done[: done.sum()])
        remount(f"size={4 * space}")
        run(folder, place / "a.zarr")
        _check(place / "a.zarr", whole)
        assert _reads(folder) == {s: 1 + (s == CHUNK * done.sum()) for s in STARTS}


@pytest.mark.long
def test_a_file_that_becomes_too_large(wide, tmp_path):
    folder, whole = wide
    with _files_of_at_most(50_000), pytest.raises(StoreError, match=FULL.format("File too large")):
        run(folder, tmp_path / "a.zarr")
    assert not Store.at(tmp_path / "a.zarr").record("done").any()
    run(folder, tmp_path / "a.zarr")
    _check(tmp_path / "a.zarr", whole)


@contextlib.contextmanager
def _nobody():
    """For root, to whom everything is permitted: as another user."""
    if os.getuid():
        yield
        return
    os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def test_no_permission(model, whole):
    """To make a store, and to go on with one that somebody else has made; reading it is permitted."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        shutil.copytree(whole, folder / "done.zarr")
        shutil.copytree(whole, folder / "begun.zarr")
        Store.at(folder / "begun.zarr").drop(3)
        shutil.copy(model, folder)
        np.save(folder / "x.npy", X)
        (folder / "reads").touch(0o666)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444 if path.name != "reads" else 0o666)
        try:
            with _nobody():
                for name in ("new.zarr", "begun.zarr"):
                    with pytest.raises(StoreError, match=FULL.format("Permission denied")):
                        run(folder, folder / name)
                assert run(folder, folder / "done.zarr") == folder / "done.zarr"
                assert tfxai.scale.open(folder / "begun.zarr").done.sum() == 7
        finally:
            for path in (folder, *(p for p in folder.rglob("*") if p.is_dir())):
                path.chmod(0o755)


@pytest.mark.long
def test_something_else_is_at_its_path(folder):
    (folder / "notes.txt").write_text("mine")
    (folder / "full").mkdir()
    (folder / "full" / "notes.txt").write_text("mine")
    (folder / "empty").mkdir()
    for name in ("notes.txt", "full"):
        with pytest.raises(FileFormatError, match=f"{name}' is no store of explanations.*another path with out="):
            run(folder, folder / name)
    assert (folder / "notes.txt").read_text() == (folder / "full" / "notes.txt").read_text() == "mine"
    with pytest.raises(StoreError, match="notes.txt/a.zarr': (File exists|Not a directory)"):
        run(folder, folder / "notes.txt" / "a.zarr")
    run(folder, folder / "empty")  # as good as nothing
    assert Store.at(folder / "empty").record("done").all()


MANY = np.random.default_rng(2).normal(size=(400, 6)).astype("float32")


@pytest.fixture
def long(folder):
    """A job of 80 chunks, and its store."""
    np.save(folder / "x.npy", MANY)
    whole = run(folder, folder / "whole.zarr")
    (folder / "reads").write_text("")
    (folder / "pace").write_text("0.03")  # long enough for those who kill
    return folder, whole


class Victims:
    """Processes that are killed at random moments of their work, with what each of them has read."""

    def __init__(self, folder, out, seed):
        self.source, self.out, self.rng, self.killed = Trapped(MANY, folder), out, np.random.default_rng(seed), []

    def kill_ten(self, shards):
        """One process for each shard at once; whichever has read some chunks is killed, and another begun for it."""
        running = {shard: self._start(shard) for shard in shards}
        while len(self.killed) < 10:
            for shard, (process, chunks) in running.items():
                assert process.poll() is None, process.communicate()[1]
                if len(self.read_by(process.pid)) >= chunks and len(self.killed) < 10:
                    time.sleep(self.rng.uniform(0, 0.05))  # somewhere within a chunk
                    process.send_signal(signal.SIGKILL)
                    assert process.wait() == -signal.SIGKILL
                    self.killed.append(process.pid)
                    running[shard] = self._start(shard)
            time.sleep(0.01)
        assert all(process.wait() == 0 for process, _ in running.values())

    def _start(self, shard):
        return _process(self.source.folder, self.out, "local", *shard), self.rng.integers(1, 6)

    def read_by(self, pid):
        return [start for start, own in self.source.reads() if own == pid and start]

    def check(self, whole):
        """Each chunk was explained once, and once more for each process that was killed at it."""
        _check(self.out, whole)
        starts = range(CHUNK, len(MANY), CHUNK)
        at = collections.Counter(self.read_by(pid)[-1] for pid in self.killed)
        read = collections.Counter(start for start, _ in self.source.reads() if start)
        assert len(self.killed) == 10 and set(read) == set(starts)
        assert all(1 <= read[start] <= 1 + at[start] for start in starts)


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 4])
def test_killed_ten_times(long, count):
    """One process; and four at once, which make the store at once, too."""
    folder, whole = long
    victims = Victims(folder, folder / "a.zarr", count)
    victims.kill_ten([(k, count) for k in range(count)])
    victims.check(whole)


@pytest.mark.slow
def test_four_at_once(long):
    folder, whole = long
    running = [_process(folder, folder / "a.zarr", "local", k, 4) for k in range(4)]
    assert [process.wait() for process in running] == 4 * [0]
    _check(folder / "a.zarr", whole)
    assert set(collections.Counter(s for s, _ in Trapped(MANY, folder).reads() if s).values()) == {1}
    workers = [bytes(w) for w in Store.at(folder / "a.zarr").record("worker")]
    assert len(set(workers)) == 4 and all(w == workers[k % 4] for k, w in enumerate(workers))


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_the_driver_of_actors_ends_within_a_chunk(folder, whole, sent):
    """Its actors end with it, whoever ends it; what they had done is kept."""
    pytest.importorskip("ray")
    out, source = folder / "a.zarr", Trapped(X, folder)
    source.set(3 * CHUNK, "stops")
    process = _process(folder, out, "ray")
    _until((folder / "stopped").exists, process)
    actor = int((folder / "stopped").read_text())
    assert actor != process.pid
    process.send_signal(sent)
    assert process.wait() == -sent
    end = time.monotonic() + 60
    while Path(f"/proc/{actor}").exists():
        assert time.monotonic() < end
        time.sleep(0.1)
    done = Store.at(out).record("done")
    assert not done[3] and done[:3].all()
    run(folder, out)
    _check(out, whole)
    again = _reads(folder)
    assert all(again[s] == 1 for k, s in enumerate(STARTS, 1) if done[k])


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_a_cluster_that_runs_is_used_by_its_address(folder, whole):
    """And runs on behind the job. Who does not have its token is refused."""
    pytest.importorskip("ray")
    place = tempfile.mkdtemp()  # its sockets need a short path
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": uuid.uuid4().hex}
    command = ["--head", "--block", "--num-cpus=2", "--port=0", "--include-dashboard=false", f"--temp-dir={place}"]
    cluster = subprocess.Popen(
        [Path(sys.executable).with_name("ray"), "start", *command], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0", **token}, start_new_session=True,
    )  # fmt: skip
    try:
        line = next(line for line in cluster.stdout if "--address=" in line)
        address = re.search(r"--address='?([\d.:]+)", line)[1]
        known = _process(folder, folder / "a.zarr", "ray", RAY_ADDRESS=address, **token)
        assert known.wait() == 0, known.communicate()[1]
        assert cluster.poll() is None
        _check(folder / "a.zarr", whole)
        assert len({process for _, process in Trapped(X, folder).reads()}) > 1
        wrong = token | {"RAY_AUTH_TOKEN": uuid.uuid4().hex}
        stranger = _process(folder, folder / "b.zarr", "ray", RAY_ADDRESS=address, **wrong)
        _, said = stranger.communicate()
        assert stranger.returncode == 1 and f"No cluster of Ray answers at RAY_ADDRESS='{address}'" in said
    finally:
        cluster.send_signal(signal.SIGTERM)
        cluster.communicate()
        shutil.rmtree(place, ignore_errors=True)
