"""Each kind of source gives, in any stretch, what the plain array of the same examples gives."""

import json
import pickle
import re
import threading

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import tfxai
from tfxai.scale.sources import opened
from tfxai.scale.sources.digests import of_file, spread

SETTINGS = settings(max_examples=40, deadline=None, derandomize=True)
N = 53  # of batches of 8: the last holds 5
X = np.random.default_rng(3).normal(size=(N, 4, 3)).astype("float32")
Y = np.arange(N) % 5
ONE = [("x", (None, 4, 3), "float32")]
TWO = [("a", (None, 4, 3), "float32"), ("b", (None, 2), "float32")]
B = np.random.default_rng(4).normal(size=(N, 2)).astype("float32")


class Numbered(keras.utils.PyDataset):
    """(x, y) in batches of 8, and how often each was read."""

    def __init__(self, x=X, y=Y, size=8, **options):
        super().__init__(**options)
        self.x, self.y, self.size, self.read, self.epochs = x, y, size, [], 0

    def __len__(self):
        return -(-len(self.x) // self.size)

    def __getitem__(self, k):
        self.read.append(k)
        where = slice(k * self.size, (k + 1) * self.size)
        return (self.x[where], self.y[where]) if self.y is not None else self.x[where]

    def on_epoch_end(self):
        self.epochs += 1


def _npy(path, x=X):
    np.save(path / "x.npy", x)
    return path / "x.npy"


def _fortran(path, x=X):
    np.save(path / "f.npy", np.asfortranarray(x))
    return path / "f.npy"


def _part_of_a_map(path, x=X):
    whole = np.concatenate([x[:7] + 1, x, x[:2]])
    return np.load(_npy(path, whole), mmap_mode="r")[7 : 7 + len(x)]


def _turned_map(path, x=X):
    return np.load(_npy(path, x[::-1, ::-1].copy()), mmap_mode="r+")[::-1, ::-1]


def _private_map(path, x=X):
    mapped = np.load(_npy(path, np.zeros_like(x)), mmap_mode="c")
    mapped[:] = x  # in memory alone: the file keeps its zeros
    return mapped


def _npz(path, x=X):
    np.savez(path / "x.npz", x=x, other=np.zeros(3))
    return path / "x.npz"


def _compressed(path, x=X):
    np.savez_compressed(path / "c.npz", x)
    return path / "c.npz"


def _hdf5(path, x=X):
    with h5py.File(path / "x.h5", "w") as file:
        file["deep/inside"] = x
        file["other"] = np.zeros(3)
    return str(path / "x.h5") + "::/deep/inside"


def _zarr(path, x=X):
    zarr = pytest.importorskip("zarr")
    zarr.create_array(path / "x.zarr", data=x, chunks=(10, 4, 3))
    return path / "x.zarr"


def _zarr_in_memory(path, x=X):
    return pytest.importorskip("zarr").create_array({}, data=x, chunks=(10, 4, 3))


def _batched(x=X):
    return tf.data.Dataset.from_tensor_slices(x).batch(8)


KINDS = {
    "array": lambda path, x=X: x,
    "double": lambda path, x=X: x.astype("float64"),
    "tensor": lambda path, x=X: tf.constant(x),
    "variable": lambda path, x=X: keras.Variable(x),
    "numbers": lambda path, x=X: x.tolist(),
    "examples": lambda path, x=X: list(x),
    "npy": _npy,
    "fortran": _fortran,
    "map": lambda path, x=X: np.load(_npy(path, x), mmap_mode="r"),
    "part of a map": _part_of_a_map,
    "turned map": _turned_map,
    "private map": _private_map,
    "npz": _npz,
    "compressed": _compressed,
    "hdf5": _hdf5,
    "open hdf5": lambda path, x=X: h5py.File(_hdf5(path, x).split("::")[0], "r")["deep/inside"],
    "zarr": _zarr,
    "open zarr": lambda path, x=X: pytest.importorskip("zarr").open(_zarr(path, x), mode="r"),
    "zarr in memory": _zarr_in_memory,
    "PyDataset": lambda path, x=X: Numbered(x, None),
    "batches": lambda path, x=X: [(x[k : k + 8], Y[k : k + 8]) for k in range(0, len(x), 8)],
    "tf.data": lambda path, x=X: _batched(x),
    "tf.data of a generator": lambda path, x=X: (
        tf.data.Dataset.from_generator(lambda: iter(x), output_signature=tf.TensorSpec((4, 3)))
        .batch(8)
        .apply(tf.data.experimental.assert_cardinality(7))
    ),
}
STAY = ("tf.data", "tf.data of a generator")  # cannot go to another process
BY_PATH = ("npy", "fortran", "map", "part of a map", "turned map", "npz", "compressed", "hdf5", "open hdf5", "zarr",
           "open zarr")  # fmt: skip
STRETCHES = [(0, 5), (5, 16), (3, 4), (50, N), (0, N), (16, 24)]


@pytest.mark.parametrize("kind", KINDS)
def test_stretches_of_every_kind(kind, tmp_path):
    source = opened(KINDS[kind](tmp_path), ONE)
    assert (source.n, source.names, source.sequential) == (N, None, kind in STAY)
    for start, stop in STRETCHES:
        assert np.array_equal(np.asarray(source.read(start, stop).x), X[start:stop])


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in STAY])
def test_pickled_it_reads_the_same(kind, tmp_path):
    source = opened(KINDS[kind](tmp_path), ONE)
    source.read(0, 3)
    bytes_of = pickle.dumps(source)
    there = pickle.loads(bytes_of)
    assert there.identity() == source.identity() and there.n == N
    assert np.array_equal(np.asarray(there.read(9, 20).x), X[9:20])
    if kind in BY_PATH:
        assert len(bytes_of) < X.nbytes < len(pickle.dumps(X))


@pytest.mark.parametrize("kind", KINDS)
def test_identity_is_that_of_the_content(kind, tmp_path):
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir(), (tmp_path / "c").mkdir()
    changed = X.copy()
    changed[-1, 2, 1] += 1
    identity = opened(KINDS[kind](tmp_path / "a"), ONE).identity()
    assert json.loads(json.dumps(identity)) == identity and identity["n"] == N
    assert opened(KINDS[kind](tmp_path / "b"), ONE).identity() == identity  # a copy, with another path and time
    assert opened(KINDS[kind](tmp_path / "c", changed), ONE).identity() != identity


@pytest.mark.long
@SETTINGS
@given(st.data())
def test_random_stretches(data):
    source = opened((X, Y), ONE)
    start = data.draw(st.integers(0, N - 1))
    stop = data.draw(st.integers(start + 1, N))
    batch = source.read(start, stop)
    assert np.array_equal(batch.x, X[start:stop]) and np.array_equal(batch.y, Y[start:stop])


@SETTINGS
@given(st.data())
def test_random_stretches_of_batches(data):
    size = data.draw(st.integers(1, N + 2))
    start = data.draw(st.integers(0, N - 1))
    stop = data.draw(st.integers(start + 1, N))
    batch = opened(Numbered(size=size), ONE).read(start, stop)
    assert np.array_equal(batch.x, X[start:stop]) and np.array_equal(batch.y, Y[start:stop])


# --- Labels, several inputs, columns


@pytest.mark.parametrize("kind", ["array", "npy map", "npz", "hdf5", "zarr", "PyDataset", "batches", "tf.data"])
def test_labels(kind, tmp_path):
    if kind == "npz":
        np.savez(tmp_path / "d.npz", pixels=X, y=Y)
    if kind == "hdf5":
        with h5py.File(tmp_path / "d.h5", "w") as file:
            file["pixels"], file["y"] = X, Y
    if kind == "zarr":
        group = pytest.importorskip("zarr").open_group(tmp_path / "d.zarr", mode="w")
        group.create_array("pixels", data=X), group.create_array("y", data=Y)
    batched = tf.data.Dataset.from_tensor_slices((X, Y)).batch(8)
    given = {"array": (X, Y.tolist()), "npy map": (np.load(_npy(tmp_path), mmap_mode="r"), Y), "PyDataset": Numbered(),
             "batches": list(batched), "tf.data": batched}  # fmt: skip
    source = opened(given.get(kind, tmp_path / f"d.{'h5' if kind == 'hdf5' else kind}"), ONE)
    batch = source.read(7, 18)
    assert np.array_equal(batch.x, X[7:18]) and np.array_equal(batch.y, Y[7:18])
    assert source.read(0, 3).y is not None and opened(X, ONE).read(0, 3).y is None


def test_labels_of_other_content_are_another_source():
    assert opened((X, Y), ONE).identity() != opened((X, Y + 1), ONE).identity() != opened(X, ONE).identity()


@pytest.mark.parametrize("source", [[X, B], (X, B), ([X, B], Y), ([X, B], None)])
def test_several_inputs_in_a_list(source):
    batch = opened(source, TWO).read(4, 9)
    assert isinstance(batch.x, list) and [np.array_equal(a, b[4:9]) for a, b in zip(batch.x, (X, B), strict=True)]
    labelled = isinstance(source[0], list) and source[1] is not None
    assert np.array_equal(batch.y, Y[4:9]) if labelled else batch.y is None


def test_open_arrays_of_libraries_among_others(tmp_path):
    x, y = pytest.importorskip("zarr").create_array({}, data=X, chunks=(10, 4, 3)), h5py.File(tmp_path / "y.h5", "w")
    y["y"], y["b"] = Y, B
    batch = opened(([x, y["b"]], y["y"]), TWO).read(4, 17)
    assert np.array_equal(batch.x[0], X[4:17]) and np.array_equal(batch.x[1], B[4:17])
    assert np.array_equal(batch.y, Y[4:17])
    assert np.array_equal(opened(y, [("b", (None, 2), "float32")]).read(4, 17).x, B[4:17])  # an open file
    y["a"] = X
    assert np.array_equal(opened(y, TWO).read(4, 17).x["a"], X[4:17])


def test_several_inputs_by_name(tmp_path):
    np.savez(tmp_path / "two.npz", a=X, b=B, y=Y, more=np.zeros(3))
    np.savez(tmp_path / "order.npz", X, B)
    data = tf.data.Dataset.from_tensor_slices(({"a": X, "b": B}, Y)).batch(8)
    for source in ({"a": X, "b": tf.constant(B)}, ({"a": X, "b": B}, Y), tmp_path / "two.npz", data,
                   tmp_path / "order.npz"):  # fmt: skip
        batch = opened(source, TWO).read(4, 17)
        assert list(batch.x) == ["a", "b"]
        assert np.array_equal(batch.x["a"], X[4:17]) and np.array_equal(batch.x["b"], B[4:17])


def test_the_columns_of_data_frames_stay(rng):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"age": rng.normal(size=9), "city": list("abcabcabc"), "n": range(9)})
    source = opened((frame, frame["n"]), None)
    batch = source.read(3, 6)
    assert list(batch.x.columns) == ["age", "city", "n"] and batch.x["city"].tolist() == ["a", "b", "c"]
    assert batch.x.index.tolist() == [0, 1, 2] and batch.y.tolist() == [3, 4, 5]  # a number names no row
    assert opened(frame.set_index("city")).read(3, 6).x.index.tolist() == ["a", "b", "c"]
    other = frame.assign(city=list("abcabcabd"))
    assert opened(frame).identity() != opened(other).identity() == opened(other.copy()).identity()
    assert pickle.loads(pickle.dumps(source)).read(3, 6).x.equals(batch.x)


def test_sparse_rows_are_read_in_stretches(rng):
    sparse = pytest.importorskip("scipy.sparse")
    dense = rng.normal(size=(9, 6)).round() * 1.0
    source = opened(sparse.coo_matrix(dense), [("x", (None, 6), "float32")])
    assert source.n == 9 and np.array_equal(source.read(2, 5).x, dense[2:5])


def test_texts_in_zarr():
    words = np.array(["good", "bad", "ugly"] * 5, object)
    array = pytest.importorskip("zarr").create_array({}, shape=(15,), chunks=(4,), dtype=str)
    array[:] = words
    source = opened(array, [("x", (None,), "string")])
    assert source.read(3, 9).x.tolist() == words[3:9].tolist()
    first = source.identity()
    array[14:] = np.array(["fine"], object)  # a text alone zarr cannot write with numpy 1
    assert opened(array).identity() != first


class Lazy:
    """An array of another library: it has a shape, and is sliced."""

    shape, dtype = (1000, 2), np.dtype("float32")

    def __init__(self):
        self.asked = []

    def __getitem__(self, rows):
        self.asked.append((rows.start, rows.stop))
        return np.arange(2000, dtype="float32").reshape(1000, 2)[rows]


def test_no_more_than_the_stretch_is_read():
    lazy = Lazy()
    source = opened(lazy, [("x", (None, 2), "float32")])
    assert source.read(500, 502).x.tolist() == [[1000, 1001], [1002, 1003]]
    assert lazy.asked == [(0, 1), (500, 502)]


def test_a_source_of_ones_own():
    class Own:
        n, names, sequential = 3, None, False

        def read(self, start, stop): ...

        def identity(self):
            return {}

    own = Own()
    assert opened(own) is own and opened(opened(X)).n == N


# --- Batches


def test_batches_are_not_read_more_often_than_needed():
    data = Numbered(workers=3, use_multiprocessing=False, max_queue_size=2)
    source = opened(data, ONE)
    assert data.read == [0, 0, 6]  # the first twice, to see whether it stays; the last, to count
    for start in range(0, N, 4):
        source.read(start, min(start + 4, N))
    assert data.read[3:] == [1, 2, 3, 4, 5, 6]
    assert (data.epochs, data.workers, data.use_multiprocessing, data.max_queue_size) == (0, 3, False, 2)


def test_a_sequence_of_tf_keras_is_read_by_number():
    base = type("Sequence", (), {"__module__": "tf_keras.src.utils.data_utils"})  # told by its name: it is slow to load
    length, item = (
        {"__len__": lambda self: 7},
        {"__getitem__": lambda self, k: (X[8 * k : 8 * k + 8], Y[8 * k : 8 * k + 8])},
    )
    source = opened(type("Mine", (base,), length | item)(), ONE)
    assert source.n == N and not source.sequential and np.array_equal(source.read(7, 20).x, X[7:20])


def test_a_stream_goes_on_from_where_it_is_and_starts_again_for_what_lies_behind(monkeypatch):
    skipped, skip = [], tf.data.Dataset.skip
    monkeypatch.setattr(tf.data.Dataset, "skip", lambda data, k: skipped.append(k) or skip(data, k))
    opened(_batched(), ONE)
    assert skipped == [6]  # the last batch tells how many there are
    del skipped[:]
    source = opened(tf.data.Dataset.from_tensor_slices(X).batch(8, drop_remainder=True), ONE)
    assert source.n == 48 and skipped == []  # the shape tells
    for start in range(0, 48, 12):
        assert np.array_equal(source.read(start, start + 12).x, X[start : start + 12])
    assert skipped == [0]
    assert np.array_equal(source.read(47, 48).x, X[47:48]) and skipped == [0]  # of the batch last read
    assert np.array_equal(source.read(16, 20).x, X[16:20]) and skipped == [0, 2]
    assert np.array_equal(source.read(40, 41).x, X[40:41]) and skipped == [0, 2]


def test_batches_in_another_size_are_named():
    data = Numbered()
    data.x = np.concatenate([X[:20], X[20:]])
    broken = type("Broken", (Numbered,), {"__getitem__": lambda self, k: X[: 7 if k == 3 else 8 if k < 6 else 5]})()
    source = opened(broken, ONE)
    with pytest.raises(tfxai.errors.InputError, match=r"Batch 3 of 7 .*\(7, 4, 3\).*Expected: \(8, 4, 3\)"):
        source.read(20, 30)
    sizes = tf.data.Dataset.from_tensors(X[:8]).concatenate(tf.data.Dataset.from_tensors(X[:9]))
    with pytest.raises(tfxai.errors.InputError, match=r"Batch 1 of 2 .*\(9, 4, 3\).*data.unbatch\(\).batch\(8\)"):
        opened(sizes, ONE)


def test_what_is_drawn_anew_is_refused():
    shuffled = tf.data.Dataset.from_tensor_slices(X).shuffle(N, seed=1).batch(8)
    with pytest.raises(tfxai.errors.InputError, match="read twice, differ.*reshuffle_each_iteration=False"):
        opened(shuffled, ONE)
    fixed = tf.data.Dataset.from_tensor_slices(X).shuffle(N, seed=1, reshuffle_each_iteration=False).batch(8)
    source = opened(fixed, ONE)
    assert np.array_equal(source.read(0, 9).x, np.concatenate(list(fixed.as_numpy_iterator()))[:9])
    noisy = type("Noisy", (Numbered,), {"__getitem__": lambda self, k: X[:8] + np.random.rand()})()
    with pytest.raises(tfxai.errors.InputError, match="read twice, differ.*__getitem__"):
        opened(noisy, ONE)


def test_unknown_lengths_say_what_to_do():
    unknown = _batched().filter(lambda x: True)
    with pytest.raises(
        tfxai.errors.InputError, match=r"Its length is unknown: tell it, data.apply.*assert_cardinality"
    ):
        opened(unknown, ONE)
    assert opened(unknown.apply(tf.data.experimental.assert_cardinality(7)), ONE).n == N
    with pytest.raises(tfxai.errors.InputError, match=r"It has no end: take some of it, data.take\(batches\)"):
        opened(_batched().repeat(), ONE)
    assert np.array_equal(opened(_batched().repeat().take(6), ONE).read(40, 48).x, X[40:48])
    with pytest.raises(tfxai.errors.InputError, match=r"How many batches this Endless has is not known.*num_batches"):
        opened(type("Endless", (Numbered,), {"num_batches": None})(), ONE)


def test_what_cannot_go_to_another_process_says_what_can():
    with pytest.raises(tfxai.errors.InputTypeError, match=r"tf.data.Dataset cannot be handed.*\.npy.*PyDataset"):
        pickle.dumps(opened(_batched(), ONE))
    data = Numbered()
    data.lock = threading.Lock()
    with pytest.raises(tfxai.errors.InputTypeError, match="Numbered cannot be handed to another process.*files"):
        pickle.dumps(opened(data, ONE))


# --- Bad input


def _broken(path, name, content):
    (path / name).write_bytes(content)
    return path / name


def _cut_short(path):
    file = _npy(path)
    file.write_bytes(file.read_bytes()[:-100])
    return file


def _objects(path):
    np.save(path / "o.npy", np.array([{}], object), allow_pickle=True)
    return path / "o.npy"


BAD = {
    "nothing there": (lambda p: p / "none.npy", FileNotFoundError, "No file or folder at .*none.npy"),
    "unknown kind": (lambda p: _broken(p, "a.xyz", b""), tfxai.errors.FileFormatError, r"of no kind.*\.npy, \.npz"),
    "no npy": (lambda p: _broken(p, "a.npy", b"no"), tfxai.errors.FileFormatError, "is not an array of numbers"),
    "cut short": (_cut_short, tfxai.errors.FileFormatError, "ends before its last number"),
    "objects": (_objects, tfxai.errors.FileFormatError, "Python objects"),
    "no npz": (lambda p: _broken(p, "a.npz", b"no"), tfxai.errors.FileFormatError, "is not an archive of arrays"),
    "no hdf5": (lambda p: _broken(p, "a.h5", b"no"), tfxai.errors.FileFormatError, "is not an HDF5 file"),
    "other name": (lambda p: _hdf5(p) + "x", tfxai.errors.FileFormatError, "no array .deep/insidex.. It holds deep"),
    "several": (lambda p: _hdf5(p).split("::")[0], tfxai.errors.InputError, "takes x; the file holds.*x.h5::deep/ins"),
    "empty array": (lambda p: X[:0], tfxai.errors.InputError, "holds no examples"),
    "empty npy": (lambda p: _npy(p, X[:0]), tfxai.errors.InputError, "holds no examples"),
    "empty list": (lambda p: [], tfxai.errors.InputError, "holds no examples"),
    "empty batches": (lambda p: Numbered(X[:0]), tfxai.errors.InputError, "no batches"),
    "empty tf.data": (lambda p: _batched().take(0), tfxai.errors.InputError, "yields no batches"),
    "a number": (lambda p: 3, tfxai.errors.InputError, "no axis of examples"),
    "a generator": (lambda p: iter([X]), tfxai.errors.InputTypeError, "read once only.*PyDataset"),
    "other lengths": (lambda p: (X, Y[:-1]), tfxai.errors.InputError, "x: 53, labels: 52"),
    "ragged": (lambda p: tf.ragged.constant([[1.0], []]), tfxai.errors.InputTypeError, "Rows of different length"),
    "single examples": (lambda p: tf.data.Dataset.from_tensor_slices(X), tfxai.errors.InputError,
                        "gives single examples.*batch"),
    "ragged batches": (lambda p: tf.data.Dataset.from_tensors(tf.ragged.constant([[1.0], []])),
                       tfxai.errors.InputTypeError, "padded_batch"),
    "an object": (lambda p: object(), tfxai.errors.InputTypeError, "Expected arrays, a data set, a folder or a file"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_bad_input(what, tmp_path):
    make, error, message = BAD[what]
    with pytest.raises(error, match=message):
        opened(make(tmp_path), ONE)


def test_two_inputs_of_different_length():
    with pytest.raises(tfxai.errors.InputError, match="0: 53, 1: 50"):
        opened([X, B[:50]], TWO)


def test_a_file_that_changed_since_is_refused_where_it_is_read_again(tmp_path):
    there = pickle.dumps(opened(_npy(tmp_path), ONE))
    _npy(tmp_path, X[:50])
    with pytest.raises(tfxai.errors.InputError, match="has changed since it was opened"):
        pickle.loads(there).read(0, 3)
    there = pickle.dumps(opened(_hdf5(tmp_path), ONE))
    _hdf5(tmp_path, X[:50])
    with pytest.raises(tfxai.errors.InputError, match=re.escape("its shape was (53, 4, 3) then")):
        pickle.loads(there).read(0, 3)


# --- Digests


def test_large_content_is_read_in_even_pieces(tmp_path, monkeypatch):
    assert spread(1000, 64, 4) == [(0, 16), (328, 344), (656, 672), (984, 1000)]
    assert spread(5, 1) == [(0, 1), (4, 5)]  # two rows at least: the first and the last
    file = _broken(tmp_path, "large", bytes(1000))
    digest = of_file(file, 640)
    _broken(tmp_path, "large", bytes(998) + b"\1\0")
    assert of_file(file, 640) != digest
    _broken(tmp_path, "large", bytes(1001))
    assert of_file(file, 640) != digest
    monkeypatch.setattr("tfxai.scale.sources.digests.IN_MEMORY", 48 * 10)  # ten rows
    asked = Lazy()
    opened(asked).identity()
    assert len(asked.asked) == 1 + 60 and asked.asked[1] == (0, 1) and asked.asked[-1] == (999, 1000)


# --- In a job


JOBS = {
    "PyDataset": lambda path: Numbered(X[:20], Y[:20] % 2),
    "tf.data": lambda path: tf.data.Dataset.from_tensor_slices((X[:20], Y[:20] % 2)).batch(8),
    "map": lambda path: (np.load(_npy(path, X[:20]), mmap_mode="r"), Y[:20] % 2),
}


@pytest.mark.long
@pytest.mark.parametrize("kind", JOBS)
def test_a_job_explains_its_examples_with_their_own_labels(kind, tmp_path):
    pytest.importorskip("zarr")
    model = keras.Sequential([keras.Input((4, 3)), keras.layers.Flatten(), keras.layers.Dense(3, "gelu"),
                              keras.layers.Dense(2)])  # fmt: skip
    expected = tfxai.explain(model, X[:20], target=(Y[:20] % 2).tolist())
    given = {"target": "labels", "chunk": 6, "verbose": 0}  # no whole number of batches
    source = JOBS[kind](tmp_path)
    out = tfxai.scale.explain_dataset(model, source, tmp_path / "a.zarr", shard=(1, 2), **given)
    assert tfxai.scale.open(out).done.tolist() == [False, True, False, True]
    tfxai.scale.explain_dataset(model, source, out, **given)  # of the chunks that lie behind
    store = tfxai.scale.open(out)
    assert store.done.all() and np.allclose(store[:].values, expected.values, atol=1e-6)
    assert np.allclose(store[:].score, expected.score, atol=1e-6)
